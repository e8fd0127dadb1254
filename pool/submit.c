/*
 * submit.c: from the caller's hand to the queue.
 *
 * A submit on the loop, inside its run, is staged in a list that needs no lock, and the turn's end hands all of them
 * over at once: one lock, one wake-up. Everybody else takes the lock.
 *
 * What can be refused is refused before anything was begun, in this order: bad arguments, a job still in flight, no
 * place in the queue, a pool that has closed, a scope that has ended.
 *
 * Closing. A submitter counts its job as in flight, then looks whether the pool has closed; ol_pool_close says so, then
 * looks at what is in flight. So either the submit is refused, or the job is waited for.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"
#include "loop/scope.h"
#include "pool/internal.h"

static int check(const struct ol_pool *pool, const struct ol_job *job)
{
    int rc = ol__pool_check(pool);

    if (rc < 0)
        return rc;
    if (!job || !job->work || !job->done)
        return ol__fail(OL_EINVAL, 0, "a job needs work and done");
    if (job->class_id >= pool->n_classes)
        return ol__fail(OL_EINVAL, 0, "pool \"%s\" has no class %u", pool->config.name, job->class_id);
    if (!ol__seconds_valid(job->timeout_s))
        return ol__fail(OL_EINVAL, 0, "a job's timeout must be between 0 and 1e9 seconds");
    if (ol__job_state(job) != OL__JOB_IDLE)
        return ol__fail(OL_EBUSY, 0, "the job is still in flight");
    return 0;
}

static void enter(struct ol_pool *pool, bool on_loop)
{
    if (on_loop && pool->n_left > 0) /* inside a `done`, as a rule: no atomic instruction */
        pool->n_left--;
    else if (atomic_fetch_add(&pool->n_inflight, 1) == 0)
        ol__loop_hold(pool->loop);
}

void ol__pool_leave(struct ol_pool *pool, unsigned long n)
{
    if (n > 0 && atomic_fetch_sub(&pool->n_inflight, n) == n)
        ol__loop_release(pool->loop);
}

static int admit(struct ol_pool *pool, struct ol__class *class, bool on_loop)
{
    if (!ol__class_take_room(pool, class))
        return ol__fail(OL_EBUSY, 0, "the queue of %s is full", class->where);
    enter(pool, on_loop);
    if (!atomic_load(&pool->is_closed))
        return 0;
    ol__pool_leave(pool, 1);
    ol__class_give_room_back(class);
    return ol__fail(OL_ECLOSED, 0, "pool \"%s\" is closed", pool->config.name);
}

static int begin(struct ol_pool *pool, struct ol_job *job, enum ol__job_state state)
{
    uint64_t now_ns = state == OL__JOB_STAGED && pool->clock_ns && job->timeout_s == 0 ? pool->clock_ns : ol_now_ns();
    uint64_t deadline_ns = job->timeout_s > 0 ? now_ns + ol__seconds_to_ns(job->timeout_s) : 0;

    job->own.pool = pool;
    job->own.submitted_ns = now_ns;
    job->own.wake_state = OL__WAKE_NONE;
    job->own.hook.cb = ol__job_scope_ended;
    ol__job_move(job, state); /* before the hook can run, which asks */
    /* Only what is above can end the scope of a job behind the pool's back: without it, no hook. */
    int rc = ol__scope_begin(&job->own.scope, job->scope, deadline_ns, job->scope ? &job->own.hook : NULL, true);
    if (rc < 0) {
        ol__job_move(job, OL__JOB_IDLE);
        return rc;
    }
    job->own.scope.watched = true; /* also a deadline from above: it goes into the heap like any other */
    return 0;
}

static void enqueue_locked(struct ol_pool *pool, struct ol_job *job, struct ol__errands *errands)
{
    ol__job_move(job, OL__JOB_QUEUED);
    ol__queue_append(&pool->classes[job->class_id].queue, job);
    pool->n_queued++;
    if (job->own.scope.deadline_ns)
        ol__deadline_add_locked(pool, job, errands);
}

static void hand_over(struct ol_pool *pool, struct ol_job *job)
{
    struct ol__errands errands = { 0 };

    ol__pool_lock(pool);
    pool->classes[job->class_id].n_submitted++;
    enqueue_locked(pool, job, &errands);
    /* Too late for whoever looked into the queue before: the wake of a scope that has ended, the cancel at T1. */
    int reason = __atomic_load_n(&job->own.scope.reason, __ATOMIC_ACQUIRE);
    if (reason || pool->is_cancelled)
        ol__job_drop_locked(pool, job, reason ? ol__job_dropped_status(reason) : OL_JOB_CLOSED, ol_now_ns(), &errands);
    ol__worker_call_locked(pool, &errands);
    ol__pool_unlock(pool, &errands);
}

static void flush_class_locked(struct ol_pool *pool, struct ol__class *class, struct ol__errands *errands)
{
    for (struct ol_job *job = class->staged.first; job; job = job->own.next) {
        ol__job_move(job, OL__JOB_QUEUED);
        if (job->own.scope.deadline_ns)
            ol__deadline_add_locked(pool, job, errands);
    }
    class->n_submitted += class->staged.n;
    pool->n_queued += class->staged.n;
    ol__queue_splice(&class->queue, &class->staged);
}

void ol__submit_flush(struct ol_pool *pool)
{
    struct ol__errands errands = { 0 };

    ol__pool_lock(pool);
    for (unsigned i = 0; i < pool->n_classes; i++)
        flush_class_locked(pool, &pool->classes[i], &errands);
    ol__worker_call_locked(pool, &errands);
    ol__pool_unlock(pool, &errands);
}

void ol__submit_flush_cb(struct ol__ready *ready)
{
    struct ol_pool *pool = OL_CONTAINER_OF(ready, struct ol_pool, flush);

    ol__submit_flush(pool);
    ol__linger_loop(pool);
}

static int submit(struct ol_pool *pool, struct ol_job *job, bool on_loop)
{
    struct ol__class *class = &pool->classes[job->class_id];
    int rc = admit(pool, class, on_loop);

    if (rc < 0)
        return rc;
    rc = begin(pool, job, on_loop ? OL__JOB_STAGED : OL__JOB_SUBMITTING);
    if (rc < 0) {
        ol__pool_leave(pool, 1);
        ol__class_give_room_back(class);
        return ol__fail(rc, 0, "the job's scope has ended");
    }
    if (ol__event_wanted(OL_EVENT_JOB_QUEUED))
        ol__pool_event_job(pool, job, OL_EVENT_JOB_QUEUED, 0, 0);
    if (on_loop) {
        ol__queue_append(&class->staged, job);
        ol__loop_at_turn_end(pool->loop, &pool->flush);
    } else {
        hand_over(pool, job);
    }
    return 0;
}

int ol_pool_submit(struct ol_pool *pool, struct ol_job *job)
{
    int rc = check(pool, job);

    if (rc < 0)
        return rc;
    if (ol__loop_inside(pool->loop))
        return submit(pool, job, true);
    /* The job may be over, and the pool be about to go, before this thread has left. */
    atomic_fetch_add(&pool->n_visitors, 1);
    rc = submit(pool, job, false);
    atomic_fetch_sub(&pool->n_visitors, 1);
    return rc;
}
