/*
 * stats.c: what a database tells of itself, and ending readers that hold the log back.
 *
 * Counters are relaxed atomics, read one by one while they move. A connection says for itself since when its read
 * transaction is open and what it runs; the text belongs to the database's table of statements, so it may be shown
 * without asking anybody to stand still.
 */
#include <string.h>

#include "base/clock.h"
#include "db/connection.h"
#include "db/database.h"

/* ---- who reads for how long ---- */

typedef void each_connection_cb(struct ol__connection *conn, void *arg);

static void each_reading_connection(struct ol_db *db, each_connection_cb *cb, void *arg)
{
    pthread_mutex_lock(&db->readers.lock); /* for the writer's sake, which outlives the readers by a little */
    for (unsigned i = 0; i < db->readers.n; i++)
        cb(db->readers.all[i].conn, arg);
    pthread_mutex_unlock(&db->readers.lock);
    pthread_mutex_lock(&db->threads.lock);
    for (struct ol_link *link = db->threads.connections.next; link != &db->threads.connections; link = link->next)
        cb(OL_CONTAINER_OF(link, struct ol__connection, link), arg);
    pthread_mutex_unlock(&db->threads.lock);
}

struct oldest {
    uint64_t    since_ns;
    const char *sql;
};

static void find_oldest(struct ol__connection *conn, void *arg)
{
    struct oldest *oldest = arg;
    uint64_t       since_ns = atomic_load_explicit(&conn->reading_since_ns, memory_order_relaxed);

    if (!since_ns || (oldest->since_ns && oldest->since_ns <= since_ns))
        return;
    oldest->since_ns = since_ns;
    oldest->sql = atomic_load_explicit(&conn->reading_sql, memory_order_relaxed);
}

static void end_if_older(struct ol__connection *conn, void *arg)
{
    uint64_t *limit_ns = arg;
    /* In this order: a statement that begins in between shows a new time, and is left alone. */
    uint64_t word = atomic_load_explicit(&conn->stop.word, memory_order_acquire);
    uint64_t since_ns = atomic_load_explicit(&conn->reading_since_ns, memory_order_acquire);

    if (!since_ns || since_ns > *limit_ns)
        return;
    ol__stop_request(&conn->stop, ol__stop_generation(word), OL_ETIMEDOUT);
    ol__db_event(conn->db, OL_ETIMEDOUT, "a reader held the log back too long and was ended: %s",
                 atomic_load_explicit(&conn->reading_sql, memory_order_relaxed));
}

void ol__db_end_old_readers(struct ol_db *db)
{
    uint64_t age_ns = ol__seconds_to_ns(db->config.read_timeout_s);
    uint64_t now_ns = ol_now_ns();
    uint64_t limit_ns = now_ns > age_ns ? now_ns - age_ns : 0;

    each_reading_connection(db, end_if_older, &limit_ns);
    ol__streams_look_again(db);
}

/* ---- the numbers ---- */

static uint64_t get(_Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void read_writer(struct ol__writer *writer, struct ol_db_stats *stats)
{
    stats->writes = get(&writer->n_writes);
    stats->commits = get(&writer->n_commits);
    stats->write_batch_max = get(&writer->batch_max);
    stats->writes_rerun = get(&writer->n_rerun);
    stats->checkpoints = get(&writer->n_checkpoints);
    stats->wal_pages = get(&writer->wal_pages);
    stats->writer_reopened = get(&writer->n_reopened);
    pthread_mutex_lock(&writer->lock);
    stats->writes_queued = writer->n_queue;
    pthread_mutex_unlock(&writer->lock);
}

static void read_readers(struct ol_db *db, struct ol_db_stats *stats)
{
    struct oldest oldest = { 0 };
    uint64_t      now_ns;

    stats->reads = get(&db->n_reads);
    stats->read_batches = get(&db->n_read_batches);
    stats->streams = get(&db->n_streams);
    pthread_mutex_lock(&db->readers.lock);
    stats->reads_queued = db->readers.n_queue + db->readers.n_longs;
    pthread_mutex_unlock(&db->readers.lock);
    each_reading_connection(db, find_oldest, &oldest);
    now_ns = ol_now_ns();
    if (oldest.since_ns) {
        stats->oldest_reader_ns = now_ns > oldest.since_ns ? now_ns - oldest.since_ns : 1;
        stats->oldest_reader_sql = oldest.sql;
    }
}

void ol_db_stats(struct ol_db *db, struct ol_db_stats *ret_stats)
{
    memset(ret_stats, 0, sizeof *ret_stats);
    read_writer(&db->writer, ret_stats);
    read_readers(db, ret_stats);
}
