/*
 * bench/progress.h: a bar on a terminal with the time that is left; silence anywhere else.
 */
#ifndef APP_BENCH_PROGRESS_H
#define APP_BENCH_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    /* set at the beginning */
    double    total_s;
    uint64_t  began_ns;
    bool      is_shown;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t  changed;
    /* guarded by lock */
    double   done_s; /* of total_s, by the plan's reckoning */
    double   step_s;
    uint64_t step_began_ns;
    char     what[80];
    bool     is_over;
};

/** Begin; `total_s` is what the plan reckons with. Shown when standard error is a terminal. */
void progress_begin(struct progress *progress, double total_s);

/** The step before this one is done, and this one begins. Thread: any. */
void progress_step(struct progress *progress, const char *what, double step_s);

/** Wipe the bar away. */
void progress_end(struct progress *progress);

/**
 * How much is done, 0 to 1, `in_step_s` after the step's begin, by the plan's reckoning; a step that is late stands
 * still.
 */
double progress_share(double total_s, double done_s, double step_s, double in_step_s);

#endif
