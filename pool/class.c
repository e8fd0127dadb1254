/*
 * class.c: which job may run next.
 *
 * A class has a queue, a quota (threads_max) and a reserve (threads_reserved). A job may start when its class is below
 * its quota, and when after that enough threads are left for what the reserves of all classes have not used of theirs:
 *
 *     n_running + n_unmet <= limit          n_unmet: the sum over all classes of max(0, reserved - running)
 *
 * A class below its reserve uses what is its own and can always start; any other needs a thread beyond all of them.
 * `limit` is the pool's threads_max. While threads cannot be started it is the number of those that live, so that the
 * reserves hold for them too; but a job may always start where none runs, or a pool reduced to its reserves would never
 * serve the others.
 *
 * Of the jobs that may start, the one that was submitted first is taken. So no class starves another, whatever their
 * number, and within a class the order is that of the hand-over.
 *
 * Places in a queue. Each submit takes one from `room`, an atomic that workers do not touch (they would pull its cache
 * line to and fro): what they free is counted under the lock, and moved to `room` when that runs out. So the bound is
 * exact for any number of submitting threads, and costs a submit one atomic instruction.
 */
#include <assert.h>

#include "pool/internal.h"

static unsigned limit_locked(const struct ol_pool *pool)
{
    return pool->start_failed ? pool->n_threads : pool->config.threads_max;
}

static bool may_start_locked(const struct ol_pool *pool, const struct ol__class *class)
{
    if (!class->queue.first || class->n_running >= class->config.threads_max)
        return false;
    if (class->n_running < class->config.threads_reserved || pool->n_running == 0)
        return true;
    return pool->n_running + pool->n_unmet < limit_locked(pool);
}

struct ol__class *ol__class_pick_locked(struct ol_pool *pool)
{
    struct ol__class *oldest = NULL;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct ol__class *class = &pool->classes[i];

        if (may_start_locked(pool, class) &&
            (!oldest || class->queue.first->own.submitted_ns < oldest->queue.first->own.submitted_ns))
            oldest = class;
    }
    return oldest;
}

void ol__class_started_locked(struct ol_pool *pool, struct ol__class *class)
{
    if (class->n_running < class->config.threads_reserved)
        pool->n_unmet--;
    class->n_running++;
    pool->n_running++;
    assert(class->n_running <= class->config.threads_max);
    assert(pool->n_running <= pool->n_threads);
    assert(pool->n_running + pool->n_unmet <= pool->config.threads_max);
}

void ol__class_finished_locked(struct ol_pool *pool, struct ol__class *class)
{
    class->n_running--;
    pool->n_running--;
    if (class->n_running < class->config.threads_reserved)
        pool->n_unmet++;
}

static bool top_up(struct ol_pool *pool, struct ol__class *class)
{
    ol__pool_lock(pool);
    size_t n = class->n_freed;
    class->n_freed = 0;
    pthread_mutex_unlock(&pool->lock);
    if (n == 0)
        return false;
    atomic_fetch_add_explicit(&class->room, (long)n, memory_order_relaxed);
    return true;
}

bool ol__class_take_room(struct ol_pool *pool, struct ol__class *class)
{
    do {
        if (atomic_fetch_sub_explicit(&class->room, 1, memory_order_relaxed) > 0)
            return true;
        atomic_fetch_add_explicit(&class->room, 1, memory_order_relaxed);
    } while (top_up(pool, class));
    atomic_fetch_add_explicit(&class->n_refused, 1, memory_order_relaxed);
    return false;
}

void ol__class_give_room_back(struct ol__class *class)
{
    atomic_fetch_add_explicit(&class->room, 1, memory_order_relaxed);
}
