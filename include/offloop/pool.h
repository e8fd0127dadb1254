/*
 * offloop/pool.h: blocking calls, off the loop.
 *
 * A pool is a named set of threads that belongs to one loop. A job is submitted from any thread, runs on a worker, and
 * completes on the loop exactly once, whatever happens to it. Queues are bounded and refuse; classes share the threads
 * by quota and by reserve; cancel and deadlines reach queued and running work; stopping ends by a deadline.
 *
 * The life of a job (docs/DESIGN.md has the table):
 *
 *     idle --submit--> queued --a worker takes it--> running --work returned--> finished --done--> idle
 *                         |                                                        ^
 *                         '------- cancelled, too late, shed, closed --------------'
 */
#ifndef OFFLOOP_POOL_H
#define OFFLOOP_POOL_H

#include <offloop/loop.h>
#include <offloop/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_pool;
struct ol_job;
struct ol_db;

/** How a job ended. The names are in ol_job_status_name(). */
enum ol_job_status {
    OL_JOB_DONE,              /* `work` ran and returned, and nobody had asked it to stop */
    OL_JOB_CANCELLED,         /* cancelled before it ran: `work` was not called */
    OL_JOB_CANCELLED_RUNNING, /* cancelled while it ran: `work` has returned, having noticed or not */
    OL_JOB_LATE,              /* its deadline passed before it ran */
    OL_JOB_LATE_RUNNING,      /* its deadline passed while it ran; `work` has returned */
    OL_JOB_SHED,              /* dropped by the class's overload control before it ran */
    OL_JOB_CLOSED,            /* the pool closed before it ran */
    OL_JOB_STATUSES           /* their number */
};

/** The slow part. Thread: worker, no lock held, at most once. May ask ol_cancelled(); its scope is the current one. */
typedef void ol_job_work_cb(struct ol_job *job);

/**
 * The end. Thread: loop, no lock held, exactly once for each accepted submit, never inside the submit. The job is the
 * caller's again: free or submit it.
 */
typedef void ol_job_done_cb(struct ol_job *job, enum ol_job_status status);

/** One blocking call, in the caller's memory: inputs copied in, results copied out. Zero it, then set what you need. */
struct ol_job {
    /* set by the caller before submit, left alone until `done` */
    ol_job_work_cb  *work; /* required */
    ol_job_done_cb  *done; /* required */
    void            *arg;
    const char      *name;  /* for reports of stuck jobs and for timelines; outlives the job; NULL: the class's name */
    struct ol_scope *scope; /* the job ends with it; NULL: on its own. Must live until `done` */
    double           timeout_s; /* from submit to the return of `work`; 0: none */
    unsigned         class_id;  /* index into the pool's classes */

    /* filled in before `done` */
    uint64_t queue_ns; /* from submit until a worker took it, or it was dropped */
    uint64_t run_ns;   /* inside `work`; 0 when it did not run */

    /* the pool's own; zero before the first submit */
    struct {
        struct ol_pool      *pool;
        struct ol_job       *prev, *next; /* one list at a time: staged (loop only), queued (pool's lock), completed */
        uint64_t             submitted_ns;
        int                  state;  /* atomic; moved under the pool's lock but for staging and delivery (loop only) */
        int                  status; /* enum ol_job_status, once it is known */
        int                  wake_state; /* atomic; where `wake` is */
        struct ol_scope      scope;      /* ends with cancel, deadline or close; what ol_cancelled() reads in `work` */
        void                *heap[3];    /* in the heap of deadlines; guarded by the pool's lock */
        struct ol_scope_hook hook;       /* on `scope`: it ended from above */
        struct ol_post       wake;       /* "my scope ended while I was queued", on its way to the loop */
        uint64_t             reserved[4];
    } own;
};

/** A share of a pool's threads. Zeroes mean the defaults. */
struct ol_pool_class {
    const char *name;             /* required; outlives the pool */
    unsigned    threads_max;      /* at most so many of the pool's threads at once; 0: no quota of its own */
    unsigned    threads_reserved; /* so many are kept for this class alone; the sum is below the pool's threads_max */
    size_t      queue_max;        /* jobs that may wait; then submit returns OL_EBUSY; 0: the pool's queue_max */
    bool        codel;            /* drop what waits in a standing queue (CoDel on queue delay) */
};

/**
 * Called on each worker thread, first and last thing. Thread: worker. `init` returns 0 or a negative code: then this
 * thread ends and takes no job.
 */
typedef int  ol_worker_init_cb(void *arg);
typedef void ol_worker_fini_cb(void *arg);

struct ol_pool_config {
    const char *name;           /* required; copied. 10 bytes of it are seen in the threads' names "ol-<name>-N" */
    unsigned    threads_min;    /* kept for ever; 0: 1 */
    unsigned    threads_max;    /* grown to when nobody is idle; 0: max(threads_min, 4) */
    double      idle_timeout_s; /* a thread above threads_min leaves after so long without work; 0: 10 s */
    size_t      queue_max;      /* each class's bound unless it has its own; 0: 65,536 */
    size_t      stack_size;     /* bytes; 0: the system's default */
    int         nice;           /* added to the threads' niceness, 0 to 19, for CPU-bound pools */

    const struct ol_pool_class *classes;   /* NULL: one class named "default"; copied, but for the names */
    unsigned                    n_classes; /* up to 16 */

    ol_worker_init_cb *worker_init;
    ol_worker_fini_cb *worker_fini;
    void              *worker_arg;
};

/**
 * Make a pool and start its first threads.
 *
 * Thread:  the loop's owner.
 * Owns:    the caller destroys it with ol_pool_destroy, before the loop.
 * Returns: 0, OL_EINVAL (ol_last_error names the field), OL_ENOMEM, OL_ESYS (not even one thread could be started;
 *          with at least one, the pool runs with fewer and tries again later).
 */
OL_API int ol_pool_create(struct ol_pool **ret_pool, struct ol_loop *loop, const struct ol_pool_config *config);

/**
 * Make `pool` the one that ol_offload in a fiber of its loop uses when the fiber names none. NULL: none. Thread: the
 * loop's owner.
 */
OL_API void ol_loop_set_default_pool(struct ol_loop *loop, struct ol_pool *pool);

/**
 * Hand a job to the pool.
 *
 * Thread:  any. A job's fields are set by one thread before this; submits on the loop are gathered and handed over
 *          once a turn.
 * Owns:    borrows `job` until its `done` begins; nobody else touches it before, but for ol_job_cancel.
 * Returns: 0, or OL_EBUSY (the class's queue is full, or the job is still in flight), OL_ECLOSED (after ol_pool_close),
 *          OL_EINVAL (no `work` or `done`, no such class, a negative timeout), OL_EFORKED, or the reason for which
 *          `job->scope` has ended. On failure `done` is not called and the job is the caller's again.
 * Then:    `done` runs once, on the loop, never inside this call.
 */
OL_API int ol_pool_submit(struct ol_pool *pool, struct ol_job *job);

/**
 * Ask a job to end. Queued: it completes without running. Running: its scope ends, so that ol_cancelled() and hooks
 * tell it. `done` comes in every case, and tells which. A job that is not in flight is left alone.
 *
 * Thread:  loop (so that it cannot race with `done`); another thread ends a scope of its own instead.
 */
OL_API void ol_job_cancel(struct ol_job *job);

/**
 * A job that is running although the pool should be gone. Thread: loop. `name` and `running_ns` are all that is
 * known.
 */
typedef void ol_pool_stuck_cb(const char *job_name, uint64_t running_ns, void *arg);

/**
 * Take nothing new; finish what is queued and running until T1, cancel the rest at T1. Returns at once; each job
 * still gets its `done`.
 *
 * Thread:  the loop's owner.
 * Returns: 0, OL_EINVAL, OL_EFORKED. A second call may only bring T1 and T2 nearer.
 */
OL_API int ol_pool_close(struct ol_pool *pool, double t1_s, double t2_s);

/**
 * Free the pool. Closes it first when that was not done (T1 = 0, T2 = 5 s). Waits until the workers have returned, at
 * most until T2, and delivers what is outstanding: every `done` has run when it returns 0. NULL is fine.
 *
 * Thread:  the loop's owner, not inside a `done` of this pool; waits where it is, so call it when the loop has
 *          nothing better to do.
 * Returns: 0, OL_EFORKED, or OL_EBUSY: at T2 some job has not returned. Each is reported through `stuck` (may be
 *          NULL), and its thread, its memory and the loop's inbox stay allocated on purpose. The program may then
 *          _exit, or try again.
 */
OL_API int ol_pool_destroy(struct ol_pool *pool, ol_pool_stuck_cb *stuck, void *arg);

/** The pool's loop. Thread: any. */
OL_API struct ol_loop *ol_pool_loop(struct ol_pool *pool);

/** The index of the class called `name`, or OL_ENOENT. Thread: any. */
OL_API int ol_pool_class_find(const struct ol_pool *pool, const char *name);

/** "done", "cancelled", ... Thread: any. Owns: a static string. */
OL_API const char *ol_job_status_name(enum ol_job_status status);

/** A function for ol_offload: what it returns, ol_offload returns. Thread: see ol_offload. */
typedef int ol_offload_cb(void *arg);

/**
 * Run `fn(arg)` where it may block, and return what it returned.
 *
 * From a fiber: on a worker of the fiber's pool and class, while the fiber is suspended. From a worker, another
 * thread or a blocking route: here and now. A worker never waits for a job of a pool, so no pool can wait for itself.
 *
 * Thread:  any but the bare loop.
 * Owns:    borrows `arg` until it returns, and returns only when `fn` has returned or will never run.
 * Returns: fn's value; or, when `fn` was not run: OL_EONLOOP, OL_EINVAL (a fiber without a pool), OL_EBUSY (queue
 *          full, or shed), OL_ECLOSED, the scope's reason.
 */
OL_API int ol_offload(ol_offload_cb *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
