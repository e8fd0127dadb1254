/*
 * group_commit.c: many writes, one commit, and a failing one fails alone.
 *
 * The writer begins a transaction, takes up what is queued, write by write, and commits when the queue is empty or a
 * bound is reached (count, bytes, time). A lone write is committed at once. Nobody is answered before the commit,
 * also not who failed: a write may have failed because of another of its group ("there is a row 7 already") that then
 * was not committed.
 *
 *     BEGIN IMMEDIATE    first write    SAVEPOINT second RELEASE    SAVEPOINT third ROLLBACK TO, RELEASE    ...    COMMIT
 *
 * The first write needs no savepoint: as long as it is alone, rolling back the transaction is rolling it back.
 * Deferred foreign keys would fail at COMMIT, for all: so after each write the count of open violations must be zero,
 * or that write has failed.
 *
 * What a savepoint cannot contain. OR ROLLBACK, RAISE(ROLLBACK), a full disk, an I/O error and no memory end the
 * whole transaction, or leave it in a state that only a rollback leaves. Then the group is taken apart: the culprit
 * gets its error, and each of the others runs again in a transaction of its own, in its order. The same when COMMIT
 * fails: then nobody is the culprit.
 *
 * A failed sync is the exception. What the kernel has of it is unknown, and a second sync that succeeds proves
 * nothing: nobody of the group is acknowledged, nothing is run again, and the connection is closed and opened anew.
 * Frames of the log that were written and not published are overwritten by the next commit.
 *
 * The states of a group:        open --COMMIT ok--> acknowledged
 *                                |  '--fatal, or COMMIT failed--> taken apart: one by one
 *                                '--a sync failed--> refused, reopened
 */
#include <sqlite3.h>

#include "base/clock.h"
#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "db/writer.h"

struct group {
    struct ol_link writes; /* that have run, in their order */
    size_t         n, size;
    uint64_t       began_ns;
};

/* What became of a write inside a transaction. */
enum outcome {
    KEPT,     /* it is part of the transaction */
    UNDONE,   /* it failed, and left nothing behind */
    LOST,     /* it took the transaction with it */
    SYNC_LOST /* ... by a failed sync */
};

static bool is_failed_sync(int detail)
{
    return detail == SQLITE_IOERR_FSYNC || detail == SQLITE_IOERR_DIR_FSYNC;
}

/* Failures after which the transaction is as it was before the statement; all others may have left it broken. */
static bool fails_alone(int code)
{
    return code == OL_ECONSTRAINT || code == OL_EINVAL || code == OL_ELIMIT || code == OL_EPERM;
}

static enum outcome judge_failure(const struct ol__connection *conn, const struct ol__write *write, bool is_own_code)
{
    if (!is_own_code && is_failed_sync(write->error.detail))
        return SYNC_LOST;
    if (sqlite3_get_autocommit(conn->sqlite))
        return LOST;
    return is_own_code || fails_alone(write->rc) ? UNDONE : LOST;
}

/* ---- one write ---- */

static int64_t changes_of(sqlite3 *sqlite, int64_t total_before)
{
#if SQLITE_VERSION_NUMBER >= 3037000
    return sqlite3_total_changes64(sqlite) == total_before ? 0 : sqlite3_changes64(sqlite);
#else
    return sqlite3_total_changes(sqlite) == total_before ? 0 : sqlite3_changes(sqlite);
#endif
}

static int64_t total_changes(sqlite3 *sqlite)
{
#if SQLITE_VERSION_NUMBER >= 3037000
    return sqlite3_total_changes64(sqlite);
#else
    return sqlite3_total_changes(sqlite);
#endif
}

int ol__writer_exec(struct ol_db_result *ret_result, struct ol__connection *conn, const char *sql, struct ol_args args,
                    struct ol_error *error)
{
    uint64_t clock_ns = ol_now_ns();
    int64_t  total_before = total_changes(conn->sqlite);
    int      rc;

    sqlite3_set_last_insert_rowid(conn->sqlite, 0);
    rc = ol__db_connection_run(NULL, conn, sql, args, &clock_ns, error);
    if (rc < 0)
        return rc;
    ret_result->changes = changes_of(conn->sqlite, total_before);
    ret_result->last_insert_id = sqlite3_last_insert_rowid(conn->sqlite);
    return 0;
}

/* The violations of deferred foreign keys that are open: none were before this write. */
static int check_foreign_keys(struct ol__connection *conn, struct ol__write *write)
{
    int open = 0, highest = 0;

    sqlite3_db_status(conn->sqlite, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &highest, 0);
    if (!open)
        return 0;
    return ol__failure(&write->error, OL_ECONSTRAINT, SQLITE_CONSTRAINT_FOREIGNKEY,
                       "FOREIGN KEY constraint failed (deferred)");
}

static enum outcome run_write(struct ol__connection *conn, struct ol__write *write)
{
    bool is_own_code = false;

    write->result = (struct ol_db_result){ 0 };
    if (write->fn)
        write->rc = ol__tx_run(&is_own_code, conn, write);
    else
        write->rc = ol__writer_exec(&write->result, conn, write->sql, write->args, &write->error);
    if (write->rc == 0)
        write->rc = check_foreign_keys(conn, write);
    return write->rc == 0 ? KEPT : judge_failure(conn, write, is_own_code);
}

/* ---- the group ---- */

static void rollback(struct ol__connection *conn)
{
    if (!sqlite3_get_autocommit(conn->sqlite))
        ol__db_connection_control(conn, OL__ROLLBACK);
}

static enum outcome undo_to_savepoint(struct ol__connection *conn)
{
    if (ol__db_connection_control(conn, OL__ROLLBACK_TO) != SQLITE_OK)
        return LOST;
    return ol__db_connection_control(conn, OL__RELEASE) == SQLITE_OK ? UNDONE : LOST;
}

/*
 * One more write under a savepoint. When the savepoint itself fails, the write has not run: LOST, with its rc
 * untouched at 0.
 */
static enum outcome run_under_savepoint(struct ol__connection *conn, struct ol__write *write)
{
    enum outcome outcome;
    int          rc = ol__db_connection_control(conn, OL__SAVEPOINT);

    write->rc = 0;
    if (rc != SQLITE_OK)
        return LOST;
    outcome = run_write(conn, write);
    if (outcome == UNDONE)
        return undo_to_savepoint(conn);
    if (outcome == KEPT && (rc = ol__db_connection_control(conn, OL__RELEASE)) != SQLITE_OK)
        return is_failed_sync(rc) ? SYNC_LOST : LOST;
    return outcome;
}

static void answer_all(struct group *group)
{
    struct ol_link *link;

    while ((link = ol_list_pop(&group->writes)))
        ol__writer_answer(OL_CONTAINER_OF(link, struct ol__write, link));
}

static void refuse_all(struct ol__writer *writer, struct group *group)
{
    for (struct ol_link *link = group->writes.next; link != &group->writes; link = link->next) {
        struct ol__write *write = OL_CONTAINER_OF(link, struct ol__write, link);

        write->rc = ol__failure(&write->error, OL_EIO, SQLITE_IOERR_FSYNC,
                                "the log could not be synced to the disk: nobody knows what is there");
    }
    ol__db_event(writer->db, OL_EIO, "a sync failed: %zu writes were refused, the writing connection is opened again",
                 group->n);
    ol__writer_reopen(writer); /* first: who is told next may try again at once */
    answer_all(group);
}

static void note_commit(struct ol__writer *writer, size_t n)
{
    atomic_fetch_add_explicit(&writer->n_commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&writer->n_writes, n, memory_order_relaxed);
    if (n > atomic_load_explicit(&writer->batch_max, memory_order_relaxed))
        atomic_store_explicit(&writer->batch_max, n, memory_order_relaxed);
}

/* BEGIN, the write, COMMIT. Fills in write->rc. */
static enum outcome run_in_own_transaction(struct ol__connection *conn, struct ol__write *write)
{
    enum outcome outcome;
    int          rc = ol__db_connection_control(conn, OL__BEGIN_IMMEDIATE);

    if (rc != SQLITE_OK) {
        write->rc = ol__failure_of(&write->error, conn, rc);
        return LOST;
    }
    outcome = run_write(conn, write);
    if (outcome != KEPT)
        return outcome;
    rc = ol__db_connection_control(conn, OL__COMMIT);
    if (rc == SQLITE_OK)
        return KEPT;
    write->rc = ol__failure_of(&write->error, conn, rc);
    return is_failed_sync(rc) ? SYNC_LOST : LOST;
}

static void run_alone(struct ol__writer *writer, struct ol__write *write)
{
    enum outcome outcome;

    atomic_fetch_add_explicit(&writer->n_rerun, 1, memory_order_relaxed);
    writer->patience_ns = ol_now_ns() + ol__seconds_to_ns(writer->db->config.busy_timeout_s);
    if (!writer->conn) {
        write->rc = ol__failure(&write->error, OL_EIO, 0, "the writing connection was lost");
    } else {
        outcome = run_in_own_transaction(writer->conn, write);
        rollback(writer->conn);
        if (outcome == KEPT)
            note_commit(writer, 1);
        else if (outcome == SYNC_LOST)
            ol__writer_reopen(writer);
    }
    writer->patience_ns = 0;
    ol__writer_answer(write);
}

static void take_apart(struct ol__writer *writer, struct group *group)
{
    struct ol_link *link;

    while ((link = ol_list_pop(&group->writes)))
        run_alone(writer, OL_CONTAINER_OF(link, struct ol__write, link));
}

/*
 * A write has taken the transaction with it: it is answered, the others run again. One that did not even run is among
 * those.
 */
static void lose(struct ol__writer *writer, struct group *group, struct ol__write *culprit)
{
    rollback(writer->conn);
    if (culprit->rc == 0)
        ol_list_append(&group->writes, &culprit->link);
    else
        ol__writer_answer(culprit);
    take_apart(writer, group);
}

static void commit(struct ol__writer *writer, struct group *group)
{
    int rc = ol__db_connection_control(writer->conn, OL__COMMIT);

    if (rc == SQLITE_OK) {
        note_commit(writer, group->n);
        answer_all(group);
        return;
    }
    if (is_failed_sync(rc)) {
        refuse_all(writer, group);
        return;
    }
    if (group->n == 1) { /* it was alone already */
        struct ol__write *write = OL_CONTAINER_OF(group->writes.next, struct ol__write, link);

        write->rc = ol__failure_of(&write->error, writer->conn, rc);
        rollback(writer->conn);
        answer_all(group);
        return;
    }
    rollback(writer->conn);
    take_apart(writer, group);
}

static bool is_full(const struct ol__writer *writer, const struct group *group)
{
    const struct ol_db_config *config = &writer->db->config;

    return group->n >= config->batch_max || group->size >= config->batch_bytes_max ||
           ol_now_ns() - group->began_ns >= ol__seconds_to_ns(config->batch_max_s);
}

/* Run one write as part of the group. Returns whether the transaction is still open. */
static bool add(struct ol__writer *writer, struct group *group, struct ol__write *write)
{
    struct ol__connection *conn = writer->conn;
    bool                   is_first = group->n == 0;
    enum outcome           outcome = is_first ? run_write(conn, write) : run_under_savepoint(conn, write);

    if (outcome == LOST) {
        lose(writer, group, write);
        return false;
    }
    if (is_first && outcome == UNDONE) {
        rollback(conn);
        ol__writer_answer(write);
        return false;
    }
    ol_list_append(&group->writes, &write->link);
    group->n++;
    group->size += write->size;
    if (outcome == SYNC_LOST) {
        refuse_all(writer, group);
        return false;
    }
    return true;
}

/*
 * The transaction could not be begun. Who has waited long enough for another process is told so; any other failure is
 * the first one's.
 */
static void refuse_begin(struct ol__writer *writer, int sqlite_rc)
{
    bool     is_busy = (sqlite_rc & 0xff) == SQLITE_BUSY;
    uint64_t limit_ns = ol__seconds_to_ns(writer->db->config.busy_timeout_s);

    for (;;) {
        struct ol__write *write;
        bool              is_due;

        pthread_mutex_lock(&writer->lock);
        is_due = !ol_list_empty(&writer->queue) &&
                 (!is_busy ||
                  ol_now_ns() - OL_CONTAINER_OF(writer->queue.next, struct ol__write, link)->arrived_ns >= limit_ns);
        pthread_mutex_unlock(&writer->lock);
        write = is_due ? ol__writer_take(writer) : NULL;
        if (!write)
            return;
        if (is_busy)
            write->rc = ol__failure(&write->error, OL_ETIMEDOUT, sqlite_rc,
                                    "another process held the write lock too long");
        else if (writer->conn)
            write->rc = ol__failure_of(&write->error, writer->conn, sqlite_rc);
        else
            write->rc = ol__failure(&write->error, OL_EIO, sqlite_rc,
                                    "the writing connection was lost and cannot be opened again");
        ol__writer_answer(write);
        if (!is_busy)
            return;
    }
}

static int begin(struct ol__writer *writer)
{
    struct ol_error error;

    if (!writer->conn && ol__writer_open(writer->db, &error) < 0)
        return error.detail ? error.detail : SQLITE_CANTOPEN;
    return ol__db_connection_control(writer->conn, OL__BEGIN_IMMEDIATE);
}

void ol__group_run(struct ol__writer *writer)
{
    struct group      group = { .began_ns = ol_now_ns() };
    struct ol__write *write;
    int               rc = begin(writer);

    if (rc != SQLITE_OK) {
        refuse_begin(writer, rc);
        return;
    }
    ol_link_init(&group.writes);
    while (!is_full(writer, &group) && (write = ol__writer_take(writer)))
        if (!add(writer, &group, write))
            return;
    if (group.n > 0)
        commit(writer, &group);
    else
        rollback(writer->conn); /* all were withdrawn */
}
