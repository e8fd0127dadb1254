/*
 * Batches: every request is answered once, in the order of arrival, with at most `concurrency` under way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/fetch_case.h"
#include "support/gate.h"
#include "support/service.h"

enum { REQUESTS = 200, CONCURRENCY = 7 };

/* ---- a service that counts how many requests are there at once ---- */

struct desk {
    pthread_mutex_t lock;
    unsigned        n_here, most; /* guarded by lock */
    struct gate     slow;         /* requests for /slow wait here */
};

static void enter(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->n_here++;
    if (desk->n_here > desk->most)
        desk->most = desk->n_here;
    pthread_mutex_unlock(&desk->lock);
}

static void leave(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->n_here--;
    pthread_mutex_unlock(&desk->lock);
}

static void answer_at_desk(struct exchange *exchange)
{
    struct desk *desk = exchange->arg;

    enter(desk);
    if (strcmp(exchange->path, "/slow") == 0)
        gate_wait(&desk->slow);
    leave(desk);
    if (strcmp(exchange->path, "/reset") == 0)
        service_reset(exchange);
    else
        service_answer(exchange, exchange->path);
}

static struct desk     desk = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct service *service;

static int open_desk(void **state)
{
    (void)state;
    desk.most = desk.n_here = 0;
    gate_init(&desk.slow, "slow");
    service = service_start(answer_at_desk, &desk);
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    gate_open(&desk.slow);
    service_stop(service);
    gate_fini(&desk.slow);
    return 0;
}

/* ---- what is done in each place; the first thing that goes wrong is kept ---- */

struct errand {
    const char *wrong;
    unsigned    n_answers, n_right;
    bool        answered[REQUESTS];
    int         rc;
};

static bool expect(struct errand *errand, bool ok, const char *what)
{
    if (!ok && !errand->wrong)
        errand->wrong = what;
    return ok;
}

static struct ol_fetch_batch *new_batch(struct errand *errand, unsigned concurrency)
{
    struct ol_fetch_batch *batch = NULL;
    int rc = ol_fetch_batch_create(&batch, &(struct ol_fetch_batch_config){ .concurrency = concurrency });

    expect(errand, rc == 0, "create");
    return batch;
}

static void add(struct errand *errand, struct ol_fetch_batch *batch, uint64_t id, const char *path)
{
    int rc = ol_fetch_batch_add(batch, id, &(struct ol_fetch_request){ .url = service_url(service, path) });

    expect(errand, rc == 0, "add");
}

static void take_all(struct errand *errand, struct ol_fetch_batch *batch)
{
    struct ol_fetch_answer answer;

    while ((errand->rc = ol_fetch_batch_next(&answer, batch)) == 0) {
        char   path[32];
        size_t size;

        errand->n_answers++;
        expect(errand, answer.id < REQUESTS && !errand->answered[answer.id], "an answer twice, or to nothing");
        errand->answered[answer.id % REQUESTS] = true;
        snprintf(path, sizeof path, "/%u", (unsigned)answer.id);
        errand->n_right += answer.rc == 0 && strcmp(ol_fetch_body(answer.result, &size), path) == 0;
        ol_fetch_result_free(answer.result);
    }
    expect(errand, errand->rc == OL_ENOENT, "the end");
}

static void fetch_them_all(void *arg)
{
    struct errand         *errand = arg;
    struct ol_fetch_batch *batch = new_batch(errand, CONCURRENCY);

    for (unsigned i = 0; i < REQUESTS; i++) {
        char path[32];

        snprintf(path, sizeof path, "/%u", i);
        add(errand, batch, i, path);
    }
    take_all(errand, batch);
    ol_fetch_batch_destroy(batch);
}

static void every_request_is_answered_once_within_the_concurrency(void **state)
{
    struct errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, fetch_them_all, &errand);
    assert_null(errand.wrong);
    assert_int_equal(errand.n_answers, REQUESTS);
    assert_int_equal(errand.n_right, REQUESTS);
    assert_in_range(desk.most, 1, CONCURRENCY);
    assert_in_range(service_connections(service), 1, CONCURRENCY);
}

static void fetch_slow_first(void *arg)
{
    struct errand         *errand = arg;
    struct ol_fetch_batch *batch = new_batch(errand, 0);
    struct ol_fetch_answer first = { 0 }, second = { 0 };

    add(errand, batch, 1, "/slow");
    add(errand, batch, 2, "/quick");
    expect(errand, ol_fetch_batch_next(&first, batch) == 0 && first.id == 2, "the quick one first");
    gate_open(&desk.slow);
    expect(errand, ol_fetch_batch_next(&second, batch) == 0 && second.id == 1, "the slow one second");
    ol_fetch_result_free(first.result);
    ol_fetch_result_free(second.result);
    ol_fetch_batch_destroy(batch);
}

static void answers_come_in_the_order_of_their_arrival(void **state)
{
    struct errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, fetch_slow_first, &errand);
    assert_null(errand.wrong);
}

static void fetch_bad_among_good(void *arg)
{
    struct errand         *errand = arg;
    struct ol_fetch_batch *batch = new_batch(errand, 2);
    struct ol_fetch_answer answer;

    add(errand, batch, 0, "/a");
    add(errand, batch, 1, "/reset");
    add(errand, batch, 2, "/b");
    expect(errand, ol_fetch_batch_add(batch, 3, &(struct ol_fetch_request){ .url = "ftp://x/" }) == OL_EINVAL, "ftp");
    while (ol_fetch_batch_next(&answer, batch) == 0) {
        errand->n_answers++;
        if (answer.id == 1)
            expect(errand,
                   answer.rc == OL_EUPSTREAM && !answer.result && answer.error.code == OL_EUPSTREAM &&
                       answer.error.detail && *answer.error.text,
                   "the failure's answer");
        else
            expect(errand, answer.rc == 0 && ol_fetch_status(answer.result) == 200, "the others");
        ol_fetch_result_free(answer.result);
    }
    add(errand, batch, 4, "/more"); /* a batch that has run dry goes on */
    expect(errand, ol_fetch_batch_next(&answer, batch) == 0 && answer.id == 4, "one more");
    ol_fetch_result_free(answer.result);
    ol_fetch_batch_destroy(batch);
}

static void failure_is_an_answer_like_others(void **state)
{
    struct errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, fetch_bad_among_good, &errand);
    assert_null(errand.wrong);
    assert_int_equal(errand.n_answers, 3);
}

static void wait_under_a_deadline(void *arg)
{
    struct errand         *errand = arg;
    struct ol_fetch_batch *batch = new_batch(errand, 0);
    struct ol_fetch_answer answer = { 0 };
    struct ol_scope        scope;

    add(errand, batch, 1, "/slow");
    ol_scope_init(&scope, NULL, 0.05);
    struct ol_scope *before = ol_scope_enter(&scope);
    expect(errand, ol_fetch_batch_next(&answer, batch) == OL_ETIMEDOUT, "the deadline ends the wait");
    ol_scope_enter(before);
    ol_scope_fini(&scope);
    gate_open(&desk.slow);
    expect(errand, ol_fetch_batch_next(&answer, batch) == 0 && answer.rc == 0, "but not the transfer");
    ol_fetch_result_free(answer.result);
    ol_fetch_batch_destroy(batch);
}

static void deadline_ends_the_wait_and_not_the_transfers(void **state)
{
    struct errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, wait_under_a_deadline, &errand);
    assert_null(errand.wrong);
}

static void leave_some_under_way(void *arg)
{
    struct errand         *errand = arg;
    struct ol_fetch_batch *batch = new_batch(errand, 50);
    struct ol_fetch_answer answer;

    for (unsigned i = 0; i < 100; i++)
        add(errand, batch, i, i == 0 ? "/quick" : "/slow");
    expect(errand, ol_fetch_batch_next(&answer, batch) == 0, "next");
    ol_fetch_result_free(answer.result);
    ol_fetch_batch_destroy(batch);
}

static void destroy_ends_what_is_under_way_and_what_waits(void **state)
{
    struct errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, leave_some_under_way, &errand);
    assert_null(errand.wrong);
}

/* ---- the rest ---- */

static void request_is_copied(void *arg)
{
    struct errand         *errand = arg;
    struct ol_fetch_batch *batch = new_batch(errand, 0);
    char                   url[128], method[] = "PUT", name[] = "X-Name", value[] = "value", body[] = "body";
    struct ol_fetch_header header = { name, value };
    struct ol_fetch_answer answer;
    size_t                 size;

    snprintf(url, sizeof url, "%s", service_url(service, "/copied"));
    struct ol_fetch_request request = {
        .url = url,
        .method = method,
        .headers = &header,
        .n_headers = 1,
        .body = body,
        .body_size = 4,
    };
    expect(errand, ol_fetch_batch_add(batch, 9, &request) == 0, "add");
    memset(url, 'x', 20), memset(method, 'x', 3), memset(name, 'x', 3), memset(value, '\n', 3), memset(body, 'x', 3);
    memset(&header, 0, sizeof header), memset(&request, 0, sizeof request);
    expect(errand, ol_fetch_batch_next(&answer, batch) == 0 && answer.rc == 0, "next");
    expect(errand, strcmp(ol_fetch_body(answer.result, &size), "/copied") == 0, "body");
    ol_fetch_result_free(answer.result);
    ol_fetch_batch_destroy(batch);
}

static void added_request_may_be_changed_afterwards(void **state)
{
    struct errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, request_is_copied, &errand);
    assert_null(errand.wrong);
}

struct body_errand {
    struct errand errand;
    size_t        n_taken;
};

static int count_body(const void *data, size_t size, void *arg)
{
    struct body_errand *errand = arg;

    (void)data;
    errand->n_taken += size;
    return size == 5 ? OL_EPERM : 0; /* "/quit" */
}

static void fetch_with_takers(void *arg)
{
    struct body_errand    *errand = arg;
    struct ol_fetch_batch *batch = new_batch(&errand->errand, 0);
    struct ol_fetch_answer answer;
    static const char     *paths[] = { "/one", "/quit", "/six" };

    for (unsigned i = 0; i < 3; i++) {
        struct ol_fetch_request request = { .url = service_url(service, paths[i]),
                                            .on_body = count_body,
                                            .on_body_arg = errand };
        expect(&errand->errand, ol_fetch_batch_add(batch, i, &request) == 0, "add");
    }
    while (ol_fetch_batch_next(&answer, batch) == 0) {
        errand->errand.n_answers++;
        expect(&errand->errand, answer.rc == (answer.id == 1 ? OL_EPERM : 0), "what the taker said");
        ol_fetch_result_free(answer.result);
    }
    ol_fetch_batch_destroy(batch);
}

static void bodies_may_be_taken_as_they_come(void **state)
{
    struct body_errand errand = { 0 };

    in_place(*(enum place *)*state, NULL, fetch_with_takers, &errand);
    assert_null(errand.errand.wrong);
    assert_int_equal(errand.errand.n_answers, 3);
    assert_int_equal(errand.n_taken, strlen("/one") + strlen("/quit") + strlen("/six"));
}

static void try_on_the_loop(void *arg)
{
    struct ol_fetch_batch *batch = NULL;

    *(int *)arg = ol_fetch_batch_create(&batch, NULL);
}

static void bare_loop_is_refused(void **state)
{
    int rc = 0;

    (void)state;
    in_place(BARE_LOOP, NULL, try_on_the_loop, &rc);
    assert_int_equal(rc, OL_EONLOOP);
}

static void too_much_concurrency_is_refused(void **state)
{
    struct ol_fetch_batch *batch = NULL;

    (void)state;
    assert_int_equal(ol_fetch_batch_create(&batch, &(struct ol_fetch_batch_config){ .concurrency = 16385 }), OL_EINVAL);
    assert_null(batch);
    ol_fetch_batch_destroy(NULL);
}

#define AT_A_DESK(test) IN_EVERY_PLACE_WITH(test, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_A_DESK(every_request_is_answered_once_within_the_concurrency),
        AT_A_DESK(answers_come_in_the_order_of_their_arrival),
        AT_A_DESK(failure_is_an_answer_like_others),
        AT_A_DESK(deadline_ends_the_wait_and_not_the_transfers),
        AT_A_DESK(destroy_ends_what_is_under_way_and_what_waits),
        AT_A_DESK(added_request_may_be_changed_afterwards),
        AT_A_DESK(bodies_may_be_taken_as_they_come),
        cmocka_unit_test(bare_loop_is_refused),
        cmocka_unit_test(too_much_concurrency_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
