/*
 * markdown.c: the figures as tables on standard output, readable as they are.
 */
#include <string.h>

#include "app/bench/findings.h"
#include "app/bench/report.h"

static void print_head(FILE *out, const struct report *report)
{
    fprintf(out, "# offloop bench, %s, %s\n\n", report->plan, report->started);
    fprintf(out, "%s cores, %s, %s, %s. The slow service answers after %.0f ms. %.0f s in all.\n",
            report->environment.cores, report->environment.processor, report->environment.system,
            report->environment.kernel, report->delay_s * 1e3, report->took_s);
}

static void print_row(FILE *out, const struct measure *row)
{
    char clients[32], share[32] = "", hello[LABEL_MAX] = "", p50[LABEL_MAX], p95[LABEL_MAX], p99[LABEL_MAX];

    if (row->planned_rate > 0)
        snprintf(clients, sizeof clients, "%.0f/s planned", row->planned_rate);
    else
        snprintf(clients, sizeof clients, "%.0f", row->concurrency);
    if (row->ideal > 0)
        snprintf(share, sizeof share, "%.1f %%", row->rate / row->ideal * 100);
    if (row->hello_requests > 0)
        ms_text(hello, row->hello_p99_ms);
    fprintf(out, "| %s | %s | %s | %.1f | %s | %s | %s | %s | %s | %.0f | %.0f |\n", row->call, row->mode, clients,
            row->rate, share, ms_text(p50, row->p50_ms), ms_text(p95, row->p95_ms), ms_text(p99, row->p99_ms), hello,
            row->cpu_us, row->failed);
}

static void print_section(FILE *out, const struct report *report, const char *section, const char *title)
{
    const struct measure *row;
    bool                  is_open = false;
    size_t                at = 0;

    while ((row = measures_next_by_load(&report->measures, section, &at))) {
        if (!is_open)
            fprintf(out,
                    "\n## %s\n\n| call | mode | clients | requests/s | of ideal | p50 ms | p95 ms | p99 ms "
                    "| /hello p99 ms | server CPU us/request | failed |\n"
                    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
                    title);
        is_open = true;
        print_row(out, row);
    }
}

static void print_pool(FILE *out, const struct report *report)
{
    bool is_open = false;

    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (strcmp(row->section, "pool") != 0)
            continue;
        if (!is_open)
            fprintf(out,
                    "\n## Pool size: %.0f clients, each call sleeps %.0f ms\n\n| mode | threads | requests/s | of "
                    "ideal |\n"
                    "|---|---:|---:|---:|\n",
                    row->concurrency, row->call_ms);
        is_open = true;
        if (row->pool_threads > 0)
            fprintf(out, "| %s | %.0f | %.0f | %.0f %% |\n", row->mode, row->pool_threads, row->rate,
                    row->rate / row->ideal * 100);
        else
            fprintf(out, "| %s | | %.0f | %.0f %% |\n", row->mode, row->rate, row->rate / row->ideal * 100);
    }
}

static void print_memory(FILE *out, const struct report *report)
{
    fprintf(out, "\n## Memory and threads\n\n| mode | waiting clients | pool | RSS MB | PSS MB | threads |\n"
                 "|---|---:|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (strcmp(row->section, "memory") != 0)
            continue;
        if (strcmp(row->mode, "-") == 0)
            fprintf(out, "| idle | 0 | ");
        else
            fprintf(out, "| %s | %.0f | ", row->mode, row->concurrency);
        if (row->pool_threads > 0)
            fprintf(out, "%.0f threads", row->pool_threads);
        else
            fputs("default", out);
        fprintf(out, " | %.1f | %.1f | %.0f |\n", row->rss_kb / 1e3, row->pss_kb / 1e3, row->threads);
    }
}

/* "async 1984/s", or "offload, async 640/s" when they are within a tenth of each other. */
static void print_crossing(FILE *out, const struct crossing *crossing)
{
    const char *comma = " ";

    fprintf(out, " |");
    for (int mode = 0; mode < MODES; mode++) {
        if (!crossing->is_good[mode])
            continue;
        fprintf(out, "%s%s", comma, mode_names[mode]);
        comma = ", ";
    }
    fprintf(out, " %.0f/s", crossing->best_rate);
}

static void print_crossover(FILE *out, const struct report *report)
{
    double   calls[16], clients[16];
    unsigned n_calls = crossing_calls(calls, report), n_clients = crossing_clients(clients, report);

    if (n_calls == 0)
        return;
    fprintf(out,
            "\n## Which mode: the best, and those within %.0f %% of it\n\n| call "
            "takes",
            (1 - CROSSING_SHARE) * 100);
    for (unsigned j = 0; j < n_clients; j++)
        fprintf(out, " | %.0f client%s", clients[j], clients[j] > 1 ? "s" : "");
    fprintf(out, " |\n|---%.*s|\n", (int)(4 * n_clients),
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---");
    for (unsigned i = 0; i < n_calls; i++) {
        if (calls[i] > 0)
            fprintf(out, "| %g ms", calls[i]);
        else
            fputs("| microseconds (query)", out);
        for (unsigned j = 0; j < n_clients; j++) {
            struct crossing crossing;

            if (find_crossing(&crossing, report, calls[i] > 0 ? "sleep" : "query", calls[i], clients[j]))
                print_crossing(out, &crossing);
            else
                fprintf(out, " | ");
        }
        fprintf(out, " |\n");
    }
}

static void print_goals(FILE *out, const struct report *report)
{
    struct goal goals[GOALS_MAX];
    unsigned    count = find_goals(goals, report);

    fprintf(out, "\n## Goals\n\n| goal | wanted | measured | ratio | |\n|---|---:|---:|---:|---|\n");
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "| %s | %.4g | %.4g %s | %.2f | %s |\n", goals[i].what, goals[i].wanted, goals[i].measured,
                goals[i].unit, goals[i].measured / goals[i].wanted, goals[i].is_met ? "met" : "**not met**");
}

int report_markdown(FILE *out, const struct report *report)
{
    char     sentences[SENTENCES_MAX][SENTENCE_SIZE];
    unsigned count = find_sentences(sentences, report);

    print_head(out, report);
    print_section(out, report, "load", "Loads: each client asks again when it was answered");
    print_section(out, report, "sweep", "More and more clients");
    print_section(out, report, "open", "At a fixed rate, latency from the planned start");
    print_pool(out, report);
    print_memory(out, report);
    print_crossover(out, report);
    print_goals(out, report);
    fprintf(out, "\n## In words\n\n");
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "* %s\n", sentences[i]);
    for (unsigned i = 0; i < report->n_notes; i++)
        fprintf(out, "* Note: %s\n", report->notes[i]);
    return ferror(out) ? -1 : 0;
}
