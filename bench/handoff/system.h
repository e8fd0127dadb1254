/*
 * system.h: one way of running empty jobs on other threads, as bench_pool measures it.
 *
 * `run` keeps `outstanding` jobs in flight on `threads` threads: each job that is done is submitted again at once, on
 * the loop, until round_is_over() says so. It is called once in a process of its own, so it may leave things behind.
 */
#ifndef OFFLOOP_BENCH_HANDOFF_SYSTEM_H
#define OFFLOOP_BENCH_HANDOFF_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

enum { OUTSTANDING_MAX = 1024 };

struct round {
    /* set before */
    unsigned threads, outstanding;
    double   seconds;

    /* counted by round_is_over */
    uint64_t n_jobs;
    uint64_t n_look; /* the next count at which the clock is looked at */
    uint64_t begin_ns, begin_cpu_ns;
    uint64_t n_begin;
    bool     over;

    /* the result */
    double jobs_per_s, us_per_job, cpu_us_per_job;
};

struct system {
    const char *name;
    int (*run)(struct round *round); /* 0, or -1: it said why */
};

/** A job is done. Returns true when it must not be submitted again. Thread: the loop's. */
bool round_is_over(struct round *round);

extern const struct system system_offloop, system_libuv, system_gtask, system_floor;

#endif
