/*
 * http/fetch_transfer.h: one transfer, and where it reports.
 *
 * A transfer lives in the memory of whoever waits for it (the frame of ol_fetch, a batch's item) and is run by a
 * runner: the thread's own (fetch_thread.c) or the engine of the fiber's loop (fetch_loop.c). Waiter and runner are the
 * same thread, so nothing here is locked; but a fiber's stack is too small for curl, so only the runner calls curl, on
 * the thread's own stack.
 *
 *     IDLE --start--> QUEUED --added to a multi handle--> RUNNING --ended by curl--> DONE
 *                        \-----------------stop------------------\------stop------> DONE
 */
#ifndef OL_HTTP_FETCH_TRANSFER_H
#define OL_HTTP_FETCH_TRANSFER_H

#include <offloop/fetch.h>

#include "base/buffer.h"
#include "base/list.h"

struct ol_fiber;
struct ol__wait;
struct ol__fetch_multi;

/**
 * What came in for one waiter: its transfers with news (ended, or body to be taken), in the order in which the news
 * came.
 */
struct ol__fetch_news {
    struct ol_link   transfers;
    struct ol__wait *waiter; /* a fiber suspended until there is news; NULL: nobody to wake */
};

enum ol__transfer_state { OL__TRANSFER_IDLE, OL__TRANSFER_QUEUED, OL__TRANSFER_RUNNING, OL__TRANSFER_DONE };

/** What a fiber asks of its loop's engine; on a thread there is no need to ask. */
enum ol__transfer_order { OL__TRANSFER_START, OL__TRANSFER_RESUME, OL__TRANSFER_STOP };

struct ol__transfer {
    /* set before the start */
    const struct ol_fetch_request *request;
    struct ol__fetch_news         *news;

    /* the runner's */
    enum ol__transfer_state state;
    enum ol__transfer_order order;
    struct ol_link          ordered; /* in the engine's list of orders */
    struct ol_fiber        *stopper; /* suspended until the order to stop is carried out */
    struct ol__fetch_multi *multi;   /* while RUNNING, with `easy` and `headers` (curl's types) */
    void                   *easy;
    void                   *headers;
    uint64_t                start_ns;
    int                     refused; /* why a callback told curl to give up, or 0 */

    /* from the runner to the waiter */
    struct ol_link          reported; /* in news->transfers, or alone */
    struct ol_buffer        piece;    /* body for on_body */
    bool                    paused;   /* curl waits until `piece` was taken */
    struct ol_fetch_result *result;
    int                     rc; /* when DONE */
    struct ol_error         error;
    char                    curl_text[256]; /* CURLOPT_ERRORBUFFER */
};

static inline void ol__fetch_news_init(struct ol__fetch_news *news)
{
    ol_link_init(&news->transfers);
    news->waiter = NULL;
}

/** What can be told to be wrong with a request before anything is sent. Returns: 0 or OL_EINVAL. Thread: any. */
int ol__fetch_check(const struct ol_fetch_request *request);

/** Prepare a transfer of a checked request. Owns: borrows both. Returns: 0 or OL_ENOMEM. */
int ol__transfer_init(struct ol__transfer *transfer, const struct ol_fetch_request *request, struct ol__fetch_news *news);

/** Free what is left in one that is IDLE or DONE. */
void ol__transfer_fini(struct ol__transfer *transfer);

/** Hand what has come of the body to on_body. Returns: 0 or what on_body said. Thread: the waiter's, outside curl. */
int ol__transfer_deliver(struct ol__transfer *transfer);

/** The result of one that ended with 0, the caller's from now on. */
struct ol_fetch_result *ol__transfer_take(struct ol__transfer *transfer);

/* ---- for the runners ---- */

/** Dress an easy handle for this transfer. Returns: 0 or OL_ENOMEM. */
int ol__transfer_dress(struct ol__transfer *transfer, void *easy);

/** Free what dressing took, when the easy handle is in no multi handle any more. */
void ol__transfer_undress(struct ol__transfer *transfer);

/** curl has ended it with `curl_code`: work out what that means, and report. */
void ol__transfer_ended(struct ol__transfer *transfer, int curl_code);

/** It could not even begin, for the reason that ol_last_error has: report. */
void ol__transfer_failed(struct ol__transfer *transfer);

#endif
