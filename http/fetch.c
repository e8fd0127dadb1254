/*
 * fetch.c: ol_fetch: one HTTP request to somebody else, from any place that may wait.
 *
 * The rest of the client, from the bottom up:
 *
 *     fetch_result.c     an answer while it arrives; knows nothing of curl
 *     fetch_transfer.c   a request in curl's terms, and curl's end of it in ours
 *     fetch_multi.c      a multi handle with its easy handles, and curl's set-up
 *     fetch_thread.c     runs transfers where they are waited for
 *     fetch_loop.c       runs the transfers of a loop's fibers
 *     fetch_batch.c      many at once
 *
 * The promise is that nothing is under way any more when ol_fetch returns: a transfer that was given up has left its
 * multi handle, and its connection is closed.
 */
#include <offloop/fetch.h>

#include "base/error.h"
#include "http/fetch_runner.h"
#include "loop/here.h"

const struct ol__fetch_runner *ol__fetch_runner_here(void)
{
    switch (ol__where()) {
    case OL__AT_FIBER: return &ol__fetch_loop_runner;
    case OL__AT_THREAD:
    case OL__AT_BLOCKING: return &ol__fetch_thread_runner;
    case OL__AT_LOOP: break;
    }
    ol__fail(OL_EONLOOP, 0, "a fetch would block the loop");
    return NULL;
}

/* Hand over the body as it comes, until the transfer has ended or the caller or its scope wants no more of it. */
static int await(const struct ol__fetch_runner *runner, struct ol__transfer *transfer)
{
    struct ol__fetch_news *news = transfer->news;

    for (;;) {
        int rc = runner->wait(news);

        if (rc == 0) {
            ol_list_pop(&news->transfers);
            rc = ol__transfer_deliver(transfer);
        }
        if (rc < 0) {
            runner->stop(transfer);
            return rc;
        }
        if (transfer->state == OL__TRANSFER_DONE)
            return transfer->rc < 0 ? ol__fail_with(&transfer->error) : 0;
        if (transfer->paused)
            runner->resume(transfer);
    }
}

int ol_fetch(struct ol_fetch_result **ret_result, const struct ol_fetch_request *request)
{
    const struct ol__fetch_runner *runner = ol__fetch_runner_here();
    struct ol__fetch_news          news;
    struct ol__transfer            transfer;

    if (!runner)
        return OL_EONLOOP;
    int rc = ol__fetch_check(request);
    if (rc < 0)
        return rc;
    rc = ol_cancelled();
    if (rc < 0)
        return ol__fail(rc, 0, "not begun: %s", ol_strerror(rc));
    ol__fetch_news_init(&news);
    rc = ol__transfer_init(&transfer, request, &news);
    if (rc < 0)
        return rc;
    rc = runner->start(&transfer);
    if (rc == 0)
        rc = await(runner, &transfer);
    if (rc == 0)
        *ret_result = ol__transfer_take(&transfer);
    ol__transfer_fini(&transfer);
    return rc;
}
