/*
 * figures.c: one table of statement texts and what is known about each.
 *
 * A text is looked up once for each prepare, under the lock; its entry then belongs to the cached statement and
 * counting is a few relaxed additions in the connection's own shard. Entries live until the database is closed, so a
 * pointer to a text may be shown in the statistics at any time. At most OL__FIGURES_MAX texts are told apart: a
 * program that pastes values into its SQL cannot grow the table without end.
 */
#include "db/figures.h"

#include <stdlib.h>
#include <string.h>

#include "db/database.h"

uint64_t ol__sql_hash(const char *sql, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)sql[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void ol__figures_init(struct ol__figures_table *table)
{
    memset(table, 0, sizeof *table);
    pthread_mutex_init(&table->lock, NULL);
    table->others.sql = "(all other statements)";
}

void ol__figures_fini(struct ol__figures_table *table)
{
    for (unsigned i = 0; i < OL__FIGURES_BUCKETS; i++) {
        while (table->buckets[i]) {
            struct ol__figures *figures = table->buckets[i];

            table->buckets[i] = figures->next;
            free(figures);
        }
    }
    pthread_mutex_destroy(&table->lock);
}

static struct ol__figures *make(const char *sql, size_t size, uint64_t hash)
{
    struct ol__figures *figures;
    size_t              total = sizeof *figures + size + 1;

    figures = aligned_alloc(_Alignof(struct ol__figures), (total + 63) / 64 * 64);
    if (!figures)
        return NULL;
    memset(figures, 0, sizeof *figures);
    memcpy(figures + 1, sql, size);
    ((char *)(figures + 1))[size] = '\0';
    figures->sql = (const char *)(figures + 1);
    figures->hash = hash;
    return figures;
}

static struct ol__figures *find_or_add_locked(struct ol__figures_table *table, const char *sql, size_t size, uint64_t hash)
{
    struct ol__figures **bucket = &table->buckets[hash % OL__FIGURES_BUCKETS];
    struct ol__figures  *figures;

    for (figures = *bucket; figures; figures = figures->next)
        if (figures->hash == hash && strcmp(figures->sql, sql) == 0)
            return figures;
    figures = table->n < OL__FIGURES_MAX ? make(sql, size, hash) : NULL;
    if (!figures)
        return &table->others;
    figures->next = *bucket;
    *bucket = figures;
    table->n++;
    return figures;
}

struct ol__figures *ol__figures_of(struct ol__figures_table *table, const char *sql, size_t size, uint64_t hash)
{
    struct ol__figures *figures;

    pthread_mutex_lock(&table->lock);
    figures = find_or_add_locked(table, sql, size, hash);
    pthread_mutex_unlock(&table->lock);
    return figures;
}

static uint64_t get(_Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void report(struct ol__figures *figures, ol_db_statement_cb *cb, void *arg)
{
    struct ol_db_statement_stats stats = { .sql = figures->sql };

    for (unsigned i = 0; i < OL__FIGURES_SHARDS; i++) {
        struct ol__figures_shard *shard = &figures->shards[i];

        stats.count += get(&shard->count);
        stats.time_ns += get(&shard->time_ns);
        stats.rows += get(&shard->rows);
        stats.full_scan_steps += get(&shard->full_scan_steps);
        stats.reprepares += get(&shard->reprepares);
    }
    if (stats.count > 0)
        cb(&stats, arg);
}

void ol_db_statement_stats(struct ol_db *db, ol_db_statement_cb *cb, void *arg)
{
    struct ol__figures_table *table = &db->figures;

    pthread_mutex_lock(&table->lock);
    for (unsigned i = 0; i < OL__FIGURES_BUCKETS; i++)
        for (struct ol__figures *figures = table->buckets[i]; figures; figures = figures->next)
            report(figures, cb, arg);
    report(&table->others, cb, arg);
    pthread_mutex_unlock(&table->lock);
}
