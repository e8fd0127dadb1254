/*
 * stats.c: looking at a pool from outside.
 *
 * Counts are read under the lock, for the few instructions that this takes; histograms are read while they are written,
 * number by number. No worker is stopped or asked for anything.
 */
#include <string.h>

#include "base/error.h"
#include "pool/internal.h"

int ol_pool_stats(struct ol_pool *pool, struct ol_pool_stats *ret_stats)
{
    int rc = ol__pool_check(pool);

    if (rc < 0)
        return rc;
    ol__pool_lock(pool);
    *ret_stats = (struct ol_pool_stats){
        .name = pool->config.name,
        .n_classes = pool->n_classes,
        .threads = pool->n_threads,
        .threads_idle = pool->n_threads - pool->n_running,
        .threads_busy = pool->n_running,
        .threads_max = pool->config.threads_max,
        .threads_started = pool->n_started,
        .threads_failed = pool->n_failed,
    };
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

/* The shards stay where they are until the pool is destroyed. */
static const struct ol__shard *shard_of(struct ol_pool *pool, unsigned worker, unsigned class_id)
{
    const struct ol__shard *shard = NULL;

    ol__pool_lock(pool);
    if (worker < pool->n_workers)
        shard = &pool->workers[worker]->shards[class_id];
    pthread_mutex_unlock(&pool->lock);
    return shard;
}

int ol_pool_class_stats(struct ol_pool *pool, unsigned class_id, struct ol_class_stats *ret_stats)
{
    const struct ol__shard *shard;
    int                     rc = ol__pool_check(pool);

    if (rc < 0)
        return rc;
    if (class_id >= pool->n_classes)
        return ol__fail(OL_EINVAL, 0, "pool \"%s\" has no class %u", pool->config.name, class_id);
    struct ol__class *class = &pool->classes[class_id];
    memset(ret_stats, 0, sizeof *ret_stats);
    ret_stats->name = class->config.name;
    ret_stats->refused = atomic_load_explicit(&class->n_refused, memory_order_relaxed);
    ol__pool_lock(pool);
    ret_stats->submitted = class->n_submitted;
    ret_stats->queued = (unsigned)class->queue.n;
    ret_stats->running = class->n_running;
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < OL_JOB_STATUSES; i++)
        ret_stats->by_status[i] = ol__counter_read(&class->by_status[i]);
    for (unsigned i = 0; (shard = shard_of(pool, i, class_id)) != NULL; i++) {
        ol__histogram_add_to(&ret_stats->queue, &shard->queue);
        ol__histogram_add_to(&ret_stats->run, &shard->run);
    }
    ol__histogram_add_to(&ret_stats->deliver, &class->deliver);
    return 0;
}
