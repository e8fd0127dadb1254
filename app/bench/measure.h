/*
 * bench/measure.h: one measured load as a row of numbers, the same in memory, in JSON and in CSV.
 *
 * The table in measure.c names every field once; readers and writers walk it, so a new figure is one line there.
 */
#ifndef APP_BENCH_MEASURE_H
#define APP_BENCH_MEASURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "app/bench/stats.h"

enum { WORD_MAX = 16, KEY_MAX = 128 };

/** Figures that do not apply are 0. */
struct measure {
    /* which load it was */
    char   section[WORD_MAX]; /* idle, load, sweep, open, pool, crossover, memory, client */
    char   mode[WORD_MAX];    /* blocking, offload, async; "-" for what has none */
    char   call[WORD_MAX];    /* fetch, query, insert, report, mixed, sleep, noop, hello */
    double call_ms;           /* what the call waits for by itself; 0: as long as it takes */
    double concurrency;
    double planned_rate; /* open loop: requests planned for each second */
    double pool_threads; /* 0: the server's default */

    /* what came of it */
    double requests; /* answered well */
    double failed, unfinished;
    double seconds;
    double rate;  /* answers for each second */
    double ideal; /* concurrency / call_ms */
    double mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, p999_ms, max_ms;
    double cpu_us; /* of the server, for each request */

    /* GET /hello at a fixed rate meanwhile, from the planned start */
    double hello_requests, hello_p50_ms, hello_p99_ms, hello_max_ms;

    /* the server, meanwhile */
    double rss_kb, pss_kb, threads;

    double curve_ms[CURVE_POINTS]; /* at curve_percents */
};

/** Those of one run. Zero it before use. */
struct measures {
    struct measure *rows;
    size_t          count, room;
};

/** Append a copy. Returns: 0, OL_ENOMEM. */
int  measures_add(struct measures *measures, const struct measure *measure);
void measures_fini(struct measures *measures);

/** The row with these words and numbers, or NULL. `concurrency` and `call_ms` below 0: any. Borrowed. */
const struct measure *measures_find(const struct measures *measures, const char *section, const char *mode,
                                    const char *call, double concurrency, double call_ms);

/** The same call by as many clients, or at the same rate, in whatever mode? */
bool measure_is_same_load(const struct measure *a, const struct measure *b);

/**
 * Walk a section load by load, the modes of each side by side. `*at` begins with 0.
 * Returns: the next row, or NULL at the end.
 */
const struct measure *measures_next_by_load(const struct measures *measures, const char *section, size_t *at);

/** "sweep fetch async, 1000 clients, 500 ms": tells rows apart within a run, and finds the same row in another run. */
void measure_key(char key[KEY_MAX], const struct measure *measure);

/** A new reference, or NULL: no memory. */
json_t *measure_to_json(const struct measure *measure);

/** Returns: 0, OL_EINVAL: no object, or a word or number that is missing or of the wrong type. */
int measure_from_json(struct measure *ret_measure, const json_t *json);

/** A line of names, or a line of values. */
void measure_csv_head(FILE *out);
void measure_csv_row(FILE *out, const struct measure *measure);

#endif
