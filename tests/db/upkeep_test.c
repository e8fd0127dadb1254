/* Checkpoints, backup, statistics. */
#include "fixture.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/crew.h"

#define ENDLESS_ROWS \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, (SELECT count(*) FROM t) FROM n"

static const char *const schema[] = { "CREATE TABLE t (id INTEGER PRIMARY KEY, x)" };

static struct ol_db *open_with(struct ol_db_config config)
{
    config.migrations = schema;
    config.n_migrations = 1;
    return open_new(&config);
}

static void write_pages(struct ol_db *db, int n)
{
    for (int i = 0; i < n; i++)
        must(ol_db_exec(NULL, db, "INSERT INTO t (x) VALUES (zeroblob(8000))", OL_NO_ARGS));
}

/* ---- checkpoints ---- */

static void the_log_is_moved_when_the_writer_is_idle(void **state)
{
    struct ol_db      *db = open_with((struct ol_db_config){ .wal_soft_pages = 10 });
    struct ol_db_stats stats;

    (void)state;
    write_pages(db, 30);
    do
        ol_db_stats(db, &stats);
    while (stats.checkpoints == 0);
    write_pages(db, 200);
    ol_db_stats(db, &stats);
    assert_true(stats.wal_pages < 400); /* 230 writes of three pages each have gone through it */
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 230);
    ol_db_close(db);
}

static void an_old_reader_is_named_and_ended_when_the_log_must_be_reset(void **state)
{
    struct ol_db        *db = open_with((struct ol_db_config){
               .readers = 2, .wal_soft_pages = 5, .wal_hard_pages = 20, .read_timeout_s = 0.05, .stream_window = 4096 });
    struct ol_db_stats   stats;
    struct ol_db_stream *stream;
    struct ol_rows      *rows;
    uint64_t             until_ns = ol_now_ns() + 30 * OL_NS_PER_S;
    int                  rc;

    (void)state;
    write_pages(db, 1);
    must(ol_db_stream_begin(&stream, db, ENDLESS_ROWS, OL_NO_ARGS)); /* and it stands in the log, and nobody takes */
    ol_db_stats(db, &stats);
    assert_true(stats.oldest_reader_ns > 0);
    assert_string_equal(stats.oldest_reader_sql, ENDLESS_ROWS);
    do {
        write_pages(db, 10);
        ol_db_stats(db, &stats);
    } while (stats.oldest_reader_ns != 0 && ol_now_ns() < until_ns);
    assert_int_equal(stats.oldest_reader_ns, 0);
    while ((rc = ol_db_stream_next(&rows, stream)) == 0)
        ol_rows_free(rows);
    assert_int_equal(rc, OL_ETIMEDOUT);
    ol_db_stream_end(stream);
    do {
        write_pages(db, 1);
        ol_db_stats(db, &stats);
    } while (stats.wal_pages > 60 && ol_now_ns() < until_ns);
    assert_true(stats.wal_pages <= 60);
    ol_db_close(db);
}

/* ---- backup ---- */

struct progress {
    unsigned     n_steps;
    uint64_t     last_done, total;
    unsigned     stop_after;
    struct gate *gate; /* the first step waits here */
};

static int on_progress(const struct ol_db_backup_progress *now, void *arg)
{
    struct progress *progress = arg;

    progress->n_steps++;
    progress->last_done = now->pages_done;
    progress->total = now->pages_total;
    if (progress->n_steps == progress->stop_after)
        return OL_ECANCELED;
    if (progress->n_steps == 1 && progress->gate)
        gate_wait(progress->gate);
    return 0;
}

static void a_copy_is_whole_and_may_be_opened(void **state)
{
    struct ol_db   *db = open_with((struct ol_db_config){ 0 }), *copy;
    struct progress progress = { 0 };
    struct ol_rows *rows;
    const char     *path = scratch("copy-whole.sqlite");

    (void)state;
    write_pages(db, 50);
    must(ol_db_backup(db, &(struct ol_db_backup){
                              .path = path, .pages_per_step = 7, .on_progress = on_progress, .arg = &progress }));
    assert_true(progress.n_steps > 10);
    assert_int_equal(progress.last_done, progress.total);
    copy = open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });
    assert_int_equal(query_int(copy, "SELECT count(*) FROM t"), 50);
    must(ol_db_query(&rows, copy, "PRAGMA integrity_check", OL_NO_ARGS));
    assert_string_equal(ol_rows_bytes(rows, 0, 0, NULL), "ok");
    ol_rows_free(rows);
    ol_db_close(copy);
    ol_db_close(db);
}

struct copying {
    struct ol_db       *db;
    struct ol_db_backup order;
    struct ol_scope    *scope;
    int                 rc;
};

static void *copy_main(void *arg)
{
    struct copying *copying = arg;

    ol_scope_enter(copying->scope);
    copying->rc = ol_db_backup(copying->db, &copying->order);
    return NULL;
}

static void copy_in_fiber(void *arg)
{
    copy_main(arg);
    ol_scope_enter(NULL);
}

static void what_is_written_during_the_copy_is_in_it(void **state)
{
    struct ol_db   *db = open_with((struct ol_db_config){ 0 }), *copy;
    struct gate     gate;
    struct progress progress = { .gate = &gate };
    struct copying  copying = { .db = db };
    struct bg_write write = { .db = db, .sql = "INSERT INTO t (id, x) VALUES (1000, 'late')" };
    pthread_t       thread;

    (void)state;
    gate_init(&gate, "first step");
    copying.order = (struct ol_db_backup){
        .path = scratch("copy-during.sqlite"), .pages_per_step = 1, .on_progress = on_progress, .arg = &progress
    };
    write_pages(db, 30);
    pthread_create(&thread, NULL, copy_main, &copying);
    gate_wait_for_n(&gate, 1); /* one page is copied; the writer stands in the progress function */
    bg_write_start(&write);
    await_stat(db, writes_queued, 1);
    gate_open(&gate);
    bg_write_join(&write);
    pthread_join(thread, NULL);
    assert_int_equal(write.rc, 0);
    assert_int_equal(copying.rc, 0);
    copy = open_at(copying.order.path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });
    assert_int_equal(query_int(copy, "SELECT count(*) FROM t WHERE id = 1000"), 1);
    assert_int_equal(query_int(copy, "SELECT count(*) FROM t"), 31);
    ol_db_close(copy);
    ol_db_close(db);
    gate_fini(&gate);
}

static void a_copy_that_fails_or_is_given_up_leaves_no_file(void **state)
{
    struct ol_db   *db = open_with((struct ol_db_config){ 0 });
    struct progress progress = { .stop_after = 3 };
    const char     *path = scratch("copy-given-up.sqlite");
    struct ol_scope scope;
    struct copying  copying = { .db = db, .scope = &scope };

    (void)state;
    write_pages(db, 30);
    must_fail(ol_db_backup(db,
                           &(struct ol_db_backup){
                               .path = path, .pages_per_step = 1, .on_progress = on_progress, .arg = &progress }),
              OL_ECANCELED, "given up");
    assert_int_equal(access(path, F_OK), -1);

    ol_scope_init(&scope, NULL, 0.02);
    copying.order = (struct ol_db_backup){ .path = path, .pages_per_step = 1, .pause_s = 30 };
    run_fibers(copy_in_fiber, &copying, 0, 1);
    assert_int_equal(copying.rc, OL_ETIMEDOUT);
    assert_int_equal(access(path, F_OK), -1);
    ol_scope_fini(&scope);

    must_fail(ol_db_backup(db, &(struct ol_db_backup){ .path = scratch("no/such/copy.sqlite") }), OL_ENOENT, NULL);
    must_fail(ol_db_backup(db, &(struct ol_db_backup){ .path = NULL }), OL_EINVAL, NULL);
    must_fail(ol_db_backup(db, &(struct ol_db_backup){ .path = path, .pause_s = -1 }), OL_EINVAL, NULL);
    exec(db, "INSERT INTO t (x) VALUES (1)");
    ol_db_close(db);
}

enum { BACKUPS_MAX = 16 };

struct crowd {
    struct ol_db   *db;
    struct ol_scope scope; /* of those that were accepted; ended by the one that was not */
    unsigned        n;
    int             rcs[BACKUPS_MAX + 1];
};

static void copy_in_crowd(void *arg)
{
    struct crowd *crowd = arg;
    unsigned      index = crowd->n++;
    char          path[512];

    snprintf(path, sizeof path, "%s-%u", scratch("copy-crowd.sqlite"), index);
    ol_scope_enter(&crowd->scope);
    crowd->rcs[index] = ol_db_backup(crowd->db,
                                     &(struct ol_db_backup){ .path = path, .pages_per_step = 1, .pause_s = 30 });
    ol_scope_enter(NULL);
    if (index == BACKUPS_MAX)
        ol_scope_end(&crowd->scope, OL_ECANCELED);
}

/* The first is in its pause when the seventeenth comes. */
static void sixteen_backups_are_accepted_and_no_more(void **state)
{
    struct crowd crowd = { .db = open_with((struct ol_db_config){ 0 }) };

    (void)state;
    write_pages(crowd.db, 30);
    ol_scope_init(&crowd.scope, NULL, 0);
    run_fibers(copy_in_crowd, &crowd, 0, BACKUPS_MAX + 1);
    for (unsigned i = 0; i < BACKUPS_MAX; i++)
        assert_int_equal(crowd.rcs[i], OL_ECANCELED);
    assert_int_equal(crowd.rcs[BACKUPS_MAX], OL_EBUSY);
    ol_scope_fini(&crowd.scope);
    ol_db_close(crowd.db);
}

static void a_file_that_exists_is_not_overwritten(void **state)
{
    struct ol_db *db = open_with((struct ol_db_config){ 0 });
    const char   *path = scratch("copy-exists.sqlite");
    FILE         *file = fopen(path, "w");
    struct stat   st;

    (void)state;
    fputs("precious", file);
    fclose(file);
    must_fail(ol_db_backup(db, &(struct ol_db_backup){ .path = path }), OL_EINVAL, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 8);
    ol_db_close(db);
}

static void closing_ends_a_backup_that_runs(void **state)
{
    struct ol_db   *db = open_with((struct ol_db_config){ 0 });
    struct gate     gate;
    struct progress progress = { .gate = &gate };
    struct copying  copying = { .db = db };
    pthread_t       thread;

    (void)state;
    gate_init(&gate, "first step");
    copying.order = (struct ol_db_backup){ .path = scratch("copy-closed.sqlite"),
                                           .pages_per_step = 1,
                                           .pause_s = 30,
                                           .on_progress = on_progress,
                                           .arg = &progress };
    write_pages(db, 10);
    pthread_create(&thread, NULL, copy_main, &copying);
    gate_wait_for_n(&gate, 1);
    gate_open(&gate);
    ol_db_close(db);
    pthread_join(thread, NULL);
    assert_int_equal(copying.rc, OL_ECLOSED);
    assert_int_equal(access(copying.order.path, F_OK), -1);
    gate_fini(&gate);
}

/* ---- everything at once ---- */

enum { EACH = 150 };

struct busy_life {
    struct ol_db *db;
    int           rcs[4]; /* of each kind of thread */
};

static int read_once(struct ol_db *db)
{
    struct ol_rows *rows;
    int             rc = ol_db_query(&rows, db, "SELECT count(*), max(id) FROM t", OL_NO_ARGS);

    if (rc == 0)
        ol_rows_free(rows);
    return rc;
}

static int take_all(struct ol_db *db)
{
    struct ol_db_stream *stream;
    struct ol_rows      *rows;
    int                  rc = ol_db_stream_begin(&stream, db, "SELECT id, x FROM t", OL_NO_ARGS);

    if (rc < 0)
        return rc;
    while ((rc = ol_db_stream_next(&rows, stream)) == 0)
        ol_rows_free(rows);
    ol_db_stream_end(stream);
    return rc == OL_ENOENT ? 0 : rc;
}

static void live_in_fiber(void *arg)
{
    struct busy_life *life = arg;

    for (int i = 0; i < EACH && life->rcs[0] == 0; i++) {
        life->rcs[0] = ol_db_exec(NULL, life->db, "INSERT INTO t (x) VALUES (zeroblob(500))", OL_NO_ARGS);
        if (life->rcs[0] == 0)
            life->rcs[0] = read_once(life->db);
    }
}

static void live(unsigned index, void *arg)
{
    struct busy_life *life = arg;

    if (index == 0) {
        run_fibers(live_in_fiber, life, 0, 8);
        return;
    }
    for (int i = 0; i < EACH / 10 && life->rcs[index] == 0; i++) {
        if (index == 1)
            life->rcs[index] = read_once(life->db);
        else if (index == 2)
            life->rcs[index] = take_all(life->db);
        else if ((life->rcs[index] = ol_db_backup(life->db,
                                                  &(struct ol_db_backup){ .path = scratch("copy-busy.sqlite") })) == 0)
            remove(scratch("copy-busy.sqlite"));
    }
}

/* Readers of every kind, writers, checkpoints and backups: nobody meets SQLITE_BUSY, and nothing else either. */
static void everything_at_once_never_meets_a_lock(void **state)
{
    struct busy_life life = { .db = open_with((struct ol_db_config){ .wal_soft_pages = 4, .wal_hard_pages = 40 }) };
    struct crew      crew;

    (void)state;
    crew_start(&crew, 4, live, &life);
    crew_join(&crew);
    for (int i = 0; i < 4; i++)
        assert_int_equal(life.rcs[i], 0);
    assert_int_equal(query_int(life.db, "SELECT count(*) FROM t"), 8 * EACH);
    assert_int_equal(query_int(life.db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    ol_db_close(life.db);
}

/* ---- statistics ---- */

struct found {
    const char                  *sql;
    struct ol_db_statement_stats stats;
    unsigned                     n_texts;
};

static void find(const struct ol_db_statement_stats *stats, void *arg)
{
    struct found *found = arg;

    found->n_texts++;
    if (strcmp(stats->sql, found->sql) == 0)
        found->stats = *stats;
}

static void query_twice(void *arg)
{
    struct ol_rows *rows;

    for (int i = 0; i < 2; i++)
        if (ol_db_query(&rows, arg, "SELECT id FROM t WHERE x = 'nowhere' OR id > 0", OL_NO_ARGS) == 0)
            ol_rows_free(rows);
}

static void each_statement_is_counted_wherever_it_ran(void **state)
{
    struct ol_db *db = open_with((struct ol_db_config){ 0 });
    struct found  found = { .sql = "SELECT id FROM t WHERE x = 'nowhere' OR id > 0" };

    (void)state;
    write_pages(db, 5);
    query_twice(db);
    run_fibers(query_twice, db, 0, 1);
    ol_db_statement_stats(db, find, &found);
    assert_int_equal(found.stats.count, 4);
    assert_int_equal(found.stats.rows, 20);
    assert_true(found.stats.time_ns > 0);
    assert_true(found.stats.full_scan_steps >= 16);
    found.sql = "INSERT INTO t (x) VALUES (zeroblob(8000))";
    ol_db_statement_stats(db, find, &found);
    assert_int_equal(found.stats.count, 5);
    ol_db_close(db);
}

static void a_thousand_texts_are_told_apart_and_no_more(void **state)
{
    struct ol_db *db = open_with((struct ol_db_config){ .statements_max = 5 });
    struct found  found = { .sql = "(all other statements)" };
    char          sql[64];

    (void)state;
    for (int i = 0; i < 1100; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(query_int(db, sql), i);
    }
    assert_int_equal(query_int(db, "SELECT 3"), 3); /* thrown out of the cache long ago, and told apart still */
    ol_db_statement_stats(db, find, &found);
    assert_int_equal(found.n_texts, 1001);
    assert_true(found.stats.count >= 100);
    found = (struct found){ .sql = "SELECT 3" };
    ol_db_statement_stats(db, find, &found);
    assert_int_equal(found.stats.count, 2);
    ol_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_moved_when_the_writer_is_idle),
        cmocka_unit_test(an_old_reader_is_named_and_ended_when_the_log_must_be_reset),
        cmocka_unit_test(a_copy_is_whole_and_may_be_opened),
        cmocka_unit_test(what_is_written_during_the_copy_is_in_it),
        cmocka_unit_test(a_copy_that_fails_or_is_given_up_leaves_no_file),
        cmocka_unit_test(sixteen_backups_are_accepted_and_no_more),
        cmocka_unit_test(a_file_that_exists_is_not_overwritten),
        cmocka_unit_test(closing_ends_a_backup_that_runs),
        cmocka_unit_test(everything_at_once_never_meets_a_lock),
        cmocka_unit_test(each_statement_is_counted_wherever_it_ran),
        cmocka_unit_test(a_thousand_texts_are_told_apart_and_no_more),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
