/* db/figures.h: what is counted for each statement text. */
#ifndef OL_DB_FIGURES_H
#define OL_DB_FIGURES_H

#include <offloop/db.h>
#include <pthread.h>
#include <stdatomic.h>

enum { OL__FIGURES_SHARDS = 8, OL__FIGURES_MAX = 1000, OL__FIGURES_BUCKETS = 512 };

/* A connection counts in the shard of its number, so that two threads seldom write one cache line. */
struct ol__figures_shard {
    _Alignas(64) _Atomic(uint64_t) count;
    _Atomic(uint64_t) time_ns, rows, full_scan_steps, reprepares;
};

/** One text's figures; lives as long as the database. */
struct ol__figures {
    const char              *sql;
    uint64_t                 hash;
    struct ol__figures      *next;
    struct ol__figures_shard shards[OL__FIGURES_SHARDS];
};

struct ol__figures_table {
    pthread_mutex_t     lock;
    struct ol__figures *buckets[OL__FIGURES_BUCKETS]; /* guarded by lock */
    unsigned            n;                            /* guarded by lock */
    struct ol__figures  others; /* all texts beyond OL__FIGURES_MAX, and those there was no memory for */
};

void ol__figures_init(struct ol__figures_table *table);
void ol__figures_fini(struct ol__figures_table *table);

/** The figures of `sql`; never NULL. Thread: any; once for each prepare. */
struct ol__figures *ol__figures_of(struct ol__figures_table *table, const char *sql, size_t size, uint64_t hash);

/** FNV-1a (Fowler, Noll, Vo). */
uint64_t ol__sql_hash(const char *sql, size_t size);

#endif
