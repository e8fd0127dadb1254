/*
 * plots.c: the report's plots.
 *
 * Each function picks rows of the run and hands them to svg.c. A mode that was not measured has no line.
 */
#include "app/bench/plots.h"

#include <errno.h>
#include <error.h>
#include <math.h>
#include <string.h>

#include "app/bench/plan.h"
#include "app/bench/svg.h"

enum { POINTS_MAX = 32 };

/* Up to one line for each mode, and one more. */
struct lines {
    struct svg_series series[MODES + 1];
    double            x[MODES + 1][POINTS_MAX], y[MODES + 1][POINTS_MAX];
    size_t            count;
};

static struct svg_series *add_line(struct lines *lines, const char *name, enum svg_tone tone, bool is_dashed)
{
    size_t             i = lines->count++;
    struct svg_series *series = &lines->series[i];

    *series = (struct svg_series){ .name = name, .tone = tone, .x = lines->x[i], .y = lines->y[i] };
    series->is_dashed = is_dashed;
    return series;
}

static void add_point(struct lines *lines, struct svg_series *series, double x, double y)
{
    size_t i = (size_t)(series - lines->series);

    if (series->count == POINTS_MAX)
        return;
    lines->x[i][series->count] = x;
    lines->y[i][series->count] = y;
    series->count++;
}

/* ---- against the number of clients ---- */

static double rate_of(const struct measure *row)
{
    return row->rate;
}

static double p95_of(const struct measure *row)
{
    return row->p95_ms;
}

/* Fetches of a closed loop, from the seed's loads and from the sweep, by rising number of clients, each once. */
static void add_fetches(struct lines *lines, struct svg_series *series, const struct report *report, const char *mode,
                        double (*value_of)(const struct measure *))
{
    double last = 0;

    for (;;) {
        const struct measure *next = NULL;

        for (size_t i = 0; i < report->measures.count; i++) {
            const struct measure *row = &report->measures.rows[i];

            if (strcmp(row->call, "fetch") == 0 && strcmp(row->mode, mode) == 0 && row->planned_rate <= 0 &&
                row->concurrency > last && (!next || row->concurrency < next->concurrency))
                next = row;
        }
        if (!next)
            return;
        last = next->concurrency;
        add_point(lines, series, next->concurrency, value_of(next));
    }
}

static void add_modes(struct lines *lines, const struct report *report, double (*value_of)(const struct measure *))
{
    for (int mode = 0; mode < MODES; mode++)
        add_fetches(lines, add_line(lines, mode_names[mode], (enum svg_tone)mode, false), report, mode_names[mode],
                    value_of);
}

static double most_clients(const struct lines *lines)
{
    double most = 1;

    for (size_t i = 0; i < lines->count; i++) {
        for (size_t j = 0; j < lines->series[i].count; j++)
            most = fmax(most, lines->series[i].x[j]);
    }
    return most;
}

static void draw_rate(FILE *out, const struct report *report)
{
    struct lines       lines = { .count = 0 };
    struct svg_series *ideal;
    double             most;

    add_modes(&lines, report, rate_of);
    most = most_clients(&lines);
    ideal = add_line(&lines, "ideal", SVG_NEUTRAL, true);
    add_point(&lines, ideal, 1, 1 / report->delay_s);
    add_point(&lines, ideal, most, most / report->delay_s);
    svg_plot(out, &(struct svg_plot){ .title = "Fetch: requests/s by number of clients",
                                      .x_label = "clients",
                                      .y_label = "requests/s",
                                      .x_is_log = true,
                                      .y_is_log = true,
                                      .series = lines.series,
                                      .n_series = lines.count });
}

static void draw_latency(FILE *out, const struct report *report)
{
    struct lines       lines = { .count = 0 };
    struct svg_series *ideal;
    double             most;

    add_modes(&lines, report, p95_of);
    most = most_clients(&lines);
    ideal = add_line(&lines, "the call", SVG_NEUTRAL, true);
    add_point(&lines, ideal, 1, report->delay_s * 1e3);
    add_point(&lines, ideal, most, report->delay_s * 1e3);
    svg_plot(out, &(struct svg_plot){ .title = "Fetch: p95 latency by number of clients",
                                      .x_label = "clients",
                                      .y_label = "p95, ms",
                                      .x_is_log = true,
                                      .y_is_log = true,
                                      .series = lines.series,
                                      .n_series = lines.count });
}

/* ---- percentiles ---- */

/* Each nine takes as much room as the one before; the maximum stands behind the last. */
static double nines(double percent)
{
    return percent >= 100 ? 4.7 : -log10(1 - percent / 100);
}

static const struct svg_tick percent_ticks[] = {
    { 0, "0" }, { 0.30103, "50" }, { 1, "90" }, { 2, "99" }, { 3, "99.9" }, { 4, "99.99" }, { 4.7, "max" },
};

static void draw_curves(FILE *out, const struct report *report, const char *title, const char *section, const char *call)
{
    struct lines lines = { .count = 0 };

    for (int mode = 0; mode < MODES; mode++) {
        const struct measure *row = NULL;
        struct svg_series    *series;

        for (size_t i = 0; i < report->measures.count; i++) { /* the last has the most clients */
            const struct measure *other = &report->measures.rows[i];

            if (strcmp(other->section, section) == 0 && strcmp(other->call, call) == 0 &&
                strcmp(other->mode, mode_names[mode]) == 0)
                row = other;
        }
        if (!row)
            continue;
        series = add_line(&lines, mode_names[mode], (enum svg_tone)mode, false);
        for (int i = 0; i < CURVE_POINTS; i++)
            add_point(&lines, series, nines(curve_percents[i]), row->curve_ms[i]);
    }
    svg_plot(out, &(struct svg_plot){ .title = title,
                                      .x_label = "percentile (each nine as wide as the last)",
                                      .y_label = "latency, ms",
                                      .y_is_log = true,
                                      .series = lines.series,
                                      .n_series = lines.count,
                                      .x_ticks = percent_ticks,
                                      .n_x_ticks = sizeof percent_ticks / sizeof percent_ticks[0] });
}

/* ---- /hello, threads, memory ---- */

static void draw_hello(FILE *out, const struct report *report)
{
    static const char *const calls[] = { "fetch", "query", "insert", "report", "mixed" };
    enum { CALLS = sizeof calls / sizeof calls[0] };
    const struct measure *idle = measures_find(&report->measures, "idle", "-", "hello", -1, -1);
    struct svg_range      rows[CALLS];

    memset(rows, 0, sizeof rows);
    for (int call = 0; call < CALLS; call++) {
        rows[call].label = calls[call];
        for (size_t i = 0; i < report->measures.count; i++) {
            const struct measure *row = &report->measures.rows[i];

            for (int mode = 0; mode < MODES; mode++) {
                if (row->hello_requests > 0 && strcmp(row->call, calls[call]) == 0 &&
                    strcmp(row->mode, mode_names[mode]) == 0) {
                    rows[call].low[mode] = row->hello_p50_ms;
                    rows[call].high[mode] = row->hello_p99_ms;
                }
            }
        }
    }
    svg_ranges(out, &(struct svg_ranges){ .title = "GET /hello during each load: p50 to p99",
                                          .x_label = "latency, ms (a line from p50 to p99)",
                                          .rows = rows,
                                          .count = CALLS,
                                          .mark = idle ? idle->p99_ms : 0,
                                          .mark_text = "idle p99",
                                          .x_is_log = true });
}

static const struct svg_tick thread_ticks[] = {
    { 1, "1" }, { 2, "2" }, { 4, "4" }, { 8, "8" }, { 16, "16" }, { 32, "32" }, { 64, "64" },
};

static void draw_pool(FILE *out, const struct report *report)
{
    struct lines          lines = { .count = 0 };
    struct svg_series    *offload = add_line(&lines, "offload", SVG_OFFLOAD, false);
    const struct measure *async = measures_find(&report->measures, "pool", "async", "sleep", -1, -1);
    double                most = 1;

    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (strcmp(row->section, "pool") == 0 && row->pool_threads > 0) {
            add_point(&lines, offload, row->pool_threads, row->rate);
            most = fmax(most, row->pool_threads);
        }
    }
    if (async) {
        struct svg_series *line = add_line(&lines, "async, no threads", SVG_ASYNC, true);

        add_point(&lines, line, 1, async->rate);
        add_point(&lines, line, most, async->rate);
    }
    svg_plot(out, &(struct svg_plot){ .title = "Pool size: where offload meets async",
                                      .x_ticks = thread_ticks,
                                      .n_x_ticks = sizeof thread_ticks / sizeof thread_ticks[0],
                                      .x_label = "pool threads",
                                      .y_label = "requests/s",
                                      .x_is_log = true,
                                      .y_is_log = true,
                                      .series = lines.series,
                                      .n_series = lines.count });
}

static void draw_memory(FILE *out, const struct report *report)
{
    struct svg_range      rows[3] = { { .label = "idle" }, { .label = "waiting" }, { .label = "thread each" } };
    const struct measure *idle = measures_find(&report->measures, "memory", "-", "hello", -1, -1);

    for (int mode = 0; mode < MODES && idle; mode++)
        rows[0].high[mode] = idle->rss_kb / 1e3;
    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        for (int mode = 0; mode < MODES; mode++) {
            if (strcmp(row->section, "memory") == 0 && strcmp(row->mode, mode_names[mode]) == 0)
                rows[row->pool_threads > 0 ? 2 : 1].high[mode] = row->rss_kb / 1e3;
        }
    }
    svg_ranges(out, &(struct svg_ranges){ .title = "Memory of the server while clients wait",
                                          .x_label = "resident memory, MB",
                                          .rows = rows,
                                          .count = 3 });
}

void plot_draw(FILE *out, const struct report *report, enum plot plot)
{
    switch (plot) {
    case PLOT_RATE: draw_rate(out, report); break;
    case PLOT_LATENCY: draw_latency(out, report); break;
    case PLOT_FETCH_CURVE: draw_curves(out, report, "Fetch: latency by percentile", "load", "fetch"); break;
    case PLOT_QUERY_CURVE: draw_curves(out, report, "Query: latency by percentile", "load", "query"); break;
    case PLOT_OPEN_CURVE:
        draw_curves(out, report, "Fetch at a fixed rate: from the planned start", "open", "fetch");
        break;
    case PLOT_HELLO: draw_hello(out, report); break;
    case PLOT_POOL: draw_pool(out, report); break;
    case PLOT_MEMORY: draw_memory(out, report); break;
    case PLOTS: break;
    }
}

int plots_write(const char *folder, const struct report *report)
{
    static const char *const names[PLOTS] = {
        [PLOT_RATE] = "rate",         [PLOT_LATENCY] = "latency", [PLOT_FETCH_CURVE] = "fetch",
        [PLOT_QUERY_CURVE] = "query", [PLOT_OPEN_CURVE] = "open", [PLOT_HELLO] = "hello",
        [PLOT_POOL] = "pool",         [PLOT_MEMORY] = "memory",
    };

    for (int plot = 0; plot < PLOTS; plot++) {
        char  path[512];
        FILE *out;

        snprintf(path, sizeof path, "%s/%s.svg", folder, names[plot]);
        out = fopen(path, "we");
        if (out)
            plot_draw(out, report, (enum plot)plot);
        if (!out || fclose(out) != 0) {
            error(0, errno, "cannot write %s", path);
            return -1;
        }
    }
    return 0;
}
