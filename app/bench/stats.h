/*
 * bench/stats.h: latencies, and what is said about them.
 *
 * Every latency is kept and sorted at the end: a run has at most some hundred thousand, so no bucket's width stands
 * between what was measured and what is reported. A percentile is the nearest rank: a value that some request really
 * had.
 */
#ifndef APP_BENCH_STATS_H
#define APP_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zero it before use. One thread at a time. */
struct samples {
    uint64_t *ns;
    size_t    count;
    size_t    room;
    bool      is_sorted;
};

/** Returns: 0, or OL_ENOMEM. */
int samples_add(struct samples *samples, uint64_t ns);

/**
 * The smallest value that at least `percent` of all are not above (nearest rank); 0 for 0: the least; 0 without
 * samples.
 */
uint64_t samples_percentile_ns(struct samples *samples, double percent);

double samples_mean_ns(const struct samples *samples);

void samples_fini(struct samples *samples);

/* The percents of a percentile curve, for an axis on which each nine takes as much room as the one before. */
enum { CURVE_POINTS = 13 };
extern const double curve_percents[CURVE_POINTS];

/** The middle one of `count` values, which are put in order; the mean of the two middle ones; 0 without any. */
double median(double *values, size_t count);

#endif
