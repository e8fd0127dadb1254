/*
 * options.c: the command line of `offloop bench`.
 */
#include "app/bench/options.h"

#include <error.h>
#include <string.h>

#include "app/args.h"
#include "app/command.h"

static const double DAY_S = 86400;

enum key {
    KEY_QUICK = 256,
    KEY_FULL,
    KEY_TINY,
    KEY_MODES,
    KEY_DELAY,
    KEY_FOLDER,
    KEY_JSON,
    KEY_CSV,
    KEY_HTML,
    KEY_SVG,
    KEY_COMPARE,
    KEY_TOLERANCE,
    KEY_FROM,
    KEY_URL,
    KEY_CONCURRENCY,
    KEY_REQUESTS,
    KEY_DURATION,
    KEY_CUT,
    KEY_RATE,
    KEY_BODY
};

static const struct argp_option table[] = {
    { NULL, 0, NULL, 0, "What is measured:", 1 },
    { "quick", KEY_QUICK, NULL, 0, "The short form, under 40 s, with a service that answers after 0.2 s (default)", 1 },
    { "full", KEY_FULL, NULL, 0,
      "The article's numbers, n = 100, 500, 1000 against 0.5 s, and up to 1,000 clients: about half an hour, most of "
      "it spent on blocking",
      1 },
    { "tiny", KEY_TINY, NULL, OPTION_HIDDEN, "Seconds; proves that it works, and nothing else", 1 },
    { "modes", KEY_MODES, "LIST", 0, "Of blocking,offload,async (default: all)", 1 },
    { "delay", KEY_DELAY, "S", 0, "How long the slow service takes to answer, in seconds", 1 },
    { "folder", KEY_FOLDER, "DIR", 0, "Where the database is made, and deleted (default: $TMPDIR, or /tmp)", 1 },
    { NULL, 0, NULL, 0, "What is made of it:", 2 },
    { "json", KEY_JSON, "FILE", 0, "All figures, for --compare and --from", 2 },
    { "csv", KEY_CSV, "FILE", 0, "All figures, a line for each load", 2 },
    { "html", KEY_HTML, "FILE", 0, "The report: one file that needs no other", 2 },
    { "svg", KEY_SVG, "DIR", 0, "The report's plots as files", 2 },
    { "compare", KEY_COMPARE, "OLD.json", 0, "Beside an earlier run; status 1 when a figure falls", 2 },
    { "tolerance", KEY_TOLERANCE, "PERCENT", 0, "By how much a figure must fall for that (default: 20)", 2 },
    { "from", KEY_FROM, "FILE.json", 0, "Measure nothing; make all this of an earlier run", 2 },
    { NULL, 0, NULL, 0, "One URL instead, with the same clients:", 3 },
    { "url", KEY_URL, "URL", 0, "Ask for this and print one line of JSON", 3 },
    { "concurrency", KEY_CONCURRENCY, "N", 0, "Clients (default: 1)", 3 },
    { "requests", KEY_REQUESTS, "N", 0, "Stop after so many", 3 },
    { "duration", KEY_DURATION, "S", 0, "Stop after so long (default: 10, unless --requests is given)", 3 },
    { "cut", KEY_CUT, NULL, 0, "Then give up what is under way, instead of waiting for it", 3 },
    { "rate", KEY_RATE, "N", 0, "Requests planned for each second, whatever the server does", 3 },
    { "post", KEY_BODY, "JSON", 0, "POST this", 3 },
    { 0 },
};

static void parse_modes(struct plan_wish *wish, const char *text)
{
    memset(wish->modes, 0, sizeof wish->modes);
    while (*text) {
        size_t size = strcspn(text, ",");
        bool   is_known = false;

        for (int mode = 0; mode < MODES; mode++) {
            if (strlen(mode_names[mode]) == size && strncmp(mode_names[mode], text, size) == 0)
                wish->modes[mode] = is_known = true;
        }
        if (!is_known)
            error(EXIT_USAGE, 0, "--modes: '%.*s' is not blocking, offload or async", (int)size, text);
        text += size;
        text += *text == ',';
    }
    if (!wish->modes[MODE_BLOCKING] && !wish->modes[MODE_OFFLOAD] && !wish->modes[MODE_ASYNC])
        error(EXIT_USAGE, 0, "--modes: name at least one of blocking, offload, async");
}

static error_t parse_url_option(int key, char *arg, struct bench_options *options)
{
    switch (key) {
    case KEY_URL: options->url = args_url("--url", arg); break;
    case KEY_CONCURRENCY: options->concurrency = args_count("--concurrency", arg, 1, 16000); break;
    case KEY_REQUESTS: options->requests = args_count("--requests", arg, 1, 100000000); break;
    case KEY_DURATION: options->duration_s = args_seconds("--duration", arg, DAY_S); break;
    case KEY_CUT: options->cut = true; break;
    case KEY_RATE: options->rate = args_count("--rate", arg, 1, 1000000); break;
    case KEY_BODY: options->body = arg; break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct bench_options *options = state->input;

    switch (key) {
    case KEY_QUICK: options->wish.is_full = options->wish.is_tiny = false; break;
    case KEY_FULL: options->wish.is_full = true; break;
    case KEY_TINY: options->wish.is_tiny = true; break;
    case KEY_MODES: parse_modes(&options->wish, arg); break;
    case KEY_DELAY: options->wish.delay_s = args_seconds("--delay", arg, 60); break;
    case KEY_FOLDER: options->folder = arg; break;
    case KEY_JSON: options->json_path = arg; break;
    case KEY_CSV: options->csv_path = arg; break;
    case KEY_HTML: options->html_path = arg; break;
    case KEY_SVG: options->svg_folder = arg; break;
    case KEY_COMPARE: options->compare_path = arg; break;
    case KEY_TOLERANCE: options->tolerance_percent = args_count("--tolerance", arg, 0, 99); break;
    case KEY_FROM: options->from_path = arg; break;
    default: return parse_url_option(key, arg, options);
    }
    return 0;
}

void bench_options_parse(struct bench_options *ret_options, int argc, char **argv)
{
    static const struct argp argp = {
        .options = table,
        .parser = parse_option,
        .doc = "Measure blocking, offload and async side by side, each served by a process of its own.",
    };

    *ret_options = (struct bench_options){
        .wish = { .modes = { true, true, true } },
        .tolerance_percent = 20,
        .concurrency = 1,
    };
    args_parse(&argp, argc, argv, ret_options);
    if (ret_options->duration_s <= 0 && ret_options->requests == 0)
        ret_options->duration_s = 10;
    if (ret_options->cut && ret_options->duration_s <= 0)
        error(EXIT_USAGE, 0, "--cut needs --duration");
}
