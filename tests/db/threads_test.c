/* Threads that cannot be started: fewer readers, down to two, or a clear refusal and nothing left behind. */
#include "fixture.h"

#include <errno.h>
#include <stdatomic.h>

static _Atomic(int) fails_at; /* the call of pthread_create that fails, counting down; and all after it */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    if (atomic_load(&fails_at) > 0 && (atomic_load(&fails_at) == 1 || atomic_fetch_sub(&fails_at, 1) == 1))
        return EAGAIN;
    return __real_pthread_create(thread, attr, run, arg);
}

static void without_a_writer_or_two_readers_opening_fails(void **state)
{
    const char *path = scratch("threads.sqlite");

    (void)state;
    for (int nth = 1; nth <= 3; nth++) {
        struct ol_db *db = NULL;

        atomic_store(&fails_at, nth);
        must_fail(ol_db_open(&db, path, &(struct ol_db_config){ .readers = 4 }), OL_ESYS, path);
        assert_int_equal(ol_last_error()->detail, EAGAIN);
        atomic_store(&fails_at, 0);
        assert_null(db);
    }
    ol_db_close(open_at(path, NULL));
}

static void count_failures(const struct ol_event *event, void *arg)
{
    *(unsigned *)arg += event->code == OL_ESYS;
}

static struct ol_db *fewer;

static void use_it(void *arg)
{
    int                 *rc = arg;
    struct ol_db_stream *stream;
    struct ol_rows      *rows;

    if ((*rc = ol_db_stream_begin(&stream, fewer, "SELECT 1", OL_NO_ARGS)) < 0)
        return;
    if ((*rc = ol_db_query(&rows, fewer, "SELECT 1", OL_NO_ARGS)) == 0)
        ol_rows_free(rows);
    ol_db_stream_end(stream);
}

static void with_two_of_four_readers_it_works_and_says_so(void **state)
{
    unsigned             n_heard = 0;
    struct ol_subscriber subscriber = { .kinds = OL_EVENT_DB, .cb = count_failures, .arg = &n_heard };
    int                  rcs[8];

    (void)state;
    ol_events_subscribe(&subscriber);
    atomic_store(&fails_at, 4);
    fewer = open_new(&(struct ol_db_config){ .readers = 4 });
    atomic_store(&fails_at, 0);
    ol_events_unsubscribe(&subscriber);
    assert_int_equal(n_heard, 1);
    run_fibers(use_it, rcs, sizeof rcs[0], 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(rcs[i], 0);
    ol_db_close(fewer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_writer_or_two_readers_opening_fails),
        cmocka_unit_test(with_two_of_four_readers_it_works_and_says_so),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
