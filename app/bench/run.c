/*
 * run.c: one load after the other, each against a server of its own process.
 *
 *     main thread            thread of the probe             process: offloop serve
 *     the load: a loop,      GET /hello 100 times a          the loop that is being measured
 *     a fiber a client       second, from its own loop       process: offloop external-api
 *
 * The probe has a thread and a loop of its own, so that what it sees is the server's delay and not that of clients
 * who queue beside it for one loop; still all of them share the machine's processors. It is an open loop: an answer
 * that comes late delays no other question, and each counts from its planned start.
 *
 * The server's processor time by request comes from its process's clock, read before and after: unlike the rate it
 * does not depend on how fast our own client can ask.
 */
#include "app/bench/run.h"

#include <error.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "app/bench/load.h"
#include "app/bench/progress.h"

static const double HELLO_RATE = 100;
enum { HELLO_AT_ONCE_MAX = 8192, ITEMS = 100000 };

/* ---- what is asked ---- */

struct target {
    const char *base; /* "http://127.0.0.1:PORT" */
    const char *mode;
    enum call   call;
    double      call_ms;
};

/* Of 50 mixed requests: 1 report, 4 fetches, 10 inserts, 35 queries, in an order that is always the same. */
static enum call pick_mixed(uint64_t number)
{
    unsigned turn = (unsigned)(number * 7 % 50);

    return turn < 1 ? CALL_REPORT : turn < 5 ? CALL_FETCH : turn < 15 ? CALL_INSERT : CALL_QUERY;
}

static void next_request(struct load_request *request, uint64_t number, void *arg)
{
    const struct target *target = arg;
    enum call            call = target->call == CALL_MIXED ? pick_mixed(number) : target->call;
    char                *url = request->url;
    unsigned             id = (unsigned)(number * 7919 % ITEMS) + 1;

    switch (call) {
    case CALL_QUERY: snprintf(url, LOAD_URL_MAX, "%s/%s/items/%u", target->base, target->mode, id); break;
    case CALL_INSERT:
        snprintf(url, LOAD_URL_MAX, "%s/%s/items", target->base, target->mode);
        request->body = "{\"name\": \"bench\", \"price\": 1.5}";
        break;
    case CALL_REPORT: snprintf(url, LOAD_URL_MAX, "%s/%s/report", target->base, target->mode); break;
    case CALL_SLEEP:
        snprintf(url, LOAD_URL_MAX, "%s/%s/sleep?ms=%.0f", target->base, target->mode, target->call_ms);
        break;
    case CALL_NOOP: snprintf(url, LOAD_URL_MAX, "%s/%s/noop", target->base, target->mode); break;
    case CALL_HELLO: snprintf(url, LOAD_URL_MAX, "%s/hello", target->base); break;
    case CALL_FETCH:
    default: snprintf(url, LOAD_URL_MAX, "%s/%s", target->base, target->mode); break;
    }
}

/* ---- /hello, meanwhile ---- */

struct probe {
    pthread_t          thread;
    bool               is_running;
    atomic_bool        stop;
    struct target      target;
    struct load_result result; /* the probe's until it was joined */
};

static void *run_probe(void *arg)
{
    struct probe *probe = arg;

    load_run(&probe->result, &(struct load_spec){ .concurrency = HELLO_AT_ONCE_MAX,
                                                  .rate = HELLO_RATE,
                                                  .stop = &probe->stop,
                                                  .next = next_request,
                                                  .arg = &probe->target });
    return NULL;
}

static void probe_begin(struct probe *probe, const char *base)
{
    memset(probe, 0, sizeof *probe);
    probe->target = (struct target){ .base = base, .call = CALL_HELLO };
    probe->is_running = pthread_create(&probe->thread, NULL, run_probe, probe) == 0;
}

static void probe_end(struct probe *probe, struct measure *measure)
{
    struct samples *latency = &probe->result.latency;

    if (!probe->is_running)
        return;
    atomic_store(&probe->stop, true);
    pthread_join(probe->thread, NULL);
    measure->hello_requests = (double)latency->count;
    measure->hello_p50_ms = (double)samples_percentile_ns(latency, 50) / 1e6;
    measure->hello_p99_ms = (double)samples_percentile_ns(latency, 99) / 1e6;
    measure->hello_max_ms = (double)samples_percentile_ns(latency, 100) / 1e6;
    load_result_fini(&probe->result);
}

/* ---- one load ---- */

struct watch {
    const struct process *server;
    struct process_cost   cost;
};

static void look_at_server(void *arg)
{
    struct watch *watch = arg;

    process_cost(watch->server, &watch->cost);
}

static double percentile_ms(struct samples *latency, double percent)
{
    return (double)samples_percentile_ns(latency, percent) / 1e6;
}

static void fill_latency(struct measure *measure, struct samples *latency)
{
    measure->mean_ms = samples_mean_ns(latency) / 1e6;
    measure->p50_ms = percentile_ms(latency, 50);
    measure->p90_ms = percentile_ms(latency, 90);
    measure->p95_ms = percentile_ms(latency, 95);
    measure->p99_ms = percentile_ms(latency, 99);
    measure->p999_ms = percentile_ms(latency, 99.9);
    measure->max_ms = percentile_ms(latency, 100);
    for (int i = 0; i < CURVE_POINTS; i++)
        measure->curve_ms[i] = percentile_ms(latency, curve_percents[i]);
}

static void describe(struct measure *measure, const struct step *step)
{
    *measure = (struct measure){
        .call_ms = step->call_ms,
        .concurrency = step->rate > 0 ? 0 : step->concurrency,
        .planned_rate = step->rate,
        .pool_threads = step->threads,
    };
    snprintf(measure->section, sizeof measure->section, "%s", section_name(step->section));
    snprintf(measure->mode, sizeof measure->mode, "%s", step->has_mode ? mode_names[step->mode] : "-");
    snprintf(measure->call, sizeof measure->call, "%s", call_name(step->call));
    if (step->call_ms > 0)
        measure->ideal = step->rate > 0 ? step->rate : step->concurrency / (step->call_ms / 1e3);
}

static void fill(struct measure *measure, struct load_result *result, const struct process_cost *before,
                 const struct process_cost *after)
{
    measure->requests = (double)result->latency.count;
    measure->failed = (double)(result->failed + result->dropped);
    measure->unfinished = (double)result->unfinished;
    measure->seconds = result->seconds;
    measure->rate = result->rate;
    fill_latency(measure, &result->latency);
    if (result->latency.count)
        measure->cpu_us = (double)(after->cpu_ns - before->cpu_ns) / 1e3 / (double)result->latency.count;
    measure->rss_kb = after->rss_kb;
    measure->pss_kb = after->pss_kb;
    measure->threads = after->threads;
}

static int run_step(struct measure *measure, struct load_result *result, const struct step *step, struct world *world)
{
    struct target       target = { world->server.url, mode_names[step->mode], step->call, step->call_ms };
    struct watch        middle = { .server = &world->server };
    struct process_cost before, after;
    struct probe        probe = { .is_running = false };
    int                 rc;

    describe(measure, step);
    process_cost(&world->server, &before);
    if (step->with_hello)
        probe_begin(&probe, world->server.url);
    rc = load_run(result, &(struct load_spec){ .concurrency = step->concurrency,
                                               .rate = step->rate,
                                               .requests = step->requests,
                                               .window_s = step->window_s,
                                               .cut = step->cut,
                                               .next = next_request,
                                               .arg = &target,
                                               .observe = step->section == SECTION_MEMORY ? look_at_server : NULL,
                                               .observe_arg = &middle,
                                               .observe_after_s = step->window_s * 0.7 });
    probe_end(&probe, measure);
    process_cost(&world->server, &after);
    fill(measure, result, &before, step->section == SECTION_MEMORY ? &middle.cost : &after);
    return rc;
}

static void note_failures(struct report *report, const struct measure *measure, const struct load_result *result)
{
    char key[KEY_MAX];

    if (measure->failed == 0)
        return;
    measure_key(key, measure);
    report_note(report, "%s: %.0f of %.0f failed: %s", key, measure->failed, (double)result->started,
                result->why[0] ? result->why : "dropped, too many under way");
}

/* A server that died is a finding, and no reason to stop: the next step starts another. */
static void note_end(struct report *report, const struct measure *measure, struct world *world)
{
    char key[KEY_MAX];

    if (process_is_alive(&world->server))
        return;
    measure_key(key, measure);
    report_note(report, "%s: the server ended by itself", key);
    process_stop(&world->server);
}

static int run_and_keep(struct report *report, const struct step *step, struct world *world)
{
    struct load_result result = { 0 };
    struct measure     measure;
    int                rc = run_step(&measure, &result, step, world);

    note_failures(report, &measure, &result);
    note_end(report, &measure, world);
    load_result_fini(&result);
    if (rc == 0)
        rc = measures_add(&report->measures, &measure);
    if (rc < 0)
        error(0, 0, "the load failed: %s", ol_strerror(rc));
    return rc < 0 ? -1 : 0;
}

int run_plan(struct report *report, const struct plan *plan, struct world *world)
{
    uint64_t        began_ns = ol_now_ns();
    struct progress progress;
    int             rc = world_start_external_api(world, plan->delay_s);

    progress_begin(&progress, plan->estimate_s);
    for (unsigned i = 0; i < plan->count && rc == 0; i++) {
        const struct step *step = &plan->steps[i];
        struct measure     measure;
        char               what[KEY_MAX];

        describe(&measure, step);
        measure_key(what, &measure);
        progress_step(&progress, what, step->estimate_s);
        if (step->fresh_server || world->server.pid == 0)
            rc = world_start_server(world, step->threads);
        if (rc == 0)
            rc = run_and_keep(report, step, world);
    }
    progress_end(&progress);
    report->took_s = (double)(ol_now_ns() - began_ns) / 1e9;
    return rc;
}
