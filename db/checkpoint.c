/*
 * checkpoint.c: moving the log into the file; when, and how hard.
 *
 * Every checkpoint runs here, on the writing connection, between two groups: no commit can race with it (see
 * connection.c for what that race does to the file in SQLite up to 3.51.2).
 *
 *   soft   above wal_soft_pages: PASSIVE when the writer is idle; at BUSY_FACTOR times the limit also when it is not,
 *          since readers slow down with the log's length and a busy writer may never be idle
 *   hard   above wal_hard_pages: TRUNCATE, waiting up to PATIENCE_NS for readers; who has held a read transaction for
 *          longer than read_timeout_s then (a stream, say) is ended for it
 *
 * After a PASSIVE checkpoint that reached the log's end the next commit begins the log anew, unless a reader still
 * stands in it. One that did not reach the end is tried again RETRY_NS later.
 */
#include <sqlite3.h>

#include "db/connection.h"
#include "db/database.h"
#include "db/writer.h"

enum { BUSY_FACTOR = 4 };

#define PATIENCE_NS (100 * OL_NS_PER_MS)
#define RETRY_NS (100 * OL_NS_PER_MS)

static uint64_t backlog(const struct ol__writer *writer)
{
    uint64_t pages = atomic_load_explicit(&writer->wal_pages, memory_order_relaxed);

    return pages > writer->checkpointed_pages ? pages - writer->checkpointed_pages : 0;
}

static bool is_above_hard(const struct ol__writer *writer)
{
    return atomic_load_explicit(&writer->wal_pages, memory_order_relaxed) > writer->db->config.wal_hard_pages;
}

/* A checkpoint must reset the log, and a reader stands in it: readers beyond their time are ended. */
static void end_old_readers(struct ol__writer *writer)
{
    ol__db_end_old_readers(writer->db);
}

static void checkpoint(struct ol__writer *writer, int how)
{
    int n_log = 0, n_moved = 0;
    int rc;

    writer->patience_ns = how == SQLITE_CHECKPOINT_PASSIVE ? 1 : ol_now_ns() + PATIENCE_NS;
    rc = sqlite3_wal_checkpoint_v2(writer->conn->sqlite, NULL, how, &n_log, &n_moved);
    writer->patience_ns = 0;
    writer->checkpoint_retry_ns = rc == SQLITE_OK && n_moved == n_log ? 0 : ol_now_ns() + RETRY_NS;
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        ol__db_event(writer->db, OL_EIO, "a checkpoint failed: %s", sqlite3_errmsg(writer->conn->sqlite));
        return;
    }
    atomic_fetch_add_explicit(&writer->n_checkpoints, 1, memory_order_relaxed);
    if (n_log >= 0) {
        writer->checkpointed_pages = (uint64_t)n_moved;
        atomic_store_explicit(&writer->wal_pages, (uint64_t)n_log, memory_order_relaxed);
    }
}

void ol__checkpoint_if_due(struct ol__writer *writer, bool is_idle)
{
    uint64_t soft = writer->db->config.wal_soft_pages;
    uint64_t due = backlog(writer);

    if (!writer->conn || ol_now_ns() < writer->checkpoint_retry_ns)
        return;
    if (is_above_hard(writer)) {
        checkpoint(writer, SQLITE_CHECKPOINT_TRUNCATE);
        if (is_above_hard(writer))
            end_old_readers(writer);
    } else if (due > soft * BUSY_FACTOR || (is_idle && due > soft)) {
        checkpoint(writer, SQLITE_CHECKPOINT_PASSIVE);
    }
}

uint64_t ol__checkpoint_next_ns(const struct ol__writer *writer)
{
    bool is_due = backlog(writer) > writer->db->config.wal_soft_pages || is_above_hard(writer);

    return writer->conn && is_due ? writer->checkpoint_retry_ns | 1 : 0;
}

void ol__checkpoint_last(struct ol__writer *writer)
{
    writer->patience_ns = 1;
    sqlite3_wal_checkpoint_v2(writer->conn->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
