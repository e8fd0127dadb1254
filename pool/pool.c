/*
 * pool.c: making a pool, closing it, and getting rid of it.
 *
 * Stopping has two steps. Close: nothing new is taken; until T1 everything runs on; at T1 what is queued ends without
 * running and what runs is told to stop. Destroy: waits where it is, delivers what is outstanding, and when nothing is
 * in flight any more joins the workers and frees. At T2 it gives up on jobs that have not returned: it reports each,
 * frees nothing that a live thread may touch, and may be called again.
 *
 * While the loop runs, T1 is a timer of it. In destroy nobody runs the loop, and so no timer: there the clock is looked
 * at between deliveries, for T1 and for the jobs' deadlines.
 *
 * After a fork the child has the memory but not the threads, and perhaps a lock held by one that is not there: every
 * call looks at the generation first, and touches nothing when it is another.
 */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "pool/internal.h"

enum { THREADS_MAX_DEFAULT = 4, QUEUE_MAX_DEFAULT = 65536, NICE_MAX = 19 };
static const double IDLE_TIMEOUT_DEFAULT_S = 10;
static const double T2_DEFAULT_S = 5;

static const struct ol_pool_class default_class = { .name = "default" };

int ol__pool_check(const struct ol_pool *pool)
{
    if (!pool)
        return ol__fail(OL_EINVAL, 0, "no pool");
    if (ol__forked_since(pool->fork_generation))
        return ol__fail(OL_EFORKED, 0, "pool \"%s\" belongs to the parent of a fork", pool->config.name);
    return 0;
}

void ol__pool_unlock(struct ol_pool *pool, struct ol__errands *errands)
{
    struct ol__errands now = *errands;

    *errands = (struct ol__errands){ 0 };
    pthread_mutex_unlock(&pool->lock);
    if (now.post)
        ol_loop_post(pool->loop, &pool->completions);
    if (now.wake)
        ol__worker_wake(now.wake);
    if (now.start)
        ol__worker_start(now.start);
    if (now.rearm && ol__loop_is_owner(pool->loop))
        ol__deadline_rearm(pool);
    else if (now.rearm)
        ol_loop_post(pool->loop, &pool->rearm);
}

struct ol_loop *ol_pool_loop(struct ol_pool *pool)
{
    return pool->loop;
}

int ol_pool_class_find(const struct ol_pool *pool, const char *name)
{
    int rc = ol__pool_check(pool);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; name && i < pool->n_classes; i++)
        if (strcmp(pool->classes[i].config.name, name) == 0)
            return (int)i;
    return ol__fail(OL_ENOENT, 0, "pool \"%s\" has no class \"%s\"", pool->config.name, name ? name : "(null)");
}

/* ---- making ---- */

static int check_class(const struct ol_pool_config *config, const struct ol_pool_class *class)
{
    if (!class->name)
        return ol__fail(OL_EINVAL, 0, "classes: one has no name");
    if (class->threads_max > 0 && class->threads_max < class->threads_reserved)
        return ol__fail(OL_EINVAL, 0, "class \"%s\": threads_max is less than threads_reserved", class->name);
    if (class->threads_max > config->threads_max)
        return ol__fail(OL_EINVAL, 0, "class \"%s\": threads_max is more than the pool's", class->name);
    for (const struct ol_pool_class *other = config->classes; other < class; other++)
        if (strcmp(other->name, class->name) == 0)
            return ol__fail(OL_EINVAL, 0, "classes: two are called \"%s\"", class->name);
    return 0;
}

static int check_classes(const struct ol_pool_config *config)
{
    uint64_t n_reserved = 0;

    if (config->n_classes == 0 || config->n_classes > OL__CLASSES_MAX)
        return ol__fail(OL_EINVAL, 0, "n_classes must be 1 to %d", OL__CLASSES_MAX);
    for (unsigned i = 0; i < config->n_classes; i++) {
        int rc = check_class(config, &config->classes[i]);

        if (rc < 0)
            return rc;
        n_reserved += config->classes[i].threads_reserved;
    }
    if (n_reserved >= config->threads_max)
        return ol__fail(OL_EINVAL, 0, "classes reserve all %u threads", config->threads_max);
    return 0;
}

static int fill_in(struct ol_pool_config *config)
{
    if (!config->name || !config->name[0])
        return ol__fail(OL_EINVAL, 0, "a pool needs a name");
    if (config->threads_min == 0)
        config->threads_min = 1;
    if (config->threads_max == 0)
        config->threads_max = config->threads_min > THREADS_MAX_DEFAULT ? config->threads_min : THREADS_MAX_DEFAULT;
    if (config->threads_max < config->threads_min || config->threads_max > OL__THREADS_MAX)
        return ol__fail(OL_EINVAL, 0, "threads_max must be threads_min to %d", OL__THREADS_MAX);
    if (!ol__seconds_valid(config->idle_timeout_s))
        return ol__fail(OL_EINVAL, 0, "idle_timeout_s must be 0 to 1e9 seconds");
    if (config->idle_timeout_s == 0)
        config->idle_timeout_s = IDLE_TIMEOUT_DEFAULT_S;
    if (config->queue_max > LONG_MAX / 2)
        return ol__fail(OL_EINVAL, 0, "queue_max is too large");
    if (config->queue_max == 0)
        config->queue_max = QUEUE_MAX_DEFAULT;
    if (config->nice < 0 || config->nice > NICE_MAX)
        return ol__fail(OL_EINVAL, 0, "nice must be 0 to %d", NICE_MAX);
    if (!config->classes) {
        config->classes = &default_class;
        config->n_classes = 1;
    }
    return check_classes(config);
}

static void init_class(struct ol_pool *pool, struct ol__class *class, const struct ol_pool_class *config)
{
    class->config = *config;
    if (class->config.threads_max == 0)
        class->config.threads_max = pool->config.threads_max;
    if (class->config.queue_max == 0)
        class->config.queue_max = pool->config.queue_max;
    atomic_init(&class->room, (long)class->config.queue_max);
    snprintf(class->where, sizeof class->where, "%s/%s", pool->config.name, config->name);
    pool->n_unmet += class->config.threads_reserved;
}

static void init_lock(struct ol_pool *pool)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP); /* held for a few instructions: spin first */
    pthread_mutex_init(&pool->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

static void init_loop_side(struct ol_pool *pool)
{
    pool->completions.cb = ol__deliver_post_cb;
    pool->more.cb = ol__deliver_more_cb;
    pool->flush.cb = ol__submit_flush_cb;
    pool->rearm.cb = ol__deadline_rearm_cb;
    pool->timer = (struct ol_timer){ .cb = ol__deadline_timer_cb, .arg = pool };
    pool->t1_timer.arg = pool;
    pool->t1_ns = pool->t2_ns = pool->armed_ns = UINT64_MAX;
}

static void free_pool(struct ol_pool *pool)
{
    ol__worker_free_all(pool);
    pthread_mutex_destroy(&pool->lock);
    free(pool->name);
    free(pool);
}

/* NULL: no memory. */
static struct ol_pool *allocate(struct ol_loop *loop, const struct ol_pool_config *config)
{
    struct ol_pool *pool = aligned_alloc(_Alignof(struct ol_pool), sizeof *pool);

    if (!pool)
        return NULL;
    memset(pool, 0, sizeof *pool);
    pool->loop = loop;
    pool->config = *config;
    pool->name = strdup(config->name);
    pool->workers = calloc(config->threads_max, sizeof(struct ol__worker *));
    init_lock(pool);
    if (!pool->name || !pool->workers) {
        free_pool(pool);
        return NULL;
    }
    pool->config.name = pool->name;
    pool->fork_generation = ol__fork_now();
    ol_link_init(&pool->idle);
    pool->n_classes = config->n_classes;
    for (unsigned i = 0; i < pool->n_classes; i++)
        init_class(pool, &pool->classes[i], &config->classes[i]);
    pool->config.classes = NULL; /* the caller's */
    init_loop_side(pool);
    ol__linger_init(&pool->linger);
    ol__quick_init(&pool->quick);
    return pool;
}

/* One more thread, if it may be had. Returns: 0, OL_ESYS, OL_ENOMEM. */
static int start_one(struct ol_pool *pool)
{
    ol__pool_lock(pool);
    struct ol__worker *worker = ol__worker_place_locked(pool);
    pool->n_called += worker != NULL;
    pthread_mutex_unlock(&pool->lock);
    return worker ? ol__worker_start(worker) : ol__fail(OL_ENOMEM, 0, "no memory for a worker");
}

int ol_pool_create(struct ol_pool **ret_pool, struct ol_loop *loop, const struct ol_pool_config *config)
{
    struct ol_pool_config filled;

    if (!ret_pool || !loop || !config)
        return ol__fail(OL_EINVAL, 0, "a pool needs a loop and a configuration");
    assert(ol__loop_is_owner(loop));
    filled = *config;
    int rc = fill_in(&filled);
    if (rc == 0)
        rc = ol__fork_watch();
    if (rc < 0)
        return rc;
    struct ol_pool *pool = allocate(loop, &filled);
    if (!pool)
        return ol__fail(OL_ENOMEM, 0, "no memory for a pool");
    unsigned n = 0;
    while (n < filled.threads_min && (rc = start_one(pool)) == 0)
        n++;
    if (n == 0) {
        free_pool(pool);
        return rc;
    }
    *ret_pool = pool;
    return 0;
}

/* ---- closing ---- */

static void tell_running(struct ol_pool *pool)
{
    for (unsigned i = 0; i < pool->config.threads_max; i++) {
        ol__pool_lock(pool);
        struct ol_job *job = i < pool->n_workers ? pool->workers[i]->job : NULL;
        pthread_mutex_unlock(&pool->lock);
        if (job) /* it cannot go before its `done`, which runs on this thread */
            ol_scope_end(&job->own.scope, OL_ECLOSED);
    }
}

static void cancel_all(struct ol_pool *pool)
{
    struct ol__errands errands = { 0 };
    uint64_t           now_ns = ol_now_ns();

    ol__submit_flush(pool);
    ol__pool_lock(pool);
    pool->is_cancelled = true;
    for (unsigned i = 0; i < pool->n_classes; i++)
        while (pool->classes[i].queue.first)
            ol__job_drop_locked(pool, pool->classes[i].queue.first, OL_JOB_CLOSED, now_ns, &errands);
    ol__pool_unlock(pool, &errands);
    tell_running(pool);
    pool->t1_ns = UINT64_MAX; /* has been */
}

static void t1_cb(struct ol_timer *timer)
{
    cancel_all(timer->arg);
}

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

int ol_pool_close(struct ol_pool *pool, double t1_s, double t2_s)
{
    int rc = ol__pool_check(pool);

    if (rc < 0)
        return rc;
    if (!ol__seconds_valid(t1_s) || !ol__seconds_valid(t2_s))
        return ol__fail(OL_EINVAL, 0, "T1 and T2 must be 0 to 1e9 seconds");
    assert(ol__loop_is_owner(pool->loop));
    uint64_t now_ns = ol_now_ns();
    atomic_store(&pool->is_closed, true);
    pool->t2_ns = sooner(pool->t2_ns, now_ns + ol__seconds_to_ns(t2_s));
    if (!pool->is_cancelled) /* written by this thread alone */
        pool->t1_ns = sooner(pool->t1_ns, now_ns + ol__seconds_to_ns(t1_s));
    if (pool->t1_ns <= now_ns)
        cancel_all(pool);
    else if (!pool->is_cancelled && atomic_load(&pool->n_inflight) > 0) {
        pool->t1_timer.cb = t1_cb;
        ol_timer_start(pool->loop, &pool->t1_timer, ol__ns_to_seconds(pool->t1_ns - now_ns));
    }
    return 0;
}

/* ---- destroying ---- */

static bool is_quiet(struct ol_pool *pool)
{
    if (atomic_load(&pool->n_inflight) > 0 || atomic_load(&pool->n_visitors) > 0)
        return false;
    ol__pool_lock(pool);
    bool quiet = !pool->post_due && !pool->rearm_posted;
    pthread_mutex_unlock(&pool->lock);
    return quiet;
}

/* Deliver until nothing is in flight, or T2. Returns whether all is quiet. */
static bool drain(struct ol_pool *pool)
{
    const uint64_t look_ns = 100 * OL_NS_PER_MS; /* a visitor who leaves wakes nobody */

    while (!is_quiet(pool)) {
        uint64_t now_ns = ol_now_ns();
        uint64_t next_ns = ol__deadline_turn(pool);

        if (pool->t1_ns <= now_ns)
            cancel_all(pool);
        if (ol__loop_pump(pool->loop, 0))
            continue;
        if (now_ns >= pool->t2_ns)
            return is_quiet(pool);
        next_ns = sooner(sooner(next_ns, pool->t1_ns), sooner(pool->t2_ns, now_ns + look_ns));
        ol__loop_pump(pool->loop, next_ns > now_ns ? next_ns - now_ns : 1);
    }
    return true;
}

static int report_stuck(struct ol_pool *pool, ol_pool_stuck_cb *stuck, void *arg)
{
    unsigned n = 0;
    uint64_t now_ns = ol_now_ns();

    for (unsigned i = 0; i < pool->config.threads_max; i++) {
        ol__pool_lock(pool);
        struct ol_job *job = i < pool->n_workers ? pool->workers[i]->job : NULL;
        uint64_t       started_ns = job ? ol__job_started_ns(job) : 0;
        pthread_mutex_unlock(&pool->lock);
        if (!job)
            continue;
        n++;
        uint64_t running_ns = now_ns > started_ns ? now_ns - started_ns : 0;
        ol__pool_event_text(pool, OL_EBUSY, "job \"%s\" of pool \"%s\" is stuck: it has run for %.1f s",
                            ol__job_name(job), pool->config.name, ol__ns_to_seconds(running_ns));
        if (stuck)
            stuck(ol__job_name(job), running_ns, arg);
    }
    return ol__fail(OL_EBUSY, 0, "%u jobs of pool \"%s\" have not returned", n, pool->config.name);
}

int ol_pool_destroy(struct ol_pool *pool, ol_pool_stuck_cb *stuck, void *arg)
{
    if (!pool)
        return 0;
    int rc = ol__pool_check(pool);
    if (rc < 0)
        return rc;
    assert(ol__loop_is_owner(pool->loop));
    if (pool->is_delivering)
        return ol__fail(OL_EBUSY, 0, "pool \"%s\" cannot be destroyed inside a done", pool->config.name);
    if (!atomic_load(&pool->is_closed))
        ol_pool_close(pool, 0, T2_DEFAULT_S);
    if (!drain(pool))
        return report_stuck(pool, stuck, arg);
    ol__worker_join_all(pool);
    while (!is_quiet(pool)) /* what the last worker posted on its way out */
        ol__loop_pump(pool->loop, OL_NS_PER_MS);
    ol__deadline_stop(pool);
    ol_timer_stop(&pool->t1_timer);
    ol__loop_unready(&pool->flush);
    ol__loop_unready(&pool->more);
    if (ol__pool_default(pool->loop) == pool)
        ol_loop_set_default_pool(pool->loop, NULL);
    free_pool(pool);
    return 0;
}
