/*
 * fetch.c: `offloop fetch`: hundreds of requests without a server, and their answers one by one as they arrive.
 *
 * The three modes run the same function, fetch_item, and differ in who calls it:
 *
 *     blocking   main itself, one URL after the other
 *     offload    N fibers, each of which hands its URLs to a thread of a pool, one at a time
 *     async      N fibers, each of which waits by itself; one thread does it all
 *
 * A fiber here is a lane: it takes the next URL, has it fetched, reports, and goes on until none is left. Fibers of one
 * loop never run at the same time, so lanes share the list and the report without a lock.
 */
#include "app/fetch.h"

#include <error.h>
#include <stdlib.h>
#include <string.h>

#include <offloop/offloop.h>

#include "app/args.h"
#include "app/command.h"
#include "app/fetch_report.h"
#include "app/fetch_urls.h"
#include "app/limits.h"

enum { CONCURRENCY_MAX = 16384, THREADS_MAX = 1024 };
enum mode { MODE_BLOCKING, MODE_OFFLOAD, MODE_ASYNC };

static const double TIMEOUT_MAX_S = 86400;

struct run {
    unsigned  concurrency;
    enum mode mode;
    bool      json, body;
    double    timeout_s;

    const char *ca_file;

    struct url_list     list;
    size_t              next; /* in the list */
    struct fetch_report report;
};

/* ---- the command line ---- */

enum key { KEY_CA_FILE = 256 };

static const struct argp_option table[] = {
    { NULL, 'c', "N", 0, "Requests under way at once (default: 100; mode blocking has one)", 0 },
    { "mode", 'm', "MODE", 0, "Who waits: blocking (this thread), offload (threads), async (fibers; the default)", 0 },
    { "json", 'j', NULL, 0, "Print a JSON object for each answer", 0 },
    { "body", 'b', NULL, 0, "Print the answers' bodies instead of lines; with --json, beside the rest", 0 },
    { "timeout", 't', "S", 0, "Give up on a request after so many seconds (default: 30)", 0 },
    { "ca-file", KEY_CA_FILE, "FILE", 0,
      "Trust the certificate authorities of this PEM file, and no others (default: the system's)", 0 },
    { 0 },
};

static enum mode read_mode(const char *text)
{
    static const char *const names[] = { [MODE_BLOCKING] = "blocking", [MODE_OFFLOAD] = "offload", [MODE_ASYNC] = "async" };

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum mode)i;
    error(EXIT_USAGE, 0, "--mode: '%s' is not blocking, offload or async", text);
    return MODE_ASYNC;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct run *run = state->input;

    switch (key) {
    case 'c': run->concurrency = args_count("-c", arg, 1, CONCURRENCY_MAX); break;
    case 'm': run->mode = read_mode(arg); break;
    case 'j': run->json = true; break;
    case 'b': run->body = true; break;
    case 't': run->timeout_s = args_seconds("--timeout", arg, TIMEOUT_MAX_S); break;
    case KEY_CA_FILE:
        run->ca_file = arg;
        if (!*arg)
            error(EXIT_USAGE, 0, "--ca-file: '' is not a file name");
        break;
    case ARGP_KEY_ARG:
        if (url_list_add(&run->list, arg) < 0)
            exit(1);
        break;
    case ARGP_KEY_NO_ARGS: error(EXIT_USAGE, 0, "no URL; see offloop fetch --help"); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void parse(struct run *run, int argc, char **argv)
{
    static const struct argp argp = {
        .options = table,
        .parser = parse_option,
        .args_doc = "URL... | -",
        .doc = "Fetch all URLs, many at once, and print a line for each answer when it arrives: status, time, bytes, "
               "URL. With -, URLs are read from standard input, one a line. The exit status is 1 when a request had no "
               "answer or one with a status of 400 or more.",
    };

    args_parse(&argp, argc, argv, run);
    if (run->mode == MODE_OFFLOAD && run->concurrency > THREADS_MAX)
        error(EXIT_USAGE, 0, "-c: mode offload has at most %d threads, not %u", THREADS_MAX, run->concurrency);
    if (run->concurrency > run->list.n)
        run->concurrency = (unsigned)run->list.n;
}

/* ---- one request ---- */

/* Thread: main, a worker, or a fiber: it is all the same to ol_fetch. */
static int fetch_item(void *arg)
{
    struct fetch_item      *item = arg;
    struct ol_fetch_request request = { .url = item->url, .timeout_s = item->timeout_s, .ca_file = item->ca_file };
    uint64_t                begin_ns = ol_now_ns();

    item->rc = ol_fetch(&item->result, &request);
    item->duration_s = (double)(ol_now_ns() - begin_ns) / 1e9;
    if (item->rc < 0)
        item->error = *ol_last_error();
    return 0;
}

/* Returns: 0, or why fetch_item could not be called. */
static int call(const struct run *run, struct fetch_item *item)
{
    return run->mode == MODE_OFFLOAD ? ol_offload(fetch_item, item) : fetch_item(item);
}

static void lane(void *arg)
{
    struct run *run = arg;

    while (run->next < run->list.n) {
        struct fetch_item item = {
            .url = run->list.urls[run->next++],
            .ca_file = run->ca_file,
            .timeout_s = run->timeout_s,
        };
        int rc = call(run, &item);

        if (rc < 0) {
            item.rc = rc;
            item.error = *ol_last_error();
        }
        fetch_report_add(&run->report, &item);
        ol_fetch_result_free(item.result);
    }
}

/* ---- all of them ---- */

/* Returns: 0, or the code of what could not be made. Fibers that did start share the work of those that did not. */
static int run_fibers(struct run *run, struct ol_loop *loop, struct ol_pool *pool)
{
    struct ol_fiber_config fiber = { .run = lane, .arg = run, .pool = pool };
    int                    rc = 0;

    for (unsigned i = 0; rc == 0 && i < run->concurrency; i++)
        rc = ol_fiber_start(loop, &fiber);
    ol_loop_run(loop);
    return run->next < run->list.n ? rc : 0;
}

static int run_on_a_loop(struct run *run)
{
    struct ol_pool_config config = { .name = "fetch", .threads_max = run->concurrency };
    struct ol_loop       *loop = NULL;
    struct ol_pool       *pool = NULL;
    int                   rc = ol_loop_create(&loop, NULL);

    if (rc == 0 && run->mode == MODE_OFFLOAD)
        rc = ol_pool_create(&pool, loop, &config);
    if (rc == 0)
        rc = run_fibers(run, loop, pool);
    ol_pool_destroy(pool, NULL, NULL);
    ol_loop_destroy(loop);
    return rc;
}

int app_fetch(int argc, char **argv)
{
    struct run run = { .concurrency = 100, .mode = MODE_ASYNC };
    int        status = 1, rc = 0;

    parse(&run, argc, argv);
    limits_raise_files(1);
    if (fetch_report_init(&run.report, run.list.n, run.json, run.body) == 0) {
        if (run.mode == MODE_BLOCKING)
            lane(&run);
        else
            rc = run_on_a_loop(&run);
        if (rc < 0)
            error(0, 0, "cannot fetch: %s", ol_last_error()->text);
        status = fetch_report_finish(&run.report) > 0 || rc < 0;
    }
    url_list_fini(&run.list);
    return status;
}
