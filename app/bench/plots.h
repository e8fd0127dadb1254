/*
 * bench/plots.h: the report's plots, each made from a run.
 */
#ifndef APP_BENCH_PLOTS_H
#define APP_BENCH_PLOTS_H

#include "app/bench/report.h"

enum plot {
    PLOT_RATE,
    PLOT_LATENCY,
    PLOT_FETCH_CURVE,
    PLOT_QUERY_CURVE,
    PLOT_OPEN_CURVE,
    PLOT_HELLO,
    PLOT_POOL,
    PLOT_MEMORY,
    PLOTS
};

void plot_draw(FILE *out, const struct report *report, enum plot plot);

/** Write each as NAME.svg into a folder that is there. Returns: 0, or -1 after saying why. */
int plots_write(const char *folder, const struct report *report);

#endif
