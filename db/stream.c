/*
 * stream.c: results of any length, in batches, at the taker's pace.
 *
 * A stream has a reading thread for itself (one of at most readers - 1) that steps the statement and puts batches of
 * rows into a window; the taker takes them out. Both wait for each other: the reader when the window is full, the
 * taker when it is empty. The window is bounded in bytes and in batches, so memory stays flat whatever the length; a
 * row that is larger than the window comes alone.
 *
 * A stream that stands still pins the log (no checkpoint gets past its snapshot), so the reader's wait has limits:
 * stall_timeout_s since the taker last took something, the deadline of the scope under which the stream began, the
 * end of the database, and the writer's order when the log has reached its hard limit. Each ends the stream with a
 * reason that the taker reads after the rows that are in the window.
 *
 * ol_db_stream_begin returns when the first batch is there, or the failure, so a taker knows before its first word of
 * answer.
 *
 * Two hold a stream, the taker and the reader, and the last one frees it: so ending it in the middle waits for
 * nobody. A stream that is still queued has no reader yet; whoever takes it off the queue lets go for the reader.
 *
 * Locks: the readers' and a reader's, then streams.lock, then stream->lock.
 */
#include "db/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "db/reader.h"
#include "loop/wait.h"

enum { WINDOW_BATCHES = 8 };

struct batch {
    struct ol_rows *rows;
    size_t          size;
};

struct ol_db_stream {
    /* set at begin */
    struct ol_db *db;
    size_t        window;

    struct ol__read read; /* `link` and what follows: the readers' */

    struct ol_link in_running; /* guarded by streams.lock */

    pthread_mutex_t lock;
    pthread_cond_t  room; /* the taker took something, or somebody wants the stream to end; CLOCK_MONOTONIC */
    /* guarded by lock */
    struct batch     batches[WINDOW_BATCHES]; /* a ring */
    unsigned         first, n;
    size_t           size;  /* bytes in the ring */
    struct ol__wait *taker; /* waits; NULL: it does not */
    bool             is_abandoned;
    bool             is_finished;
    struct ol_error  failure; /* why it finished; its code is 0 for the end of the result */
    unsigned         n_holders;
    uint64_t         taken_ns; /* when the taker last took something */
};

void ol__streams_init(struct ol_db *db)
{
    pthread_mutex_init(&db->streams.lock, NULL);
    ol_link_init(&db->streams.running);
}

void ol__streams_fini(struct ol_db *db)
{
    pthread_mutex_destroy(&db->streams.lock);
}

void ol__streams_look_again(struct ol_db *db)
{
    struct ol__streams *streams = &db->streams;

    pthread_mutex_lock(&streams->lock);
    for (struct ol_link *link = streams->running.next; link != &streams->running; link = link->next) {
        struct ol_db_stream *stream = OL_CONTAINER_OF(link, struct ol_db_stream, in_running);

        pthread_mutex_lock(&stream->lock);
        pthread_cond_signal(&stream->room);
        pthread_mutex_unlock(&stream->lock);
    }
    pthread_mutex_unlock(&streams->lock);
}

/* ---- life ---- */

static void destroy(struct ol_db_stream *stream)
{
    for (unsigned i = 0; i < stream->n; i++)
        ol_rows_free(stream->batches[(stream->first + i) % WINDOW_BATCHES].rows);
    pthread_cond_destroy(&stream->room);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

static void let_go(struct ol_db_stream *stream)
{
    bool is_last;

    pthread_mutex_lock(&stream->lock);
    is_last = --stream->n_holders == 0;
    pthread_mutex_unlock(&stream->lock);
    if (is_last)
        destroy(stream);
}

static size_t bytes_of(struct ol_args args)
{
    size_t size = 0;

    for (size_t i = 0; i < args.count; i++)
        if (args.values[i].type == OL_TYPE_TEXT || args.values[i].type == OL_TYPE_BLOB)
            size += args.values[i].as.bytes.size;
    return size;
}

static void copy_args(struct ol_db_stream *stream, struct ol_args args, struct ol_value *values, char *bytes)
{
    for (size_t i = 0; i < args.count; i++) {
        values[i] = args.values[i];
        if (values[i].type != OL_TYPE_TEXT && values[i].type != OL_TYPE_BLOB)
            continue;
        memcpy(bytes, values[i].as.bytes.data, values[i].as.bytes.size);
        values[i].as.bytes.data = bytes;
        bytes += values[i].as.bytes.size;
    }
    stream->read.args = (struct ol_args){ values, args.count };
}

static void init_lock(struct ol_db_stream *stream)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&stream->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->room, &attr);
    pthread_condattr_destroy(&attr);
}

/*
 * One block: the stream, the values, the text, the values' bytes (and one more, so that an empty blob has an
 * address).
 */
static struct ol_db_stream *make(struct ol_db *db, const char *sql, struct ol_args args)
{
    size_t               values_size = args.count * sizeof(struct ol_value);
    size_t               sql_size = strlen(sql) + 1;
    struct ol_db_stream *stream = malloc(sizeof *stream + values_size + sql_size + bytes_of(args) + 1);
    struct ol_scope     *scope = ol_scope_current();
    char                *text;

    if (!stream)
        return NULL;
    memset(stream, 0, sizeof *stream);
    text = (char *)(stream + 1) + values_size;
    memcpy(text, sql, sql_size);
    stream->db = db;
    stream->window = db->config.stream_window;
    stream->read.sql = text;
    stream->read.deadline_ns = scope ? scope->deadline_ns : 0;
    stream->read.is_unlimited = true;
    copy_args(stream, args, (struct ol_value *)(void *)(stream + 1), text + sql_size);
    ol_link_init(&stream->in_running);
    init_lock(stream);
    stream->n_holders = 2;
    stream->taken_ns = ol_now_ns();
    return stream;
}

/* ---- the reader's side ---- */

static struct ol__wait *take_taker_locked(struct ol_db_stream *stream)
{
    struct ol__wait *taker = stream->taker;

    stream->taker = NULL;
    return taker;
}

static void finish(struct ol_db_stream *stream, const struct ol_error *failure)
{
    struct ol__wait *taker;

    pthread_mutex_lock(&stream->lock);
    stream->is_finished = true;
    if (failure)
        stream->failure = *failure;
    taker = take_taker_locked(stream);
    pthread_mutex_unlock(&stream->lock);
    if (taker)
        ol__wait_signal(taker);
}

static bool has_room_locked(const struct ol_db_stream *stream, size_t size)
{
    return stream->n == 0 || (stream->n < WINDOW_BATCHES && stream->size + size <= stream->window);
}

static uint64_t limit_locked(const struct ol_db_stream *stream)
{
    uint64_t stall_ns = stream->taken_ns + ol__seconds_to_ns(stream->db->config.stall_timeout_s);

    return stream->read.deadline_ns && stream->read.deadline_ns < stall_ns ? stream->read.deadline_ns : stall_ns;
}

/* Wait for room in the window. Returns: 0; OL_ECANCELED (nobody takes any more); or why the stream must end. */
static int wait_for_room_locked(struct ol_db_stream *stream, struct ol__connection *conn, size_t size,
                                struct ol_error *error)
{
    while (!has_room_locked(stream, size)) {
        struct timespec limit = ol__ns_to_timespec(limit_locked(stream));
        int             reason = ol__stop_reason(&conn->stop, ol_now_ns());

        if (stream->is_abandoned)
            return ol__failure(error, OL_ECANCELED, 0, "the stream was ended");
        if (reason)
            return ol__failure(error, reason, 0, "the stream was told to stop while its taker stood still");
        if (pthread_cond_timedwait(&stream->room, &stream->lock, &limit) == ETIMEDOUT &&
            ol_now_ns() >= limit_locked(stream))
            return ol__failure(error, OL_ETIMEDOUT, 0, "the stream's taker stood still too long");
    }
    return 0;
}

static int deliver(struct ol_db_stream *stream, struct ol__connection *conn, sqlite3_stmt *stmt, struct ol_error *error)
{
    size_t           size = ol__rows_size(&conn->builder);
    struct ol__wait *taker = NULL;
    struct ol_rows  *rows;
    int              rc;

    if (ol__rows_take(&rows, &conn->builder, stmt) < 0)
        return ol__failure(error, OL_ENOMEM, 0, "out of memory for the rows");
    pthread_mutex_lock(&stream->lock);
    rc = wait_for_room_locked(stream, conn, size, error);
    if (rc == 0) {
        stream->batches[(stream->first + stream->n++) % WINDOW_BATCHES] = (struct batch){ rows, size };
        stream->size += size;
        taker = take_taker_locked(stream);
    }
    pthread_mutex_unlock(&stream->lock);
    if (taker)
        ol__wait_signal(taker);
    if (rc < 0)
        ol_rows_free(rows);
    return rc;
}

static void begin_batch(struct ol__connection *conn, sqlite3_stmt *stmt)
{
    ol__rows_begin(&conn->builder, (unsigned)sqlite3_column_count(stmt));
}

static int pump(struct ol_db_stream *stream, struct ol__connection *conn, sqlite3_stmt *stmt, uint64_t *ret_n_rows,
                struct ol_error *error)
{
    size_t full = stream->window / 4;
    int    rc = sqlite3_step(stmt);

    for (begin_batch(conn, stmt); rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        ++*ret_n_rows;
        if (ol__rows_add(&conn->builder, stmt, conn->is_utf8) < 0)
            return ol__failure(error, OL_ENOMEM, 0, "out of memory for the rows");
        if (ol__rows_size(&conn->builder) < full)
            continue;
        if (deliver(stream, conn, stmt, error) < 0)
            return error->code;
        begin_batch(conn, stmt);
    }
    if (rc != SQLITE_DONE)
        return ol__failure_of(error, conn, rc);
    return conn->builder.n_rows > 0 ? deliver(stream, conn, stmt, error) : 0;
}

static int run(struct ol_db_stream *stream, struct ol__connection *conn, struct ol_error *error)
{
    struct ol__statement *statement;
    uint64_t              started_ns = ol_now_ns(), n_rows = 0;
    int                   rc = ol__statement_acquire(&statement, conn, stream->read.sql, stream->read.args, error);

    if (rc < 0)
        return rc;
    atomic_store_explicit(&conn->reading_sql, statement->figures->sql, memory_order_relaxed);
    rc = pump(stream, conn, statement->stmt, &n_rows, error);
    ol__rows_drop(&conn->builder);
    ol__statement_release(conn, statement, ol_now_ns() - started_ns, n_rows);
    return rc;
}

static void set_running(struct ol_db_stream *stream, bool is_running)
{
    struct ol__streams *streams = &stream->db->streams;

    pthread_mutex_lock(&streams->lock);
    if (is_running)
        ol_list_append(&streams->running, &stream->in_running);
    else
        ol_list_remove(&stream->in_running);
    pthread_mutex_unlock(&streams->lock);
}

static void run_alone(struct ol__reader *reader, struct ol__read *read)
{
    struct ol_db_stream *stream = OL_CONTAINER_OF(read, struct ol_db_stream, read);
    struct ol_error      error;
    int                  rc;

    set_running(stream, true);
    rc = run(stream, reader->conn, &error);
    set_running(stream, false);
    ol__reader_finish_alone(reader, read);
    finish(stream, rc < 0 ? &error : NULL);
    let_go(stream);
}

/* The database was closed while the stream was queued. */
static void refused(struct ol__read *read)
{
    struct ol_db_stream *stream = OL_CONTAINER_OF(read, struct ol_db_stream, read);

    finish(stream, &read->error);
    let_go(stream);
}

/* ---- the taker's side ---- */

/* Is there a batch, or the end? If not, `wait` is told when there is. */
static bool is_ready_or_wait(struct ol_db_stream *stream, struct ol__wait *wait)
{
    bool is_ready;

    pthread_mutex_lock(&stream->lock);
    is_ready = stream->n > 0 || stream->is_finished;
    if (!is_ready)
        stream->taker = wait;
    pthread_mutex_unlock(&stream->lock);
    return is_ready;
}

/* True: nobody will signal the taker's wait. */
static bool withdraw_taker(struct ol_db_stream *stream)
{
    bool withdrawn;

    pthread_mutex_lock(&stream->lock);
    withdrawn = take_taker_locked(stream) != NULL;
    pthread_mutex_unlock(&stream->lock);
    return withdrawn;
}

static int wait_for_change(struct ol_db_stream *stream)
{
    struct ol__wait wait;
    int             rc = 0;

    ol__wait_init(&wait);
    if (!is_ready_or_wait(stream, &wait)) {
        rc = ol__wait_until(&wait);
        if (rc < 0 && !withdraw_taker(stream)) {
            ol__wait_uninterrupted(&wait);
            rc = 0;
        }
    }
    ol__wait_fini(&wait);
    return rc < 0 ? ol__fail(rc, 0, "the scope ended while the stream was waited for") : 0;
}

/* The failure when nothing was delivered before it; else it comes after the rows. */
static int early_failure(struct ol_db_stream *stream)
{
    int rc = 0;

    pthread_mutex_lock(&stream->lock);
    if (stream->n == 0 && stream->is_finished && stream->failure.code < 0)
        rc = ol__fail_with(&stream->failure);
    pthread_mutex_unlock(&stream->lock);
    return rc;
}

int ol_db_stream_begin(struct ol_db_stream **ret_stream, struct ol_db *db, const char *sql, struct ol_args args)
{
    struct ol_db_stream *stream;
    int                  rc = ol__db_may_wait(db);

    if (rc < 0)
        return rc;
    if (!sql)
        return ol__fail(OL_EINVAL, 0, "no SQL text was given");
    stream = make(db, sql, args);
    if (!stream)
        return ol__fail(OL_ENOMEM, 0, "out of memory");
    stream->read.alone = run_alone;
    stream->read.refused = refused;
    rc = ol__readers_submit(db, &stream->read);
    if (rc < 0) {
        destroy(stream); /* no reader will come */
        return ol__fail(rc, 0, rc == OL_EBUSY ? "too many streams are waiting" : "the database is closed");
    }
    atomic_fetch_add_explicit(&db->n_streams, 1, memory_order_relaxed);
    rc = wait_for_change(stream);
    if (rc == 0)
        rc = early_failure(stream);
    if (rc < 0) {
        ol_db_stream_end(stream);
        return rc;
    }
    *ret_stream = stream;
    return 0;
}

static bool pop(struct ol_rows **ret_rows, struct ol_db_stream *stream)
{
    bool popped;

    pthread_mutex_lock(&stream->lock);
    popped = stream->n > 0;
    if (popped) {
        *ret_rows = stream->batches[stream->first].rows;
        stream->size -= stream->batches[stream->first].size;
        stream->first = (stream->first + 1) % WINDOW_BATCHES;
        stream->n--;
        stream->taken_ns = ol_now_ns();
        pthread_cond_signal(&stream->room);
    }
    pthread_mutex_unlock(&stream->lock);
    return popped;
}

int ol_db_stream_next(struct ol_rows **ret_rows, struct ol_db_stream *stream)
{
    int rc = ol__db_may_wait(stream->db);

    if (rc == 0)
        rc = wait_for_change(stream);
    if (rc < 0)
        return rc;
    if (pop(ret_rows, stream))
        return 0;
    rc = early_failure(stream);
    return rc < 0 ? rc : OL_ENOENT;
}

void ol_db_stream_end(struct ol_db_stream *stream)
{
    if (!stream)
        return;
    atomic_fetch_sub_explicit(&stream->db->n_streams, 1, memory_order_relaxed);
    pthread_mutex_lock(&stream->lock);
    stream->is_abandoned = true;
    pthread_cond_signal(&stream->room);
    pthread_mutex_unlock(&stream->lock);
    if (ol__readers_withdraw(stream->db, &stream->read, OL_ECANCELED))
        let_go(stream); /* for the reader that will not come */
    let_go(stream);
}
