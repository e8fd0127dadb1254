/*
 * worker.c: the threads.
 *
 * A worker takes a job, runs it with no lock held, and comes back with one lock for both: hand the old job over to the
 * loop, take the next. It reads the clock once for each job: the end of one is the start of the next.
 *
 * Who is called. Whoever makes work available (a hand-over, a worker that takes a job and sees more) calls one more
 * worker if a job could start that no called worker will fetch: an idle one, the last parked first, or a new thread
 * while there are fewer than threads_max. At most CALLED_MAX are on their way at once: each that arrives looks and
 * calls the next, so that a burst spreads like an avalanche while one tiny job wakes one thread. So no wake-up is lost:
 * a worker that finds nothing parks under the lock under which work is made available.
 *
 * A thread above threads_min leaves after idle_timeout_s. Its place keeps its statistics and its joinable thread, which
 * the next starter, or destroy, joins: it has nothing left to do but return.
 *
 * A thread that cannot be started is an event, and the pool goes on with those it has. It is tried again after
 * RETRY_NS, or with the next job after a time without any. When not one lives, jobs wait in the queue for that; their
 * deadlines hold.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"
#include "loop/here.h"
#include "pool/internal.h"

enum { CALLED_MAX = 2, THREAD_NAME_SIZE = 16 };
static const uint64_t RETRY_NS = OL_NS_PER_S;

/* ---- calling ---- */

static struct ol__worker *pop_idle_locked(struct ol_pool *pool)
{
    struct ol_link *link = ol_list_pop(&pool->idle);

    if (!link)
        return NULL;
    struct ol__worker *worker = OL_CONTAINER_OF(link, struct ol__worker, idle);
    pool->n_idle--;
    worker->called = true;
    return worker;
}

void ol__worker_call_locked(struct ol_pool *pool, struct ol__errands *errands)
{
    struct ol__class *class;

    if (pool->n_called >= CALLED_MAX || pool->n_called >= pool->n_queued || errands->wake || errands->start)
        return;
    class = ol__class_pick_locked(pool);
    if (!class || ol__quick_hold_back_locked(pool, class) || ol__linger_call_locked(pool))
        return;
    errands->wake = pop_idle_locked(pool);
    if (!errands->wake)
        errands->start = ol__worker_place_locked(pool);
    if (errands->wake || errands->start)
        pool->n_called++;
    else if (pool->start_failed)
        ol__deadline_due_locked(pool, pool->retry_ns, errands);
}

void ol__worker_wake(struct ol__worker *worker)
{
    sem_post(&worker->wake);
}

/* ---- starting ---- */

static struct ol__worker *create_place(struct ol_pool *pool)
{
    struct ol__worker *worker = aligned_alloc(_Alignof(struct ol__worker), sizeof *worker);

    if (!worker)
        return NULL;
    memset(worker, 0, sizeof *worker);
    worker->shards = calloc(pool->n_classes, sizeof *worker->shards);
    if (!worker->shards) {
        free(worker);
        return NULL;
    }
    worker->pool = pool;
    worker->index = pool->n_workers;
    ol_link_init(&worker->idle);
    sem_init(&worker->wake, 0, 0);
    pool->workers[pool->n_workers++] = worker;
    return worker;
}

struct ol__worker *ol__worker_place_locked(struct ol_pool *pool)
{
    struct ol__worker *worker = NULL;

    if (pool->n_threads >= pool->config.threads_max || pool->start_failed || pool->is_stopping)
        return NULL;
    for (unsigned i = 0; i < pool->n_workers && !worker; i++)
        if (pool->workers[i]->state == OL__WORKER_NONE || pool->workers[i]->state == OL__WORKER_GONE)
            worker = pool->workers[i];
    if (!worker)
        worker = create_place(pool);
    if (!worker)
        return NULL;
    worker->state = OL__WORKER_STARTING;
    pool->n_threads++;
    return worker;
}

static void *worker_main(void *arg);

/* All signals are the program's: a worker starts with every one of them blocked. */
static int create_thread(struct ol__worker *worker)
{
    pthread_attr_t attr;
    sigset_t       all, before;
    size_t         stack_size = worker->pool->config.stack_size;

    pthread_attr_init(&attr);
    int err = stack_size ? pthread_attr_setstacksize(&attr, stack_size) : 0;
    if (!err) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&worker->thread, &attr, worker_main, worker);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    return err;
}

/* A thread did not come, or leaves before it took anything. */
static void start_failed_locked(struct ol_pool *pool, struct ol__errands *errands)
{
    pool->n_failed++;
    pool->n_threads--;
    pool->n_called--;
    pool->start_failed = true;
    pool->retry_ns = ol_now_ns() + RETRY_NS;
    ol__worker_call_locked(pool, errands); /* somebody idle may do it; else the retry is noted */
}

/* Join the thread that was here last, if there was one. Returns whether there was. */
static bool join_last(struct ol__worker *worker)
{
    ol__pool_lock(worker->pool);
    bool has_thread = worker->has_thread;
    worker->has_thread = false;
    pthread_mutex_unlock(&worker->pool->lock);
    if (has_thread)
        pthread_join(worker->thread, NULL);
    return has_thread;
}

int ol__worker_start(struct ol__worker *worker)
{
    struct ol_pool    *pool = worker->pool;
    struct ol__errands errands = { 0 };

    join_last(worker);
    int err = create_thread(worker);
    ol__pool_lock(pool);
    worker->has_thread = !err;
    if (!err) {
        pthread_mutex_unlock(&pool->lock);
        return 0;
    }
    worker->state = OL__WORKER_NONE;
    start_failed_locked(pool, &errands);
    unsigned n_threads = pool->n_threads;
    ol__pool_unlock(pool, &errands);
    ol__pool_event_text(pool, OL_ESYS, "thread %u of pool \"%s\" cannot be started (%s); %u run", worker->index,
                        pool->config.name, strerrordesc_np(err), n_threads);
    return ol__fail_errno(OL_ESYS, err, "cannot start a thread of pool \"%s\"", pool->config.name);
}

/* ---- parking ---- */

/*
 * Sleep until called, or for `ns` when the thread is the watch or may leave. A semaphore, and not a condition variable:
 * that would take the lock again in a way that costs the next unlock a system call (glibc marks it as contended). A
 * post that comes when the sleep is over already makes the next one look once more than it must.
 */
static void sleep_locked(struct ol__worker *worker, uint64_t ns, bool is_watch)
{
    struct ol_pool *pool = worker->pool;
    struct timespec at = ol__ns_to_timespec(ol_now_ns() + ns);
    bool            in_time = true;

    while (!worker->called && !pool->is_stopping) {
        bool is_timed = is_watch || pool->n_threads > pool->config.threads_min;

        if (is_timed && !in_time)
            break;
        pthread_mutex_unlock(&pool->lock);
        in_time = (is_timed ? sem_clockwait(&worker->wake, CLOCK_MONOTONIC, &at) : sem_wait(&worker->wake)) == 0;
        ol__pool_lock(pool);
    }
}

/* Returns false when the thread is to leave. */
static bool park_locked(struct ol__worker *worker)
{
    struct ol_pool *pool = worker->pool;
    bool            is_watch = ol__quick_watch_locked(pool, worker);

    worker->state = OL__WORKER_IDLE;
    pool->n_idle++;
    if (is_watch) { /* called last: the others' caches are as warm, and they need no second look */
        ol_list_append(&pool->idle, &worker->idle);
        sleep_locked(worker, OL__QUICK_WATCH_NS, true);
        ol__quick_watch_over_locked(pool);
    } else {
        ol_list_prepend(&pool->idle, &worker->idle);
        sleep_locked(worker, ol__seconds_to_ns(pool->config.idle_timeout_s), false);
    }
    bool called = worker->called;
    worker->called = false;
    if (called) {
        pool->n_called--;
        worker->state = OL__WORKER_BUSY;
    } else {
        ol_list_remove(&worker->idle);
        pool->n_idle--;
    }
    return called || (is_watch && !pool->is_stopping);
}

/* ---- taking ---- */

/* 0: run it. Else why not, in enum ol_job_status. */
static int verdict_locked(struct ol__class *class, const struct ol_job *job, uint64_t now_ns)
{
    uint64_t deadline_ns = job->own.scope.deadline_ns;
    int      reason = __atomic_load_n(&job->own.scope.reason, __ATOMIC_ACQUIRE);

    if (!reason && deadline_ns && deadline_ns <= now_ns)
        reason = OL_ETIMEDOUT;
    if (reason)
        return (int)ol__job_dropped_status(reason);
    if (class->config.codel && class->queue.n > 1 &&
        ol__codel_drop(&class->codel, now_ns, now_ns > job->own.submitted_ns ? now_ns - job->own.submitted_ns : 0))
        return OL_JOB_SHED;
    return OL_JOB_DONE;
}

static void start_locked(struct ol__worker *worker, struct ol__class *class, struct ol_job *job, uint64_t now_ns)
{
    struct ol_pool *pool = worker->pool;

    ol__queue_remove(&class->queue, job);
    class->n_freed++;
    pool->n_queued--;
    ol__queue_prefetch(&class->queue);
    if (!class->queue.first)
        ol__codel_empty(&class->codel);
    job->queue_ns = now_ns > job->own.submitted_ns ? now_ns - job->own.submitted_ns : 0;
    ol__job_move(job, OL__JOB_RUNNING);
    worker->job = job;
    worker->state = OL__WORKER_BUSY;
    worker->is_quick = ol__pace_is_quick(&class->pace);
    pool->quick.n_running += worker->is_quick;
    ol__class_started_locked(pool, class);
}

static struct ol_job *take_locked(struct ol__worker *worker, uint64_t now_ns, struct ol__errands *errands)
{
    struct ol_pool *pool = worker->pool;
    struct ol__class *class;

    while ((class = ol__class_pick_locked(pool)) != NULL) {
        struct ol_job *job = class->queue.first;
        int            verdict = verdict_locked(class, job, now_ns);

        if (verdict == OL_JOB_DONE) {
            start_locked(worker, class, job, now_ns);
            return job;
        }
        ol__job_drop_locked(pool, job, (enum ol_job_status)verdict, now_ns, errands);
    }
    return NULL;
}

/* ---- running ---- */

static enum ol_job_status status_after_run(const struct ol_job *job, uint64_t now_ns)
{
    int      reason = __atomic_load_n(&job->own.scope.reason, __ATOMIC_ACQUIRE);
    uint64_t deadline_ns = job->own.scope.deadline_ns;

    if (reason == OL_ETIMEDOUT || (!reason && deadline_ns && deadline_ns <= now_ns))
        return OL_JOB_LATE_RUNNING;
    return reason ? OL_JOB_CANCELLED_RUNNING : OL_JOB_DONE;
}

/* Returns the time at which it ended. */
static uint64_t run(struct ol__worker *worker, struct ol_job *job)
{
    struct ol_pool   *pool = worker->pool;
    struct ol__shard *shard = &worker->shards[job->class_id];

    if (ol__event_wanted(OL_EVENT_JOB_STARTED))
        ol__pool_event_job(pool, job, OL_EVENT_JOB_STARTED, job->queue_ns, 0);
    ol__here.scope = &job->own.scope;
    job->work(job);
    ol__here.scope = NULL;
    ol__here.blocking = false;

    uint64_t now_ns = ol_now_ns();
    uint64_t started_ns = ol__job_started_ns(job);
    job->run_ns = now_ns > started_ns ? now_ns - started_ns : 0;
    job->own.status = (int)status_after_run(job, now_ns);
    ol__histogram_record(&shard->queue, job->queue_ns);
    ol__histogram_record(&shard->run, job->run_ns);
    if (ol__event_wanted(OL_EVENT_JOB_FINISHED))
        ol__pool_event_job(pool, job, OL_EVENT_JOB_FINISHED, job->run_ns, job->own.status);
    return now_ns;
}

static void finish_locked(struct ol__worker *worker, struct ol_job *job, struct ol__errands *errands)
{
    struct ol_pool *pool = worker->pool;
    struct ol__class *class = &pool->classes[job->class_id];

    worker->job = NULL;
    pool->quick.n_running -= worker->is_quick;
    worker->is_quick = false;
    ol__pace_learn(&class->pace, job->run_ns);
    ol__class_finished_locked(pool, class);
    if (class->config.codel)
        ol__codel_learn(&class->codel, job->run_ns);
    ol__deadline_remove_locked(pool, job);
    ol__job_move(job, OL__JOB_FINISHED);
    ol__job_complete_locked(pool, job, errands);
}

/* ---- a thread's life ---- */

static void introduce_locked(struct ol__worker *worker)
{
    struct ol_pool *pool = worker->pool;

    assert(worker->state == OL__WORKER_STARTING);
    worker->state = OL__WORKER_BUSY;
    pool->n_started++;
    pool->n_called--;
}

static void set_up(const struct ol__worker *worker)
{
    const struct ol_pool_config *config = &worker->pool->config;
    char                         name[THREAD_NAME_SIZE + 16];
    id_t                         tid = (id_t)gettid();

    snprintf(name, sizeof name, "ol-%.10s-%u", config->name, worker->index);
    name[THREAD_NAME_SIZE - 1] = '\0';
    pthread_setname_np(pthread_self(), name);
    if (config->nice) /* on Linux a thread's own */
        setpriority(PRIO_PROCESS, tid, getpriority(PRIO_PROCESS, tid) + config->nice);
    ol__here.pool = worker->pool;
    ol__here.worker = (void *)(uintptr_t)worker;
}

static void serve_locked(struct ol__worker *worker)
{
    struct ol_pool    *pool = worker->pool;
    struct ol__errands errands = { 0 };
    uint64_t           now_ns = ol_now_ns();

    for (;;) {
        struct ol_job *job = take_locked(worker, now_ns, &errands);

        ol__worker_call_locked(pool, &errands);
        if (job) {
            ol__pool_unlock(pool, &errands);
            now_ns = run(worker, job);
            ol__pool_lock(pool);
            finish_locked(worker, job, &errands);
        } else if (errands.post || errands.wake || errands.start) {
            ol__pool_unlock(pool, &errands); /* and then look again: something may have come */
            ol__pool_lock(pool);
        } else if (ol__linger_worker_locked(worker) || park_locked(worker)) {
            now_ns = ol_now_ns();
        } else {
            return;
        }
    }
}

/* worker_init has refused: this thread takes no job. */
static void give_up(struct ol__worker *worker, int rc)
{
    struct ol_pool    *pool = worker->pool;
    struct ol__errands errands = { 0 };

    ol__pool_event_text(pool, rc, "worker_init of pool \"%s\" refused thread %u: %s", pool->config.name, worker->index,
                        ol_strerror(rc));
    ol__pool_lock(pool);
    worker->state = OL__WORKER_GONE;
    start_failed_locked(pool, &errands);
    ol__pool_unlock(pool, &errands);
}

static void *worker_main(void *arg)
{
    struct ol__worker           *worker = arg;
    struct ol_pool              *pool = worker->pool;
    const struct ol_pool_config *config = &pool->config;

    set_up(worker);
    int rc = config->worker_init ? config->worker_init(config->worker_arg) : 0;
    if (rc < 0) {
        give_up(worker, rc);
        return NULL;
    }
    ol__pool_lock(pool);
    introduce_locked(worker);
    serve_locked(worker);
    pool->n_threads--;
    worker->state = OL__WORKER_LEAVING;
    pthread_mutex_unlock(&pool->lock);

    if (config->worker_fini)
        config->worker_fini(config->worker_arg);
    ol__pool_lock(pool);
    worker->state = OL__WORKER_GONE;
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void ol__worker_join_all(struct ol_pool *pool)
{
    bool any = true;

    ol__pool_lock(pool);
    pool->is_stopping = true;
    for (unsigned i = 0; i < pool->n_workers; i++)
        ol__worker_wake(pool->workers[i]);
    unsigned n = pool->n_workers; /* is_stopping: no more will be made */
    pthread_mutex_unlock(&pool->lock);
    /* A thread that is being started just now is seen when the worker that starts it has been joined. */
    while (any) {
        any = false;
        for (unsigned i = 0; i < n; i++)
            any |= join_last(pool->workers[i]);
    }
}

void ol__worker_free_all(struct ol_pool *pool)
{
    for (unsigned i = 0; i < pool->n_workers; i++) {
        sem_destroy(&pool->workers[i]->wake);
        free(pool->workers[i]->shards);
        free(pool->workers[i]);
    }
    free(pool->workers);
}
