#include "http/places.h"

#include <pthread.h>
#include <stdlib.h>

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include <offloop/pool.h>
#include "loop/here.h"

const char *const place_names[N_PLACES] = {
    [PLAIN_THREAD] = "a plain thread",
    [OTHER_THREAD] = "another thread",
    [FIBER] = "a fiber",
    [WORKER] = "a worker",
    [BLOCKING_ROUTE] = "a blocking route",
    [BARE_LOOP] = "the bare loop",
};

struct call {
    struct ol_scope *scope;
    void (*run)(void *arg);
    void *arg;
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void call_under_scope(struct call *call)
{
    struct ol_scope *before = ol_scope_enter(call->scope);

    call->run(call->arg);
    ol_scope_enter(before);
}

static void *thread_main(void *arg)
{
    call_under_scope(arg);
    return NULL;
}

static void fiber_main(void *arg)
{
    struct call *call = arg;

    call->run(call->arg);
}

static void worker_work(struct ol_job *job)
{
    struct call *call = job->arg;

    call->run(call->arg);
}

static void worker_done(struct ol_job *job, enum ol_job_status status)
{
    (void)job, (void)status;
}

static void blocking_route(struct ol_timer *timer)
{
    struct call    *call = timer->arg;
    struct ol__here before = ol__enter_blocking(call->scope);

    call->run(call->arg);
    ol__leave_blocking(&before);
}

static void bare_callback(struct ol_timer *timer)
{
    call_under_scope(timer->arg);
}

static void on_a_worker(struct call *call)
{
    struct ol_job   job = { .work = worker_work, .done = worker_done, .arg = call, .scope = call->scope };
    struct ol_loop *loop;
    struct ol_pool *pool;

    check(ol_loop_create(&loop, NULL) == 0);
    check(ol_pool_create(&pool, loop, &(struct ol_pool_config){ .name = "place", .threads_max = 1 }) == 0);
    /* A scope that has ended is refused by the submit already. */
    if (ol_pool_submit(pool, &job) < 0)
        call_under_scope(call);
    check(ol_loop_run(loop) == 0);
    check(ol_pool_destroy(pool, NULL, NULL) == 0);
    check(ol_loop_destroy(loop) == 0);
}

static void on_a_loop(enum place place, struct call *call)
{
    struct ol_timer timer = { .cb = place == BARE_LOOP ? bare_callback : blocking_route, .arg = call };
    struct ol_loop *loop;

    check(ol_loop_create(&loop, NULL) == 0);
    if (place == FIBER)
        check(ol_fiber_start(loop, &(struct ol_fiber_config){ fiber_main, call, call->scope, NULL, 0 }) == 0);
    else
        ol_timer_start(loop, &timer, 0);
    check(ol_loop_run(loop) == 0);
    check(ol_loop_destroy(loop) == 0);
}

void in_place(enum place place, struct ol_scope *scope, void (*run)(void *arg), void *arg)
{
    struct call call = { scope, run, arg };
    pthread_t   thread;

    switch (place) {
    case PLAIN_THREAD: call_under_scope(&call); break;
    case OTHER_THREAD:
        check(pthread_create(&thread, NULL, thread_main, &call) == 0);
        check(pthread_join(thread, NULL) == 0);
        break;
    case WORKER: on_a_worker(&call); break;
    default: on_a_loop(place, &call); break;
    }
}
