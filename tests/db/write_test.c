/* ol_db_exec and ol_db_transaction: results, refusals, who may be withdrawn and when, another process's lock. */
#include "fixture.h"

#include <sched.h>
#include <sqlite3.h>
#include <string.h>

#include "support/crew.h"

static struct ol_db *db;

static const char *const schema[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE, y TEXT NOT NULL DEFAULT ''); CREATE TABLE strict (n INTEGER NOT NULL) STRICT",
};

static struct ol_db *open_with(struct ol_db_config config)
{
    config.migrations = schema;
    config.n_migrations = 1;
    return open_new(&config);
}

static int setup(void **state)
{
    (void)state;
    db = open_with((struct ol_db_config){ 0 });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ol_db_close(db);
    return 0;
}

/* ---- results and refusals ---- */

static void expect_result(const char *sql, int64_t changes, int64_t last_insert_id)
{
    struct ol_db_result result = { -1, -1 };

    must(ol_db_exec(&result, db, sql, OL_NO_ARGS));
    assert_int_equal(result.changes, changes);
    assert_int_equal(result.last_insert_id, last_insert_id);
}

static void results_count_this_statement_alone(void **state)
{
    (void)state;
    expect_result("INSERT INTO t (x) VALUES (1), (2), (3)", 3, 3);
    expect_result("UPDATE t SET y = 'a' WHERE id > 1", 2, 0);
    expect_result("UPDATE t SET y = 'b' WHERE id > 99", 0, 0);
    expect_result("CREATE TABLE other (z)", 0, 0);
    expect_result("INSERT INTO t (x) VALUES (4) RETURNING id, x", 1, 4);
    expect_result("INSERT OR IGNORE INTO t (x) VALUES (4)", 0, 0);
    expect_result("DELETE FROM t WHERE id = 4", 1, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 3);
}

#define refuse(sql, code, part) must_fail(ol_db_exec(NULL, db, (sql), OL_NO_ARGS), (code), (part))

static void refusals(void *arg)
{
    (void)arg;
    refuse("INSERT INTO t VALUE (1)", OL_EINVAL, "syntax error");
    assert_int_equal(ol_last_error()->offset, 14);
    refuse("INSERT INTO no_such VALUES (1)", OL_EINVAL, "no_such");
    refuse("INSERT INTO strict VALUES ('text')", OL_ECONSTRAINT, "INTEGER");
    assert_int_equal(ol_last_error()->detail, SQLITE_CONSTRAINT_DATATYPE);
    refuse("INSERT INTO t (id) VALUES ('text')", OL_ECONSTRAINT, "mismatch");
    refuse("INSERT INTO t (y) VALUES (NULL)", OL_ECONSTRAINT, "NOT NULL");
    assert_int_equal(ol_last_error()->detail, SQLITE_CONSTRAINT_NOTNULL);
    refuse("DELETE FROM t; DELETE FROM t", OL_EINVAL, "two statements");
    refuse("BEGIN", OL_EINVAL, "ol_db_transaction");
    refuse("COMMIT", OL_EINVAL, "ol_db_transaction");
    refuse("ROLLBACK", OL_EINVAL, "ol_db_transaction");
    refuse("SAVEPOINT mine", OL_EINVAL, "ol_db_transaction");
    refuse("RELEASE job", OL_EINVAL, "ol_db_transaction");
    refuse("ATTACH ':memory:' AS m", OL_EINVAL, "ATTACH");
    refuse("DETACH m", OL_EINVAL, "DETACH");
    refuse("VACUUM", OL_EINVAL, NULL);
    refuse("PRAGMA synchronous = OFF", OL_EINVAL, "PRAGMA");
    refuse("PRAGMA wal_checkpoint(TRUNCATE)", OL_EINVAL, "PRAGMA");
    refuse("PRAGMA foreign_keys = OFF", OL_EINVAL, "PRAGMA");
    refuse("INSERT INTO t (x) VALUES (?1)", OL_EINVAL, "1 parameters, 0 arguments");
    refuse("", OL_EINVAL, "no statement");
    refuse(NULL, OL_EINVAL, NULL);
    must_fail(ol_db_transaction(NULL, db, NULL, NULL), OL_EINVAL, NULL);
    must(ol_db_exec(NULL, db, "INSERT OR REPLACE INTO t (x) VALUES ('all is well')", OL_NO_ARGS));
}

static void bad_writes_are_refused_with_their_cause_on_a_thread(void **state)
{
    (void)state;
    refusals(NULL);
}

static void bad_writes_are_refused_with_their_cause_in_a_fiber(void **state)
{
    (void)state;
    run_fibers(refusals, NULL, 0, 1);
}

/* ---- many at once ---- */

static void write_some(void *arg)
{
    int *rc = arg;

    for (int i = 0; i < 20 && *rc == 0; i++)
        *rc = ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (NULL)", OL_NO_ARGS);
}

static void write_from(unsigned index, void *arg)
{
    int *rcs = (int *)arg + 16 * index;

    if (index == 0)
        run_fibers(write_some, rcs, sizeof *rcs, 16);
    else
        write_some(rcs);
}

static void writes_from_fibers_and_threads_are_all_there(void **state)
{
    int         rcs[16 * 4] = { 0 };
    struct crew crew;

    (void)state;
    crew_start(&crew, 4, write_from, rcs);
    crew_join(&crew);
    for (int i = 0; i < 16 * 4; i++)
        assert_int_equal(rcs[i], 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), (16 + 3) * 20);
}

static void a_full_queue_refuses(void **state)
{
    struct ol_db   *before = db;
    struct bg_write writes[2];
    struct hold     hold;

    (void)state;
    db = open_with((struct ol_db_config){ .queue_max = 2 });
    hold_writer(&hold, db);
    for (int i = 0; i < 2; i++) {
        writes[i] = (struct bg_write){ .db = db, .sql = "INSERT INTO t (x) VALUES (NULL)" };
        bg_write_start(&writes[i]);
    }
    await_stat(db, writes_queued, 2);
    must_fail(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (NULL)", OL_NO_ARGS), OL_EBUSY, "waiting");
    release_writer(&hold);
    for (int i = 0; i < 2; i++) {
        bg_write_join(&writes[i]);
        assert_int_equal(writes[i].rc, 0);
    }
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
    ol_db_close(db);
    db = before;
}

static void batches_keep_to_their_bounds(void **state)
{
    enum { N = 9 };
    struct ol_db      *before = db;
    struct bg_write    writes[N];
    struct ol_db_stats stats;
    struct hold        hold;

    (void)state;
    db = open_with((struct ol_db_config){ .batch_max = 3, .batch_max_s = 1000 });
    hold_writer(&hold, db);
    for (unsigned i = 0; i < N; i++) {
        writes[i] = (struct bg_write){ .db = db, .sql = "INSERT INTO t (x) VALUES (NULL)" };
        bg_write_start(&writes[i]);
        await_stat(db, writes_queued, i + 1);
    }
    release_writer(&hold);
    for (int i = 0; i < N; i++)
        bg_write_join(&writes[i]);
    ol_db_stats(db, &stats);
    assert_int_equal(stats.write_batch_max, 3);
    assert_int_equal(stats.writes, N + 1);
    assert_int_equal(stats.commits, 4); /* 3 (the holder among them), 3, 3, 1 */
    ol_db_close(db);
    db = before;
}

/* ---- cancel ---- */

static void a_queued_write_is_withdrawn_at_once_and_never_runs(void **state)
{
    struct ol_scope scope;
    struct bg_write write = { .db = db, .sql = "INSERT INTO t (x) VALUES (1)", .scope = &scope };
    struct hold     hold;

    (void)state;
    ol_scope_init(&scope, NULL, 0);
    hold_writer(&hold, db);
    bg_write_start(&write);
    await_stat(db, writes_queued, 1);
    ol_scope_end(&scope, OL_ECANCELED);
    bg_write_join(&write); /* the writer is still held */
    assert_int_equal(write.rc, OL_ECANCELED);
    release_writer(&hold);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0);
    ol_scope_fini(&scope);
}

static void a_queued_write_ends_at_its_deadline(void **state)
{
    struct ol_scope scope;
    struct hold     hold;

    (void)state;
    hold_writer(&hold, db);
    ol_scope_init(&scope, NULL, 0.02);
    ol_scope_enter(&scope);
    must_fail(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS), OL_ETIMEDOUT, NULL);
    ol_scope_enter(NULL);
    ol_scope_fini(&scope);
    release_writer(&hold);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0);
}

struct cancelled_inside {
    struct ol_scope scope;
    int             rc;
};

static int cancel_myself(struct ol_tx *tx, void *arg)
{
    struct cancelled_inside *inside = arg;

    ol_scope_end(&inside->scope, OL_ECANCELED);
    return ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS);
}

static void cancel_inside(void *arg)
{
    struct cancelled_inside *inside = arg;

    ol_scope_enter(&inside->scope);
    inside->rc = ol_db_transaction(NULL, db, cancel_myself, inside);
    ol_scope_enter(NULL);
}

static void a_running_write_is_finished_and_said_so(void **state)
{
    struct cancelled_inside inside[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        ol_scope_init(&inside[i].scope, NULL, 0);
        if (i == 0)
            cancel_inside(&inside[i]);
        else
            run_fibers(cancel_inside, &inside[i], 0, 1);
        assert_int_equal(inside[i].rc, i == 0 ? 0 : OL_ECONSTRAINT); /* the first one is there */
        ol_scope_fini(&inside[i].scope);
    }
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 1);
}

/* ---- inside a transaction ---- */

struct inside {
    int rcs[4];
};

static int call_in_from_inside(struct ol_tx *tx, void *arg)
{
    struct inside       *inside = arg;
    struct ol_db_stream *stream;
    struct ol_rows      *rows;

    (void)tx;
    inside->rcs[0] = ol_db_exec(NULL, db, "DELETE FROM t", OL_NO_ARGS);
    inside->rcs[1] = ol_db_query(&rows, db, "SELECT 1", OL_NO_ARGS);
    inside->rcs[2] = ol_db_stream_begin(&stream, db, "SELECT 1", OL_NO_ARGS);
    inside->rcs[3] = ol_db_transaction(NULL, db, call_in_from_inside, arg);
    return 0;
}

static void calls_from_inside_a_body_are_refused_instead_of_waiting_for_ever(void **state)
{
    struct inside inside = { { 0 } };

    (void)state;
    must(ol_db_transaction(NULL, db, call_in_from_inside, &inside));
    for (int i = 0; i < 4; i++)
        assert_int_equal(inside.rcs[i], OL_EPERM);
}

static int begin_another(struct ol_tx *tx, void *arg)
{
    (void)arg;
    return ol_tx_exec(NULL, tx, "COMMIT", OL_NO_ARGS);
}

static int go_on_after_a_constraint(struct ol_tx *tx, void *arg)
{
    int *rc = arg;

    ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS);
    *rc = ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS);
    return ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (2)", OL_NO_ARGS);
}

static void a_body_may_not_commit_but_may_go_on_after_a_constraint(void **state)
{
    int rc = 0;

    (void)state;
    must_fail(ol_db_transaction(NULL, db, begin_another, NULL), OL_EINVAL, "ol_db_transaction");
    must(ol_db_transaction(NULL, db, go_on_after_a_constraint, &rc));
    assert_int_equal(rc, OL_ECONSTRAINT);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

/* ---- another process ---- */

/* A connection of its own is another process as far as SQLite's locks are concerned. */
static sqlite3 *take_lock(const char *path)
{
    sqlite3 *other;

    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return other;
}

static void release_lock(sqlite3 *other)
{
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void a_lock_of_another_process_is_waited_for(void **state)
{
    const char     *path = scratch("locked.sqlite");
    struct ol_db   *locked = open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });
    struct bg_write write = { .db = locked, .sql = "INSERT INTO t (x) VALUES (1)" };
    sqlite3        *other = take_lock(path);

    (void)state;
    bg_write_start(&write);
    await_stat(locked, writes_queued, 1); /* and there it stays: nothing is taken up before the lock is ours */
    assert_int_equal(query_int(locked, "SELECT count(*) FROM t"), 0);
    release_lock(other);
    bg_write_join(&write);
    assert_int_equal(write.rc, 0);
    ol_db_close(locked);
}

static void a_lock_that_is_held_too_long_is_given_up(void **state)
{
    const char     *path = scratch("held.sqlite");
    struct ol_db   *locked = open_at(path, &(struct ol_db_config){
                                               .migrations = schema, .n_migrations = 1, .busy_timeout_s = 0.05 });
    sqlite3        *other = take_lock(path);
    struct ol_scope scope;
    struct ol_rows *rows;

    (void)state;
    must_fail(ol_db_exec(NULL, locked, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS), OL_ETIMEDOUT, "another process");
    assert_int_equal(ol_last_error()->detail & 0xff, SQLITE_BUSY);
    ol_scope_init(&scope, NULL, 0.01);
    ol_scope_enter(&scope);
    must_fail(ol_db_exec(NULL, locked, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS), OL_ETIMEDOUT, "scope");
    ol_scope_enter(NULL);
    ol_scope_fini(&scope);
    must(ol_db_query(&rows, locked, "SELECT 1", OL_NO_ARGS));
    ol_rows_free(rows);
    release_lock(other);
    exec(locked, "INSERT INTO t (x) VALUES (2)");
    assert_int_equal(query_int(locked, "SELECT x FROM t"), 2);
    ol_db_close(locked);
}

static void closing_finishes_what_was_accepted(void **state)
{
    const char     *path = scratch("closing.sqlite");
    struct ol_db   *closing = open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });
    struct bg_write writes[4];
    struct hold     hold;

    (void)state;
    hold_writer(&hold, closing);
    for (int i = 0; i < 4; i++) {
        writes[i] = (struct bg_write){ .db = closing, .sql = "INSERT INTO t (x) VALUES (NULL)" };
        bg_write_start(&writes[i]);
    }
    await_stat(closing, writes_queued, 4);
    gate_open(&hold.gate);
    ol_db_close(closing);
    pthread_join(hold.thread, NULL);
    gate_fini(&hold.gate);
    for (int i = 0; i < 4; i++) {
        bg_write_join(&writes[i]);
        assert_int_equal(writes[i].rc, 0);
    }
    closing = open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });
    assert_int_equal(query_int(closing, "SELECT count(*) FROM t"), 4);
    ol_db_close(closing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_count_this_statement_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_writes_are_refused_with_their_cause_on_a_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_writes_are_refused_with_their_cause_in_a_fiber, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_from_fibers_and_threads_are_all_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_keep_to_their_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queued_write_is_withdrawn_at_once_and_never_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queued_write_ends_at_its_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_running_write_is_finished_and_said_so, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_from_inside_a_body_are_refused_instead_of_waiting_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_may_not_commit_but_may_go_on_after_a_constraint, setup, teardown),
        cmocka_unit_test(a_lock_of_another_process_is_waited_for),
        cmocka_unit_test(a_lock_that_is_held_too_long_is_given_up),
        cmocka_unit_test(closing_finishes_what_was_accepted),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
