/*
 * findings.c: what the figures say.
 *
 * Nothing here is known beforehand: each sentence is made from rows of the run, says which way it went, and is left
 * out when the rows are missing. So a report cannot praise what its own tables deny.
 */
#include "app/bench/findings.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- goals ---- */

/* Fewer rounds say more about the first one, in which everybody connects at once. */
enum { MANY_ROUNDS = 10 };

struct goals {
    struct goal *list;
    unsigned     count;
};

static void add_goal(struct goals *goals, double wanted, double measured, const char *unit, bool is_met,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));

static void add_goal(struct goals *goals, double wanted, double measured, const char *unit, bool is_met,
                     const char *format, ...)
{
    struct goal *goal = &goals->list[goals->count];
    va_list      args;

    if (goals->count == GOALS_MAX)
        return;
    *goal = (struct goal){ .wanted = wanted, .measured = measured, .is_met = is_met };
    snprintf(goal->unit, sizeof goal->unit, "%s", unit);
    va_start(args, format);
    vsnprintf(goal->what, sizeof goal->what, format, args);
    va_end(args);
    goals->count++;
}

static void add_load_goal(struct goals *goals, const struct measure *row)
{
    double share = row->ideal > 0 ? row->rate / row->ideal * 100 : 0;

    if (strcmp(row->call, "fetch") != 0)
        return;
    if (strcmp(row->mode, "blocking") == 0) {
        double one = 1e3 / row->call_ms;

        add_goal(goals, one, row->rate, "requests/s", row->rate > one * 0.9 && row->rate < one * 1.1,
                 "blocking, %.0f clients: one request at a time", row->concurrency);
    } else if (strcmp(row->section, "load") == 0) {
        add_goal(goals, 98, share, "% of ideal", share >= 98, "%s, %.0f clients: at least 98 %% of clients / delay",
                 row->mode, row->concurrency);
    } else if (row->ideal >= 1999 && row->requests >= MANY_ROUNDS * row->concurrency) {
        add_goal(goals, 95, share, "% of ideal", share >= 95,
                 "async, %.0f clients (%.0f requests/s): at least 95 %% of clients / delay", row->concurrency,
                 row->ideal);
    }
}

/* The worst /hello of a mode over all loads, beside the idle one. */
static void add_hello_goal(struct goals *goals, const struct report *report, const char *mode)
{
    const struct measure *idle = measures_find(&report->measures, "idle", "-", "hello", -1, -1), *worst = NULL;

    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (strcmp(row->mode, mode) != 0 || row->hello_requests <= 0)
            continue;
        if (!worst || row->hello_p99_ms > worst->hello_p99_ms)
            worst = row;
    }
    if (idle && worst && idle->p99_ms > 0) {
        double ratio = worst->hello_p99_ms / idle->p99_ms;

        add_goal(goals, 2, ratio, "x the idle p99", ratio <= 2,
                 "%s: /hello keeps its idle p99 (%.2f ms) within 2x under every load (worst: %s, %.0f clients)", mode,
                 idle->p99_ms, worst->call, worst->concurrency);
    }
}

unsigned find_goals(struct goal list[GOALS_MAX], const struct report *report)
{
    struct goals goals = { list, 0 };

    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        bool is_async = strcmp(row->mode, "async") == 0;

        if (strcmp(row->section, "load") == 0 || (is_async && strcmp(row->section, "sweep") == 0))
            add_load_goal(&goals, row);
    }
    add_hello_goal(&goals, report, "offload");
    add_hello_goal(&goals, report, "async");
    return goals.count;
}

/* ---- crossover ---- */

bool find_crossing(struct crossing *ret_crossing, const struct report *report, const char *call, double call_ms,
                   double concurrency)
{
    struct crossing crossing = { .best_rate = 0 };
    bool            is_there = false;

    for (int mode = 0; mode < MODES; mode++) {
        const struct measure *row = measures_find(&report->measures, "crossover", mode_names[mode], call, concurrency,
                                                  call_ms);

        crossing.by_mode[mode] = row;
        if (row && row->rate > crossing.best_rate) {
            crossing.best = (enum mode)mode;
            crossing.best_rate = row->rate;
            is_there = true;
        }
    }
    for (int mode = 0; mode < MODES; mode++)
        crossing.is_good[mode] = crossing.by_mode[mode] &&
                                 crossing.by_mode[mode]->rate >= CROSSING_SHARE * crossing.best_rate;
    if (is_there)
        *ret_crossing = crossing;
    return is_there;
}

static unsigned keep_in_order(double list[16], unsigned count, double value)
{
    unsigned at = 0;

    while (at < count && list[at] < value)
        at++;
    if ((at < count && list[at] <= value) || count == 16)
        return count;
    memmove(list + at + 1, list + at, (count - at) * sizeof *list);
    list[at] = value;
    return count + 1;
}

static unsigned crossing_values(double list[16], const struct report *report,
                                double (*value_of)(const struct measure *row))
{
    unsigned count = 0;

    for (size_t i = 0; i < report->measures.count; i++) {
        if (strcmp(report->measures.rows[i].section, "crossover") == 0)
            count = keep_in_order(list, count, value_of(&report->measures.rows[i]));
    }
    return count;
}

static double call_ms_of(const struct measure *row)
{
    return row->call_ms;
}

static double concurrency_of(const struct measure *row)
{
    return row->concurrency;
}

unsigned crossing_calls(double call_ms[16], const struct report *report)
{
    return crossing_values(call_ms, report, call_ms_of);
}

unsigned crossing_clients(double concurrency[16], const struct report *report)
{
    return crossing_values(concurrency, report, concurrency_of);
}

/* ---- sentences ---- */

struct text {
    char (*list)[SENTENCE_SIZE];
    unsigned count;
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *format, ...)
{
    va_list args;

    if (text->count == SENTENCES_MAX)
        return;
    va_start(args, format);
    vsnprintf(text->list[text->count++], SENTENCE_SIZE, format, args);
    va_end(args);
}

static void say_what_one_client_sees(struct text *text, const struct report *report)
{
    const struct measure *blocking = measures_find(&report->measures, "load", "blocking", "query", 1, -1);
    const struct measure *offload = measures_find(&report->measures, "load", "offload", "query", 1, -1);
    const struct measure *async = measures_find(&report->measures, "load", "async", "query", 1, -1);

    if (!blocking || !offload || !async)
        return;
    say(text,
        "A query of microseconds and one client: blocking answers in %.3f ms (p50), offload in %.3f and async in %.3f, "
        "for %.0f, %.0f and %.0f us of the server's processor time. %s",
        blocking->p50_ms, offload->p50_ms, async->p50_ms, blocking->cpu_us, offload->cpu_us, async->cpu_us,
        blocking->p50_ms <= offload->p50_ms && blocking->p50_ms <= async->p50_ms
            ? "Here blocking wins: the way to another thread and back costs more than the call."
            : "In this run blocking did not win here, though it has the shortest way.");
}

static void say_where_offload_ends(struct text *text, const struct report *report)
{
    const struct measure *offload = NULL, *async;

    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (strcmp(row->section, "sweep") == 0 && strcmp(row->mode, "offload") == 0)
            offload = row; /* the last has the most clients */
    }
    async = offload ? measures_find(&report->measures, "sweep", "async", "fetch", offload->concurrency, -1) : NULL;
    if (!async)
        return;
    say(text,
        "%.0f clients that wait for the slow service: offload serves %.0f requests/s, as many as its threads can "
        "wait for "
        "at once, and async %.0f, %.1f times as many. %s",
        offload->concurrency, offload->rate, async->rate, async->rate / offload->rate,
        async->rate > 1.1 * offload->rate ? "Here offload loses: each call that waits holds a thread."
                                          : "In this run offload kept up.");
}

static void say_what_waiting_costs(struct text *text, const struct report *report)
{
    const struct measure *idle = measures_find(&report->measures, "memory", "-", "hello", -1, -1);

    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (!idle || row == idle || strcmp(row->section, "memory") != 0 || strcmp(row->mode, "blocking") == 0)
            continue;
        say(text, "%.0f waiting clients in %s%s: %.1f MB above idle, %.1f kB for each client, and %.0f threads.",
            row->concurrency, row->mode, row->pool_threads > 0 ? " with a thread for each" : "",
            (row->rss_kb - idle->rss_kb) / 1e3, (row->rss_kb - idle->rss_kb) / row->concurrency, row->threads);
    }
}

static void say_what_hello_saw(struct text *text, const struct report *report)
{
    const struct measure *idle = measures_find(&report->measures, "idle", "-", "hello", -1, -1);
    const struct measure *rows[MODES];

    for (int mode = 0; mode < MODES; mode++) {
        rows[mode] = measures_find(&report->measures, "load", mode_names[mode], "fetch", 20, -1);
        if (!rows[mode] || !idle)
            return;
    }
    say(text,
        "While 20 clients wait for the slow service, GET /hello takes (p99) %.0f ms beside blocking, %.2f beside "
        "offload and %.2f "
        "beside async; alone it takes %.2f.",
        rows[0]->hello_p99_ms, rows[1]->hello_p99_ms, rows[2]->hello_p99_ms, idle->p99_ms);
}

static void say_what_bounds_the_client(struct text *text, const struct report *report)
{
    const struct measure *client = measures_find(&report->measures, "client", "-", "hello", -1, -1);

    if (client)
        say(text,
            "Our own client can ask for about %.0f answers/s on this machine. Rates near that are the client's and "
            "not the "
            "server's: there, look at the processor time by request, which the server's own clock tells.",
            client->rate);
}

unsigned find_sentences(char sentences[SENTENCES_MAX][SENTENCE_SIZE], const struct report *report)
{
    struct text text = { sentences, 0 };

    say_what_one_client_sees(&text, report);
    say_where_offload_ends(&text, report);
    say_what_hello_saw(&text, report);
    say_what_waiting_costs(&text, report);
    say_what_bounds_the_client(&text, report);
    return text.count;
}
