/*
 * embed.c: a program that has its own ev_loop, and one call that blocks.
 *
 * Everything before ev_run is set-up, which a real program has once. The loop goes on while slow_call() stands on a
 * worker, and ev_run returns when nothing is outstanding.
 */
#include <ev.h>
#include <offloop/offloop.h>
#include <stdio.h>
#include <unistd.h>

/* Stands for a driver that has no asynchronous version. */
static int slow_call(void)
{
    usleep(200000);
    return 42;
}

/* On a worker. */
static void work(struct ol_job *job)
{
    *(int *)job->arg = slow_call();
}

/* On the loop, exactly once. */
static void done(struct ol_job *job, enum ol_job_status status)
{
    printf("%s: %d\n", ol_job_status_name(status), *(int *)job->arg);
}

int main(void)
{
    struct ev_loop *ev = ev_default_loop(0);
    struct ol_loop *loop;
    struct ol_pool *pool;
    int             answer = 0;

    if (ol_loop_create(&loop, ev) < 0 ||
        ol_pool_create(&pool, loop, &(struct ol_pool_config){ .name = "slow", .threads_max = 8 }) < 0)
        return 1;
    struct ol_job job = { .work = work, .done = done, .arg = &answer, .timeout_s = 5 };
    if (ol_pool_submit(pool, &job) < 0)
        return 1; /* refused out loud: `done` will not come */
    ev_run(ev, 0);
    ol_pool_destroy(pool, NULL, NULL);
    return ol_loop_destroy(loop);
}
