/*
 * Group commit: a failing write fails alone, and nobody is told before the commit.
 *
 * The writer is held by a transaction while writes queue up behind it, one after the other, so that all of them fall
 * into its group.
 */
#include "fixture.h"

#include <sched.h>
#include <sqlite3.h>
#include <string.h>

enum { N = 8 };

static struct ol_db *db;

static const char *const schema[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE);"
    "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
    "CREATE TABLE child (p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE now (p REFERENCES parent (id));"
    "CREATE TRIGGER abort_13 BEFORE INSERT ON t WHEN NEW.x = 13 BEGIN SELECT RAISE(ABORT, 'unlucky'); END;"
    "CREATE TRIGGER rollback_14 BEFORE INSERT ON t WHEN NEW.x = 14 BEGIN SELECT RAISE(ROLLBACK, 'worse'); END;"
    "CREATE TRIGGER fail_15 AFTER INSERT ON t WHEN NEW.x = 15 BEGIN SELECT RAISE(FAIL, 'late'); END",
};

static int setup(void **state)
{
    (void)state;
    db = open_new(&(struct ol_db_config){ .migrations = schema, .n_migrations = 1, .batch_max_s = 1000 });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ol_db_close(db);
    return 0;
}

/* Run the writes as one group, in their order. */
static void run_group(struct bg_write *writes, unsigned n)
{
    struct hold hold;

    hold_writer(&hold, db);
    for (unsigned i = 0; i < n; i++) {
        writes[i].db = db;
        bg_write_start(&writes[i]);
        await_stat(db, writes_queued, i + 1);
    }
    release_writer(&hold);
    for (unsigned i = 0; i < n; i++)
        bg_write_join(&writes[i]);
}

static struct ol_db_stats stats_now(void)
{
    struct ol_db_stats stats;

    ol_db_stats(db, &stats);
    return stats;
}

static void writes_that_queue_share_one_commit(void **state)
{
    struct bg_write    writes[N] = { { 0 } };
    struct ol_db_stats before = stats_now();

    (void)state;
    for (unsigned i = 0; i < N; i++)
        writes[i].sql = "INSERT INTO t (x) VALUES (NULL)";
    run_group(writes, N);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(writes[i].rc, 0);
        assert_int_equal(writes[i].result.changes, 1);
        assert_int_equal(writes[i].result.last_insert_id, i + 1);
    }
    assert_int_equal(stats_now().commits, before.commits + 1);
    assert_int_equal(stats_now().write_batch_max, N + 1);
    assert_int_equal(stats_now().writes_rerun, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), N);
}

static void a_constraint_fails_alone(void **state)
{
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (2)" } };

    (void)state;
    run_group(writes, 3);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, OL_ECONSTRAINT);
    assert_int_equal(writes[1].error.detail, SQLITE_CONSTRAINT_UNIQUE);
    assert_non_null(strstr(writes[1].error.text, "t.x"));
    assert_int_equal(writes[2].rc, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
    assert_int_equal(stats_now().writes_rerun, 0);
}

static void or_fail_leaves_nothing_of_its_write(void **state)
{
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT OR FAIL INTO t (x) VALUES (7), (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (8), (15)" },
                                 { .sql = "INSERT INTO t (x) VALUES (2)" } };

    (void)state;
    run_group(writes, 4);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, OL_ECONSTRAINT);
    assert_int_equal(writes[2].rc, OL_ECONSTRAINT);
    assert_int_equal(writes[3].rc, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t WHERE x IN (7, 8)"), 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

/* The culprit takes the whole transaction with it: the others must be there all the same. */
static void expect_culprit_alone(const char *culprit, int code, int detail)
{
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (2)" },
                                 { .sql = culprit },
                                 { .sql = "INSERT INTO t (x) VALUES (3)" } };

    run_group(writes, 4);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, 0);
    assert_int_equal(writes[2].rc, code);
    assert_int_equal(writes[2].error.detail, detail);
    assert_int_equal(writes[3].rc, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 3);
    assert_int_equal(query_int(db, "SELECT count(*) FROM child"), 0);
}

static void or_rollback_fails_alone(void **state)
{
    (void)state;
    expect_culprit_alone("INSERT OR ROLLBACK INTO t (x) VALUES (1)", OL_ECONSTRAINT, SQLITE_CONSTRAINT_UNIQUE);
    assert_int_equal(stats_now().writes_rerun, 3); /* the holder and two more were before it */
}

static void raise_rollback_fails_alone(void **state)
{
    (void)state;
    expect_culprit_alone("INSERT INTO t (x) VALUES (14)", OL_ECONSTRAINT, SQLITE_CONSTRAINT_TRIGGER);
}

static void raise_abort_fails_alone(void **state)
{
    (void)state;
    expect_culprit_alone("INSERT INTO t (x) VALUES (13)", OL_ECONSTRAINT, SQLITE_CONSTRAINT_TRIGGER);
    assert_int_equal(stats_now().writes_rerun, 0);
}

static void a_deferred_foreign_key_fails_alone(void **state)
{
    (void)state;
    expect_culprit_alone("INSERT INTO child VALUES (99)", OL_ECONSTRAINT, SQLITE_CONSTRAINT_FOREIGNKEY);
    assert_int_equal(stats_now().writes_rerun, 0);
}

static void an_immediate_foreign_key_fails_alone(void **state)
{
    (void)state;
    expect_culprit_alone("INSERT INTO now VALUES (99)", OL_ECONSTRAINT, SQLITE_CONSTRAINT_FOREIGNKEY);
}

static void bad_sql_fails_alone_and_names_the_place(void **state)
{
    (void)state;
    expect_culprit_alone("INSERT INTO t (x) VALUSE (1)", OL_EINVAL, SQLITE_ERROR);
}

static void a_write_alone_fails_like_one_in_a_group(void **state)
{
    (void)state;
    exec(db, "INSERT INTO t (x) VALUES (1)");
    must_fail(ol_db_exec(NULL, db, "INSERT OR ROLLBACK INTO t (x) VALUES (1)", OL_NO_ARGS), OL_ECONSTRAINT, "t.x");
    must_fail(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (14)", OL_NO_ARGS), OL_ECONSTRAINT, "worse");
    must_fail(ol_db_exec(NULL, db, "INSERT INTO child VALUES (99)", OL_NO_ARGS), OL_ECONSTRAINT, "FOREIGN KEY");
    must_fail(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (8), (15)", OL_NO_ARGS), OL_ECONSTRAINT, "late");
    exec(db, "INSERT INTO t (x) VALUES (2)");
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

/* "There is a 1 already" is only true once the other 1 is committed. */
static void a_write_that_failed_for_an_uncommitted_one_is_run_again_with_it(void **state)
{
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (14)" } };

    (void)state;
    run_group(writes, 3);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, OL_ECONSTRAINT);
    assert_int_equal(writes[2].rc, OL_ECONSTRAINT);
    assert_int_equal(stats_now().writes_rerun, 3);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 1);
}

/* ---- transactions in a group ---- */

struct body {
    unsigned n_runs;
    int      last_rc;
};

static int insert_two_and_fail(struct ol_tx *tx, void *arg)
{
    int *rcs = arg;

    rcs[0] = ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (21)", OL_NO_ARGS);
    rcs[1] = ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (22)", OL_NO_ARGS);
    return OL_ENOENT;
}

static int insert_and_count(struct ol_tx *tx, void *arg)
{
    struct body    *body = arg;
    struct ol_rows *rows;
    int             rc;

    body->n_runs++;
    if ((rc = ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (31), (32)", OL_NO_ARGS)) < 0 ||
        (rc = ol_tx_query(&rows, tx, "SELECT count(*) FROM t WHERE x IN (31, 32)", OL_NO_ARGS)) < 0)
        return rc;
    body->last_rc = (int)ol_rows_int(rows, 0, 0);
    ol_rows_free(rows);
    return ol_tx_exec(NULL, tx, "INSERT INTO t (id) VALUES (1000)", OL_NO_ARGS);
}

static int roll_back_and_pretend(struct ol_tx *tx, void *arg)
{
    struct body *body = arg;

    if (ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (41)", OL_NO_ARGS) == 0)
        ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (14)", OL_NO_ARGS);
    body->last_rc = ol_tx_exec(NULL, tx, "INSERT INTO t (x) VALUES (42)", OL_NO_ARGS);
    return 0;
}

static void a_body_that_gives_up_leaves_nothing_and_its_neighbours_alone(void **state)
{
    struct body     body = { 0 };
    int             rcs[2] = { 1, 1 };
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .fn = insert_two_and_fail, .arg = rcs },
                                 { .fn = insert_and_count, .arg = &body },
                                 { .sql = "INSERT INTO t (x) VALUES (2)" } };

    (void)state;
    run_group(writes, 4);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, OL_ENOENT);
    assert_int_equal(rcs[0], 0);
    assert_int_equal(rcs[1], 0);
    assert_int_equal(writes[2].rc, 0);
    assert_int_equal(writes[2].result.changes, 3);
    assert_int_equal(writes[2].result.last_insert_id, 1000);
    assert_int_equal(writes[3].rc, 0);
    assert_int_equal(body.n_runs, 1);
    assert_int_equal(body.last_rc, 2);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t WHERE x IN (21, 22)"), 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 5);
}

static void a_body_runs_twice_at_most_and_counts_once(void **state)
{
    struct body     body = { 0 };
    struct bg_write writes[] = { { .fn = insert_and_count, .arg = &body }, { .sql = "INSERT INTO t (x) VALUES (14)" } };

    (void)state;
    run_group(writes, 2);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, OL_ECONSTRAINT);
    assert_int_equal(body.n_runs, 2);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 3);
}

static void a_body_that_overlooks_a_lost_transaction_fails_all_the_same(void **state)
{
    struct body     body = { 0 };
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .fn = roll_back_and_pretend, .arg = &body },
                                 { .sql = "INSERT INTO t (x) VALUES (2)" } };

    (void)state;
    run_group(writes, 3);
    assert_int_equal(writes[0].rc, 0);
    assert_int_equal(writes[1].rc, OL_ECONSTRAINT);
    assert_non_null(strstr(writes[1].error.text, "worse"));
    assert_int_equal(body.last_rc, OL_ECONSTRAINT);
    assert_int_equal(writes[2].rc, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_that_queue_share_one_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_constraint_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(or_fail_leaves_nothing_of_its_write, setup, teardown),
        cmocka_unit_test_setup_teardown(or_rollback_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(raise_rollback_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(raise_abort_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deferred_foreign_key_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(an_immediate_foreign_key_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_sql_fails_alone_and_names_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_alone_fails_like_one_in_a_group, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_failed_for_an_uncommitted_one_is_run_again_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_that_gives_up_leaves_nothing_and_its_neighbours_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_runs_twice_at_most_and_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_that_overlooks_a_lost_transaction_fails_all_the_same, setup, teardown),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
