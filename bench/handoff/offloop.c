#include <offloop/offloop.h>
#include <stdio.h>
#include <stdlib.h>

#include "system.h"

static struct ol_pool *pool;
static struct round   *current;

static void work(struct ol_job *job)
{
    (void)job;
}

static void done(struct ol_job *job, enum ol_job_status status)
{
    (void)status;
    if (!round_is_over(current))
        ol_pool_submit(pool, job);
}

static int run(struct round *round)
{
    static struct ol_job jobs[OUTSTANDING_MAX];
    struct ol_loop      *loop;

    current = round;
    if (ol_loop_create(&loop, NULL) < 0 ||
        ol_pool_create(&pool, loop,
                       &(struct ol_pool_config){
                           .name = "bench", .threads_min = round->threads, .threads_max = round->threads }) < 0) {
        fprintf(stderr, "bench_pool: offloop: %s\n", ol_last_error()->text);
        return -1;
    }
    for (unsigned i = 0; i < round->outstanding; i++) {
        jobs[i] = (struct ol_job){ .work = work, .done = done };
        ol_pool_submit(pool, &jobs[i]);
    }
    ol_loop_run(loop);
    return 0;
}

const struct system system_offloop = { "offloop", run };
