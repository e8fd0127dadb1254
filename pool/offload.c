/*
 * offload.c: ol_offload, one blocking call in the middle of straight-line code.
 *
 * Only a fiber hands its function to a pool; everybody else who may block runs it here and now. That is also what
 * keeps workers from waiting for their own pool: there is no call in which a worker waits for a job.
 *
 * The job lives on the fiber's stack. The fiber is resumed by `done` alone, so it cannot go on while a worker still
 * uses its frame: a scope that ends takes a queued job back (and `done` follows), and tells a running one to return.
 */
#include "base/error.h"
#include "loop/attach.h"
#include "loop/fiber.h"
#include "loop/here.h"
#include "pool/internal.h"

struct offload {
    struct ol_job      job;
    ol_offload_cb     *fn;
    void              *arg;
    struct ol_fiber   *fiber;
    int                rc;    /* fn's */
    struct ol_error    error; /* what fn left on its thread, when it failed */
    enum ol_job_status status;
};

static void offload_work(struct ol_job *job)
{
    struct offload *offload = OL_CONTAINER_OF(job, struct offload, job);

    offload->rc = offload->fn(offload->arg);
    if (offload->rc < 0)
        offload->error = *ol_last_error();
}

static void offload_done(struct ol_job *job, enum ol_job_status status)
{
    struct offload *offload = OL_CONTAINER_OF(job, struct offload, job);

    offload->status = status;
    ol__fiber_resume(offload->fiber);
}

static int outcome(const struct offload *offload)
{
    switch (offload->status) {
    case OL_JOB_SHED: return ol__fail(OL_EBUSY, 0, "dropped by overload control");
    case OL_JOB_CLOSED: return ol__fail(OL_ECLOSED, 0, "the pool was closed");
    case OL_JOB_LATE: return ol__fail(OL_ETIMEDOUT, 0, "the deadline passed in the queue");
    case OL_JOB_CANCELLED: return ol__fail(OL_ECANCELED, 0, "cancelled in the queue");
    default: break;
    }
    if (offload->rc < 0 && offload->error.code == offload->rc)
        return ol__fail_with(&offload->error);
    return offload->rc;
}

static int offload_from_fiber(ol_offload_cb *fn, void *arg)
{
    struct ol_fiber *fiber = ol__fiber_self();
    struct ol_pool  *pool = ol__fiber_pool(fiber);
    struct offload   offload = { .fn = fn, .arg = arg, .fiber = fiber };

    if (!pool)
        pool = ol__pool_default(ol__fiber_loop(fiber));
    if (!pool)
        return ol__fail(OL_EINVAL, 0, "neither the fiber nor its loop has a pool");
    offload.job.work = offload_work;
    offload.job.done = offload_done;
    offload.job.scope = ol_scope_current();
    offload.job.class_id = ol__fiber_class(fiber);
    int rc = ol_pool_submit(pool, &offload.job);
    if (rc < 0)
        return rc;
    ol__fiber_suspend();
    return outcome(&offload);
}

int ol_offload(ol_offload_cb *fn, void *arg)
{
    if (!fn)
        return ol__fail(OL_EINVAL, 0, "ol_offload needs a function");
    switch (ol__where()) {
    case OL__AT_FIBER: return offload_from_fiber(fn, arg);
    case OL__AT_LOOP: return ol__fail(OL_EONLOOP, 0, "ol_offload would block the loop");
    default: return fn(arg);
    }
}
