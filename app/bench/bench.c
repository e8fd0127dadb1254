/*
 * bench.c: `offloop bench`: measure, or take an earlier run, and make of it what was asked for.
 *
 * Files that were asked for are opened before anything is measured: half an hour must not end in "no such directory".
 * The tables go to standard output. With --compare the status tells whether a figure fell.
 */
#include "app/bench.h"

#include <errno.h>
#include <error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/bench/compare.h"
#include "app/bench/load.h"
#include "app/bench/options.h"
#include "app/bench/plots.h"
#include "app/bench/run.h"
#include "app/limits.h"

static FILE *open_for_writing(const char *path)
{
    FILE *out = path ? fopen(path, "we") : NULL;

    if (path && !out)
        error(1, errno, "cannot write %s", path);
    return out;
}

/* Ends the program with status 1 when it cannot be read: nothing has been started yet. */
static void read_report(struct report *ret_report, const char *path)
{
    json_error_t json_error;
    json_t      *json = json_load_file(path, 0, &json_error);
    char         why[NOTE_SIZE];

    if (!json)
        error(1, 0, "%s: %s", path, json_error.text);
    if (report_from_json(ret_report, json, why) < 0)
        error(1, 0, "%s: %s", path, why);
    json_decref(json);
}

/* ---- one URL ---- */

struct url_target {
    const char *url, *body;
};

static void ask_url(struct load_request *request, uint64_t number, void *arg)
{
    const struct url_target *target = arg;

    (void)number;
    snprintf(request->url, sizeof request->url, "%s", target->url);
    request->body = target->body;
}

static void print_result(struct load_result *result)
{
    struct samples *latency = &result->latency;
    uint64_t        n_failed = result->failed + result->dropped;

    printf("{\"rate\": %.3f, \"requests\": %zu, \"failed\": %" PRIu64 ", \"unfinished\": %" PRIu64 ", ", result->rate,
           latency->count, n_failed, result->unfinished);
    printf("\"seconds\": %.3f, \"mean_ms\": %.3f, ", result->seconds, samples_mean_ns(latency) / 1e6);
    printf("\"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           (double)samples_percentile_ns(latency, 50) / 1e6, (double)samples_percentile_ns(latency, 95) / 1e6,
           (double)samples_percentile_ns(latency, 99) / 1e6, (double)samples_percentile_ns(latency, 100) / 1e6);
}

static int bench_url(const struct bench_options *options)
{
    struct url_target  target = { options->url, options->body };
    struct load_result result;
    int rc = load_run(&result, &(struct load_spec){ .concurrency = options->rate > 0 ? 16000 : options->concurrency,
                                                    .rate = options->rate,
                                                    .requests = options->requests,
                                                    .window_s = options->duration_s,
                                                    .cut = options->cut,
                                                    .next = ask_url,
                                                    .arg = &target });

    if (rc < 0)
        error(0, 0, "the load failed: %s", ol_strerror(rc));
    else
        print_result(&result);
    if (rc == 0 && result.failed > 0)
        error(0, 0, "%" PRIu64 " failed, the first with: %s", result.failed, result.why);
    rc = rc < 0 || result.latency.count == 0;
    load_result_fini(&result);
    return rc;
}

/* ---- the plan ---- */

static int measure(struct report *report, const struct bench_options *options)
{
    struct plan *plan = malloc(sizeof *plan);
    struct world world;
    time_t       now = time(NULL);
    struct tm    utc;
    int          rc;

    if (!plan)
        return -1;
    plan_make(plan, &options->wish);
    *report = (struct report){ .delay_s = plan->delay_s };
    snprintf(report->plan, sizeof report->plan, "%s",
             options->wish.is_tiny   ? "tiny"
             : options->wish.is_full ? "full"
                                     : "quick");
    strftime(report->started, sizeof report->started, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
    limits_raise_files(1);
    rc = world_open(&world, options->folder);
    if (rc == 0) {
        environment_read(&report->environment, world.folder);
        rc = run_plan(report, plan, &world);
        world_close(&world);
    }
    free(plan);
    return rc;
}

static int report_json(FILE *out, const struct report *report)
{
    json_t *json = report_to_json(report);
    int     rc = json ? json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(10)) : -1;

    json_decref(json);
    return rc;
}

/* Close a file that was asked for, once it was written in full. */
static int finish(FILE *out, const char *path, int rc)
{
    if (out && (fclose(out) != 0 || rc < 0)) {
        error(0, errno, "cannot write %s", path);
        return -1;
    }
    return 0;
}

/* The files that were asked for; NULL: not asked for. */
struct outputs {
    FILE *json, *csv, *html;
};

/* Whatever cannot be written is said before half an hour is spent on it. */
static void open_outputs(struct outputs *outputs, const struct bench_options *options)
{
    const char *folder = options->svg_folder;

    if (folder && ((mkdir(folder, 0777) < 0 && errno != EEXIST) || access(folder, W_OK | X_OK) < 0))
        error(1, errno, "cannot write into %s", folder);
    outputs->json = open_for_writing(options->json_path);
    outputs->csv = open_for_writing(options->csv_path);
    outputs->html = open_for_writing(options->html_path);
}

static int write_outputs(const struct outputs *outputs, const struct bench_options *options, const struct report *report)
{
    int rc;

    report_markdown(stdout, report);
    rc = finish(outputs->json, options->json_path, outputs->json ? report_json(outputs->json, report) : 0);
    rc |= finish(outputs->csv, options->csv_path, outputs->csv ? report_csv(outputs->csv, report) : 0);
    rc |= finish(outputs->html, options->html_path, outputs->html ? report_html(outputs->html, report) : 0);
    if (options->svg_folder)
        rc |= plots_write(options->svg_folder, report);
    return rc;
}

static int bench_plan(const struct bench_options *options)
{
    struct report  report = { .plan = "" }, old_report = { .plan = "" };
    struct outputs outputs;
    int            rc = 0;

    if (options->compare_path) /* before anything is opened: it may be the file that is written next */
        read_report(&old_report, options->compare_path);
    if (options->from_path)
        read_report(&report, options->from_path);
    open_outputs(&outputs, options);
    if (!options->from_path)
        rc = measure(&report, options);
    if (rc == 0)
        rc = write_outputs(&outputs, options, &report);
    if (rc == 0 && options->compare_path)
        rc = compare_reports(stdout, &old_report, &report, options->tolerance_percent) != 0;
    report_fini(&report);
    report_fini(&old_report);
    return rc != 0;
}

int app_bench(int argc, char **argv)
{
    struct bench_options options;

    bench_options_parse(&options, argc, argv);
    return options.url ? bench_url(&options) : bench_plan(&options);
}
