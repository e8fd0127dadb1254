/*
 * pool/internal.h: the pool's structure, and what its files call of each other.
 *
 * One lock guards the queues, the workers' states, the counts and the heap of deadlines. It is held for a few
 * instructions at a time; whatever is slow or calls out (waking a thread, starting one, posting to the loop) is noted
 * as an errand and done by ol__pool_unlock when the lock is free again.
 */
#ifndef OL_POOL_INTERNAL_H
#define OL_POOL_INTERNAL_H

#include <assert.h>
#include <offloop/observe.h>
#include <offloop/pool.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/heap.h"
#include "base/histogram.h"
#include "base/list.h"
#include "loop/turn.h"
#include "pool/codel.h"
#include "pool/linger.h"
#include "pool/queue.h"
#include "pool/quick.h"

enum { OL__CLASSES_MAX = 16, OL__THREADS_MAX = 4096 };

/* ---- a job's state: the table is in job.c ---- */

enum ol__job_state {
    OL__JOB_IDLE,       /* the caller's */
    OL__JOB_SUBMITTING, /* another thread is inside its submit */
    OL__JOB_STAGED,     /* in its class's staged list; loop only */
    OL__JOB_QUEUED,     /* in its class's queue */
    OL__JOB_RUNNING,    /* with a worker */
    OL__JOB_FINISHED,   /* in the completed list or in the loop's hands; the status is known */
    OL__JOB_HELD,       /* as finished, but its wake is still in the inbox */
    OL__JOB_STATES      /* their number */
};

enum ol__wake_state { OL__WAKE_NONE, OL__WAKE_POSTED, OL__WAKE_DELIVERED };

static inline enum ol__job_state ol__job_state(const struct ol_job *job)
{
    return (enum ol__job_state)__atomic_load_n(&job->own.state, __ATOMIC_RELAXED);
}

extern const unsigned ol__job_entered_from[OL__JOB_STATES]; /* the table: OR of 1 << state */

static inline void ol__job_move(struct ol_job *job, enum ol__job_state to)
{
    assert(ol__job_entered_from[to] & 1U << ol__job_state(job));
    __atomic_store_n(&job->own.state, (int)to, __ATOMIC_RELAXED);
}

/** What a job that did not run is to be called when its scope ended for `reason`. */
enum ol_job_status ol__job_dropped_status(int reason);

const char *ol__job_name(const struct ol_job *job);

/** When a worker took it, when it was finished. */
static inline uint64_t ol__job_started_ns(const struct ol_job *job)
{
    return job->own.submitted_ns + job->queue_ns;
}

static inline uint64_t ol__job_finished_ns(const struct ol_job *job)
{
    return ol__job_started_ns(job) + job->run_ns;
}

/* ---- classes ---- */

struct ol__class {
    /* set at create */
    struct ol_pool_class config;    /* defaults filled in */
    char                 where[64]; /* "pool/class", for events */

    /* guarded by the pool's lock */
    struct ol__queue queue;
    unsigned         n_running;
    size_t           n_freed;     /* places that left the queue since `room` was last topped up */
    uint64_t         n_submitted; /* handed over */
    struct ol__codel codel;
    struct ol__pace  pace;

    /* any thread: places left in the queue, of which each submit takes one. room + n_freed + waiting = queue_max */
    _Alignas(64) atomic_long room;
    atomic_ulong n_refused;

    /* loop only */
    struct ol__queue staged;

    /* the loop records, any thread reads */
    _Atomic(uint64_t)    by_status[OL_JOB_STATUSES];
    struct ol__histogram deliver;
};

/* ---- workers ---- */

enum ol__worker_state {
    OL__WORKER_NONE,     /* no thread */
    OL__WORKER_STARTING, /* called: its thread is on its way */
    OL__WORKER_BUSY,
    OL__WORKER_IDLE,    /* in pool->idle, unless it was called */
    OL__WORKER_LEAVING, /* in worker_fini */
    OL__WORKER_GONE     /* its thread returns; to be joined */
};

/* What one worker recorded for one class. */
struct ol__shard {
    struct ol__histogram queue, run;
};

/* A place for a thread. Kept when the thread leaves, for the next one. On cache lines of its own. */
struct ol__worker {
    /* set once */
    _Alignas(64) struct ol_pool *pool;
    unsigned          index;
    struct ol__shard *shards; /* one for each class */

    /* whoever starts or joins, one at a time by the state */
    pthread_t thread;

    /* guarded by the pool's lock */
    enum ol__worker_state state;
    bool                  has_thread; /* `thread` is to be joined */
    bool                  called;
    bool                  is_quick; /* the job that runs here was taken for a quick one */
    struct ol_job        *job;      /* that runs here */
    struct ol_link        idle;     /* in pool->idle */

    /* any thread */
    sem_t wake;
};

/* ---- the pool ---- */

/* In the order of who may touch what: */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct ol_pool {
    /* set at create */
    struct ol_loop       *loop;
    struct ol_pool_config config; /* defaults filled in */
    char                 *name;
    unsigned              fork_generation;
    unsigned              n_classes;

    /* any thread, atomic */
    _Alignas(64) atomic_ulong n_inflight; /* from submit to done; while not 0 the loop is held */
    atomic_bool is_closed;
    atomic_uint n_visitors; /* other threads inside ol_pool_submit, which destroy must wait for */

    _Alignas(64) pthread_mutex_t lock;
    /* guarded by lock */
    struct ol__queue    completed; /* on their way to the loop */
    bool                post_due;  /* `completions` is in the inbox, or somebody is about to post it */
    size_t              n_queued;  /* over all classes */
    unsigned            n_running; /* jobs */
    unsigned            n_unmet;   /* threads that reserves still have a right to, over all classes */
    unsigned            n_threads; /* starting ones included */
    unsigned            n_called;  /* workers that were woken or started and have not looked yet */
    unsigned            n_idle;
    struct ol_link      idle;      /* the one that parked last first: its caches are warm */
    struct ol__worker **workers;   /* threads_max places, filled as needed */
    unsigned            n_workers; /* places filled */
    uint64_t            n_started, n_failed;
    bool                start_failed; /* do not try before retry_ns */
    bool                is_cancelled; /* T1 has passed: nothing that is queued runs any more */
    bool                is_stopping;  /* workers leave */
    uint64_t            retry_ns;
    struct ol__heap     deadlines;
    uint64_t            armed_ns; /* what the timer is set to; UINT64_MAX: not running */
    bool                rearm_posted;
    struct ol__linger   linger;
    struct ol__quick    quick;

    /* loop only */
    struct ol_post   completions, rearm;
    struct ol_timer  timer, t1_timer;
    struct ol__ready flush, more;
    struct ol__queue backlog;  /* completed, taken over, not yet delivered */
    uint64_t         clock_ns; /* now, while jobs are delivered; else 0 */
    bool             is_delivering;
    unsigned long    n_left;       /* jobs that are done and still counted in flight: a submit takes one over */
    uint64_t         t1_ns, t2_ns; /* UINT64_MAX until closed */

    struct ol__class classes[OL__CLASSES_MAX];
};

/* What is to be done when the lock is free. */
struct ol__errands {
    bool               post;  /* pool->completions */
    bool               rearm; /* the timer */
    struct ol__worker *wake;
    struct ol__worker *start;
};

static inline void ol__pool_lock(struct ol_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

/** Unlock, then run the errands and clear them. Thread: any. */
void ol__pool_unlock(struct ol_pool *pool, struct ol__errands *errands);

/** 0, or OL_EINVAL (NULL), OL_EFORKED. Thread: any. */
int ol__pool_check(const struct ol_pool *pool);

/** So many jobs less are in flight. Thread: any. */
void ol__pool_leave(struct ol_pool *pool, unsigned long n);

/* default.c */
/** The loop's default pool, or NULL. Thread: loop. */
struct ol_pool *ol__pool_default(const struct ol_loop *loop);

/* class.c */
struct ol__class *ol__class_pick_locked(struct ol_pool *pool);
void              ol__class_started_locked(struct ol_pool *pool, struct ol__class *class);
void              ol__class_finished_locked(struct ol_pool *pool, struct ol__class *class);
bool              ol__class_take_room(struct ol_pool *pool, struct ol__class *class);
void              ol__class_give_room_back(struct ol__class *class);

/* submit.c */
/** Hand staged jobs over. Thread: loop. */
void ol__submit_flush(struct ol_pool *pool);
void ol__submit_flush_cb(struct ol__ready *ready);

/* job.c */
/** A queued job ends without running. */
void ol__job_drop_locked(struct ol_pool *pool, struct ol_job *job, enum ol_job_status status, uint64_t now_ns,
                         struct ol__errands *errands);
/** A job is over, its status and times are set: off to the loop. */
void ol__job_complete_locked(struct ol_pool *pool, struct ol_job *job, struct ol__errands *errands);
/** A job's scope has ended while it waited (own.wake's callback). Thread: loop. */
void ol__job_woken(struct ol_post *post);
/** A hook on the job's scope. */
void ol__job_scope_ended(struct ol_scope_hook *hook, int reason);

/* worker.c */
/** If a job could run that nobody is on his way for, note the errand of fetching somebody. */
void ol__worker_call_locked(struct ol_pool *pool, struct ol__errands *errands);
void ol__worker_wake(struct ol__worker *worker);
/** Start the thread of a place that is STARTING. Returns: 0 or OL_ESYS; then the place is free again. Thread: any. */
int ol__worker_start(struct ol__worker *worker);
/** A place for one more thread, in the state STARTING, or NULL. */
struct ol__worker *ol__worker_place_locked(struct ol_pool *pool);
/** Make all workers leave, and join them. Nothing may be running. Thread: loop. */
void ol__worker_join_all(struct ol_pool *pool);
void ol__worker_free_all(struct ol_pool *pool);

/* deliver.c */
void ol__deliver_post_cb(struct ol_post *post);
void ol__deliver_more_cb(struct ol__ready *ready);
/** A held job's wake has arrived. Thread: loop. */
void ol__deliver_held(struct ol_pool *pool, struct ol_job *job);

/* deadline.c */
void ol__deadline_add_locked(struct ol_pool *pool, struct ol_job *job, struct ol__errands *errands);
void ol__deadline_remove_locked(struct ol_pool *pool, struct ol_job *job);
/** Note that something is due at `at_ns`. */
void ol__deadline_due_locked(struct ol_pool *pool, uint64_t at_ns, struct ol__errands *errands);
/** End what is over, and set the timer for what is next. Returns when that is. Thread: loop. */
uint64_t ol__deadline_turn(struct ol_pool *pool);
/** Set the timer anew, for something nearer. Thread: loop. */
void ol__deadline_rearm(struct ol_pool *pool);
void ol__deadline_stop(struct ol_pool *pool);
void ol__deadline_timer_cb(struct ol_timer *timer);
void ol__deadline_rearm_cb(struct ol_post *post);

/* event.c */
void ol__pool_event_job(struct ol_pool *pool, const struct ol_job *job, enum ol_event_kind kind, uint64_t ns, int code);
void ol__pool_event_text(struct ol_pool *pool, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
