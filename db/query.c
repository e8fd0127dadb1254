/*
 * query.c: ol_db_query: where a read runs.
 *
 *     a fiber                                   waits for a reading thread (readers.c)
 *     a worker of a declared pool, any thread   reads here, on a connection of its own (threads.c): no second hand-off, no batch
 *     the loop, inside a blocking route         the same; the loop stands still, as the route asked for
 *     a worker of another pool, and threads
 *     beyond connections_max                    wait for a reading thread
 *     the loop elsewhere                        OL_EONLOOP
 *
 * A read that runs here is told to stop by a hook on the current scope, through the connection's stop word, which
 * holds the deadline too.
 */
#include "base/clock.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/database.h"
#include "loop/here.h"

struct stop_hook {
    struct ol_scope_hook   hook;
    struct ol__connection *conn;
    uint32_t               generation;
};

static void scope_ended(struct ol_scope_hook *hook, int reason)
{
    struct stop_hook *stop = OL_CONTAINER_OF(hook, struct stop_hook, hook);

    ol__stop_request(&stop->conn->stop, stop->generation, reason);
}

static int run_here(struct ol_rows **ret_rows, struct ol__connection *conn, const char *sql, struct ol_args args,
                    struct ol_error *error)
{
    uint64_t now_ns = ol_now_ns();
    int      rc;

    atomic_store_explicit(&conn->reading_since_ns, now_ns, memory_order_relaxed);
    rc = ol__db_connection_run(ret_rows, conn, sql, args, &now_ns, error);
    atomic_store_explicit(&conn->reading_since_ns, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&conn->db->n_reads, 1, memory_order_relaxed);
    return rc;
}

static int query_here(struct ol_rows **ret_rows, struct ol__connection *conn, const char *sql, struct ol_args args)
{
    struct ol_scope *scope = ol_scope_current();
    struct stop_hook stop = { .hook.cb = scope_ended, .conn = conn };
    struct ol_error  error;
    int              rc;

    stop.generation = ol__stop_arm(&conn->stop, ol__db_deadline(conn->db->config.read_timeout_s));
    if (scope && (rc = ol_scope_hook(scope, &stop.hook)) < 0)
        return ol__fail(rc, 0, "the scope has ended");
    rc = run_here(ret_rows, conn, sql, args, &error);
    if (scope)
        ol_scope_unhook(scope, &stop.hook);
    return rc < 0 ? ol__fail_with(&error) : 0;
}

int ol_db_query(struct ol_rows **ret_rows, struct ol_db *db, const char *sql, struct ol_args args)
{
    struct ol__connection *conn;
    int                    rc = ol__db_may_wait(db);

    if (rc < 0)
        return rc;
    conn = ol__here.fiber ? NULL : ol__threads_connection(db);
    return conn ? query_here(ret_rows, conn, sql, args) : ol__readers_query(ret_rows, db, sql, args);
}
