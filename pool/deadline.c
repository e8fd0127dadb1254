/*
 * deadline.c: ending jobs in time.
 *
 * Every job with a deadline, its own or one of a scope above, stands in a heap under the pool's lock from the hand-over
 * until it is over. One timer of the loop serves all of them. It is set anew only when something nearer comes, and
 * looks for itself what is next when it fires: jobs that finish in time, as nearly all do, cost the timer nothing. A
 * hand-over on another thread that brings something nearer posts the pool's rearm node, one at a time.
 *
 * The same timer asks again for a thread that could not be started.
 */
#include "base/clock.h"
#include "pool/internal.h"

_Static_assert(sizeof(struct ol__heap_node) <= sizeof(((struct ol_job *)0)->own.heap), "own.heap is too small");

static struct ol__heap_node *node_of(struct ol_job *job)
{
    return (struct ol__heap_node *)(void *)job->own.heap;
}

static struct ol_job *job_of(const struct ol__heap_node *node)
{
    return (struct ol_job *)(void *)((char *)(uintptr_t)node - offsetof(struct ol_job, own.heap));
}

static bool is_sooner(const struct ol__heap_node *a, const struct ol__heap_node *b)
{
    return job_of(a)->own.scope.deadline_ns < job_of(b)->own.scope.deadline_ns;
}

void ol__deadline_due_locked(struct ol_pool *pool, uint64_t at_ns, struct ol__errands *errands)
{
    if (at_ns >= pool->armed_ns || pool->rearm_posted)
        return;
    pool->rearm_posted = true;
    errands->rearm = true;
}

void ol__deadline_add_locked(struct ol_pool *pool, struct ol_job *job, struct ol__errands *errands)
{
    ol__heap_insert(&pool->deadlines, node_of(job), is_sooner);
    ol__deadline_due_locked(pool, job->own.scope.deadline_ns, errands);
}

void ol__deadline_remove_locked(struct ol_pool *pool, struct ol_job *job)
{
    struct ol__heap_node *node = node_of(job);

    if (job->own.scope.deadline_ns && (node->prev || pool->deadlines.root == node))
        ol__heap_remove(&pool->deadlines, node, is_sooner);
}

/* The next job whose time is over, out of the heap; a queued one is dropped, a running one is the caller's to tell. */
static struct ol_job *expire_locked(struct ol_pool *pool, uint64_t now_ns, struct ol__errands *errands)
{
    while (pool->deadlines.root) {
        struct ol_job *job = job_of(pool->deadlines.root);

        if (job->own.scope.deadline_ns > now_ns)
            return NULL;
        if (ol__job_state(job) == OL__JOB_RUNNING) {
            ol__deadline_remove_locked(pool, job);
            return job;
        }
        ol__job_drop_locked(pool, job, OL_JOB_LATE, now_ns, errands);
    }
    return NULL;
}

static uint64_t next_locked(const struct ol_pool *pool)
{
    uint64_t at_ns = pool->deadlines.root ? job_of(pool->deadlines.root)->own.scope.deadline_ns : UINT64_MAX;

    return pool->start_failed && pool->retry_ns < at_ns ? pool->retry_ns : at_ns;
}

static void set_timer(struct ol_pool *pool, uint64_t at_ns, uint64_t now_ns)
{
    if (at_ns == UINT64_MAX)
        ol_timer_stop(&pool->timer);
    else
        ol_timer_start(pool->loop, &pool->timer, at_ns > now_ns ? ol__ns_to_seconds(at_ns - now_ns) : 0);
}

uint64_t ol__deadline_turn(struct ol_pool *pool)
{
    struct ol__errands errands = { 0 };
    uint64_t           now_ns = ol_now_ns();

    ol__pool_lock(pool);
    for (struct ol_job *job; (job = expire_locked(pool, now_ns, &errands)) != NULL;) {
        ol__pool_unlock(pool, &errands);
        ol_scope_end(&job->own.scope, OL_ETIMEDOUT); /* hooks of the program: not under our lock */
        ol__pool_lock(pool);
    }
    if (pool->start_failed && pool->retry_ns <= now_ns) {
        pool->start_failed = false;
        ol__worker_call_locked(pool, &errands);
    }
    uint64_t at_ns = next_locked(pool);
    pool->armed_ns = at_ns;
    ol__pool_unlock(pool, &errands);
    set_timer(pool, at_ns, now_ns);
    return at_ns;
}

void ol__deadline_rearm(struct ol_pool *pool)
{
    ol__pool_lock(pool);
    uint64_t at_ns = next_locked(pool);
    pool->armed_ns = at_ns;
    pool->rearm_posted = false;
    pthread_mutex_unlock(&pool->lock);
    set_timer(pool, at_ns, ol_now_ns());
}

void ol__deadline_stop(struct ol_pool *pool)
{
    ol_timer_stop(&pool->timer);
    ol__pool_lock(pool);
    pool->armed_ns = UINT64_MAX;
    pool->start_failed = false; /* the next job asks anew */
    pthread_mutex_unlock(&pool->lock);
}

void ol__deadline_timer_cb(struct ol_timer *timer)
{
    ol__deadline_turn(timer->arg);
}

void ol__deadline_rearm_cb(struct ol_post *post)
{
    ol__deadline_rearm(OL_CONTAINER_OF(post, struct ol_pool, rearm));
}
