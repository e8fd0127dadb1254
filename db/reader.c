/*
 * reader.c: one reading thread: batches of point reads, and long work alone.
 *
 * A batch. The reader takes a chunk of what is queued, opens a read transaction and runs all of it in there: BEGIN
 * pins no snapshot, the first SELECT after it does, and by then every read of the chunk had arrived. What arrives
 * later goes into a later batch. So no read ever sees a state older than its own arrival. (A chunk of one needs no
 * transaction of its own.)
 *
 * A read that takes long. The progress handler looks at the clock and calls on_slow:
 *
 *   - after SLOW_NS it is under suspicion: where processors are scarce the thread may only have waited for one, and
 *     waking another reader would make that worse. When it has computed for half as long again at the next look, the
 *     reader tells the callers of what it has finished, hands back what it has not begun, and counts as slow:
 *     another reader is woken for the rest. The read itself goes on;
 *   - after LONG_NS (5 ms) it leaves the batch. As everything else of the batch has left already, leaving
 *     means: the reader becomes one of the long ones and the read goes on where it is, nothing is run twice. Only
 *     when the long places (readers - 1) are all taken is the read stopped, before a row was handed to anybody, and
 *     queued to run again, alone, when a place is free. So one reader is always back for point reads within 5 ms of
 *     work.
 *
 * Callers are told in groups of up to OL__READ_PENDING_MAX, or when the batch ends: each telling may cost the loop a
 * wake-up.
 *
 *          work                     5 ms, place free
 *     IDLE ----> SHORT ----> SLOW ------------------> LONG          a mode returns to SHORT when its work is done,
 *                  |  0.25 to 0.5 ms                   ^            and SHORT to IDLE when there is none
 *                  '---- long work, place free --------'
 */
#include "db/reader.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/connection.h"
#include "db/database.h"
#include "loop/wait.h"

#define SLOW_NS (OL_NS_PER_MS / 4)
#define LONG_NS (5 * OL_NS_PER_MS)

/* ---- telling the callers ---- */

static void tell_pending(struct ol__reader *reader)
{
    atomic_fetch_add_explicit(&reader->db->n_reads, reader->n_pending,
                              memory_order_relaxed); /* first: who is told may look */
    for (unsigned i = 0; i < reader->n_pending; i++)
        ol__wait_signal(reader->pending[i]->wait);
    reader->n_pending = 0;
}

void ol__reader_finish_alone(struct ol__reader *reader, struct ol__read *read)
{
    pthread_mutex_lock(&reader->lock);
    read->state = OL__READ_FINISHED;
    reader->running = NULL;
    pthread_mutex_unlock(&reader->lock);
}

static void finish(struct ol__reader *reader, struct ol__read *read)
{
    ol__reader_finish_alone(reader, read);
    reader->pending[reader->n_pending++] = read;
    if (reader->n_pending == OL__READ_PENDING_MAX)
        tell_pending(reader);
}

/* ---- a read that takes long ---- */

static void become_slow(struct ol__reader *reader)
{
    struct ol__readers *readers = &reader->db->readers;
    struct ol__reader  *to_wake;

    tell_pending(reader);
    pthread_mutex_lock(&readers->lock);
    ol__readers_hand_back_locked(readers, reader);
    ol__reader_set_mode_locked(reader, OL__READER_SLOW);
    to_wake = ol__readers_pick_idle_locked(readers);
    pthread_mutex_unlock(&readers->lock);
    ol__reader_wake(to_wake);
}

static bool become_long(struct ol__reader *reader)
{
    struct ol__readers *readers = &reader->db->readers;
    bool                is_place;

    pthread_mutex_lock(&readers->lock);
    is_place = readers->n_long < readers->long_max;
    if (is_place)
        ol__reader_set_mode_locked(reader, OL__READER_LONG);
    pthread_mutex_unlock(&readers->lock);
    return is_place;
}

static uint64_t cpu_ns(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return (uint64_t)cpu.tv_sec * OL_NS_PER_S + (uint64_t)cpu.tv_nsec;
}

/* Has it computed since the last look, or did it only wait for a processor? The first look cannot tell. */
static bool has_computed(struct ol__reader *reader)
{
    uint64_t before_ns = reader->suspected_cpu_ns;

    reader->suspected_cpu_ns = cpu_ns();
    return before_ns && reader->suspected_cpu_ns - before_ns >= SLOW_NS / 2;
}

static bool on_slow(void *arg, uint64_t now_ns)
{
    struct ol__reader *reader = arg;

    if (!reader->is_slow) {
        if (now_ns < reader->started_ns + LONG_NS && !has_computed(reader)) {
            reader->conn->slow_at_ns = now_ns + SLOW_NS;
            return false;
        }
        reader->is_slow = true;
        become_slow(reader);
        reader->conn->slow_at_ns = reader->started_ns + LONG_NS;
    }
    if (now_ns < reader->started_ns + LONG_NS)
        return false;
    reader->conn->slow_at_ns = 0;
    reader->displaced = !become_long(reader);
    return reader->displaced;
}

/* Back into a queue, for a reader of its own; unless its caller has told it to stop in the meantime. */
static bool queue_again(struct ol__reader *reader, struct ol__read *read)
{
    struct ol__readers *readers = &reader->db->readers;
    bool                queued;

    pthread_mutex_lock(&readers->lock);
    pthread_mutex_lock(&reader->lock);
    queued = !readers->is_closing && ol__stop_reason(&reader->conn->stop, 0) == 0;
    if (queued) {
        reader->running = NULL;
        read->state = OL__READ_QUEUED;
        read->reader = NULL;
        read->alone = ol__read_query_alone;
        ol_list_append(&readers->longs, &read->link);
        readers->n_longs++;
    }
    pthread_mutex_unlock(&reader->lock);
    pthread_mutex_unlock(&readers->lock);
    return queued;
}

/* ---- running ---- */

static void begin_locked(struct ol__reader *reader, struct ol__read *read, uint64_t deadline_ns)
{
    read->state = OL__READ_RUNNING;
    reader->running = read;
    reader->generation = ol__stop_arm(&reader->conn->stop, deadline_ns);
}

static uint64_t deadline_of(const struct ol__reader *reader, const struct ol__read *read, uint64_t now_ns)
{
    uint64_t limit = now_ns + ol__seconds_to_ns(reader->db->config.read_timeout_s);

    if (read->is_unlimited)
        return read->deadline_ns;
    return read->deadline_ns && read->deadline_ns < limit ? read->deadline_ns : limit;
}

/* The next of the chunk, begun; or NULL. */
static struct ol__read *next_of_chunk(struct ol__reader *reader, uint64_t now_ns)
{
    struct ol__read *read = NULL;
    struct ol_link  *link;

    pthread_mutex_lock(&reader->lock);
    link = ol_list_pop(&reader->chunk);
    if (link) {
        read = OL_CONTAINER_OF(link, struct ol__read, link);
        begin_locked(reader, read, deadline_of(reader, read, now_ns));
    }
    pthread_mutex_unlock(&reader->lock);
    return read;
}

static uint64_t run_query(struct ol__reader *reader, struct ol__read *read, uint64_t now_ns, uint64_t slow_at_ns)
{
    struct ol__connection *conn = reader->conn;

    reader->started_ns = now_ns;
    reader->is_slow = reader->displaced = false;
    reader->suspected_cpu_ns = 0;
    conn->slow_at_ns = slow_at_ns;
    read->rc = ol__db_connection_run(&read->rows, conn, read->sql, read->args, &now_ns, &read->error);
    conn->slow_at_ns = 0;
    if (!(reader->displaced && read->rc < 0 && queue_again(reader, read)))
        finish(reader, read);
    return now_ns;
}

static void hand_back(struct ol__reader *reader)
{
    struct ol__readers *readers = &reader->db->readers;

    pthread_mutex_lock(&readers->lock);
    ol__readers_hand_back_locked(readers, reader);
    pthread_mutex_unlock(&readers->lock);
}

static unsigned run_chunk(struct ol__reader *reader, uint64_t *now_ns)
{
    struct ol__read *read;
    unsigned         n = 0;

    while ((read = next_of_chunk(reader, *now_ns))) {
        *now_ns = run_query(reader, read, *now_ns, *now_ns + SLOW_NS);
        n++;
        if (*now_ns - reader->batch_ns > 4 * OL__READ_BATCH_NS)
            hand_back(reader); /* slower than the average said: others may help, with younger snapshots */
    }
    return n;
}

static void run_batch(struct ol__reader *reader, bool is_single)
{
    struct ol__connection *conn = reader->conn;
    struct ol__readers    *readers = &reader->db->readers;
    uint64_t               now_ns = ol_now_ns();
    bool                   is_open = !is_single && ol__db_connection_control(conn, OL__BEGIN) == SQLITE_OK;
    unsigned               n;

    reader->batch_ns = now_ns;
    atomic_fetch_add_explicit(&reader->db->n_read_batches, 1, memory_order_relaxed);
    atomic_store_explicit(&conn->reading_since_ns, now_ns, memory_order_relaxed);
    n = run_chunk(reader, &now_ns);
    if (is_open && !sqlite3_get_autocommit(conn->sqlite))
        ol__db_connection_control(conn, OL__COMMIT);
    atomic_store_explicit(&conn->reading_since_ns, 0, memory_order_relaxed);
    tell_pending(reader);

    pthread_mutex_lock(&readers->lock);
    if (n > 0)
        ol__readers_note_time_locked(readers, (now_ns - reader->batch_ns) / n);
    ol__reader_set_mode_locked(reader, OL__READER_SHORT);
    pthread_mutex_unlock(&readers->lock);
}

void ol__read_query_alone(struct ol__reader *reader, struct ol__read *read)
{
    run_query(reader, read, ol_now_ns(), 0);
    tell_pending(reader);
}

static void run_alone(struct ol__reader *reader, struct ol__read *read)
{
    struct ol__connection *conn = reader->conn;
    struct ol__readers    *readers = &reader->db->readers;

    atomic_store_explicit(&conn->reading_since_ns, ol_now_ns(), memory_order_relaxed);
    read->alone(reader, read); /* from here on the read may be gone */
    atomic_store_explicit(&conn->reading_since_ns, 0, memory_order_relaxed);
    pthread_mutex_lock(&readers->lock);
    ol__reader_set_mode_locked(reader, OL__READER_SHORT);
    pthread_mutex_unlock(&readers->lock);
}

/* ---- the thread ---- */

static struct ol__read *take_long_locked(struct ol__readers *readers, struct ol__reader *reader)
{
    struct ol__read *read;

    if (readers->n_longs == 0 || readers->n_long >= readers->long_max)
        return NULL;
    read = OL_CONTAINER_OF(ol_list_pop(&readers->longs), struct ol__read, link);
    readers->n_longs--;
    ol__reader_set_mode_locked(reader, OL__READER_LONG);
    pthread_mutex_lock(&reader->lock);
    read->reader = reader;
    begin_locked(reader, read, deadline_of(reader, read, ol_now_ns()));
    pthread_mutex_unlock(&reader->lock);
    return read;
}

static void sleep_locked(struct ol__readers *readers, struct ol__reader *reader)
{
    ol__reader_set_mode_locked(reader, OL__READER_IDLE);
    ol_list_prepend(&readers->idle, &reader->idle);
    while (reader->mode == OL__READER_IDLE && !readers->is_closing)
        pthread_cond_wait(&reader->wake, &readers->lock);
    ol_list_remove(&reader->idle);
    ol__reader_set_mode_locked(reader, OL__READER_SHORT);
}

/*
 * Take what there is, sleep when there is nothing. Returns the long read, or NULL with a chunk, or NULL with none:
 * closing.
 */
static struct ol__read *find_work(struct ol__readers *readers, struct ol__reader *reader, bool *ret_single)
{
    struct ol__reader *to_wake;
    struct ol__read   *alone = NULL;

    pthread_mutex_lock(&readers->lock);
    while (!readers->is_closing) {
        alone = take_long_locked(readers, reader);
        if (alone || readers->n_queue > 0)
            break;
        sleep_locked(readers, reader);
    }
    if (!alone)
        ol__readers_take_chunk_locked(readers, reader);
    *ret_single = reader->chunk.next == reader->chunk.prev;
    to_wake = ol__readers_pick_idle_locked(readers);
    pthread_mutex_unlock(&readers->lock);
    ol__reader_wake(to_wake);
    return alone;
}

/*
 * A read is short work in between the loop's: a reader that took the core from the loop each time it was woken would
 * make the loop late and the batches small. On Linux niceness is a thread's own.
 */
static void yield_to_the_loop(int nice)
{
    id_t tid = (id_t)gettid();

    if (nice > 0)
        setpriority(PRIO_PROCESS, tid, getpriority(PRIO_PROCESS, tid) + nice);
}

static void *reader_main(void *arg)
{
    struct ol__reader  *reader = arg;
    struct ol__readers *readers = &reader->db->readers;
    bool                is_single, is_closing = false;

    yield_to_the_loop(reader->db->config.readers_nice);
    while (!is_closing) {
        struct ol__read *alone = find_work(readers, reader, &is_single);

        if (alone)
            run_alone(reader, alone);
        else
            run_batch(reader, is_single);
        pthread_mutex_lock(&readers->lock);
        is_closing = readers->is_closing;
        pthread_mutex_unlock(&readers->lock);
    }
    return NULL;
}

int ol__reader_start(struct ol__reader *reader)
{
    struct ol__readers *readers = &reader->db->readers;
    char                name[16];
    int                 err;

    reader->conn->on_slow = on_slow;
    reader->conn->on_slow_arg = reader;
    snprintf(name, sizeof name, "ol-db-r%u", reader->number % 1000);
    pthread_mutex_lock(&readers->lock);
    err = ol__db_thread_start(&reader->thread, name, reader_main, reader);
    if (err == 0)
        ol__reader_set_mode_locked(reader, OL__READER_SHORT); /* it looks for work as soon as it gets the lock */
    pthread_mutex_unlock(&readers->lock);
    reader->is_started = err == 0;
    return err;
}
