/*
 * overload.c: an open loop of arrivals, at the pool's capacity and at ten times it, with overload control on.
 *
 * A job sleeps for RUN_S on one of THREADS threads, so what the pool can do is known and does not depend on the
 * processors. Arrivals are random (exponential gaps) and do not wait for anybody. Goodput counts what was done; its
 * latency is from submit to the end of the run.
 */
#include "overload.h"

#include <math.h>
#include <offloop/offloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, JOBS_MAX = 100000 };
static const double RUN_S = 0.005, LENGTH_S = 3, TICK_S = 0.001;

struct load {
    struct ol_pool *pool;
    struct ol_timer tick;
    double          rate, next_s; /* arrivals a second; the next one, from begin_ns */
    uint64_t        begin_ns;
    unsigned        n_submitted, n_refused, n_by_status[OL_JOB_STATUSES], n_latencies;
    struct ol_job   jobs[JOBS_MAX];
    double          latencies_s[JOBS_MAX];
};

static struct load load;

static void work(struct ol_job *job)
{
    (void)job;
    ol_sleep(RUN_S);
}

static void done(struct ol_job *job, enum ol_job_status status)
{
    load.n_by_status[status]++;
    if (status == OL_JOB_DONE)
        load.latencies_s[load.n_latencies++] = (double)(job->queue_ns + job->run_ns) / 1e9;
}

static void submit_due(struct ol_timer *timer)
{
    double now_s = (double)(ol_now_ns() - load.begin_ns) / 1e9;

    while (load.next_s <= now_s && load.n_submitted < JOBS_MAX) {
        struct ol_job *job = &load.jobs[load.n_submitted++];

        *job = (struct ol_job){ .work = work, .done = done };
        load.n_refused += ol_pool_submit(load.pool, job) < 0;
        load.next_s += -log(1 - drand48()) / load.rate;
    }
    if (now_s < LENGTH_S)
        ol_timer_start(ol_pool_loop(load.pool), timer, TICK_S);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Returns the p99 of what was done, in seconds, and in *ret_goodput how much that was a second; negative: it failed. */
static double run(double *ret_goodput, double rate)
{
    static const struct ol_pool_class class = { .name = "work", .codel = true, .queue_max = 4096 };
    struct ol_loop *loop;

    memset(&load, 0, sizeof load);
    load.rate = rate;
    load.tick.cb = submit_due;
    srand48(1);
    if (ol_loop_create(&loop, NULL) < 0 || ol_pool_create(&load.pool, loop,
                                                          &(struct ol_pool_config){ .name = "bench",
                                                                                    .threads_min = THREADS,
                                                                                    .threads_max = THREADS,
                                                                                    .classes = &class,
                                                                                    .n_classes = 1 }) < 0) {
        fprintf(stderr, "bench_pool: %s\n", ol_last_error()->text);
        return -1;
    }
    load.begin_ns = ol_now_ns();
    submit_due(&load.tick);
    ol_loop_run(loop);
    double length_s = (double)(ol_now_ns() - load.begin_ns) / 1e9;
    if (ol_pool_destroy(load.pool, NULL, NULL) < 0 || ol_loop_destroy(loop) < 0 || load.n_latencies == 0)
        return -1;
    qsort(load.latencies_s, load.n_latencies, sizeof load.latencies_s[0], by_size);
    *ret_goodput = load.n_latencies / length_s;
    return load.latencies_s[(size_t)(load.n_latencies * 0.99)];
}

static void print(const char *name, double rate, double goodput, double p99_s)
{
    printf("| %s | %.0f | %.0f | %.1f | %u | %u | %u |\n", name, rate, goodput, p99_s * 1e3,
           load.n_by_status[OL_JOB_DONE], load.n_by_status[OL_JOB_SHED], load.n_refused);
}

int overload(void)
{
    const double capacity = THREADS / RUN_S;
    double       goodput = 0, goodput_10 = 0;

    printf("| load | arrivals/s | goodput/s | p99 of the accepted, ms | done | shed | refused |\n");
    printf("|---|---:|---:|---:|---:|---:|---:|\n");
    double p99_s = run(&goodput, capacity);
    print("capacity", capacity, goodput, p99_s);
    double p99_10_s = run(&goodput_10, 10 * capacity);
    print("10 x capacity", 10 * capacity, goodput_10, p99_10_s);
    if (p99_s < 0 || p99_10_s < 0)
        return 1;
    printf("\ngoodput: %.0f %% of capacity; p99: %.2f times that at capacity\n", 100 * goodput_10 / capacity,
           p99_10_s / p99_s);
    return goodput_10 < 0.9 * capacity || p99_10_s > 3 * p99_s;
}
