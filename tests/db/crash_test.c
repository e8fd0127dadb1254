/*
 * kill -9 at any moment: every acknowledged row is there, and the file is whole.
 *
 * A child process opens the database, writes from several fibers and threads, and reports each acknowledged row
 * through a pipe. It is killed after a number of acknowledgements that differs from round to round, in the middle of
 * whatever it does then.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/crew.h"

enum { ROUNDS = 40, WRITERS = 8 };

static const char *const schema[] = { "CREATE TABLE t (id INTEGER PRIMARY KEY, filler)" };

/* Small limits: checkpoints and the log's restart are among the moments. */
static const struct ol_db_config config = {
    .readers = 2,
    .migrations = schema,
    .n_migrations = 1,
    .wal_soft_pages = 8,
    .wal_hard_pages = 64,
};

/* ---- the child ---- */

static struct {
    struct ol_db    *db;
    int              report; /* the pipe */
    _Atomic(int64_t) next;
} child;

static void write_and_report(void *arg)
{
    (void)arg;
    for (;;) {
        int64_t id = child.next++;

        if (ol_db_exec(NULL, child.db, "INSERT INTO t VALUES (?1, zeroblob(?1 % 3000))", OL_ARGS(OL_INT(id))) < 0)
            _exit(3);
        if (write(child.report, &id, sizeof id) != sizeof id) /* atomic: smaller than PIPE_BUF */
            _exit(4);
    }
}

static void write_from(unsigned index, void *arg)
{
    (void)arg;
    if (index > 0) {
        write_and_report(NULL);
    } else {
        struct ol_loop *loop;

        if (ol_loop_create(&loop, NULL) < 0)
            _exit(5);
        for (int i = 0; i < WRITERS; i++)
            ol_fiber_start(loop, &(struct ol_fiber_config){ .run = write_and_report });
        ol_loop_run(loop);
    }
}

static _Noreturn void run_child(const char *path, int report, int64_t first)
{
    struct crew crew;

    child.report = report;
    child.next = first;
    if (ol_db_open(&child.db, path, &config) < 0)
        _exit(2);
    crew_start(&crew, 2, write_from, NULL);
    crew_join(&crew);
    _exit(1);
}

/* ---- the parent ---- */

/*
 * Take what the child reports; kill it after `n` and read the rest. Returns how many rows were acknowledged, marked
 * in `acked`.
 */
static size_t reap(pid_t pid, int from, size_t n, bool *acked, int64_t *max_id)
{
    size_t  n_acked = 0;
    int64_t id;

    while (read(from, &id, sizeof id) == sizeof id) {
        acked[id] = true;
        if (id > *max_id)
            *max_id = id;
        if (++n_acked == n)
            kill(pid, SIGKILL);
    }
    return n_acked;
}

static size_t missing_rows(struct ol_db *db, const bool *acked, int64_t max_id)
{
    struct ol_rows *rows;
    bool           *there = calloc((size_t)max_id + 100, sizeof *there);
    size_t          n_missing = 0;

    must(ol_db_query(&rows, db, "SELECT id FROM t", OL_NO_ARGS));
    for (size_t i = 0; i < ol_rows_count(rows); i++)
        if (ol_rows_int(rows, i, 0) <= max_id)
            there[ol_rows_int(rows, i, 0)] = true;
    for (int64_t id = 1; id <= max_id; id++)
        n_missing += acked[id] && !there[id];
    ol_rows_free(rows);
    free(there);
    return n_missing;
}

static void check_whole(struct ol_db *db)
{
    struct ol_rows *rows;

    must(ol_db_query(&rows, db, "PRAGMA integrity_check", OL_NO_ARGS));
    assert_string_equal(ol_rows_bytes(rows, 0, 0, NULL), "ok");
    ol_rows_free(rows);
}

static void every_acknowledged_row_survives_kill_9(void **state)
{
    enum { IDS_MAX = 1000000 };
    const char *path = scratch("crash.sqlite");
    bool       *acked = calloc(IDS_MAX, sizeof *acked);
    int64_t     max_id = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t        n_wanted = (size_t)(round * 7 % 60 + 1);
        int           ends[2], status;
        struct ol_db *db;
        pid_t         pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
            close(ends[0]);
            run_child(path, ends[1], max_id + 50); /* ids that a killed child may have written unheard are not met again */
        }
        close(ends[1]);
        assert_true(reap(pid, ends[0], n_wanted, acked, &max_id) >= n_wanted);
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        db = open_at(path, &config);
        assert_int_equal(missing_rows(db, acked, max_id), 0);
        if (round % 8 == 0 || round == ROUNDS - 1)
            check_whole(db);
        ol_db_close(db);
    }
    free(acked);
}

/* ---- a large log ---- */

static _Noreturn void leave_large_log(const char *path)
{
    static const char *const large_schema[] = { "CREATE TABLE big (id INTEGER PRIMARY KEY, x)" };
    struct ol_db            *db;

    if (ol_db_open(&db, path,
                   &(struct ol_db_config){ .migrations = large_schema,
                                           .n_migrations = 1,
                                           .wal_soft_pages = 1000000,
                                           .wal_hard_pages = 1000000 }) < 0)
        _exit(2);
    for (int i = 0; i < 110; i++)
        if (ol_db_exec(NULL, db, "INSERT INTO big (x) VALUES (zeroblob(1000000))", OL_NO_ARGS) < 0)
            _exit(3);
    _exit(0); /* without closing: the log stays */
}

static void a_log_of_100_mb_is_taken_over_at_start(void **state)
{
    const char   *path = scratch("large.sqlite");
    char          wal[600];
    struct stat   st;
    struct ol_db *db;
    int           status;
    pid_t         pid = fork();

    (void)state;
    if (pid == 0)
        leave_large_log(path);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size > 100 * 1000 * 1000);

    uint64_t began_ns = ol_now_ns();
    db = open_at(path, NULL);
    print_message("opening with a log of %lld MB took %.0f ms\n", (long long)st.st_size / 1000000,
                  (double)(ol_now_ns() - began_ns) / 1e6);
    assert_int_equal(query_int(db, "SELECT count(*) FROM big"), 110);
    ol_db_close(db);
    assert_int_equal(stat(wal, &st), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_acknowledged_row_survives_kill_9),
        cmocka_unit_test(a_log_of_100_mb_is_taken_over_at_start),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
