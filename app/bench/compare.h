/*
 * bench/compare.h: this run beside an earlier one.
 */
#ifndef APP_BENCH_COMPARE_H
#define APP_BENCH_COMPARE_H

#include "app/bench/report.h"

/**
 * Print the figures that changed by more than `tolerance_percent`, and what cannot be compared.
 *
 * A figure *falls* when the rate goes down or the median latency goes up, by more than the tolerance. Rows that only
 * one of the two has are counted, not judged. Returns: the number of falls, or -1 when no row is in both.
 */
int compare_reports(FILE *out, const struct report *old_report, const struct report *new_report,
                    double tolerance_percent);

#endif
