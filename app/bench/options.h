/*
 * bench/options.h: what `offloop bench` can be told.
 */
#ifndef APP_BENCH_OPTIONS_H
#define APP_BENCH_OPTIONS_H

#include <stdbool.h>

#include "app/bench/plan.h"

struct bench_options {
    struct plan_wish wish;
    const char      *folder; /* where the database is made */
    const char      *json_path, *csv_path, *html_path, *svg_folder;
    const char      *compare_path;
    double           tolerance_percent;
    const char      *from_path; /* render an earlier run instead of measuring */

    /* one URL instead of the plan */
    const char *url;
    unsigned    concurrency;
    unsigned    requests;
    double      duration_s;
    bool        cut; /* at its end */
    double      rate;
    const char *body; /* POST it */
};

/** Fill in the defaults, then what argv says; ends the program when argv is wrong, or asks for help. */
void bench_options_parse(struct bench_options *ret_options, int argc, char **argv);

#endif
