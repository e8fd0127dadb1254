/*
 * bench/run.h: the plan, carried out.
 */
#ifndef APP_BENCH_RUN_H
#define APP_BENCH_RUN_H

#include "app/bench/plan.h"
#include "app/bench/report.h"
#include "app/bench/world.h"

/** Run every step; each adds a measure to the report. Thread: main. Returns: 0, or -1 after saying why. */
int run_plan(struct report *report, const struct plan *plan, struct world *world);

#endif
