/* ol_db_query: every place it is called from, what it refuses, how it ends, and what it may see. */
#include "fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "loop/here.h"
#include "support/crew.h"

enum { READERS = 3 };

static const char *const schema[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, 'one'), (2, 'two');"
    "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0)",
};

static struct ol_db *db;

static struct ol_db *open_with(struct ol_db_config config)
{
    config.migrations = schema;
    config.n_migrations = 1;
    return open_new(&config);
}

static int setup(void **state)
{
    (void)state;
    db = open_with((struct ol_db_config){ .readers = READERS });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ol_db_close(db);
    return 0;
}

/* ---- where it is called from ---- */

struct seen {
    int             rc;
    int64_t         value;
    struct ol_error error;
};

static void look(void *arg)
{
    struct seen    *seen = arg;
    struct ol_rows *rows;

    seen->rc = ol_db_query(&rows, db, "SELECT id FROM t WHERE x = ?1", OL_ARGS(OL_TEXT("two")));
    seen->error = *ol_last_error();
    if (seen->rc < 0)
        return;
    seen->value = ol_rows_int(rows, 0, 0);
    ol_rows_free(rows);
}

static uint64_t batches_now(void)
{
    struct ol_db_stats stats;

    ol_db_stats(db, &stats);
    return stats.read_batches;
}

static void look_from(unsigned index, void *arg)
{
    look((struct seen *)arg + index);
}

static void a_fiber_is_answered_by_a_reading_thread(void **state)
{
    struct seen seen[8] = { { 0 } };

    (void)state;
    run_fibers(look, seen, sizeof seen[0], 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(seen[i].value, 2);
    assert_true(batches_now() > 0);
}

static void a_thread_reads_where_it_is(void **state)
{
    struct seen seen[4] = { { 0 } };
    struct crew crew;

    (void)state;
    crew_start(&crew, 4, look_from, seen);
    crew_join(&crew);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i].value, 2);
    assert_int_equal(batches_now(), 0);
}

static void a_thread_beyond_the_cap_waits_for_a_reading_thread(void **state)
{
    struct seen   seen[2] = { { 0 } };
    struct ol_db *before = db;
    struct crew   crew;

    (void)state;
    db = open_with((struct ol_db_config){ .connections_max = 1 });
    look(&seen[0]); /* this thread has the one connection now */
    assert_int_equal(batches_now(), 0);
    crew_start(&crew, 1, look_from, &seen[1]);
    crew_join(&crew);
    assert_int_equal(seen[1].value, 2);
    assert_int_equal(batches_now(), 1);
    ol_db_close(db);
    db = before;
}

static void a_place_is_free_again_when_its_thread_has_ended(void **state)
{
    struct seen   seen[2] = { { 0 } };
    struct ol_db *before = db;
    struct crew   crew;

    (void)state;
    db = open_with((struct ol_db_config){ .connections_max = 1 });
    for (int i = 0; i < 2; i++) {
        crew_start(&crew, 1, look_from, &seen[i]);
        crew_join(&crew);
        assert_int_equal(seen[i].value, 2);
    }
    assert_int_equal(batches_now(), 0);
    ol_db_close(db);
    db = before;
}

static void a_worker_reads_where_it_is_only_when_its_pool_was_declared(void **state)
{
    struct seen     seen = { 0 };
    struct ol_pool *pool = (struct ol_pool *)&seen; /* only its address counts here */

    (void)state;
    ol__here.pool = pool;
    look(&seen);
    assert_int_equal(seen.value, 2);
    assert_int_equal(batches_now(), 1);
    must(ol_db_serve_pool(db, pool));
    look(&seen);
    assert_int_equal(batches_now(), 1);
    ol__here.pool = NULL;
}

struct on_loop {
    struct ol_post post;
    struct seen    seen;
    int            exec_rc, stream_rc, tx_rc, open_rc;
    bool           blocking;
};

static int nothing(struct ol_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return 0;
}

static void call_on_loop(struct ol_post *post)
{
    struct on_loop      *on_loop = (struct on_loop *)post;
    struct ol_db_stream *stream;
    struct ol_db        *other;
    struct ol__here      before;

    if (on_loop->blocking)
        before = ol__enter_blocking(NULL);
    look(&on_loop->seen);
    on_loop->exec_rc = ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (3)", OL_NO_ARGS);
    on_loop->tx_rc = ol_db_transaction(NULL, db, nothing, NULL);
    on_loop->stream_rc = ol_db_stream_begin(&stream, db, "SELECT 1", OL_NO_ARGS);
    if (on_loop->stream_rc == 0)
        ol_db_stream_end(stream);
    on_loop->open_rc = ol_db_open(&other, scratch("on-loop.sqlite"), NULL);
    if (on_loop->open_rc == 0)
        ol_db_close(other);
    if (on_loop->blocking)
        ol__leave_blocking(&before);
}

static void hold_until_posted(void *arg)
{
    (void)arg;
    ol_fiber_yield();
    ol_fiber_yield();
}

static void run_on_loop(struct on_loop *on_loop)
{
    struct ol_loop *loop;

    must(ol_loop_create(&loop, NULL));
    on_loop->post.cb = call_on_loop;
    ol_loop_post(loop, &on_loop->post);
    must(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = hold_until_posted }));
    must(ol_loop_run(loop));
    must(ol_loop_destroy(loop));
}

static void the_bare_loop_is_refused(void **state)
{
    struct on_loop on_loop = { .blocking = false };

    (void)state;
    run_on_loop(&on_loop);
    assert_int_equal(on_loop.seen.rc, OL_EONLOOP);
    assert_int_equal(on_loop.exec_rc, OL_EONLOOP);
    assert_int_equal(on_loop.tx_rc, OL_EONLOOP);
    assert_int_equal(on_loop.stream_rc, OL_EONLOOP);
    assert_int_equal(on_loop.open_rc, OL_EONLOOP);
}

static void a_blocking_route_waits_where_it_is(void **state)
{
    struct on_loop on_loop = { .blocking = true };

    (void)state;
    run_on_loop(&on_loop);
    assert_int_equal(on_loop.seen.rc, 0);
    assert_int_equal(on_loop.seen.value, 2);
    assert_int_equal(on_loop.exec_rc, 0);
    assert_int_equal(on_loop.tx_rc, 0);
    assert_int_equal(on_loop.stream_rc, 0);
    assert_int_equal(batches_now(), 0);
}

/* ---- what is refused ---- */

#define refuse(sql, code, part) must_fail(ol_db_query(&rows, db, (sql), OL_NO_ARGS), (code), (part))

static void refusals(void *arg)
{
    struct ol_value no_type = { .type = (enum ol_value_type)17 };
    struct ol_rows *rows = NULL;

    (void)arg;
    refuse("SELEC 1", OL_EINVAL, "syntax error");
    assert_int_equal(ol_last_error()->offset, 0);
    refuse("SELECT no_such FROM t", OL_EINVAL, "no_such");
    assert_int_equal(ol_last_error()->offset, 7);
    refuse("", OL_EINVAL, "no statement");
    refuse("  -- nothing\n;", OL_EINVAL, "no statement");
    refuse(NULL, OL_EINVAL, NULL);
    refuse("SELECT 1; SELECT 2", OL_EINVAL, "two statements");
    refuse("SELECT 1; nonsense", OL_EINVAL, "two statements");
    refuse("INSERT INTO t (x) VALUES (9)", OL_EINVAL, "ol_db_exec");
    refuse("UPDATE t SET x = 1", OL_EINVAL, "ol_db_exec");
    refuse("DELETE FROM t", OL_EINVAL, "ol_db_exec");
    refuse("DROP TABLE t", OL_EINVAL, "ol_db_exec");
    refuse("CREATE TEMP TABLE y (a)", OL_EINVAL, "ol_db_exec");
    refuse("UPDATE sqlite_schema SET sql = ''", OL_EINVAL, NULL);
    refuse("BEGIN", OL_EINVAL, "ol_db_transaction");
    refuse("ATTACH ':memory:' AS m", OL_EINVAL, "ATTACH");
    refuse("PRAGMA query_only = 0", OL_EINVAL, "PRAGMA");
    refuse("PRAGMA journal_mode = DELETE", OL_EINVAL, "PRAGMA");
    refuse("PRAGMA wal_checkpoint", OL_EINVAL, "PRAGMA");
    refuse("SELECT x FROM t WHERE id = ?1", OL_EINVAL, "1 parameters, 0 arguments");
    must_fail(ol_db_query(&rows, db, "SELECT 1", OL_ARGS(OL_INT(1))), OL_EINVAL, "0 parameters, 1 arguments");
    must_fail(ol_db_query(&rows, db, "SELECT ?1", (struct ol_args){ &no_type, 1 }), OL_EINVAL, "no known type");
    must_fail(ol_db_query(&rows, NULL, "SELECT 1", OL_NO_ARGS), OL_EINVAL, NULL);
    assert_null(rows);
}

static void bad_reads_are_refused_with_their_cause_on_a_thread(void **state)
{
    (void)state;
    refusals(NULL);
}

static void bad_reads_are_refused_with_their_cause_in_a_fiber(void **state)
{
    (void)state;
    run_fibers(refusals, NULL, 0, 1);
}

static void what_only_reads_is_let_through(void **state)
{
    struct ol_rows *rows;

    (void)state;
    must(ol_db_query(&rows, db, "PRAGMA table_info(t)", OL_NO_ARGS));
    assert_int_equal(ol_rows_count(rows), 2);
    ol_rows_free(rows);
    assert_int_equal(query_int(db, "SELECT 7; -- a comment, and no second statement"), 7);
    assert_int_equal(query_int(db, "/* before */ SELECT 8 ;;  "), 8);
    assert_int_equal(query_int(db, "PRAGMA user_version"), 1);
    assert_int_equal(query_int(db, "SELECT count(*) FROM pragma_table_info('t')"), 2);
    assert_int_equal(query_int(db, "SELECT sum(value) FROM json_each('[1, 2, 3]')"), 6);
}

static void a_result_beyond_its_limit_is_refused(void **state)
{
    struct ol_db_config config = { .rows_bytes_max = 10000 };
    struct ol_db       *small = open_new(&config);
    struct ol_rows     *rows;

    (void)state;
    must_fail(ol_db_query(&rows, small, "SELECT 1 UNION ALL SELECT zeroblob(20000)", OL_NO_ARGS), OL_ELIMIT,
              "ol_db_stream");
    ol_db_close(small);
}

/* ---- how it ends ---- */

struct timed {
    double          timeout_s;
    const char     *sql;
    int             rc;
    struct ol_error error;
};

static void query_under_scope(void *arg)
{
    struct timed   *timed = arg;
    struct ol_scope scope;
    struct ol_rows *rows;

    ol_scope_init(&scope, NULL, timed->timeout_s);
    ol_scope_enter(&scope);
    timed->rc = ol_db_query(&rows, db, timed->sql, OL_NO_ARGS);
    timed->error = *ol_last_error();
    if (timed->rc == 0)
        ol_rows_free(rows);
    ol_scope_enter(NULL);
    ol_scope_fini(&scope);
}

static void a_running_read_ends_at_its_deadline(void **state)
{
    struct timed timed[2] = { { .timeout_s = 0.02, .sql = ENDLESS }, { .timeout_s = 0.02, .sql = ENDLESS } };

    (void)state;
    query_under_scope(&timed[0]);
    run_fibers(query_under_scope, &timed[1], sizeof timed[1], 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(timed[i].rc, OL_ETIMEDOUT);
        assert_int_equal(timed[i].error.code, OL_ETIMEDOUT);
    }
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

static void a_read_ends_at_the_databases_own_limit(void **state)
{
    struct ol_db   *before = db;
    struct timed    timed = { .sql = ENDLESS };
    struct ol_rows *rows;

    (void)state;
    db = open_with((struct ol_db_config){ .read_timeout_s = 0.02 });
    must_fail(ol_db_query(&rows, db, ENDLESS, OL_NO_ARGS), OL_ETIMEDOUT, "deadline");
    run_fibers(query_under_scope, &timed, sizeof timed, 1);
    assert_int_equal(timed.rc, OL_ETIMEDOUT);
    ol_db_close(db);
    db = before;
}

struct endless {
    struct ol_scope scope;
    int             rc;
    bool            in_fiber;
};

static void query_endless(void *arg)
{
    struct endless *endless = arg;
    struct ol_rows *rows;

    ol_scope_enter(&endless->scope);
    endless->rc = ol_db_query(&rows, db, ENDLESS, OL_NO_ARGS);
    ol_scope_enter(NULL);
}

static void query_endless_from(unsigned index, void *arg)
{
    struct endless *endless = (struct endless *)arg + index;

    if (endless->in_fiber)
        run_fibers(query_endless, endless, 0, 1);
    else
        query_endless(endless);
}

static void a_cancelled_read_stops_while_it_runs(void **state)
{
    struct endless endless[2] = { { .in_fiber = false }, { .in_fiber = true } };
    struct crew    crew;

    (void)state;
    for (int i = 0; i < 2; i++)
        ol_scope_init(&endless[i].scope, NULL, 0);
    crew_start(&crew, 2, query_endless_from, endless);
    /* Both are running when the oldest read transaction has an age, and nothing is queued. */
    for (struct ol_db_stats stats = { 0 }; stats.oldest_reader_ns == 0 || !stats.oldest_reader_sql; sched_yield())
        ol_db_stats(db, &stats);
    for (int i = 0; i < 2; i++)
        ol_scope_end(&endless[i].scope, OL_ECANCELED);
    crew_join(&crew);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(endless[i].rc, OL_ECANCELED);
        ol_scope_fini(&endless[i].scope);
    }
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

static void a_scope_that_has_ended_begins_nothing(void **state)
{
    struct ol_scope scope;
    struct ol_rows *rows;

    (void)state;
    ol_scope_init(&scope, NULL, 0);
    ol_scope_end(&scope, OL_ECANCELED);
    ol_scope_enter(&scope);
    must_fail(ol_db_query(&rows, db, "SELECT 1", OL_NO_ARGS), OL_ECANCELED, NULL);
    must_fail(ol_db_exec(NULL, db, "DELETE FROM t", OL_NO_ARGS), OL_ECANCELED, NULL);
    ol_scope_enter(NULL);
    ol_scope_fini(&scope);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

/* ---- long reads and short ones ---- */

struct mix {
    struct ol_scope *scope;
    bool             is_long;
    int              rc;
    unsigned        *n_long_left, *n_short_left;
};

static void read_in_a_mix(void *arg)
{
    struct mix     *mix = arg;
    struct ol_rows *rows;

    if (mix->is_long)
        ol_scope_enter(mix->scope);
    mix->rc = ol_db_query(&rows, db, mix->is_long ? ENDLESS : "SELECT x FROM t WHERE id = 1", OL_NO_ARGS);
    if (mix->rc == 0)
        ol_rows_free(rows);
    --*(mix->is_long ? mix->n_long_left : mix->n_short_left);
    if (*mix->n_short_left == 0)
        ol_scope_end(mix->scope, OL_ECANCELED); /* only now may the long ones stop */
    ol_scope_enter(NULL);
}

static void point_reads_are_answered_while_more_long_reads_than_readers_run(void **state)
{
    enum { LONG = READERS + 2, SHORT = 200 };
    static struct mix mix[LONG + SHORT];
    unsigned          n_long_left = LONG, n_short_left = SHORT;
    struct ol_scope   scope;

    (void)state;
    ol_scope_init(&scope, NULL, 0);
    for (int i = 0; i < LONG + SHORT; i++)
        mix[i] = (struct mix){ &scope, i < LONG, 1, &n_long_left, &n_short_left };
    run_fibers(read_in_a_mix, mix, sizeof mix[0], LONG + SHORT);
    for (int i = 0; i < LONG + SHORT; i++)
        assert_int_equal(mix[i].rc, i < LONG ? OL_ECANCELED : 0);
    assert_int_equal(n_long_left, 0);
    ol_scope_fini(&scope);
}

static void a_queued_read_ends_at_its_deadline_while_all_readers_are_busy(void **state)
{
    enum { LONG = READERS + 3 };
    struct timed timed[LONG];

    (void)state;
    for (int i = 0; i < LONG; i++)
        timed[i] = (struct timed){ .timeout_s = i < READERS ? 0.1 : 0.05, .sql = ENDLESS };
    run_fibers(query_under_scope, timed, sizeof timed[0], LONG);
    for (int i = 0; i < LONG; i++)
        assert_int_equal(timed[i].rc, OL_ETIMEDOUT);
}

/* A little more than 5 ms of work, and an answer. Longer where the machine is slower, which does no harm. */
static void read_of_some_length(void *arg)
{
    struct seen    *seen = arg;
    struct ol_rows *rows;

    seen->rc = ol_db_query(
        &rows, db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT count(*) FROM n",
        OL_NO_ARGS);
    if (seen->rc < 0)
        return;
    seen->value = ol_rows_int(rows, 0, 0);
    ol_rows_free(rows);
}

static void a_read_that_lost_its_place_is_run_again_alone_to_its_end(void **state)
{
    struct seen seen[4 * READERS] = { { 0 } };

    (void)state;
    run_fibers(read_of_some_length, seen, sizeof seen[0], 4 * READERS);
    for (int i = 0; i < 4 * READERS; i++) {
        assert_int_equal(seen[i].rc, 0);
        assert_int_equal(seen[i].value, 100000);
    }
}

/* ---- what it sees ---- */

struct watcher {
    int      rc;
    unsigned n_stale, n_reads;
};

static _Atomic(int64_t)  told; /* the last value that was acknowledged as committed */
static _Atomic(unsigned) n_writers;

static void read_and_compare(void *arg)
{
    struct watcher *watcher = arg;
    struct ol_rows *rows;

    while (watcher->rc == 0 && atomic_load(&n_writers) > 0) {
        int64_t at_least = atomic_load(&told);

        watcher->rc = ol_db_query(&rows, db, "SELECT n FROM counter", OL_NO_ARGS);
        if (watcher->rc < 0)
            return;
        watcher->n_stale += ol_rows_int(rows, 0, 0) < at_least;
        watcher->n_reads++;
        ol_rows_free(rows);
    }
}

static void count_up(unsigned index, void *arg)
{
    (void)index, (void)arg;
    for (int64_t i = 1; i <= 300; i++)
        if (ol_db_exec(NULL, db, "UPDATE counter SET n = ?1", OL_ARGS(OL_INT(i))) == 0)
            atomic_store(&told, i);
    atomic_fetch_sub(&n_writers, 1);
}

static void read_from_fibers_or_thread(unsigned index, void *arg)
{
    struct watcher *watchers = arg;

    if (index == 0)
        run_fibers(read_and_compare, watchers, sizeof *watchers, 8);
    else
        read_and_compare(&watchers[7 + index]);
}

static void a_read_is_never_older_than_its_arrival(void **state)
{
    struct watcher watchers[10] = { { 0 } };
    struct crew    writers, readers;
    unsigned       n_reads = 0;

    (void)state;
    atomic_store(&told, 0);
    atomic_store(&n_writers, 1);
    crew_start(&readers, 3, read_from_fibers_or_thread, watchers);
    crew_start(&writers, 1, count_up, NULL);
    crew_join(&writers);
    crew_join(&readers);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(watchers[i].rc, 0);
        assert_int_equal(watchers[i].n_stale, 0);
        n_reads += watchers[i].n_reads;
    }
    assert_true(n_reads > 0);
    assert_int_equal(atomic_load(&told), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fiber_is_answered_by_a_reading_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thread_reads_where_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thread_beyond_the_cap_waits_for_a_reading_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(a_place_is_free_again_when_its_thread_has_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_reads_where_it_is_only_when_its_pool_was_declared, setup, teardown),
        cmocka_unit_test_setup_teardown(the_bare_loop_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_blocking_route_waits_where_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_reads_are_refused_with_their_cause_on_a_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_reads_are_refused_with_their_cause_in_a_fiber, setup, teardown),
        cmocka_unit_test_setup_teardown(what_only_reads_is_let_through, setup, teardown),
        cmocka_unit_test_setup_teardown(a_result_beyond_its_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_running_read_ends_at_its_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_ends_at_the_databases_own_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_read_stops_while_it_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scope_that_has_ended_begins_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(point_reads_are_answered_while_more_long_reads_than_readers_run, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queued_read_ends_at_its_deadline_while_all_readers_are_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_that_lost_its_place_is_run_again_alone_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_is_never_older_than_its_arrival, setup, teardown),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
