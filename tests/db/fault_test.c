/*
 * A disk that fails: what was acknowledged is there, what failed is not, nothing crashes, and it works again when the
 * disk does.
 *
 * The fault VFS makes the N-th call fail, for N = 1, 2, ... until a whole round passes without meeting it.
 */
#include "fixture.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fault_vfs.h"
#include "support/crew.h"

static const char *const schema[] = { "CREATE TABLE t (id INTEGER PRIMARY KEY, x)" };

/* Small limits, so that a round meets checkpoints too. */
static const struct ol_db_config config = {
    .readers = 2,
    .migrations = schema,
    .n_migrations = 1,
    .batch_max_s = 1000, /* a group ends when its queue is empty, however slow the machine is */
    .wal_soft_pages = 1,
    .wal_hard_pages = 20,
};

static struct ol_db *db;

static int group_setup(void **state)
{
    fault_vfs_install();
    return scratch_setup(state);
}

static int setup(void **state)
{
    (void)state;
    db = open_new(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fault_disarm();
    ol_db_close(db);
    return 0;
}

/* ---- the N-th call fails ---- */

enum { WRITES = 12 };

struct round {
    int rcs[WRITES];
    int read_rc;
};

/* Work of every kind, on a database that may fail at any call; never asserts. */
static void work(struct round *round)
{
    struct ol_rows *rows;

    for (int i = 0; i < WRITES; i++)
        round->rcs[i] = ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (?1)", OL_ARGS(OL_INT(i)));
    round->read_rc = ol_db_query(&rows, db, "SELECT count(*) FROM t", OL_NO_ARGS);
    if (round->read_rc == 0)
        ol_rows_free(rows);
}

static void work_in_fiber(void *arg)
{
    work(arg);
}

/* Acknowledged: there. Failed: not there, save after a failed sync, when nobody can know. */
static void compare(const struct round *round)
{
    for (int i = 0; i < WRITES; i++) {
        struct ol_rows *rows;
        bool            is_there;

        must(ol_db_query(&rows, db, "SELECT 1 FROM t WHERE x = ?1", OL_ARGS(OL_INT(i))));
        is_there = ol_rows_count(rows) == 1;
        assert_true(ol_rows_count(rows) <= 1);
        ol_rows_free(rows);
        if (round->rcs[i] == 0)
            assert_true(is_there);
        else if (round->rcs[i] != OL_EIO)
            assert_false(is_there);
    }
}

static void check_whole(void)
{
    struct ol_rows *rows;

    must(ol_db_query(&rows, db, "PRAGMA integrity_check", OL_NO_ARGS));
    assert_string_equal(ol_rows_bytes(rows, 0, 0, NULL), "ok");
    ol_rows_free(rows);
}

static void every_call_may_fail_once(unsigned ops, int rc)
{
    unsigned nth = 1;
    bool     fired = true;

    for (; fired; nth++) {
        struct round round = { .read_rc = 0 };

        exec(db, "DELETE FROM t");
        fault_arm(ops, nth, rc, false);
        if (nth % 2)
            work(&round);
        else
            run_fibers(work_in_fiber, &round, 0, 1);
        fired = fault_disarm();
        exec(db, "INSERT INTO t (x) VALUES (1000)"); /* it works again, without a word */
        compare(&round);
    }
    assert_true(nth > 2);
    check_whole();
}

static void any_write_may_fail(void **state)
{
    (void)state;
    every_call_may_fail_once(FAULT_WRITE, SQLITE_IOERR_WRITE);
}

static void the_disk_may_be_full_at_any_write(void **state)
{
    (void)state;
    every_call_may_fail_once(FAULT_WRITE | FAULT_TRUNCATE, SQLITE_FULL);
}

static void any_read_may_fail(void **state)
{
    (void)state;
    every_call_may_fail_once(FAULT_READ | FAULT_OTHER, SQLITE_IOERR_READ);
}

static void any_sync_may_fail(void **state)
{
    (void)state;
    every_call_may_fail_once(FAULT_SYNC, SQLITE_IOERR_FSYNC);
}

static void opening_may_fail_at_any_call_and_leaves_nothing_behind(void **state)
{
    const char *path = scratch("nth-open.sqlite");
    bool        fired = true;
    int         n_failed = 0;

    (void)state;
    for (unsigned nth = 1; fired; nth++) {
        struct ol_db *other = NULL;
        int           rc;

        fault_arm(FAULT_ALL, nth, SQLITE_IOERR, false);
        rc = ol_db_open(&other, path, &config);
        fired = fault_disarm();
        n_failed += rc < 0;
        if (rc < 0) {
            assert_null(other);
            assert_non_null(strstr(ol_last_error()->text, path));
        }
        ol_db_close(other);
        other = open_at(path, &config);
        assert_int_equal(query_int(other, "PRAGMA user_version"), 1);
        ol_db_close(other);
    }
    assert_true(n_failed > 3);
}

/* ---- a failed sync ---- */

static void after_a_failed_sync_nobody_is_acknowledged_and_the_writer_reopens(void **state)
{
    enum { N = 3 };
    struct bg_write    writes[N];
    struct ol_db_stats stats;
    struct hold        hold;

    (void)state;
    hold_writer(&hold, db);
    for (unsigned i = 0; i < N; i++) {
        writes[i] = (struct bg_write){ .db = db, .sql = "INSERT INTO t (x) VALUES (1)" };
        bg_write_start(&writes[i]);
        await_stat(db, writes_queued, i + 1);
    }
    fault_arm(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, false);
    gate_open(&hold.gate);
    pthread_join(hold.thread, NULL);
    gate_fini(&hold.gate);
    assert_int_equal(hold.rc, OL_EIO);
    for (int i = 0; i < N; i++) {
        bg_write_join(&writes[i]);
        assert_int_equal(writes[i].rc, OL_EIO);
        assert_int_equal(writes[i].error.detail, SQLITE_IOERR_FSYNC);
    }
    assert_true(fault_disarm());
    ol_db_stats(db, &stats);
    assert_int_equal(stats.writer_reopened, 1);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.writes_rerun, 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0);
    exec(db, "INSERT INTO t (x) VALUES (2)");
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 1);
}

static void a_lost_writer_comes_back_when_it_can(void **state)
{
    (void)state;
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0); /* so that this thread's connection is open */
    fault_arm(FAULT_SYNC | FAULT_OPEN, 1, SQLITE_IOERR_FSYNC, true);
    for (int i = 0; i < 3; i++)
        must_fail(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (1)", OL_NO_ARGS), OL_EIO, NULL);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0); /* reads go on */
    assert_true(fault_disarm());
    exec(db, "INSERT INTO t (x) VALUES (1)");
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 1);
}

/* ---- no space ---- */

static void a_full_disk_refuses_writes_and_reads_go_on(void **state)
{
    (void)state;
    exec(db, "INSERT INTO t (x) VALUES (1)");
    fault_arm(FAULT_WRITE, 1, SQLITE_FULL, true);
    for (int i = 0; i < 5; i++) {
        must_fail(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (2)", OL_NO_ARGS), OL_EFULL, NULL);
        assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 1);
    }
    assert_true(fault_disarm());
    exec(db, "INSERT INTO t (x) VALUES (3)");
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

static void opening_without_space_for_the_index_says_so(void **state)
{
    const char   *path = scratch("no-space.sqlite");
    struct ol_db *other = NULL;

    (void)state;
    ol_db_close(open_at(path, &config));
    fault_arm(FAULT_SHM, 1, SQLITE_IOERR_SHMSIZE, false);
    must_fail(ol_db_open(&other, path, &config), OL_EFULL, "no space left");
    assert_true(fault_disarm());
    assert_null(other);
    ol_db_close(open_at(path, &config));
}

static void in_a_group_each_is_told_of_the_full_disk(void **state)
{
    enum { N = 3 };
    struct bg_write writes[N];
    struct hold     hold;

    (void)state;
    hold_writer(&hold, db);
    for (unsigned i = 0; i < N; i++) {
        writes[i] = (struct bg_write){ .db = db, .sql = "INSERT INTO t (x) VALUES (1)" };
        bg_write_start(&writes[i]);
        await_stat(db, writes_queued, i + 1);
    }
    fault_arm(FAULT_WRITE, 1, SQLITE_FULL, true);
    gate_open(&hold.gate);
    pthread_join(hold.thread, NULL);
    gate_fini(&hold.gate);
    for (int i = 0; i < N; i++) {
        bg_write_join(&writes[i]);
        assert_int_equal(writes[i].rc, OL_EFULL);
    }
    fault_disarm();
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0);
}

static void one_write_that_does_not_fit_leaves_the_others_committed(void **state)
{
    struct bg_write writes[] = { { .sql = "INSERT INTO t (x) VALUES (1)" },
                                 { .sql = "INSERT INTO t (x) VALUES (2)" },
                                 { .sql = "INSERT INTO t (x) VALUES (3)" } };
    struct hold     hold;

    (void)state;
    hold_writer(&hold, db);
    for (unsigned i = 0; i < 3; i++) {
        writes[i].db = db;
        bg_write_start(&writes[i]);
        await_stat(db, writes_queued, i + 1);
    }
    fault_arm(FAULT_WRITE, 1, SQLITE_FULL, false); /* the group's COMMIT; apart, each fits */
    release_writer(&hold);
    for (int i = 0; i < 3; i++) {
        bg_write_join(&writes[i]);
        assert_int_equal(writes[i].rc, 0);
    }
    assert_true(fault_disarm());
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 3);
}

/* ---- who writes ---- */

static void hammer(unsigned index, void *arg)
{
    struct round *rounds = arg;

    if (index % 2)
        work(&rounds[index]);
    else
        run_fibers(work_in_fiber, &rounds[index], 0, 1);
}

static void exactly_one_thread_writes_the_file_and_its_log(void **state)
{
    struct round rounds[6] = { { .read_rc = 0 } };
    struct crew  crew;

    (void)state;
    fault_watch_writers();
    db = open_new(&config);
    crew_start(&crew, 6, hammer, rounds);
    crew_join(&crew);
    must(ol_db_backup(db, &(struct ol_db_backup){ .path = scratch("copy.sqlite"), .pages_per_step = 1 }));
    for (int i = 0; i < 6; i++)
        assert_int_equal(rounds[i].rcs[WRITES - 1], 0);
    ol_db_close(db);
    assert_int_equal(fault_writers(), 1);
}

static void a_file_that_nobody_may_write_is_refused(void **state)
{
    const char   *path = scratch("read-only.sqlite");
    struct ol_db *other = NULL;

    (void)state;
    ol_db_close(open_at(path, &config));
    fault_read_only(true);
    must_fail(ol_db_open(&other, path, &config), OL_EPERM, "read-only");
    fault_read_only(false);
    assert_non_null(strstr(ol_last_error()->text, path));
}

/* ---- readers that stand still ---- */

enum { LOOKS = 16 };

static struct {
    struct ol_scope   scope;
    _Atomic(unsigned) n_called, n_done;
    int               rcs[LOOKS];
} looks;

static void look(void *arg)
{
    int            *rc = arg;
    struct ol_rows *rows;

    ol_scope_enter(&looks.scope);
    atomic_fetch_add(&looks.n_called, 1);
    *rc = ol_db_query(&rows, db, "SELECT count(*) FROM t", OL_NO_ARGS);
    if (*rc == 0)
        ol_rows_free(rows);
    atomic_fetch_add(&looks.n_done, 1);
    ol_scope_enter(NULL);
}

static void look_from_fibers(unsigned index, void *arg)
{
    (void)index;
    run_fibers(look, arg, sizeof(int), LOOKS);
}

static void await(_Atomic(unsigned) *counter, unsigned value)
{
    uint64_t until_ns = ol_now_ns() + 30 * OL_NS_PER_S;

    while (atomic_load(counter) < value && ol_now_ns() < until_ns)
        sched_yield();
    assert_true(atomic_load(counter) >= value);
}

/*
 * Two readers, each at the gate with at most one read begun and two more taken, three in the queue: no place for the
 * others.
 */
static void behind_a_slow_disk_reads_are_refused_or_withdrawn_at_once(void **state)
{
    struct ol_db       *before = db;
    struct ol_db_config small = config;
    struct gate         gate;
    struct crew         crew;
    unsigned            n[3] = { 0 };

    (void)state;
    small.queue_max = 3;
    db = open_new(&small);
    memset(&looks, 0, sizeof looks);
    ol_scope_init(&looks.scope, NULL, 0);
    gate_init(&gate, "slow disk");
    fault_hold_readers(&gate);
    crew_start(&crew, 1, look_from_fibers, looks.rcs);
    await(&looks.n_called, LOOKS);
    ol_scope_end(&looks.scope, OL_ECANCELED);
    await(&looks.n_done, LOOKS - 2); /* all but what stands at the gate */
    gate_open(&gate);
    crew_join(&crew);
    fault_hold_readers(NULL);
    for (int i = 0; i < LOOKS; i++)
        n[looks.rcs[i] == OL_EBUSY ? 0 : looks.rcs[i] == OL_ECANCELED ? 1 : 2]++;
    assert_true(n[0] >= LOOKS - 10);
    assert_true(n[1] > 0);
    assert_int_equal(n[0] + n[1] + n[2], LOOKS);
    gate_fini(&gate);
    ol_scope_fini(&looks.scope);
    ol_db_close(db);
    db = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_write_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(the_disk_may_be_full_at_any_write, setup, teardown),
        cmocka_unit_test_setup_teardown(any_read_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(any_sync_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_may_fail_at_any_call_and_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_failed_sync_nobody_is_acknowledged_and_the_writer_reopens, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_writer_comes_back_when_it_can, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_writes_and_reads_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_without_space_for_the_index_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(in_a_group_each_is_told_of_the_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(one_write_that_does_not_fit_leaves_the_others_committed, setup, teardown),
        cmocka_unit_test(exactly_one_thread_writes_the_file_and_its_log),
        cmocka_unit_test(a_file_that_nobody_may_write_is_refused),
        cmocka_unit_test_setup_teardown(behind_a_slow_disk_reads_are_refused_or_withdrawn_at_once, setup, teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, scratch_teardown);
}
