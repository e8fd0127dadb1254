/*
 * fetch_batch.c: many requests at once, their answers one by one as they arrive, without a server and without
 * callbacks.
 *
 * A batch is one waiter for many transfers. Requests wait in their order as small copies; ol_fetch_batch_next starts as
 * many as the concurrency allows, waits for news, and hands out the first transfer that has ended. An answer that is
 * not yet taken counts as under way, so a slow taker holds the services back instead of collecting answers in memory.
 *
 * It runs where ol_fetch would: a thread drives its transfers inside ol_fetch_batch_next, a loop drives those of its
 * fibers all the time. The end of the scope ends the wait, not the transfers: the batch can be asked again under
 * another scope, and ol_fetch_batch_destroy ends what is under way.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/fetch_runner.h"

enum { CONCURRENCY = 100, WAITING_MAX = 1048576 };

/* A request that waits or is under way, with copies of all it points to behind it in the same memory. */
struct item {
    struct ol_link          link; /* in `waiting` */
    uint64_t                id;
    struct ol_fetch_request request;
};

struct under_way {
    struct ol_link      link; /* in `under_way` */
    struct item        *item;
    struct ol__transfer transfer;
};

struct ol_fetch_batch {
    const struct ol__fetch_runner *runner; /* of the place where it was made, and where it must be used */
    struct ol__fetch_news          news;
    struct ol_link                 waiting, under_way;
    unsigned                       n_waiting, n_under_way, concurrency;
};

int ol_fetch_batch_create(struct ol_fetch_batch **ret_batch, const struct ol_fetch_batch_config *config)
{
    const struct ol__fetch_runner *runner = ol__fetch_runner_here();
    unsigned                       concurrency = config && config->concurrency ? config->concurrency : CONCURRENCY;

    if (!runner)
        return OL_EONLOOP;
    if (concurrency > OL__FETCH_TRANSFERS_MAX)
        return ol__fail(OL_EINVAL, 0, "a batch has at most %d transfers under way", OL__FETCH_TRANSFERS_MAX);
    struct ol_fetch_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ol__fail(OL_ENOMEM, 0, "no memory for a batch");
    batch->runner = runner;
    batch->concurrency = concurrency;
    ol__fetch_news_init(&batch->news);
    ol_link_init(&batch->waiting);
    ol_link_init(&batch->under_way);
    *ret_batch = batch;
    return 0;
}

/* ---- copying a request ---- */

static size_t size_of_copies(const struct ol_fetch_request *request)
{
    size_t size = strlen(request->url) + 1 + request->body_size;

    if (request->method)
        size += strlen(request->method) + 1;
    if (request->ca_file)
        size += strlen(request->ca_file) + 1;
    for (size_t i = 0; i < request->n_headers; i++)
        size += sizeof *request->headers + strlen(request->headers[i].name) + strlen(request->headers[i].value) + 2;
    return size;
}

static const void *put(char **at, const void *from, size_t size)
{
    char *to = *at;

    memcpy(to, from, size);
    *at += size;
    return to;
}

static const char *put_string(char **at, const char *from)
{
    return put(at, from, strlen(from) + 1);
}

/* The headers come first in the memory, since they alone need an alignment. */
static void copy_request(struct item *item, const struct ol_fetch_request *request)
{
    struct ol_fetch_header *headers = (struct ol_fetch_header *)(void *)(item + 1);
    char                   *at = (char *)(headers + request->n_headers);

    item->request = *request;
    item->request.url = put_string(&at, request->url);
    if (request->method)
        item->request.method = put_string(&at, request->method);
    if (request->ca_file)
        item->request.ca_file = put_string(&at, request->ca_file);
    for (size_t i = 0; i < request->n_headers; i++) {
        headers[i].name = put_string(&at, request->headers[i].name);
        headers[i].value = put_string(&at, request->headers[i].value);
    }
    item->request.headers = headers;
    if (request->body_size)
        item->request.body = put(&at, request->body, request->body_size);
}

int ol_fetch_batch_add(struct ol_fetch_batch *batch, uint64_t id, const struct ol_fetch_request *request)
{
    int rc = ol__fetch_check(request);

    if (rc < 0)
        return rc;
    if (batch->n_waiting == WAITING_MAX)
        return ol__fail(OL_EBUSY, 0, "%d requests are waiting in this batch", WAITING_MAX);
    struct item *item = malloc(sizeof *item + size_of_copies(request));
    if (!item)
        return ol__fail(OL_ENOMEM, 0, "no memory for a request");
    item->id = id;
    copy_request(item, request);
    ol_list_append(&batch->waiting, &item->link);
    batch->n_waiting++;
    return 0;
}

/* ---- running ---- */

/*
 * Begin the first of those that wait. What goes wrong with it is its answer. Returns: 0, or OL_ENOMEM: nothing was
 * changed.
 */
static int begin_one(struct ol_fetch_batch *batch)
{
    struct under_way *run = malloc(sizeof *run);

    if (!run)
        return ol__fail(OL_ENOMEM, 0, "no memory for a transfer");
    run->item = OL_CONTAINER_OF(batch->waiting.next, struct item, link);
    int rc = ol__transfer_init(&run->transfer, &run->item->request, &batch->news);
    if (rc < 0) {
        free(run);
        return rc;
    }
    ol_list_remove(&run->item->link);
    batch->n_waiting--;
    ol_list_append(&batch->under_way, &run->link);
    batch->n_under_way++;
    if (batch->runner->start(&run->transfer) < 0)
        ol__transfer_failed(&run->transfer);
    return 0;
}

static int top_up(struct ol_fetch_batch *batch)
{
    int rc = 0;

    while (rc == 0 && batch->n_under_way < batch->concurrency && !ol_list_empty(&batch->waiting))
        rc = begin_one(batch);
    /* Short of memory, what is under way goes on; its end makes room. */
    return batch->n_under_way > 0 ? 0 : rc;
}

static void forget(struct ol_fetch_batch *batch, struct under_way *run)
{
    ol_list_remove(&run->link);
    batch->n_under_way--;
    ol__transfer_fini(&run->transfer);
    free(run->item);
    free(run);
}

static void hand_out(struct ol_fetch_answer *ret_answer, struct ol_fetch_batch *batch, struct under_way *run, int rc)
{
    *ret_answer = (struct ol_fetch_answer){ .id = run->item->id, .rc = rc };
    if (rc == 0)
        ret_answer->result = ol__transfer_take(&run->transfer);
    else
        ret_answer->error = run->transfer.error;
    forget(batch, run);
}

/* Look at the first transfer with news. Returns whether it gave an answer. */
static bool look(struct ol_fetch_answer *ret_answer, struct ol_fetch_batch *batch)
{
    struct ol__transfer *transfer = OL_CONTAINER_OF(ol_list_pop(&batch->news.transfers), struct ol__transfer, reported);
    struct under_way    *run = OL_CONTAINER_OF(transfer, struct under_way, transfer);
    int                  rc = ol__transfer_deliver(transfer);

    if (rc < 0) {
        batch->runner->stop(transfer);
        transfer->error = (struct ol_error){ .code = rc, .offset = -1, .text = "the taker of the body gave up" };
        hand_out(ret_answer, batch, run, rc);
        return true;
    }
    if (transfer->state == OL__TRANSFER_DONE) {
        hand_out(ret_answer, batch, run, transfer->rc);
        return true;
    }
    if (transfer->paused)
        batch->runner->resume(transfer);
    return false;
}

int ol_fetch_batch_next(struct ol_fetch_answer *ret_answer, struct ol_fetch_batch *batch)
{
    if (!ol__fetch_runner_here())
        return OL_EONLOOP;
    assert(ol__fetch_runner_here() == batch->runner);
    for (;;) {
        int rc = top_up(batch);

        if (rc == 0 && batch->n_under_way == 0)
            return ol__fail(OL_ENOENT, 0, "every request of the batch has been answered");
        if (rc == 0)
            rc = batch->runner->wait(&batch->news);
        if (rc < 0)
            return rc;
        if (look(ret_answer, batch))
            return 0;
    }
}

void ol_fetch_batch_destroy(struct ol_fetch_batch *batch)
{
    if (!batch)
        return;
    while (!ol_list_empty(&batch->under_way)) {
        struct under_way *run = OL_CONTAINER_OF(batch->under_way.next, struct under_way, link);

        batch->runner->stop(&run->transfer);
        forget(batch, run); /* NOLINT(clang-analyzer-unix.Malloc): it left the list, and is not found there again */
    }
    struct ol_link *link = batch->waiting.next;
    while (link != &batch->waiting) {
        struct item *item = OL_CONTAINER_OF(link, struct item, link);

        link = link->next;
        free(item);
    }
    free(batch);
}
