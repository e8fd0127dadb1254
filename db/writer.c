/*
 * writer.c: the thread that writes, and the queue before it.
 *
 * Exactly one thread ever writes the file and its log: this one, on one connection. Writes queue in the order of
 * their arrival, at most queue_max of them. The thread takes them up in groups (group_commit.c), and between two
 * groups does what else belongs to the writing connection: checkpoints (checkpoint.c) and steps of a backup
 * (backup.c).
 *
 * A write that waits in the queue is its caller's to withdraw; once it was taken up it is finished, whatever becomes
 * of the caller's scope: an interrupted INSERT would take the transactions of others with it. So a write is taken up
 * as late as can be: nothing leaves the queue while the thread still waits for another process to let go of the lock.
 *
 * The thread opens the connection, makes the file, brings its schema up to date, and at the end checkpoints and
 * closes: so "one thread" is meant literally. ol_db_open waits until it has opened.
 *
 * The thread is woken only when it sleeps: it says so under the lock, and looks at the queue after that.
 */
#include "db/writer.h"

#include <sqlite3.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/backup.h"
#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "loop/wait.h"

static _Thread_local bool is_writer;

bool ol__writer_is_here(void)
{
    return is_writer;
}

/* ---- the caller's side ---- */

static int submit(struct ol__writer *writer, struct ol__write *write)
{
    int  rc = 0;
    bool must_wake = false;

    pthread_mutex_lock(&writer->lock);
    if (writer->is_closing) {
        rc = ol__fail(OL_ECLOSED, 0, "the database is closed");
    } else if (writer->n_queue >= writer->db->config.queue_max) {
        rc = ol__fail(OL_EBUSY, 0, "too many writes are waiting");
    } else {
        ol_list_append(&writer->queue, &write->link);
        write->is_queued = true;
        writer->n_queue++;
        must_wake = writer->is_asleep;
        writer->is_asleep = false;
    }
    pthread_mutex_unlock(&writer->lock);
    if (must_wake)
        pthread_cond_signal(&writer->wake);
    return rc;
}

static bool withdraw(struct ol__writer *writer, struct ol__write *write)
{
    bool withdrawn;

    pthread_mutex_lock(&writer->lock);
    withdrawn = write->is_queued;
    if (withdrawn) {
        ol_list_remove(&write->link);
        writer->n_queue--;
    }
    pthread_mutex_unlock(&writer->lock);
    return withdrawn;
}

/*
 * Wait for the answer; a write that is still queued when the scope ends is withdrawn. Returns 0 when there is an
 * answer.
 */
static int wait_for(struct ol__writer *writer, struct ol__write *write)
{
    int rc = ol__wait_until(write->wait);

    if (rc < 0 && withdraw(writer, write))
        return ol__fail(rc, 0, "the write was still queued when its scope ended");
    if (rc < 0)
        ol__wait_uninterrupted(write->wait);
    return 0;
}

static int write_and_wait(struct ol_db_result *ret_result, struct ol_db *db, struct ol__write *write)
{
    struct ol__wait wait;
    int             rc = ol__db_may_wait(db);

    if (rc < 0)
        return rc;
    ol__wait_init(&wait);
    write->wait = &wait;
    write->arrived_ns = ol_now_ns();
    rc = submit(&db->writer, write);
    if (rc == 0)
        rc = wait_for(&db->writer, write);
    ol__wait_fini(&wait);
    write->wait = NULL;
    if (rc < 0)
        return rc;
    if (write->rc < 0)
        return ol__fail_with(&write->error);
    if (ret_result)
        *ret_result = write->result;
    return 0;
}

static size_t size_of(struct ol_args args)
{
    size_t size = 0;

    for (size_t i = 0; i < args.count; i++)
        if (args.values[i].type == OL_TYPE_TEXT || args.values[i].type == OL_TYPE_BLOB)
            size += args.values[i].as.bytes.size;
    return size;
}

int ol_db_exec(struct ol_db_result *ret_result, struct ol_db *db, const char *sql, struct ol_args args)
{
    struct ol__write write = { .sql = sql, .args = args, .size = size_of(args) };

    if (!sql)
        return ol__fail(OL_EINVAL, 0, "no SQL text was given");
    return write_and_wait(ret_result, db, &write);
}

int ol_db_transaction(struct ol_db_result *ret_result, struct ol_db *db, ol_tx_cb *fn, void *arg)
{
    struct ol__write write = { .fn = fn, .arg = arg };

    if (!fn)
        return ol__fail(OL_EINVAL, 0, "no function was given");
    return write_and_wait(ret_result, db, &write);
}

/* ---- the writer's side ---- */

struct ol__write *ol__writer_take(struct ol__writer *writer)
{
    struct ol__write *write = NULL;
    struct ol_link   *link;

    pthread_mutex_lock(&writer->lock);
    link = ol_list_pop(&writer->queue);
    if (link) {
        write = OL_CONTAINER_OF(link, struct ol__write, link);
        write->is_queued = false;
        writer->n_queue--;
    }
    pthread_mutex_unlock(&writer->lock);
    return write;
}

void ol__writer_answer(struct ol__write *write)
{
    ol__wait_signal(write->wait);
}

static int on_wal(void *arg, sqlite3 *sqlite, const char *schema, int n_pages)
{
    struct ol__writer *writer = arg;

    (void)sqlite;
    (void)schema;
    if ((uint64_t)n_pages < writer->checkpointed_pages)
        writer->checkpointed_pages = 0; /* the log began anew */
    atomic_store_explicit(&writer->wal_pages, (uint64_t)n_pages, memory_order_relaxed);
    return SQLITE_OK;
}

/* Until when the first of the queue may wait for another process; 0 when nobody waits any more. */
static uint64_t patience_of_queue(struct ol__writer *writer)
{
    uint64_t until_ns = 0;

    pthread_mutex_lock(&writer->lock);
    if (!ol_list_empty(&writer->queue))
        until_ns = OL_CONTAINER_OF(writer->queue.next, struct ol__write, link)->arrived_ns +
                   ol__seconds_to_ns(writer->db->config.busy_timeout_s);
    pthread_mutex_unlock(&writer->lock);
    return until_ns;
}

static int on_busy(void *arg, int n_before)
{
    struct ol__writer *writer = arg;
    uint64_t           until_ns = writer->patience_ns ? writer->patience_ns : patience_of_queue(writer);
    long               ms = n_before < 10 ? 1 : 5;

    if (ol_now_ns() >= until_ns)
        return 0;
    nanosleep(&(struct timespec){ .tv_nsec = ms * (long)OL_NS_PER_MS }, NULL);
    return 1;
}

int ol__writer_open(struct ol_db *db, struct ol_error *error)
{
    struct ol__writer *writer = &db->writer;
    int                rc = ol__db_connection_open(&writer->conn, db, OL__WRITES, error);

    if (rc < 0)
        return rc;
    sqlite3_busy_handler(writer->conn->sqlite, on_busy, writer);
    sqlite3_wal_hook(writer->conn->sqlite, on_wal, writer);
    return 0;
}

void ol__writer_reopen(struct ol__writer *writer)
{
    struct ol_error error;

    ol__backup_abort(writer);
    ol__db_connection_close(writer->conn);
    writer->conn = NULL;
    atomic_fetch_add(&writer->n_reopened, 1);
    if (ol__writer_open(writer->db, &error) < 0)
        ol__db_event(writer->db, error.code, "the writing connection could not be opened again: %s", error.text);
}

/* ---- the thread ---- */

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns)
{
    if (!a_ns || !b_ns)
        return a_ns | b_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

static void sleep_locked(struct ol__writer *writer)
{
    uint64_t        until_ns = sooner(ol__checkpoint_next_ns(writer), ol__backup_next_ns_locked(writer));
    struct timespec until = ol__ns_to_timespec(until_ns);

    if (until_ns && ol_now_ns() >= until_ns)
        return;
    writer->is_asleep = true;
    if (until_ns)
        pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
    else
        pthread_cond_wait(&writer->wake, &writer->lock);
    writer->is_asleep = false;
}

static void work_until_closed(struct ol__writer *writer)
{
    bool has_writes, is_closing = false;

    while (!is_closing) {
        pthread_mutex_lock(&writer->lock);
        if (ol_list_empty(&writer->queue) && !writer->is_closing)
            sleep_locked(writer);
        has_writes = !ol_list_empty(&writer->queue);
        is_closing = writer->is_closing && !has_writes;
        pthread_mutex_unlock(&writer->lock);

        if (has_writes)
            ol__group_run(writer);
        ol__backup_step_if_due(writer);
        ol__checkpoint_if_due(writer, !has_writes);
    }
    ol__backup_abort_all(writer);
}

static void report_open(struct ol__writer *writer, int rc)
{
    pthread_mutex_lock(&writer->lock);
    writer->open_rc = rc;
    writer->is_open = true;
    pthread_cond_signal(&writer->opened);
    pthread_mutex_unlock(&writer->lock);
}

/* From the file's first byte to its last: no other thread writes it. */
static void *writer_main(void *arg)
{
    struct ol__writer *writer = arg;
    int                rc;

    is_writer = true;
    writer->patience_ns = ol_now_ns() + ol__seconds_to_ns(writer->db->config.busy_timeout_s);
    rc = ol__writer_open(writer->db, &writer->open_error);
    if (rc == 0)
        rc = ol__db_prepare_file(writer->db, writer->conn, &writer->open_error);
    writer->patience_ns = 0;
    report_open(writer, rc);
    if (rc == 0)
        work_until_closed(writer);
    if (writer->conn && rc == 0)
        ol__checkpoint_last(writer);
    ol__db_connection_close(writer->conn);
    return NULL;
}

static void init_lock(struct ol__writer *writer)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->wake, &attr);
    pthread_cond_init(&writer->opened, NULL);
    pthread_condattr_destroy(&attr);
}

void ol__writer_init(struct ol_db *db)
{
    db->writer.db = db;
    ol_link_init(&db->writer.queue);
    ol_link_init(&db->writer.backups);
    init_lock(&db->writer);
}

int ol__writer_start(struct ol_db *db, struct ol_error *error)
{
    struct ol__writer *writer = &db->writer;
    int                err = ol__db_thread_start(&writer->thread, "ol-db-w", writer_main, writer);

    if (err)
        return ol__failure(error, OL_ESYS, err, "cannot start the writing thread of %s", db->path);
    writer->is_started = true;
    pthread_mutex_lock(&writer->lock);
    while (!writer->is_open)
        pthread_cond_wait(&writer->opened, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
    if (writer->open_rc < 0)
        *error = writer->open_error;
    return writer->open_rc;
}

void ol__writer_close(struct ol_db *db)
{
    struct ol__writer *writer = &db->writer;

    pthread_mutex_lock(&writer->lock);
    writer->is_closing = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    if (writer->is_started)
        pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->opened);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
}
