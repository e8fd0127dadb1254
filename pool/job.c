/*
 * job.c: the life of a job, from the pool's side.
 *
 *     idle -> submitting -> queued -> running -> finished -> idle          another thread submits
 *     idle -> staged ------> queued                                        the loop submits
 *             staged, queued -> finished                                   dropped: it never runs
 *                                       finished -> held -> idle           its wake is still in the inbox
 *
 *     state       whose memory          which list            moved on by
 *     idle        the caller's          none                  submit
 *     submitting  the submitter's       none                  the same submit, under the lock
 *     staged      the loop's            class->staged         loop: flush or cancel
 *     queued      guarded by the lock   class->queue, heap    a worker that takes it; loop: cancel, deadline, close
 *     running     the worker's          worker->job, heap     the worker
 *     finished    the loop's            completed, backlog    loop: delivery
 *     held        the loop's            none                  loop: delivery of the wake
 *
 * Invariant: an accepted job is in n_inflight until its `done` was called, and its status is written once, on the way
 * into `finished`.
 *
 * The wake. When a scope above ends, on whatever thread, the job's hook runs under two scopes' locks, where the pool's
 * lock may not be taken. So it posts the job's own wake to the loop, which takes the job off its queue. The job may be
 * over by then; but a node that is in the inbox must not lose its memory, so `done` waits for it (held). After the hook
 * was taken back, at delivery, no wake can be posted any more.
 */
#include <assert.h>

#include "pool/internal.h"

/* From which states a state may be entered. */
const unsigned ol__job_entered_from[OL__JOB_STATES] = {
    [OL__JOB_IDLE] = 1 << OL__JOB_FINISHED | 1 << OL__JOB_HELD | 1 << OL__JOB_SUBMITTING | 1 << OL__JOB_STAGED,
    [OL__JOB_SUBMITTING] = 1 << OL__JOB_IDLE,
    [OL__JOB_STAGED] = 1 << OL__JOB_IDLE,
    [OL__JOB_QUEUED] = 1 << OL__JOB_SUBMITTING | 1 << OL__JOB_STAGED,
    [OL__JOB_RUNNING] = 1 << OL__JOB_QUEUED,
    [OL__JOB_FINISHED] = 1 << OL__JOB_QUEUED | 1 << OL__JOB_RUNNING | 1 << OL__JOB_STAGED,
    [OL__JOB_HELD] = 1 << OL__JOB_FINISHED,
};

const char *ol_job_status_name(enum ol_job_status status)
{
    static const char *const names[OL_JOB_STATUSES] = {
        [OL_JOB_DONE] = "done",
        [OL_JOB_CANCELLED] = "cancelled",
        [OL_JOB_CANCELLED_RUNNING] = "cancelled while running",
        [OL_JOB_LATE] = "late",
        [OL_JOB_LATE_RUNNING] = "late while running",
        [OL_JOB_SHED] = "shed",
        [OL_JOB_CLOSED] = "closed",
    };

    return (unsigned)status < OL_JOB_STATUSES ? names[status] : "unknown";
}

enum ol_job_status ol__job_dropped_status(int reason)
{
    switch (reason) {
    case OL_ETIMEDOUT: return OL_JOB_LATE;
    case OL_ECLOSED: return OL_JOB_CLOSED;
    default: return OL_JOB_CANCELLED;
    }
}

const char *ol__job_name(const struct ol_job *job)
{
    return job->name ? job->name : job->own.pool->classes[job->class_id].config.name;
}

void ol__job_complete_locked(struct ol_pool *pool, struct ol_job *job, struct ol__errands *errands)
{
    ol__queue_append(&pool->completed, job);
    if (!pool->post_due) {
        pool->post_due = true;
        errands->post = true;
    }
}

/* What had a place in the queue, or the right to one, and will not run. */
static void drop_locked(struct ol_pool *pool, struct ol_job *job, enum ol_job_status status, uint64_t now_ns,
                        struct ol__errands *errands)
{
    pool->classes[job->class_id].n_freed++;
    job->queue_ns = now_ns > job->own.submitted_ns ? now_ns - job->own.submitted_ns : 0;
    job->run_ns = 0;
    job->own.status = (int)status;
    ol__job_move(job, OL__JOB_FINISHED);
    ol__job_complete_locked(pool, job, errands);
}

void ol__job_drop_locked(struct ol_pool *pool, struct ol_job *job, enum ol_job_status status, uint64_t now_ns,
                         struct ol__errands *errands)
{
    struct ol__class *class = &pool->classes[job->class_id];

    assert(ol__job_state(job) == OL__JOB_QUEUED);
    ol__queue_remove(&class->queue, job);
    pool->n_queued--;
    ol__deadline_remove_locked(pool, job);
    drop_locked(pool, job, status, now_ns, errands);
}

/* Thread: loop. A job that waits completes without running; one that is with a worker or over is left alone. */
static void drop_waiting(struct ol_job *job, enum ol_job_status status)
{
    struct ol_pool *pool = job->own.pool;
    struct ol__class *class = &pool->classes[job->class_id];
    struct ol__errands errands = { 0 };
    uint64_t           now_ns = ol_now_ns();

    ol__pool_lock(pool);
    if (ol__job_state(job) == OL__JOB_QUEUED) {
        ol__job_drop_locked(pool, job, status, now_ns, &errands);
    } else if (ol__job_state(job) == OL__JOB_STAGED) {
        ol__queue_remove(&class->staged, job);
        class->n_submitted++;
        drop_locked(pool, job, status, now_ns, &errands);
    }
    ol__pool_unlock(pool, &errands);
}

void ol__job_scope_ended(struct ol_scope_hook *hook, int reason)
{
    struct ol_job *job = OL_CONTAINER_OF(hook, struct ol_job, own.hook);

    (void)reason;
    /* With a worker it is told by the flag alone. When this state is old news, the wake finds nothing to do. */
    switch (ol__job_state(job)) {
    case OL__JOB_SUBMITTING:
    case OL__JOB_STAGED:
    case OL__JOB_QUEUED:
        __atomic_store_n(&job->own.wake_state, OL__WAKE_POSTED, __ATOMIC_RELAXED);
        job->own.wake.cb = ol__job_woken;
        ol_loop_post(job->own.pool->loop, &job->own.wake);
        break;
    default: break;
    }
}

void ol__job_woken(struct ol_post *post)
{
    struct ol_job *job = OL_CONTAINER_OF(post, struct ol_job, own.wake);

    __atomic_store_n(&job->own.wake_state, OL__WAKE_DELIVERED, __ATOMIC_RELAXED);
    if (ol__job_state(job) == OL__JOB_HELD)
        ol__deliver_held(job->own.pool, job);
    else
        drop_waiting(job, ol__job_dropped_status(ol_scope_reason(&job->own.scope)));
}

void ol_job_cancel(struct ol_job *job)
{
    struct ol_pool *pool;

    if (!job || ol__job_state(job) == OL__JOB_IDLE)
        return;
    pool = job->own.pool;
    if (ol__pool_check(pool) < 0)
        return;
    assert(ol__loop_is_owner(pool->loop));
    drop_waiting(job, OL_JOB_CANCELLED);
    if (ol__job_state(job) == OL__JOB_RUNNING) /* it cannot go before its `done`, which runs here */
        ol_scope_end(&job->own.scope, OL_ECANCELED);
}
