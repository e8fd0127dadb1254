/*
 * readers.c: the queue before the reading threads: who is woken, what is taken, how a read is taken back.
 *
 * Two queues. `queue` holds point reads in the order of their arrival; a reader takes a chunk of them and runs it in
 * one read transaction (reader.c). `longs` holds what needs a reader for itself: streams, and reads that have shown
 * to be long. At most long_max = readers - 1 readers may have long work, so that one is always left for point reads.
 *
 * Who is woken. A futex call costs as much as two point reads, so nobody is woken while a reader is about to look
 * anyway: a submit wakes one only when no reader is in short mode, or when more is queued than one of them takes at
 * once. A reader that leaves something behind wakes the next; one that turns slow hands back what it has not begun
 * and wakes another.
 *
 * A reader that waits for the disk cannot say so; a submit that finds one whose batch is older than STUCK_NS, and
 * another reader idle, does it in its place.
 *
 * A chunk's size follows the reads' average time, so that a batch stays below half a millisecond: 64 reads when they
 * come from the cache, a few when they come from the disk, and then the other readers get their share.
 *
 * Taking back. A queued read leaves its queue, or the chunk that it is in, at once. A running one is told to stop,
 * through the stop word, under the reader's lock: the reader begins and ends a read under that lock too, so the right
 * one is hit, or none.
 *
 * Locks: readers->lock, then reader->lock; never the other way.
 */
#include "db/readers.h"

#include <stdlib.h>

#include "base/error.h"
#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "db/reader.h"
#include "loop/wait.h"

#define STUCK_NS (5 * OL_NS_PER_MS)
#define FIRST_GUESS_NS (60 * OL_NS_PER_US) /* a read's time, before one was measured */

/* ---- waking ---- */

void ol__reader_set_mode_locked(struct ol__reader *reader, enum ol__reader_mode mode)
{
    struct ol__readers *readers = &reader->db->readers;

    readers->n_short -= reader->mode == OL__READER_SHORT;
    readers->n_long -= reader->mode == OL__READER_LONG;
    reader->mode = mode;
    readers->n_short += mode == OL__READER_SHORT;
    readers->n_long += mode == OL__READER_LONG;
}

static bool has_work_for_one_more_locked(const struct ol__readers *readers)
{
    if (readers->n_longs > 0 && readers->n_long < readers->long_max && readers->n_short == 0)
        return true;
    return readers->n_queue > 0 && (readers->n_short == 0 || readers->n_queue > readers->chunk);
}

struct ol__reader *ol__readers_pick_idle_locked(struct ol__readers *readers)
{
    struct ol_link    *link;
    struct ol__reader *reader;

    if (ol_list_empty(&readers->idle) || !has_work_for_one_more_locked(readers))
        return NULL;
    link = ol_list_pop(&readers->idle);
    reader = OL_CONTAINER_OF(link, struct ol__reader, idle);
    reader->took_ns = ol_now_ns();
    ol__reader_set_mode_locked(reader,
                               /* it counts as awake from here on: nobody wakes a second for the same work */
                               OL__READER_SHORT);
    return reader;
}

void ol__reader_wake(struct ol__reader *reader)
{
    if (reader)
        pthread_cond_signal(&reader->wake);
}

/*
 * A reader whose batch should have ended long ago waits for the disk, where no progress handler is called: what it
 * has not begun goes to others.
 */
static void rescue_from_stuck_locked(struct ol__readers *readers)
{
    uint64_t now_ns = ol_now_ns();

    for (unsigned i = 0; i < readers->n; i++) {
        struct ol__reader *reader = &readers->all[i];

        if (reader->mode != OL__READER_SHORT || now_ns < reader->took_ns + STUCK_NS)
            continue;
        ol__readers_hand_back_locked(readers, reader);
        ol__reader_set_mode_locked(reader, OL__READER_SLOW);
    }
}

/* ---- the queues ---- */

int ol__readers_submit(struct ol_db *db, struct ol__read *read)
{
    struct ol__readers *readers = &db->readers;
    struct ol__reader  *to_wake = NULL;
    bool                is_long = read->alone != NULL;
    size_t             *n = is_long ? &readers->n_longs : &readers->n_queue;
    int                 rc = 0;

    read->state = OL__READ_QUEUED;
    read->reader = NULL;
    pthread_mutex_lock(&readers->lock);
    if (readers->is_closing) {
        rc = OL_ECLOSED;
    } else if (*n >= db->config.queue_max) {
        rc = OL_EBUSY;
    } else {
        ol_list_append(is_long ? &readers->longs : &readers->queue, &read->link);
        ++*n;
        if (!ol_list_empty(&readers->idle))
            rescue_from_stuck_locked(readers);
        to_wake = ol__readers_pick_idle_locked(readers);
    }
    pthread_mutex_unlock(&readers->lock);
    ol__reader_wake(to_wake);
    return rc;
}

void ol__readers_take_chunk_locked(struct ol__readers *readers, struct ol__reader *reader)
{
    reader->took_ns = ol_now_ns();
    ol__reader_set_mode_locked(reader, OL__READER_SHORT);
    pthread_mutex_lock(&reader->lock);
    for (unsigned i = 0; i < readers->chunk && !ol_list_empty(&readers->queue); i++) {
        struct ol_link *link = ol_list_pop(&readers->queue);

        OL_CONTAINER_OF(link, struct ol__read, link)->reader = reader;
        ol_list_append(&reader->chunk, link);
        readers->n_queue--;
    }
    pthread_mutex_unlock(&reader->lock);
}

void ol__readers_hand_back_locked(struct ol__readers *readers, struct ol__reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    while (!ol_list_empty(&reader->chunk)) {
        struct ol__read *read = OL_CONTAINER_OF(reader->chunk.prev, struct ol__read, link);

        ol_list_remove(&read->link);
        read->reader = NULL;
        ol_list_prepend(&readers->queue, &read->link); /* they came before all that is there now */
        readers->n_queue++;
    }
    pthread_mutex_unlock(&reader->lock);
}

void ol__readers_note_time_locked(struct ol__readers *readers, uint64_t each_ns)
{
    uint64_t fits;

    readers->read_avg_ns += each_ns / 8;
    readers->read_avg_ns -= readers->read_avg_ns / 8;
    fits = OL__READ_BATCH_NS / (readers->read_avg_ns + 1);
    readers->chunk = fits < 1 ? 1 : fits < OL__READ_CHUNK_MAX ? (unsigned)fits : OL__READ_CHUNK_MAX;
}

/* Locks held: the readers' and, when it has been taken, its reader's. */
static bool withdraw_locked(struct ol__readers *readers, struct ol__read *read, int reason)
{
    struct ol__reader *reader = read->reader;

    if (read->state == OL__READ_QUEUED) {
        ol_list_remove(&read->link);
        if (!reader)
            --*(read->alone ? &readers->n_longs : &readers->n_queue);
        return true;
    }
    if (reader && read->state == OL__READ_RUNNING)
        ol__stop_request(&reader->conn->stop, reader->generation, reason);
    return false;
}

bool ol__readers_withdraw(struct ol_db *db, struct ol__read *read, int reason)
{
    struct ol__readers *readers = &db->readers;
    struct ol__reader  *reader;
    bool                withdrawn;

    pthread_mutex_lock(&readers->lock);
    reader = read->reader;
    if (reader)
        pthread_mutex_lock(&reader->lock);
    withdrawn = withdraw_locked(readers, read, reason);
    if (reader)
        pthread_mutex_unlock(&reader->lock);
    pthread_mutex_unlock(&readers->lock);
    return withdrawn;
}

/* ---- a query ---- */

/* Returns 0 when the read has finished, one way or the other. */
static int wait_for(struct ol_db *db, struct ol__read *read)
{
    int rc = ol__wait_until(read->wait);

    if (rc < 0 && ol__readers_withdraw(db, read, rc))
        return ol__fail(rc, 0, "the read was still queued when its scope ended");
    if (rc < 0)
        ol__wait_uninterrupted(read->wait);
    return 0;
}

int ol__readers_query(struct ol_rows **ret_rows, struct ol_db *db, const char *sql, struct ol_args args)
{
    struct ol__wait wait;
    struct ol__read read = { .sql = sql, .args = args, .wait = &wait };
    int             rc;

    ol__wait_init(&wait);
    read.deadline_ns = wait.scope ? wait.scope->deadline_ns : 0;
    rc = ol__readers_submit(db, &read);
    if (rc < 0)
        ol__fail(rc, 0, rc == OL_EBUSY ? "too many reads are waiting" : "the database is closed");
    else
        rc = wait_for(db, &read);
    ol__wait_fini(&wait);
    if (rc < 0)
        return rc;
    if (read.rc < 0)
        return ol__fail_with(&read.error);
    *ret_rows = read.rows;
    return 0;
}

/* ---- open and close ---- */

static int reader_open(struct ol__reader *reader, struct ol_db *db, unsigned number, struct ol_error *error)
{
    int rc = ol__db_connection_open(&reader->conn, db, OL__READS, error);

    if (rc < 0)
        return rc;
    reader->db = db;
    reader->number = number;
    ol_link_init(&reader->idle);
    ol_link_init(&reader->chunk);
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->wake, NULL);
    return 0;
}

void ol__readers_init(struct ol_db *db)
{
    struct ol__readers *readers = &db->readers;

    pthread_mutex_init(&readers->lock, NULL);
    ol_link_init(&readers->queue);
    ol_link_init(&readers->longs);
    ol_link_init(&readers->idle);
    readers->read_avg_ns = FIRST_GUESS_NS;
    readers->chunk = OL__READ_BATCH_NS / FIRST_GUESS_NS;
}

/*
 * With fewer threads than wished for it works as well, with two at least: a long read and a stream must leave one for
 * the others.
 */
static int start_threads(struct ol_db *db, struct ol_error *error)
{
    struct ol__readers *readers = &db->readers;
    int                 err = 0;

    for (unsigned i = 0; i < readers->n; i++) {
        err = ol__reader_start(&readers->all[i]);
        if (err == 0)
            continue;
        if (i < 2)
            return ol__failure(error, OL_ESYS, err, "cannot start the reading threads of %s", db->path);
        ol__db_event(db, OL_ESYS, "only %u of %u reading threads could be started", i, readers->n);
        readers->long_max = i - 1;
        break;
    }
    return 0;
}

int ol__readers_open(struct ol_db *db, struct ol_error *error)
{
    struct ol__readers *readers = &db->readers;
    int                 rc = 0;

    readers->all = calloc(db->config.readers, sizeof *readers->all);
    if (!readers->all)
        return ol__failure(error, OL_ENOMEM, 0, "out of memory");
    readers->long_max = db->config.readers - 1;
    for (unsigned i = 0; i < db->config.readers; i++) {
        rc = reader_open(&readers->all[i], db, i, error);
        if (rc < 0)
            return rc;
        pthread_mutex_lock(&readers->lock);
        readers->n++;
        pthread_mutex_unlock(&readers->lock);
    }
    return start_threads(db, error);
}

static void answer_closed(struct ol_link *queue)
{
    struct ol_link *link;

    while ((link = ol_list_pop(queue))) {
        struct ol__read *read = OL_CONTAINER_OF(link, struct ol__read, link);

        read->state = OL__READ_FINISHED;
        read->rc = ol__failure(&read->error, OL_ECLOSED, 0, "the database is closed");
        if (read->wait)
            ol__wait_signal(read->wait);
        else
            read->refused(read);
    }
}

static void close_locked(struct ol__readers *readers)
{
    readers->is_closing = true;
    answer_closed(&readers->queue);
    answer_closed(&readers->longs);
    for (unsigned i = 0; i < readers->n; i++) {
        struct ol__reader *reader = &readers->all[i];

        pthread_mutex_lock(&reader->lock);
        answer_closed(&reader->chunk);
        if (reader->running)
            ol__stop_request(&reader->conn->stop, reader->generation, OL_ECLOSED);
        pthread_mutex_unlock(&reader->lock);
        pthread_cond_signal(&reader->wake);
    }
}

static void reader_close(struct ol__reader *reader)
{
    if (reader->is_started)
        pthread_join(reader->thread, NULL);
    ol__db_connection_close(reader->conn);
    pthread_cond_destroy(&reader->wake);
    pthread_mutex_destroy(&reader->lock);
}

void ol__readers_close(struct ol_db *db)
{
    struct ol__readers *readers = &db->readers;
    unsigned            n;

    pthread_mutex_lock(&readers->lock);
    close_locked(readers);
    n = readers->n;
    readers->n = 0; /* nobody looks at them any more */
    pthread_mutex_unlock(&readers->lock);
    ol__streams_look_again(db);
    for (unsigned i = 0; i < n; i++)
        reader_close(&readers->all[i]);
    free(readers->all);
}

void ol__readers_fini(struct ol_db *db)
{
    pthread_mutex_destroy(&db->readers.lock);
}
