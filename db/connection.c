/*
 * connection.c: SQLite connections as this room wants them.
 *
 * Every connection is opened without mutexes (SQLITE_OPEN_NOMUTEX) and has one owner thread at a time; who that is,
 * is its keeper's business: a reading thread, the writer, or a thread that reads on its own. Readers are opened
 * read-only and query_only besides. All of them run with:
 *
 *   - no automatic checkpoints, and readers none on close either: every checkpoint is the writer's (checkpoint.c). A
 *     checkpoint on one connection racing a commit on another that wraps the log corrupts the file in SQLite 3.7.0 to
 *     3.51.2;
 *   - no memory-mapped reading: an I/O error would be a SIGBUS;
 *   - an authorizer, which refuses what would break the rooms' promises (authorizer.c);
 *   - a progress handler, which reads the connection's stop word (stop.h) and tells the keeper of a slow statement.
 *     Not on the writer: an interrupted INSERT takes the whole transaction with it, so a running write is never
 *     interrupted.
 */
#include "db/connection.h"

#include <stdlib.h>
#include <string.h>

#include "db/database.h"
#include "db/failure.h"

enum {
    PROGRESS_OPS = 1000,    /* 10 to 50 us of SQLite's machine */
    READER_CACHE_KIB = 8192 /* SQLite's default of 2 MiB is smaller than the inner pages of a large table */
};

static const char *const control_texts[OL__CONTROLS] = {
    [OL__BEGIN] = "BEGIN",
    [OL__BEGIN_IMMEDIATE] = "BEGIN IMMEDIATE",
    [OL__COMMIT] = "COMMIT",
    [OL__ROLLBACK] = "ROLLBACK",
    [OL__SAVEPOINT] = "SAVEPOINT job",
    [OL__RELEASE] = "RELEASE job",
    [OL__ROLLBACK_TO] = "ROLLBACK TO job",
};

/* ---- callbacks of SQLite ---- */

static int on_progress(void *arg)
{
    struct ol__connection *conn = arg;
    uint64_t               now = ol_now_ns();

    if (ol__stop_reason(&conn->stop, now) != 0)
        return 1;
    return conn->slow_at_ns && now >= conn->slow_at_ns && conn->on_slow(conn->on_slow_arg, now);
}

static int on_authorize(void *arg, int action, const char *first, const char *second, const char *schema,
                        const char *trigger)
{
    struct ol__connection *conn = arg;
    const char            *refused = ol__authorize(conn, action, first, second);

    (void)schema;
    (void)trigger;
    if (!refused)
        return SQLITE_OK;
    conn->refused = refused;
    return SQLITE_DENY;
}

/* ---- our own statements ---- */

int ol__db_connection_control(struct ol__connection *conn, enum ol__control control)
{
    enum ol__author before = conn->author;
    int             rc = SQLITE_OK;

    conn->author = OL__BY_US;
    if (!conn->controls[control])
        rc = sqlite3_prepare_v3(conn->sqlite, control_texts[control], -1, SQLITE_PREPARE_PERSISTENT,
                                &conn->controls[control], NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(conn->controls[control]);
        sqlite3_reset(conn->controls[control]);
    }
    conn->author = before;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ol__db_connection_exec_own(struct ol__connection *conn, const char *sql)
{
    enum ol__author before = conn->author;
    int             rc;

    conn->author = OL__BY_US;
    rc = sqlite3_exec(conn->sqlite, sql, NULL, NULL, NULL);
    conn->author = before;
    return rc;
}

int ol__db_connection_get_own(int64_t *ret_value, struct ol__connection *conn, const char *sql)
{
    enum ol__author before = conn->author;
    sqlite3_stmt   *stmt = NULL;
    int             rc;

    conn->author = OL__BY_US;
    rc = sqlite3_prepare_v2(conn->sqlite, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    conn->author = before;
    return rc;
}

/* ---- open and close ---- */

static int is_utf8(bool *ret_is_utf8, struct ol__connection *conn)
{
    int64_t found = 0;
    int     rc = ol__db_connection_get_own(&found, conn, "SELECT encoding = 'UTF-8' FROM pragma_encoding");

    *ret_is_utf8 = found != 0;
    return rc;
}

static int configure_reader(struct ol__connection *conn)
{
    char cache[64];
    int  rc;

    sqlite3_snprintf(sizeof cache, cache, "PRAGMA cache_size = -%d", READER_CACHE_KIB);
    sqlite3_progress_handler(conn->sqlite, PROGRESS_OPS, on_progress, conn);
    rc = sqlite3_db_config(conn->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(conn->sqlite,
                                  1000); /* only recovery after another process's crash can make a reader wait */
    if (rc == SQLITE_OK)
        rc = ol__db_connection_exec_own(conn, "PRAGMA query_only = 1");
    return rc == SQLITE_OK ? ol__db_connection_exec_own(conn, cache) : rc;
}

static int configure_writer(struct ol__connection *conn)
{
    bool full = conn->db->config.synchronous == OL_DB_SYNC_FULL;
    int  rc = ol__db_connection_exec_own(conn, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");

    return rc == SQLITE_OK ? ol__db_connection_exec_own(conn, "PRAGMA foreign_keys = ON") : rc;
}

static int configure(struct ol__connection *conn)
{
    int rc;

    sqlite3_extended_result_codes(conn->sqlite, 1);
    conn->author = OL__BY_CALLER;
    rc = sqlite3_wal_autocheckpoint(conn->sqlite, 0);
    if (rc == SQLITE_OK)
        rc = ol__db_connection_exec_own(conn, "PRAGMA mmap_size = 0");
    if (rc == SQLITE_OK)
        rc = conn->role == OL__READS ? configure_reader(conn) : configure_writer(conn);
    if (rc == SQLITE_OK)
        rc = is_utf8(&conn->is_utf8, conn);
    if (rc == SQLITE_OK)
        rc = sqlite3_set_authorizer(conn->sqlite, on_authorize, conn);
    return rc;
}

int ol__db_connection_open(struct ol__connection **ret_conn, struct ol_db *db, enum ol__role role, struct ol_error *error)
{
    struct ol__connection *conn = calloc(1, sizeof *conn);
    int                    flags = SQLITE_OPEN_NOMUTEX |
                (role == OL__READS ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int rc;

    if (!conn)
        return ol__failure(error, OL_ENOMEM, 0, "out of memory");
    conn->db = db;
    conn->role = role;
    conn->number = atomic_fetch_add(&db->n_connections, 1);
    ol_link_init(&conn->link);
    ol__statements_init(&conn->statements, db->config.statements_max);
    rc = sqlite3_open_v2(db->path, &conn->sqlite, flags, NULL);
    if (rc == SQLITE_OK)
        rc = configure(conn);
    if (rc != SQLITE_OK) {
        rc = conn->sqlite ? ol__failure_of(error, conn, rc) : ol__failure(error, OL_ENOMEM, rc, "out of memory");
        ol__db_connection_close(conn);
        return rc;
    }
    *ret_conn = conn;
    return 0;
}

void ol__db_connection_close(struct ol__connection *conn)
{
    if (!conn)
        return;
    ol__statements_fini(&conn->statements);
    for (int i = 0; i < OL__CONTROLS; i++)
        sqlite3_finalize(conn->controls[i]);
    sqlite3_close_v2(conn->sqlite);
    ol__rows_builder_fini(&conn->builder);
    free(conn);
}

/* ---- running a caller's statement ---- */

static int step_all(struct ol__connection *conn, sqlite3_stmt *stmt, bool keep, size_t *ret_n_rows, struct ol_error *error)
{
    size_t limit = conn->db->config.rows_bytes_max;
    int    rc = sqlite3_step(stmt);

    /* Only now: the step may have prepared the statement again, for a schema with other columns. */
    ol__rows_begin(&conn->builder, (unsigned)sqlite3_column_count(stmt));
    for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        (*ret_n_rows)++;
        if (!keep)
            continue;
        if (ol__rows_add(&conn->builder, stmt, conn->is_utf8) < 0)
            return ol__failure(error, OL_ENOMEM, 0, "out of memory for the rows");
        if (ol__rows_size(&conn->builder) > limit)
            return ol__failure(error, OL_ELIMIT, 0, "the result is larger than %zu bytes: use ol_db_stream_begin", limit);
    }
    return rc == SQLITE_DONE ? 0 : ol__failure_of(error, conn, rc);
}

int ol__db_connection_run(struct ol_rows **ret_rows, struct ol__connection *conn, const char *sql, struct ol_args args,
                          uint64_t *clock_ns, struct ol_error *error)
{
    struct ol__statement *statement;
    uint64_t              started_ns = *clock_ns;
    size_t                n_rows = 0;
    int                   rc;

    rc = ol__statement_acquire(&statement, conn, sql, args, error);
    if (rc < 0) {
        *clock_ns = ol_now_ns();
        return rc;
    }
    atomic_store_explicit(&conn->reading_sql, statement->figures->sql, memory_order_relaxed);
    rc = step_all(conn, statement->stmt, ret_rows != NULL, &n_rows, error);
    if (rc == 0 && ret_rows) {
        rc = ol__rows_take(ret_rows, &conn->builder, statement->stmt);
        if (rc < 0)
            ol__failure(error, rc, 0, "out of memory for the rows");
    }
    if (rc < 0)
        ol__rows_drop(&conn->builder);
    *clock_ns = ol_now_ns();
    ol__statement_release(conn, statement, *clock_ns - started_ns, n_rows);
    return rc;
}
