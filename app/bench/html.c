/*
 * html.c: the report: one file that needs no other and no network.
 *
 * Style and plots are inside; the figures are, too, as JSON in a script element that no script reads: they are for
 * whoever wants to check. Light or dark is the reader's choice (prefers-color-scheme); the columns are as many as
 * fit.
 */
#include <stdlib.h>
#include <string.h>

#include "app/bench/findings.h"
#include "app/bench/plots.h"
#include "app/bench/report.h"
#include "app/bench/svg.h"

static const char page_style[] =
    ":root{color-scheme:light dark;--page:#f4f5f7;--paper:#ffffff;--ink:#1c2330;--soft:#5b6472;--line:#dfe3e9;"
    "--b:#c2500a;--o:#0b6cb8;--a:#00805f;--good:#00805f;--bad:#b3261e;--tint:#eef2f7}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#0f1217;--paper:#171b22;--ink:#e8ebf0;--soft:#a3abb8;"
    "--line:#2f3642;"
    "--b:#ff9a52;--o:#62b6ff;--a:#3fd2a8;--good:#3fd2a8;--bad:#ff8a80;--tint:#1f2530}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,"
    "'DejaVu Sans',sans-serif}\n"
    "main{max-width:1480px;margin:0 auto;padding:24px clamp(14px,3vw,48px) 64px}\n"
    "h1{font-size:clamp(26px,4vw,40px);line-height:1.15;margin:16px 0 6px;letter-spacing:-.02em}\n"
    "h2{font-size:clamp(19px,2.2vw,25px);margin:48px 0 6px;letter-spacing:-.01em}\n"
    "p{max-width:76ch;margin:8px 0 14px}.soft{color:var(--soft)}\n"
    ".tiles,.plots{display:grid;gap:16px;margin:18px 0}\n"
    ".tiles{grid-template-columns:repeat(auto-fit,minmax(230px,1fr))}\n"
    ".plots{grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));align-items:start}\n"
    ".tile,figure,.table{background:var(--paper);border:1px solid var(--line);border-radius:10px}\n"
    ".tile{padding:16px 18px;border-top:4px solid var(--tone)}\n"
    ".tile b{display:block;font-size:34px;line-height:1.15;font-variant-numeric:tabular-nums}\n"
    ".tile h3{margin:0 0 4px;font-size:17px;color:var(--tone)}.tile p{margin:6px 0 "
    "0;font-size:14.5px;color:var(--soft)}\n"
    ".blocking{--tone:var(--b)}.offload{--tone:var(--o)}.async{--tone:var(--a)}\n"
    "figure{margin:0;padding:6px;max-width:680px}figure svg{display:block;width:100%;height:auto}\n"
    ".table{overflow-x:auto;margin:14px 0}.plots .table{margin:0}.plots th,.plots td{padding:8px 9px}.plots "
    "td:first-child{white-space:normal}\n"
    "table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:8px 12px;text-align:right;border-top:1px solid var(--line);white-space:nowrap}\n"
    "thead th{border-top:0;color:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom}\n"
    "th:first-child,td:first-child,.left{text-align:left}td.wide{white-space:normal;min-width:230px}\n"
    ".name{font-weight:600;color:var(--tone)}.good{color:var(--good);font-weight:600}"
    ".bad{color:var(--bad);font-weight:600}\n"
    ".cell{text-align:left;min-width:118px}.cell span{display:block;font-weight:600;color:var(--tone)}\n"
    ".cell small{color:var(--soft)}.cell.any span{color:var(--ink)}\n"
    "ul{padding-left:20px;max-width:84ch}li{margin:8px 0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:14px "
    "0}dt{color:var(--soft)}dd{margin:0}\n"
    "@media (max-width:480px){th,td{padding:7px 9px}dl{grid-template-columns:1fr}dd{margin-bottom:8px}"
    ".tile b{font-size:30px}}\n";

static void begin_page(FILE *out, const struct report *report)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<title>offloop bench</title>\n<style>\n",
          out);
    fputs(page_style, out);
    fputs("</style>\n</head>\n<body>\n<main>\n<h1>Three ways to wait</h1>\n", out);
    fprintf(out,
            "<p>The same handlers, served by offloop in three modes: <em>blocking</em> on the loop, <em>offload</em> "
            "on a thread "
            "of a pool, <em>async</em> in a fiber. A slow service answers after %.0f&nbsp;ms.</p>\n"
            "<p class=\"soft\">Run &ldquo;%s&rdquo; of ",
            report->delay_s * 1e3, report->plan);
    svg_text(out, report->started);
    fprintf(out, ", %.0f&nbsp;s, on %s cores of ", report->took_s, report->environment.cores);
    svg_text(out, report->environment.processor);
    fputs(".</p>\n", out);
}

/* The one load that tells it all: the seed's largest. */
static void write_tiles(FILE *out, const struct report *report)
{
    fputs("<div class=\"tiles\">\n", out);
    for (int mode = 0; mode < MODES; mode++) {
        const struct measure *row = NULL;
        char                  p95[LABEL_MAX], hello[LABEL_MAX];

        for (size_t i = 0; i < report->measures.count; i++) {
            const struct measure *other = &report->measures.rows[i];

            if (strcmp(other->section, "load") == 0 && strcmp(other->call, "fetch") == 0 &&
                strcmp(other->mode, mode_names[mode]) == 0)
                row = other;
        }
        if (!row)
            continue;
        fprintf(out,
                "<div class=\"tile %s\"><h3>%s</h3><b>%.1f /s</b><p>%.0f clients, each waiting for the slow service: "
                "%.1f&nbsp;%% of "
                "the ideal %.0f&nbsp;/s, p95 %s&nbsp;ms. Meanwhile GET /hello takes %s&nbsp;ms (p99).</p></div>\n",
                row->mode, row->mode, row->rate, row->concurrency, row->rate / row->ideal * 100, row->ideal,
                ms_text(p95, row->p95_ms), ms_text(hello, row->hello_p99_ms));
    }
    fputs("</div>\n", out);
}

static void write_plot(FILE *out, const struct report *report, enum plot plot)
{
    fputs("<figure>", out);
    plot_draw(out, report, plot);
    fputs("</figure>\n", out);
}

/* ---- tables of loads ---- */

static void write_ms(FILE *out, double ms)
{
    char text[LABEL_MAX];

    fprintf(out, "<td>%s</td>", ms_text(text, ms));
}

static void write_load_row(FILE *out, const struct measure *row)
{
    fprintf(out, "<tr class=\"%s\"><td>%s</td><td class=\"left name\">%s</td>", row->mode, row->call, row->mode);
    if (row->planned_rate > 0)
        fprintf(out, "<td>%.0f/s</td>", row->planned_rate);
    else
        fprintf(out, "<td>%.0f</td>", row->concurrency);
    fprintf(out, "<td>%.1f</td>", row->rate);
    if (row->ideal > 0)
        fprintf(out, "<td>%.1f</td><td>%.1f&nbsp;%%</td>", row->ideal, row->rate / row->ideal * 100);
    else
        fputs("<td></td><td></td>", out);
    write_ms(out, row->p50_ms);
    write_ms(out, row->p95_ms);
    write_ms(out, row->p99_ms);
    fprintf(out, "<td>%.0f</td><td>%.0f</td>", row->cpu_us, row->requests);
    fprintf(out, "<td%s>%.0f</td></tr>\n", row->failed > 0 ? " class=\"bad\"" : "", row->failed);
}

static void write_loads(FILE *out, const struct report *report, const char *section, const char *clients)
{
    const struct measure *row;
    size_t                at = 0;

    fprintf(out,
            "<div class=\"table\"><table><thead><tr><th>call</th><th "
            "class=\"left\">mode</th><th>%s</th><th>requests/s</th>"
            "<th>ideal</th><th>of ideal</th><th>p50 ms</th><th>p95 ms</th><th>p99 ms</th><th>server CPU "
            "&micro;s/request</th>"
            "<th>answered</th><th>failed</th></tr></thead><tbody>\n",
            clients);
    while ((row = measures_next_by_load(&report->measures, section, &at)))
        write_load_row(out, row);
    fputs("</tbody></table></div>\n", out);
}

static void write_load_sections(FILE *out, const struct report *report)
{
    fputs("<h2>Against the ideal</h2>\n<p>Each client asks again as soon as it was answered. While nobody stands in "
          "another's "
          "way, the rate is the number of clients divided by what the call takes.</p>\n",
          out);
    write_loads(out, report, "load", "clients");
    fputs("<h2>From one client to many</h2>\n<p>A blocked loop serves one request at a time, whoever asks. A pool "
          "serves as many as it "
          "has threads. Fibers end where the processor does.</p>\n<div class=\"plots\">\n",
          out);
    write_plot(out, report, PLOT_RATE);
    write_plot(out, report, PLOT_LATENCY);
    fputs("</div>\n", out);
    write_loads(out, report, "sweep", "clients");
    fputs("<h2>How late is late</h2>\n<p>A mean hides the slowest answers; here is every percentile, each further "
          "nine as wide as the "
          "last.</p>\n<div class=\"plots\">\n",
          out);
    write_plot(out, report, PLOT_FETCH_CURVE);
    write_plot(out, report, PLOT_QUERY_CURVE);
    write_plot(out, report, PLOT_OPEN_CURVE);
    fputs("</div>\n<h2>At a fixed rate</h2>\n<p>Clients that wait for an answer before they ask again spare a server "
          "that stands still: "
          "the questions that would have come are never asked, and never counted (<em>coordinated omission</em>). "
          "Here requests start by "
          "the clock, and each latency counts from the planned start.</p>\n",
          out);
    write_loads(out, report, "open", "planned");
}

/* ---- what stands beside ---- */

static void write_hello_row(FILE *out, const struct measure *row, const char *call, const char *mode,
                            const double figures[4])
{
    fprintf(out, "<tr class=\"%s\"><td>%s</td><td class=\"left name\">%s</td><td>%.0f</td>", mode, call, mode,
            row->concurrency);
    for (int i = 0; i < 3; i++)
        write_ms(out, figures[i]);
    fprintf(out, "<td>%.0f</td></tr>\n", figures[3]);
}

static void write_hello(FILE *out, const struct report *report)
{
    const struct measure *idle = measures_find(&report->measures, "idle", "-", "hello", -1, -1), *row;
    size_t                at = 0;

    fputs("<h2>What everybody else sees</h2>\n<p>GET /hello, asked 100 times a second by a client of its own, during "
          "each load. It does "
          "nothing slow; only a loop that is blocked can make it wait.</p>\n<div class=\"plots\">\n",
          out);
    write_plot(out, report, PLOT_HELLO);
    fputs("<div class=\"table\"><table><thead><tr><th>during</th><th class=\"left\">mode</th><th>clients</th><th>p50 "
          "ms</th>"
          "<th>p99 ms</th><th>max ms</th><th>asked</th></tr></thead><tbody>\n",
          out);
    if (idle)
        write_hello_row(out, idle, "nothing", "", (double[]){ idle->p50_ms, idle->p99_ms, idle->max_ms, idle->requests });
    while ((row = measures_next_by_load(&report->measures, "load", &at))) {
        if (row->hello_requests > 0)
            write_hello_row(out, row, row->call, row->mode,
                            (double[]){ row->hello_p50_ms, row->hello_p99_ms, row->hello_max_ms, row->hello_requests });
    }
    fputs("</tbody></table></div>\n</div>\n", out);
}

static void write_memory_row(FILE *out, const struct measure *row)
{
    bool is_idle = strcmp(row->mode, "-") == 0;

    fprintf(out, "<tr class=\"%s\"><td class=\"name\">%s%s</td><td>%.0f</td>", row->mode, is_idle ? "idle" : row->mode,
            row->pool_threads > 0 ? ", a thread each" : "", is_idle ? 0 : row->concurrency);
    fprintf(out, "<td>%.1f</td><td>%.1f</td><td>%.0f</td></tr>\n", row->rss_kb / 1e3, row->pss_kb / 1e3, row->threads);
}

static void write_costs(FILE *out, const struct report *report)
{
    fputs("<h2>Threads and memory</h2>\n<p>Calls that sleep, against the number of pool threads (from 2 threads on "
          "one is kept for short "
          "queries, from 16 on two); and what it costs to let many clients wait at once. Beside a blocked loop they "
          "wait in the kernel, "
          "unheard.</p>\n<div class=\"plots\">\n",
          out);
    write_plot(out, report, PLOT_POOL);
    write_plot(out, report, PLOT_MEMORY);
    fputs("<div class=\"table\"><table><thead><tr><th>mode</th><th>waiting clients</th><th>RSS MB</th><th>PSS MB</th>"
          "<th>threads</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < report->measures.count; i++) {
        const struct measure *row = &report->measures.rows[i];

        if (strcmp(row->section, "memory") == 0)
            write_memory_row(out, row);
    }
    fputs("</tbody></table></div>\n</div>\n", out);
}

/* ---- conclusions ---- */

static void write_crossing(FILE *out, const struct crossing *crossing)
{
    bool        is_any = crossing->is_good[0] && crossing->is_good[1] && crossing->is_good[2];
    const char *comma = "";

    fprintf(out, "<td class=\"cell %s\"><span>", is_any ? "any" : mode_names[crossing->best]);
    for (int mode = 0; mode < MODES && !is_any; mode++) {
        if (!crossing->is_good[mode])
            continue;
        fprintf(out, "%s%s", comma, mode_names[mode]);
        comma = ", ";
    }
    fprintf(out, "%s</span><small>", is_any ? "any" : "");
    for (int mode = 0; mode < MODES; mode++) {
        if (crossing->by_mode[mode])
            fprintf(out, "%s%.0f", mode ? " &middot; " : "", crossing->by_mode[mode]->rate);
        else
            fprintf(out, "%s&ndash;", mode ? " &middot; " : "");
    }
    fputs(" /s</small></td>", out);
}

static void write_crossover(FILE *out, const struct report *report)
{
    double   calls[16], clients[16];
    unsigned n_calls = crossing_calls(calls, report), n_clients = crossing_clients(clients, report);

    fputs("<h2>Which mode to choose</h2>\n<p>How long the call takes, against how many clients ask at once. Named "
          "are the modes within "
          "a tenth of the best rate; below stand the rates of blocking, offload and async. Where any mode will do, "
          "remember what "
          "blocking does to everybody else.</p>\n<div class=\"table\"><table><thead><tr><th>call takes</th>",
          out);
    for (unsigned j = 0; j < n_clients; j++)
        fprintf(out, "<th class=\"left\">%.0f client%s</th>", clients[j], clients[j] > 1 ? "s" : "");
    fputs("</tr></thead><tbody>\n", out);
    for (unsigned i = 0; i < n_calls; i++) {
        if (calls[i] > 0)
            fprintf(out, "<tr><td>%g ms</td>", calls[i]);
        else
            fputs("<tr><td>microseconds (a query)</td>", out);
        for (unsigned j = 0; j < n_clients; j++) {
            struct crossing crossing;

            if (find_crossing(&crossing, report, calls[i] > 0 ? "sleep" : "query", calls[i], clients[j]))
                write_crossing(out, &crossing);
            else
                fputs("<td></td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_sentences(FILE *out, const struct report *report)
{
    char     sentences[SENTENCES_MAX][SENTENCE_SIZE];
    unsigned count = find_sentences(sentences, report);

    fputs("<h2>Where each wins and loses</h2>\n<ul>\n", out);
    for (unsigned i = 0; i < count; i++) {
        fputs("<li>", out);
        svg_text(out, sentences[i]);
        fputs("</li>\n", out);
    }
    for (unsigned i = 0; i < report->n_notes; i++) {
        fputs("<li class=\"bad\">", out);
        svg_text(out, report->notes[i]);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

static void write_goals(FILE *out, const struct report *report)
{
    struct goal goals[GOALS_MAX];
    unsigned    count = find_goals(goals, report);

    fputs("<h2>Goals</h2>\n<div "
          "class=\"table\"><table><thead><tr><th>goal</th><th>wanted</th><th>measured</th><th>ratio</th>"
          "<th class=\"left\"></th></tr></thead><tbody>\n",
          out);
    for (unsigned i = 0; i < count; i++) {
        fputs("<tr><td class=\"wide\">", out);
        svg_text(out, goals[i].what);
        fprintf(out, "</td><td>%.4g</td><td>%.4g %s</td><td>%.2f</td><td class=\"left %s\">%s</td></tr>\n",
                goals[i].wanted, goals[i].measured, goals[i].unit, goals[i].measured / goals[i].wanted,
                goals[i].is_met ? "good" : "bad", goals[i].is_met ? "met" : "not met");
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_environment(FILE *out, const struct report *report)
{
    const char *label, *text;

    fputs("<h2>Where and how</h2>\n<p>Server, slow service and clients are processes of one machine and share its "
          "processors. The clients "
          "are offloop&rsquo;s own: fibers that call ol_fetch. Figures of one machine tell ratios, not what another "
          "machine will "
          "do.</p>\n<dl>\n",
          out);
    for (unsigned i = 0; environment_line(&report->environment, i, &label, &text); i++) {
        fprintf(out, "<dt>%s</dt><dd>", label);
        svg_text(out, text);
        fputs("</dd>\n", out);
    }
    fputs("</dl>\n", out);
}

/* "</" would end the element, wherever it stands in the data. */
static int write_data(FILE *out, const struct report *report)
{
    json_t *json = report_to_json(report);
    char   *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(10)) : NULL;

    json_decref(json);
    if (!text)
        return -1;
    fputs("<script type=\"application/json\" id=\"figures\">\n", out);
    for (const char *at = text; *at; at++) {
        if (*at == '<')
            fputs("\\u003c", out);
        else
            fputc(*at, out);
    }
    fputs("\n</script>\n", out);
    free(text);
    return 0;
}

int report_html(FILE *out, const struct report *report)
{
    int rc;

    begin_page(out, report);
    write_tiles(out, report);
    write_load_sections(out, report);
    write_hello(out, report);
    write_costs(out, report);
    write_crossover(out, report);
    write_sentences(out, report);
    write_goals(out, report);
    write_environment(out, report);
    rc = write_data(out, report);
    fputs("</main>\n</body>\n</html>\n", out);
    return rc < 0 || ferror(out) ? -1 : 0;
}
