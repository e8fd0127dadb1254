/*
 * plan.c: which loads are run.
 *
 * A dose says how much: the quick one fits into 40 s and takes a service that answers after 200 ms; the full one is
 * the seed article's, with its 500 ms and its numbers of requests; the tiny one only proves that everything works.
 * The same functions make all three, so the three differ in numbers and in nothing else.
 *
 * Loads that a mode cannot finish in reasonable time (a thousand clients that wait for a blocked loop) run for a
 * window and are then cut; the servers that they leave with a queue of forgotten requests are replaced by fresh ones.
 */
#include "app/bench/plan.h"

#include <string.h>

const char *const mode_names[MODES] = { "blocking", "offload", "async" };

const char *call_name(enum call call)
{
    static const char *const names[] = {
        [CALL_FETCH] = "fetch", [CALL_QUERY] = "query", [CALL_INSERT] = "insert", [CALL_REPORT] = "report",
        [CALL_MIXED] = "mixed", [CALL_SLEEP] = "sleep", [CALL_NOOP] = "noop",     [CALL_HELLO] = "hello",
    };

    return names[call];
}

const char *section_name(enum section section)
{
    static const char *const names[] = {
        [SECTION_IDLE] = "idle",           [SECTION_CLIENT] = "client", [SECTION_LOAD] = "load",
        [SECTION_SWEEP] = "sweep",         [SECTION_OPEN] = "open",     [SECTION_POOL] = "pool",
        [SECTION_CROSSOVER] = "crossover", [SECTION_MEMORY] = "memory",
    };

    return names[section];
}

enum { LIST_MAX = 12 };

/* Lists end with 0. */
struct dose {
    double   delay_s;
    double   idle_s;
    unsigned load_c[LIST_MAX];
    unsigned blocking_n[LIST_MAX], other_n[LIST_MAX]; /* requests, for each of load_c */
    unsigned sweep_c[LIST_MAX];
    unsigned sweep_rounds;
    double   sweep_s;
    double   busy_s;     /* the calls that do not wait */
    double   fetch_rate; /* open loop */
    double   fetch_rate_s;
    double   query_rate;
    double   query_rate_s;
    unsigned pool_threads[LIST_MAX];
    double   pool_s;
    double   crossover_ms[LIST_MAX]; /* a query comes first, of itself */
    unsigned crossover_c[LIST_MAX];
    double   crossover_s;
    unsigned memory_c;
    double   memory_s;
};

static const struct dose quick = {
    .delay_s = 0.2,
    .idle_s = 0.5,
    .load_c = { 5, 10, 20 },
    .blocking_n = { 5, 10, 20 },
    .other_n = { 15, 30, 60 },
    .sweep_c = { 1, 100, 400 },
    .sweep_rounds = 3,
    .sweep_s = 0.4,
    .busy_s = 0.25,
    .fetch_rate = 20,
    .fetch_rate_s = 0.5,
    .query_rate = 1000,
    .query_rate_s = 0.3,
    .pool_threads = { 1, 8, 64 },
    .pool_s = 0.35,
    .crossover_ms = { 5, 50 },
    .crossover_c = { 1, 20, 200 },
    .crossover_s = 0.12,
    .memory_c = 1000,
    .memory_s = 0.4,
};

static const struct dose full = {
    .delay_s = 0.5,
    .idle_s = 5,
    .load_c = { 5, 10, 20 },
    .blocking_n = { 100, 500, 1000 },
    .other_n = { 100, 500, 1000 },
    .sweep_c = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 },
    .sweep_rounds = 20,
    .sweep_s = 15,
    .busy_s = 5,
    .fetch_rate = 20,
    .fetch_rate_s = 5,
    .query_rate = 2000,
    .query_rate_s = 5,
    .pool_threads = { 1, 2, 4, 8, 16, 32, 64 },
    .pool_s = 3,
    .crossover_ms = { 1, 10, 100, 1000 },
    .crossover_c = { 1, 5, 20, 100, 1000 },
    .crossover_s = 3.1,
    .memory_c = 1000,
    .memory_s = 2,
};

static const struct dose tiny = {
    .delay_s = 0.02,
    .idle_s = 0.05,
    .load_c = { 2, 4 },
    .blocking_n = { 2, 4 },
    .other_n = { 4, 8 },
    .sweep_c = { 1, 8 },
    .sweep_rounds = 1,
    .sweep_s = 0.05,
    .busy_s = 0.03,
    .fetch_rate = 50,
    .fetch_rate_s = 0.05,
    .query_rate = 100,
    .query_rate_s = 0.05,
    .pool_threads = { 1, 4 },
    .pool_s = 0.16,
    .crossover_ms = { 5 },
    .crossover_c = { 1, 8 },
    .crossover_s = 0.03,
    .memory_c = 20,
    .memory_s = 0.1,
};

enum { BUSY_CLIENTS = 20, REPORT_CLIENTS = 4, POOL_CLIENTS = 48, POOL_SLEEP_MS = 50, HELD_MS = 5000 };
enum { SERVER_THREADS = 64, MANY_CLIENTS = 65536 };
static const double SERVER_START_S = 0.15;

/* How long a load takes, for the progress bar: the calls that wait are reckoned, the others run for their window. */
static double estimate(const struct step *step)
{
    double call_s = step->call_ms / 1e3, seconds = step->window_s;
    double at_once = step->mode == MODE_BLOCKING ? 1 : step->concurrency;

    if (step->mode == MODE_OFFLOAD && at_once > SERVER_THREADS)
        at_once = SERVER_THREADS;
    if (step->requests && call_s > 0 && step->rate <= 0) {
        double by_number = (double)step->requests * call_s / at_once;

        if (seconds <= 0 || by_number < seconds)
            seconds = by_number;
    }
    if (!step->cut && call_s > 0) { /* what is under way at the window's end is waited for */
        double left = step->rate > 0 ? step->rate * step->window_s : step->window_s > 0 ? step->concurrency : 0;

        if (step->mode != MODE_ASYNC)
            seconds += left * call_s / (step->mode == MODE_BLOCKING ? 1 : SERVER_THREADS);
    }
    return seconds + (step->fresh_server ? SERVER_START_S : 0);
}

static void add(struct plan *plan, struct step step)
{
    if (plan->count == STEPS_MAX)
        return;
    step.estimate_s = estimate(&step);
    plan->estimate_s += step.estimate_s;
    plan->steps[plan->count++] = step;
}

static void add_idle(struct plan *plan, const struct dose *dose)
{
    add(plan, (struct step){ .section = SECTION_IDLE,
                             .call = CALL_HELLO,
                             .concurrency = MANY_CLIENTS,
                             .rate = 100,
                             .window_s = dose->idle_s,
                             .fresh_server = true });
    add(plan, (struct step){
                  .section = SECTION_CLIENT, .call = CALL_HELLO, .concurrency = BUSY_CLIENTS, .window_s = dose->idle_s });
}

static void add_fetches(struct plan *plan, const struct dose *dose, enum mode mode)
{
    for (unsigned i = 0; dose->load_c[i]; i++)
        add(plan, (struct step){ .section = SECTION_LOAD,
                                 .mode = mode,
                                 .has_mode = true,
                                 .call = CALL_FETCH,
                                 .call_ms = plan->delay_s * 1e3,
                                 .concurrency = dose->load_c[i],
                                 .requests = mode == MODE_BLOCKING ? dose->blocking_n[i] : dose->other_n[i],
                                 .with_hello = true,
                                 .fresh_server = i == 0 });
}

static void add_busy_calls(struct plan *plan, const struct dose *dose, enum mode mode)
{
    static const struct {
        enum call call;
        unsigned  concurrency;
    } calls[] = {
        { CALL_QUERY, 1 },
        { CALL_QUERY, BUSY_CLIENTS },
        { CALL_REPORT, REPORT_CLIENTS }, /* of the same rows in each mode: before any were inserted */
        { CALL_MIXED, BUSY_CLIENTS },
        { CALL_INSERT, 1 },
        { CALL_INSERT, BUSY_CLIENTS },
    };

    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++)
        add(plan, (struct step){ .section = SECTION_LOAD,
                                 .mode = mode,
                                 .has_mode = true,
                                 .call = calls[i].call,
                                 .concurrency = calls[i].concurrency,
                                 .window_s = dose->busy_s,
                                 .with_hello = calls[i].concurrency > 1 });
}

static void add_open(struct plan *plan, const struct dose *dose, enum mode mode)
{
    add(plan, (struct step){ .section = SECTION_OPEN,
                             .mode = mode,
                             .has_mode = true,
                             .call = CALL_FETCH,
                             .call_ms = plan->delay_s * 1e3,
                             .concurrency = MANY_CLIENTS,
                             .rate = dose->fetch_rate,
                             .window_s = dose->fetch_rate_s });
    add(plan, (struct step){ .section = SECTION_OPEN,
                             .mode = mode,
                             .has_mode = true,
                             .call = CALL_QUERY,
                             .concurrency = MANY_CLIENTS,
                             .rate = dose->query_rate,
                             .window_s = dose->query_rate_s });
}

/*
 * A blocked loop gives 1 / delay at any number of clients: the loads above have shown that, and nothing new would
 * come of it.
 */
static void add_sweep(struct plan *plan, const struct dose *dose, enum mode mode)
{
    for (unsigned i = 0; dose->sweep_c[i]; i++) {
        if (mode == MODE_BLOCKING && dose->sweep_c[i] > 1)
            break;
        add(plan, (struct step){ .section = SECTION_SWEEP,
                                 .mode = mode,
                                 .has_mode = true,
                                 .call = CALL_FETCH,
                                 .call_ms = plan->delay_s * 1e3,
                                 .concurrency = dose->sweep_c[i],
                                 .requests = (uint64_t)dose->sweep_c[i] * dose->sweep_rounds,
                                 .window_s = dose->sweep_s });
    }
}

static void add_pool_sizes(struct plan *plan, const struct dose *dose, const bool modes[MODES])
{
    struct step step = { .section = SECTION_POOL,
                         .has_mode = true,
                         .call = CALL_SLEEP,
                         .call_ms = POOL_SLEEP_MS,
                         .concurrency = POOL_CLIENTS,
                         .window_s = dose->pool_s,
                         .cut = true,
                         .fresh_server = true };

    step.mode = MODE_OFFLOAD;
    for (unsigned i = 0; modes[MODE_OFFLOAD] && dose->pool_threads[i]; i++) {
        step.threads = dose->pool_threads[i];
        add(plan, step);
    }
    step.mode = MODE_ASYNC;
    step.threads = 0;
    if (modes[MODE_ASYNC])
        add(plan, step);
}

static void add_crossover(struct plan *plan, const struct dose *dose, enum mode mode)
{
    bool leaves_work = false;

    for (unsigned i = 0; i == 0 || dose->crossover_ms[i - 1] > 0; i++) {
        double call_ms = i ? dose->crossover_ms[i - 1] : 0;

        for (unsigned j = 0; dose->crossover_c[j]; j++) {
            struct step step = { .section = SECTION_CROSSOVER,
                                 .mode = mode,
                                 .has_mode = true,
                                 .call = i ? CALL_SLEEP : CALL_QUERY,
                                 .call_ms = call_ms,
                                 .concurrency = dose->crossover_c[j],
                                 .window_s = dose->crossover_s,
                                 .cut = true };

            /* Of cut clients before a blocked loop, all but one have left a request that it will still work through. */
            step.fresh_server = (i == 0 && j == 0) || leaves_work;
            leaves_work = mode == MODE_BLOCKING && i > 0 && step.concurrency > 1;
            add(plan, step);
        }
    }
}

static void add_memory(struct plan *plan, const struct dose *dose, const bool modes[MODES])
{
    struct step step = { .section = SECTION_MEMORY,
                         .has_mode = true,
                         .call = CALL_SLEEP,
                         .call_ms = HELD_MS,
                         .concurrency = dose->memory_c,
                         .window_s = dose->memory_s,
                         .cut = true,
                         .fresh_server = true };

    add(plan, (struct step){ .section = SECTION_MEMORY,
                             .call = CALL_HELLO,
                             .concurrency = 1,
                             .window_s = 0.1,
                             .cut = true,
                             .fresh_server = true });
    for (int mode = 0; mode < MODES; mode++) {
        if (!modes[mode])
            continue;
        step.mode = (enum mode)mode;
        step.threads = 0;
        add(plan, step);
        if (mode == MODE_OFFLOAD) { /* and with a thread for each */
            step.threads = dose->memory_c;
            add(plan, step);
        }
    }
}

void plan_make(struct plan *ret_plan, const struct plan_wish *wish)
{
    const struct dose *dose = wish->is_tiny ? &tiny : wish->is_full ? &full : &quick;

    memset(ret_plan, 0, sizeof *ret_plan);
    ret_plan->delay_s = wish->delay_s > 0 ? wish->delay_s : dose->delay_s;
    add_idle(ret_plan, dose);
    for (int mode = 0; mode < MODES; mode++) {
        if (!wish->modes[mode])
            continue;
        add_fetches(ret_plan, dose, (enum mode)mode);
        add_sweep(ret_plan, dose, (enum mode)mode);
        add_open(ret_plan, dose, (enum mode)mode);
        add_busy_calls(ret_plan, dose, (enum mode)mode);
    }
    for (int mode = 0; mode < MODES; mode++) {
        if (wish->modes[mode])
            add_crossover(ret_plan, dose, (enum mode)mode);
    }
    add_pool_sizes(ret_plan, dose, wish->modes);
    add_memory(ret_plan, dose, wish->modes);
}
