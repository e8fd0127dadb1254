/*
 * open.c: opening and closing a database.
 *
 * First the writer: its thread makes the file, switches it to WAL, proves that it is a database that may be written,
 * and runs the migrations. Then the readers. Closing is the reverse: the reading connections first, those of other
 * threads among them, then the writer, which finishes what was accepted; its connection is the last, so that the last
 * checkpoint and the removal of the log are its too.
 *
 * A failed open closes what there was; every part's close takes what its open left behind.
 */
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"
#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "db/migrate.h"
#include "db/sharing.h"
#include "loop/here.h"

enum {
    STATEMENTS = 100,
    CONNECTIONS = 64,
    QUEUE = 16384,
    BATCH = 256,
    WAL_SOFT = 1000,
    WAL_HARD = 65536,
    READERS_NICE = 5, /* measured: docs/DATABASE.md */
    NICE_MAX = 19,
    READERS_MIN = 2 /* one may be taken by a stream or a long read */
};

/* ---- what the other files ask for ---- */

int ol__db_may_wait(struct ol_db *db)
{
    int rc;

    if (!db)
        return ol__fail(OL_EINVAL, 0, "no database was given");
    if (ol__where() == OL__AT_LOOP)
        return ol__fail(OL_EONLOOP, 0,
                        "a database call would block the loop: call it from a fiber, a worker or a blocking route");
    if (ol__writer_is_here())
        return ol__fail(OL_EPERM, 0, "inside a transaction's body only ol_tx_* may be called");
    if (atomic_load_explicit(&db->is_closing, memory_order_acquire))
        return ol__fail(OL_ECLOSED, 0, "the database is closed");
    rc = ol_scope_reason(ol_scope_current());
    return rc < 0 ? ol__fail(rc, 0, "the scope has ended") : 0;
}

uint64_t ol__db_deadline(double timeout_s)
{
    const struct ol_scope *scope = ol_scope_current();
    uint64_t               limit_ns = ol_now_ns() + ol__seconds_to_ns(timeout_s);

    return scope && scope->deadline_ns && scope->deadline_ns < limit_ns ? scope->deadline_ns : limit_ns;
}

void ol__db_event(const struct ol_db *db, int code, const char *format, ...)
{
    char    text[256];
    va_list ap;

    if (!ol__event_wanted(OL_EVENT_DB))
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    ol__event_emit(&(struct ol_event){ .kind = OL_EVENT_DB, .code = code, .subject = db, .name = db->path, .text = text });
}

int ol__db_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    int      err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(ret_thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err == 0)
        pthread_setname_np(*ret_thread, name);
    return err;
}

/* ---- the configuration ---- */

static unsigned default_readers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores > 4 ? (unsigned)cores : 4;
}

static void fill_counts(struct ol_db_config *config)
{
    if (!config->readers)
        config->readers = default_readers();
    if (config->readers < READERS_MIN)
        config->readers = READERS_MIN;
    if (config->readers_nice == 0)
        config->readers_nice = READERS_NICE;
    if (!config->queue_max)
        config->queue_max = QUEUE;
    if (!config->statements_max)
        config->statements_max = STATEMENTS;
    if (!config->connections_max)
        config->connections_max = CONNECTIONS;
    if (!config->batch_max)
        config->batch_max = BATCH;
    if (!config->wal_soft_pages)
        config->wal_soft_pages = WAL_SOFT;
    if (!config->wal_hard_pages)
        config->wal_hard_pages = WAL_HARD;
}

static void fill_sizes_and_times(struct ol_db_config *config)
{
    if (!config->rows_bytes_max)
        config->rows_bytes_max = (size_t)64 << 20;
    if (!config->batch_bytes_max)
        config->batch_bytes_max = (size_t)4 << 20;
    if (!config->stream_window)
        config->stream_window = (size_t)256 << 10;
    if (config->read_timeout_s == 0)
        config->read_timeout_s = 30;
    if (config->busy_timeout_s == 0)
        config->busy_timeout_s = 5;
    if (config->batch_max_s == 0)
        config->batch_max_s = 0.02;
    if (config->stall_timeout_s == 0)
        config->stall_timeout_s = 30;
}

static int check(const struct ol_db_config *config)
{
    const double times[] = { config->read_timeout_s, config->busy_timeout_s, config->batch_max_s,
                             config->stall_timeout_s };

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (!ol__seconds_valid(times[i]))
            return ol__fail(OL_EINVAL, 0, "a time limit of the database is negative or not a number");
    if (config->n_migrations > 0 && !config->migrations)
        return ol__fail(OL_EINVAL, 0, "n_migrations says %u, and there are none", config->n_migrations);
    if (config->readers_nice < -1 || config->readers_nice > NICE_MAX)
        return ol__fail(OL_EINVAL, 0, "readers_nice must be -1 to %d", NICE_MAX);
    if (config->synchronous != OL_DB_SYNC_FULL && config->synchronous != OL_DB_SYNC_NORMAL)
        return ol__fail(OL_EINVAL, 0, "synchronous is neither FULL nor NORMAL");
    return 0;
}

/* ---- open ---- */

/* Why SQLite "cannot open the file", as exactly as the file system says. */
static int explain_cannot_open(const char *path, struct ol_error *error)
{
    char        folder[4096];
    const char *slash = strrchr(path, '/');
    struct stat st;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + (slash == path)) : 1, slash ? path : ".");
    if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
        return ol__failure(error, OL_ENOENT, error->detail, "cannot open the database %s: there is no directory %s",
                           path, folder);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ol__failure(error, OL_EIO, error->detail, "cannot open the database %s: it is a directory", path);
    if (access(path, F_OK) == 0 ? access(path, R_OK | W_OK) : access(folder, W_OK))
        return ol__failure(error, OL_EPERM, error->detail, "cannot open the database %s: no permission", path);
    return OL_EIO;
}

static int explain(struct ol_db *db, struct ol_error *error)
{
    char why[sizeof error->text];

    if ((error->detail & 0xff) == SQLITE_CANTOPEN && explain_cannot_open(db->path, error) != OL_EIO)
        return error->code;
    /* The log's index is a file of its own, and the system's VFS says so when it cannot be given its space. */
    if (error->detail == SQLITE_IOERR_SHMSIZE)
        return ol__failure(error, OL_EFULL, error->detail,
                           "cannot open the database %s: no space left for the index of its log", db->path);
    snprintf(why, sizeof why, "%s", error->text);
    if (strstr(why, db->path))
        return error->code;
    return ol__failure(error, error->code, error->detail, "cannot open the database %s: %s", db->path, why);
}

static int switch_to_wal(struct ol_db *db, struct ol__connection *conn, struct ol_error *error)
{
    int64_t is_wal = 0, n_tables = 0;
    int     rc;

    if (sqlite3_db_readonly(conn->sqlite, "main") == 1)
        return ol__failure(error, OL_EPERM, SQLITE_READONLY, "cannot open the database %s: it is read-only", db->path);
    /* The statement gives the mode as a word; an integer of it is 0, so ask again by name. */
    rc = ol__db_connection_exec_own(conn, "PRAGMA journal_mode = WAL");
    if (rc == SQLITE_OK)
        rc = ol__db_connection_get_own(&is_wal, conn, "SELECT journal_mode = 'wal' FROM pragma_journal_mode");
    if (rc == SQLITE_OK)
        rc = ol__db_connection_get_own(&n_tables, conn, "SELECT count(*) FROM sqlite_schema");
    if (rc != SQLITE_OK)
        return ol__failure_of(error, conn, rc);
    if (!is_wal)
        return ol__failure(error, OL_EDB, 0, "cannot open the database %s: it cannot be switched to WAL", db->path);
    return 0;
}

/* The log that an earlier run left: its pages count towards the limits from the start. */
static void measure_wal(struct ol_db *db)
{
    char       *name = sqlite3_mprintf("%s-wal", db->path);
    struct stat st;

    if (name && stat(name, &st) == 0)
        atomic_store(&db->writer.wal_pages, (uint64_t)st.st_size / 4096);
    sqlite3_free(name);
}

static bool has_reset_bug(int version)
{
    if (version < 3007000 || version > 3051002)
        return false;
    return !(version >= 3044006 && version < 3045000) && !(version >= 3050007 && version < 3051000);
}

/* One thread does both in this process, so it takes two processes. */
static void warn_of_reset_bug(const struct ol_db *db)
{
    if (has_reset_bug(sqlite3_libversion_number()) && ol__db_is_shared(db->path))
        ol__db_event(db, 0,
                     "another process has %s open, and in SQLite %s a checkpoint there that meets a commit here can "
                     "corrupt the file (fixed in 3.51.3)",
                     db->path, sqlite3_libversion());
}

int ol__db_prepare_file(struct ol_db *db, struct ol__connection *conn, struct ol_error *error)
{
    int rc = switch_to_wal(db, conn, error);

    if (rc == 0)
        rc = ol__migrate(conn, &db->config, error);
    if (rc == 0)
        measure_wal(db);
    return rc;
}

static int open_parts(struct ol_db *db, struct ol_error *error)
{
    int rc = ol__writer_start(db, error);

    return rc < 0 ? rc : ol__readers_open(db, error);
}

static struct ol_db *make(const char *path, const struct ol_db_config *config)
{
    struct ol_db *db = aligned_alloc(_Alignof(struct ol_db), sizeof *db);

    if (!db)
        return NULL;
    memset(db, 0, sizeof *db);
    db->path = strdup(path);
    if (!db->path) {
        free(db);
        return NULL;
    }
    db->config = *config;
    fill_counts(&db->config);
    fill_sizes_and_times(&db->config);
    ol__figures_init(&db->figures);
    ol__writer_init(db);
    ol__readers_init(db);
    ol__streams_init(db);
    ol__threads_init(db);
    return db;
}

int ol_db_open(struct ol_db **ret_db, const char *path, const struct ol_db_config *config)
{
    static const struct ol_db_config defaults;
    struct ol_error                  error;
    struct ol_db                    *db;
    int                              rc;

    if (ol__where() == OL__AT_LOOP)
        return ol__fail(OL_EONLOOP, 0, "opening a database would block the loop");
    if (!path || !*path)
        return ol__fail(OL_EINVAL, 0, "a database needs a path");
    if (!config)
        config = &defaults;
    if ((rc = check(config)) < 0)
        return rc;
    db = make(path, config);
    if (!db)
        return ol__fail(OL_ENOMEM, 0, "out of memory");
    rc = open_parts(db, &error);
    if (rc < 0) {
        explain(db, &error);
        ol_db_close(db);
        return ol__fail_with(&error);
    }
    db->config.migrations = NULL; /* the caller's; not needed any more */
    warn_of_reset_bug(db);
    *ret_db = db;
    return 0;
}

/* ---- close ---- */

void ol_db_close(struct ol_db *db)
{
    if (!db)
        return;
    atomic_store_explicit(&db->is_closing, true, memory_order_release);
    ol__readers_close(db);
    ol__threads_close(db);
    ol__writer_close(db);
    ol__readers_fini(db);
    ol__streams_fini(db);
    ol__threads_fini(db);
    ol__figures_fini(&db->figures);
    free(db->path);
    free(db);
}

int ol_db_serve_pool(struct ol_db *db, struct ol_pool *pool)
{
    if (!db || !pool)
        return ol__fail(OL_EINVAL, 0, "a database and a pool are needed");
    if (db->n_pools == OL__DB_POOLS_MAX)
        return ol__fail(OL_EBUSY, 0, "a database serves at most %d pools", OL__DB_POOLS_MAX);
    db->pools[db->n_pools++] = pool;
    return 0;
}
