/*
 * deliver.c: from the workers back to the loop, and the caller's `done`.
 *
 * Workers append to the pool's completed list under the lock that they take anyway. One node of the pool stands for all
 * of it in the loop's inbox: whoever finds the list untaken posts it, so a burst of completions costs one post and at
 * most one wake-up. The loop takes the whole list and calls each `done` with no lock held, in the order in which the
 * jobs ended.
 *
 * The budget. At most BUDGET_COUNT jobs or about BUDGET_NS at a time; what is left goes on the loop's ready list, so
 * that sockets are looked at between. Nothing overtakes it: what completes meanwhile is appended.
 *
 * The clock is read once for a batch of jobs, and more often when `done` takes its time; submits from inside `done` use
 * the same reading.
 */
#include <assert.h>

#include "base/event.h"
#include "pool/internal.h"

enum { BUDGET_COUNT = 1024, CLOCK_EVERY_MAX = 16 };
static const uint64_t BUDGET_NS = 1 * OL_NS_PER_MS;
static const uint64_t QUICK_NS = 10 * OL_NS_PER_US; /* a batch that took less may be twice as long next time */

/* After this no wake will be posted. */
static void leave_scope(struct ol_job *job)
{
    if (job->scope)
        ol_scope_unhook(&job->own.scope, &job->own.hook);
    ol_scope_fini(&job->own.scope);
}

static void call_done(struct ol_pool *pool, struct ol_job *job, uint64_t now_ns)
{
    struct ol__class *class = &pool->classes[job->class_id];
    enum ol_job_status status = (enum ol_job_status)job->own.status;
    uint64_t           finished_ns = ol__job_finished_ns(job);
    uint64_t           deliver_ns = now_ns > finished_ns ? now_ns - finished_ns : 0;

    ol__counter_add(&class->by_status[status], 1);
    ol__histogram_record(&class->deliver, deliver_ns);
    if (ol__event_wanted(OL_EVENT_JOB_DELIVERED))
        ol__pool_event_job(pool, job, OL_EVENT_JOB_DELIVERED, deliver_ns, (int)status);
    ol__job_move(job, OL__JOB_IDLE);
    pool->n_left++;
    job->done(job, status);
}

static void deliver(struct ol_pool *pool, struct ol_job *job, uint64_t now_ns)
{
    leave_scope(job);
    if (__atomic_load_n(&job->own.wake_state, __ATOMIC_RELAXED) == OL__WAKE_POSTED)
        ol__job_move(job, OL__JOB_HELD);
    else
        call_done(pool, job, now_ns);
}

/* The jobs that are done, and were not followed by others, are not in flight any more. */
static void finish(struct ol_pool *pool)
{
    unsigned long n = pool->n_left;

    pool->n_left = 0;
    pool->is_delivering = false;
    ol__pool_leave(pool, n);
    if (atomic_load(&pool->n_inflight) > 0)
        return;
    /* Nothing is left that a timer could be for, and a timer would keep the program's loop alive. */
    ol__deadline_stop(pool);
    ol_timer_stop(&pool->t1_timer);
}

void ol__deliver_held(struct ol_pool *pool, struct ol_job *job)
{
    pool->is_delivering = true;
    call_done(pool, job, ol_now_ns());
    finish(pool);
}

static void deliver_batch(struct ol_pool *pool)
{
    uint64_t      start_ns = ol_now_ns();
    unsigned long n = 0;
    unsigned      every = 1, until_clock = 1;

    pool->clock_ns = start_ns;
    pool->is_delivering = true;
    for (struct ol_job *job; n < BUDGET_COUNT && (job = ol__queue_pop(&pool->backlog)) != NULL; n++) {
        ol__queue_prefetch(&pool->backlog);
        deliver(pool, job, pool->clock_ns);
        if (--until_clock > 0)
            continue;
        uint64_t now_ns = ol_now_ns();
        bool     quick = now_ns - pool->clock_ns < QUICK_NS;
        every = !quick ? 1 : every < CLOCK_EVERY_MAX ? every * 2 : every;
        until_clock = every;
        pool->clock_ns = now_ns;
        if (now_ns - start_ns > BUDGET_NS)
            break;
    }
    pool->clock_ns = 0;
    if (pool->backlog.first)
        ol__loop_ready(pool->loop, &pool->more);
    finish(pool);
}

void ol__deliver_post_cb(struct ol_post *post)
{
    struct ol_pool *pool = OL_CONTAINER_OF(post, struct ol_pool, completions);

    ol__pool_lock(pool);
    ol__queue_splice(&pool->backlog, &pool->completed);
    pool->post_due = false;
    pthread_mutex_unlock(&pool->lock);
    if (!pool->is_delivering && !pool->more.queued)
        deliver_batch(pool);
}

void ol__deliver_more_cb(struct ol__ready *ready)
{
    deliver_batch(OL_CONTAINER_OF(ready, struct ol_pool, more));
}
