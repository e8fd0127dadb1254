/* Opening: the schema's versions, and a clear word for everything that cannot be opened. */
#include "fixture.h"

#include <dirent.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/sharing.h"

#define CREATE_A "CREATE TABLE a (x); INSERT INTO a VALUES (1)"
#define CREATE_B "CREATE TABLE b (y); INSERT INTO b SELECT x + 1 FROM a"

static void expect_failure(const char *path, int code, const char *part)
{
    struct ol_db *db = NULL;

    must_fail(ol_db_open(&db, path, NULL), code, part);
    assert_non_null(strstr(ol_last_error()->text, path));
    assert_null(db);
}

static void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* ---- what cannot be opened ---- */

static void a_missing_directory_is_named(void **state)
{
    (void)state;
    expect_failure(scratch("no/such/place.sqlite"), OL_ENOENT, "no directory");
}

static void a_directory_is_no_database(void **state)
{
    (void)state;
    mkdir(scratch("folder"), 0755);
    expect_failure(scratch("folder"), OL_EIO, "directory");
}

static void another_file_is_no_database(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof text);
    put_file(scratch("text.sqlite"), text, sizeof text);
    expect_failure(scratch("text.sqlite"), OL_EDB, "not a database");
}

static void a_truncated_file_is_noticed(void **state)
{
    static const char *const schema[] = {
        "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
        "i < 1000) INSERT INTO t SELECT hex(randomblob(50)) FROM n"
    };
    const char *path = scratch("truncated.sqlite");

    (void)state;
    ol_db_close(open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 }));
    assert_int_equal(truncate(path, 4096 * 3), 0);
    expect_failure(path, OL_EDB, "malformed");
}

static void a_file_that_may_not_be_written_is_refused(void **state)
{
    const char *path = scratch("readonly.sqlite");

    (void)state;
    if (geteuid() == 0)
        skip(); /* root may write it; tests/db/fault_test.c opens one that cannot be written by anybody */
    ol_db_close(open_at(path, NULL));
    assert_int_equal(chmod(path, 0444), 0);
    expect_failure(path, OL_EPERM, NULL);
}

static void nonsense_in_the_configuration_is_refused(void **state)
{
    struct ol_db *db = NULL;

    (void)state;
    must_fail(ol_db_open(&db, NULL, NULL), OL_EINVAL, "path");
    must_fail(ol_db_open(&db, "", NULL), OL_EINVAL, "path");
    must_fail(ol_db_open(&db, scratch("x.sqlite"), &(struct ol_db_config){ .read_timeout_s = -1 }), OL_EINVAL,
              "time limit");
    must_fail(ol_db_open(&db, scratch("x.sqlite"), &(struct ol_db_config){ .n_migrations = 3 }), OL_EINVAL,
              "n_migrations");
    must_fail(ol_db_open(&db, scratch("x.sqlite"), &(struct ol_db_config){ .synchronous = (enum ol_db_sync)9 }),
              OL_EINVAL, "synchronous");
    must_fail(ol_db_open(&db, scratch("x.sqlite"), &(struct ol_db_config){ .readers_nice = 20 }), OL_EINVAL,
              "readers_nice");
    assert_null(db);
    ol_db_close(NULL);
}

/* ---- the schema's versions ---- */

static void migrations_run_once_and_in_order(void **state)
{
    static const char *const schema[] = { CREATE_A, CREATE_B };
    const char              *path = scratch("migrate.sqlite");
    struct ol_db            *db = open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });

    (void)state;
    assert_int_equal(query_int(db, "PRAGMA user_version"), 1);
    ol_db_close(db);
    for (int i = 0; i < 2; i++) {
        db = open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 2 });
        assert_int_equal(query_int(db, "PRAGMA user_version"), 2);
        assert_int_equal(query_int(db, "SELECT count(*) FROM a"), 1);
        assert_int_equal(query_int(db, "SELECT sum(y) FROM b"), 2);
        ol_db_close(db);
    }
}

static void a_failed_migration_leaves_the_version_before(void **state)
{
    static const char *const bad[] = { CREATE_A, "CREATE TABLE c (z); INSERT INTO no_such VALUES (1)" };
    static const char *const good[] = { CREATE_A, CREATE_B };
    const char              *path = scratch("bad-migration.sqlite");
    struct ol_db            *db = NULL;

    (void)state;
    must_fail(ol_db_open(&db, path, &(struct ol_db_config){ .migrations = bad, .n_migrations = 2 }), OL_EDB,
              "from version 1 to 2");
    assert_non_null(strstr(ol_last_error()->text, "no_such"));
    db = open_at(path, &(struct ol_db_config){ .migrations = good, .n_migrations = 2 });
    assert_int_equal(query_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'"), 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM a"), 1);
    ol_db_close(db);
}

static void a_migration_cannot_leave_its_transaction(void **state)
{
    static const char *const bad[] = { "CREATE TABLE a (x); COMMIT; CREATE TABLE b (x)" };
    struct ol_db            *db = NULL;

    (void)state;
    must_fail(ol_db_open(&db, scratch("commit.sqlite"), &(struct ol_db_config){ .migrations = bad, .n_migrations = 1 }),
              OL_EDB, "transactions");
}

static void a_migration_that_leaves_dangling_references_is_refused(void **state)
{
    static const char *const bad[] = {
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id)); INSERT INTO c "
        "VALUES (5)"
    };
    struct ol_db *db = NULL;

    (void)state;
    must_fail(ol_db_open(&db, scratch("dangling.sqlite"), &(struct ol_db_config){ .migrations = bad, .n_migrations = 1 }),
              OL_EDB, "refer to none");
}

static void a_newer_schema_is_refused(void **state)
{
    static const char *const schema[] = { CREATE_A, CREATE_B };
    const char              *path = scratch("newer.sqlite");
    struct ol_db            *db;

    (void)state;
    ol_db_close(open_at(path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 2 }));
    must_fail(ol_db_open(&db, path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 }), OL_EDB,
              "version 2");
}

/* ---- how it is opened, and closed ---- */

static void it_is_in_wal_mode_and_closing_leaves_one_file(void **state)
{
    const char   *path = scratch("wal.sqlite");
    char          wal[600];
    struct ol_db *db = open_at(path, NULL);
    struct stat   st;

    (void)state;
    snprintf(wal, sizeof wal, "%s-wal", path);
    exec(db, "CREATE TABLE t (x)");
    assert_int_equal(query_int(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(stat(wal, &st), 0);
    ol_db_close(db);
    assert_int_equal(stat(wal, &st), -1);
    db = open_at(path, NULL);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 0);
    ol_db_close(db);
}

struct heard {
    unsigned n;
    char     text[300];
};

static void hear(const struct ol_event *event, void *arg)
{
    struct heard *heard = arg;

    heard->n++;
    snprintf(heard->text, sizeof heard->text, "%s", event->text);
}

/* A process that reads the database and stays until the pipe is closed; the byte says that it is there. */
static pid_t open_in_another_process(const char *path, int ret_hold[2])
{
    int  ready[2];
    char byte = 0;

    assert_int_equal(pipe(ready) | pipe(ret_hold), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *sqlite;

        close(ret_hold[1]);
        bool fine = sqlite3_open(path, &sqlite) == SQLITE_OK &&
                    sqlite3_exec(sqlite, "SELECT * FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK;
        if (!fine || write(ready[1], &byte, 1) != 1)
            _exit(1);
        _exit(read(ret_hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ready[1]);
    close(ret_hold[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static unsigned warnings_of_opening(const char *path, char *text, size_t size)
{
    struct heard         heard = { 0 };
    struct ol_subscriber subscriber = { .kinds = OL_EVENT_DB, .cb = hear, .arg = &heard };
    struct ol_db        *db;

    ol_events_subscribe(&subscriber);
    must(ol_db_open(&db, path, NULL));
    ol_db_close(db);
    ol_events_unsubscribe(&subscriber);
    snprintf(text, size, "%s", heard.text);
    return heard.n;
}

static void a_library_with_the_reset_bug_is_warned_of_when_another_process_is_there(void **state)
{
    const char *path = scratch("shared.sqlite");
    char        text[300];
    int         hold[2], status;

    (void)state;
    assert_int_equal(warnings_of_opening(path, text, sizeof text), 0);
    pid_t pid = open_in_another_process(path, hold);
    assert_true(ol__db_is_shared(path));
    unsigned n = warnings_of_opening(path, text, sizeof text);
    if (sqlite3_libversion_number() <= 3044000) {
        assert_int_equal(n, 1);
        assert_non_null(strstr(text, path));
    } else if (sqlite3_libversion_number() >= 3051003) {
        assert_int_equal(n, 0);
    }
    close(hold[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(ol__db_is_shared(path));
}

/* The names of this process's threads, and that those of ours take no signal. */
static unsigned count_own_threads(void)
{
    DIR           *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned       n = 0;

    assert_non_null(tasks);
    while ((entry = readdir(tasks))) {
        char  path[300], line[256], name[64] = "";
        FILE *status;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            sscanf(line, "Name: %63s", name);
            if (strncmp(name, "ol-db-", 6) == 0 && strncmp(line, "SigBlk:", 7) == 0) {
                n++;
                assert_non_null(strstr(line, "fffffff")); /* all but what cannot be blocked */
            }
        }
        if (status)
            fclose(status);
    }
    closedir(tasks);
    return n;
}

static void its_threads_have_names_and_take_no_signals(void **state)
{
    struct ol_db *db = open_new(&(struct ol_db_config){ .readers = 3 });

    (void)state;
    assert_int_equal(count_own_threads(), 3 + 1);
    ol_db_close(db);
    assert_int_equal(count_own_threads(), 0);
}

/* How many reading threads have this niceness. */
static unsigned count_readers_at(int nice)
{
    DIR           *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned       n = 0;

    assert_non_null(tasks);
    while ((entry = readdir(tasks))) {
        char  path[300], name[64] = "";
        FILE *comm;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        comm = fopen(path, "r");
        if (comm && fgets(name, sizeof name, comm) && strncmp(name, "ol-db-r", 7) == 0)
            n += getpriority(PRIO_PROCESS, (id_t)atoi(entry->d_name)) == nice;
        if (comm)
            fclose(comm);
    }
    closedir(tasks);
    return n;
}

static void its_readers_let_the_loop_go_first_unless_told_otherwise(void **state)
{
    static const struct {
        int wanted, expected;
    } cases[] = { { 0, 5 }, { 3, 3 }, { -1, 0 } };
    int own = getpriority(PRIO_PROCESS, 0);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ol_db *db = open_new(&(struct ol_db_config){ .readers = 3, .readers_nice = cases[i].wanted });
        uint64_t      until_ns = ol_now_ns() + GATE_LIMIT_S * OL_NS_PER_S;
        int           nice = own + cases[i].expected;

        while (count_readers_at(nice < 19 ? nice : 19) < 3) { /* each sees to it as the first thing it does */
            assert_true(ol_now_ns() < until_ns);
            sched_yield();
        }
        ol_db_close(db);
    }
}

static void two_databases_live_side_by_side(void **state)
{
    struct ol_db *a = open_new(NULL), *b = open_new(NULL);

    (void)state;
    exec(a, "CREATE TABLE t AS SELECT 1 AS x");
    exec(b, "CREATE TABLE t AS SELECT 2 AS x");
    assert_int_equal(query_int(a, "SELECT x FROM t"), 1);
    assert_int_equal(query_int(b, "SELECT x FROM t"), 2);
    ol_db_close(a);
    a = open_new(NULL); /* perhaps where the one before was: this thread must not take its connection for the old one */
    exec(a, "CREATE TABLE t AS SELECT 3 AS x");
    assert_int_equal(query_int(a, "SELECT x FROM t"), 3);
    assert_int_equal(query_int(b, "SELECT x FROM t"), 2);
    ol_db_close(a);
    ol_db_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_directory_is_named),
        cmocka_unit_test(a_directory_is_no_database),
        cmocka_unit_test(another_file_is_no_database),
        cmocka_unit_test(a_truncated_file_is_noticed),
        cmocka_unit_test(a_file_that_may_not_be_written_is_refused),
        cmocka_unit_test(nonsense_in_the_configuration_is_refused),
        cmocka_unit_test(migrations_run_once_and_in_order),
        cmocka_unit_test(a_failed_migration_leaves_the_version_before),
        cmocka_unit_test(a_migration_cannot_leave_its_transaction),
        cmocka_unit_test(a_migration_that_leaves_dangling_references_is_refused),
        cmocka_unit_test(a_newer_schema_is_refused),
        cmocka_unit_test(it_is_in_wal_mode_and_closing_leaves_one_file),
        cmocka_unit_test(a_library_with_the_reset_bug_is_warned_of_when_another_process_is_there),
        cmocka_unit_test(its_threads_have_names_and_take_no_signals),
        cmocka_unit_test(its_readers_let_the_loop_go_first_unless_told_otherwise),
        cmocka_unit_test(two_databases_live_side_by_side),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
