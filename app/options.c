/*
 * options.c: the command line of `offloop serve`.
 */
#include "app/options.h"

#include <error.h>
#include <string.h>

#include "app/args.h"
#include "app/command.h"

enum { THREADS_MAX = 1024, QUEUE_MAX = 1000000, CONNECTIONS_MAX = 1000000 };
static const double SECONDS_MAX = 86400;

enum key {
    KEY_LISTEN = 256,
    KEY_DB,
    KEY_THREADS,
    KEY_QUEUE,
    KEY_CODEL,
    KEY_CONNECTIONS,
    KEY_EXTERNAL_API,
    KEY_DELAY,
    KEY_TIMEOUT,
    KEY_DRAIN,
    KEY_DRAIN_DELAY,
    KEY_ACCESS_LOG
};

static const struct argp_option table[] = {
    { "listen", KEY_LISTEN, "ADDRESS", 0,
      "Where to listen: HOST:PORT or unix:/path (default: 127.0.0.1:8888; port 0: any free one). May be given 8 times. "
      "Sockets that were inherited (LISTEN_FDS) take the default's place",
      0 },
    { "db", KEY_DB, "FILE", 0,
      "The SQLite database, made with 100,000 items when it is not there "
      "(default: offloop.db in the current folder)",
      0 },
    { "threads", KEY_THREADS, "MIN:MAX", 0, "Threads for blocking calls (default: 4:64)", 0 },
    { "queue", KEY_QUEUE, "N", 0,
      "Jobs of each class that may wait for a thread; more are answered 503 (default: 4096)", 0 },
    { "codel", KEY_CODEL, NULL, 0, "Drop what waits in a standing queue (CoDel)", 0 },
    { "connections", KEY_CONNECTIONS, "N", 0,
      "Clients at once (default: 16384, or what the limit on open files allows for: two files for each)", 0 },
    { "external-api", KEY_EXTERNAL_API, "URL", 0, "The slow service to call (default: start one on a free port)", 0 },
    { "delay", KEY_DELAY, "S", 0, "How long that one takes to answer, in seconds (default: 0.5)", 0 },
    { "timeout", KEY_TIMEOUT, "S", 0, "How long to wait for the slow service, in seconds (default: 10)", 0 },
    { "drain", KEY_DRAIN, "S", 0, "After SIGTERM or SIGINT, finish what runs within so many seconds (default: 10)", 0 },
    { "drain-delay", KEY_DRAIN_DELAY, "S", 0,
      "Before that, go on accepting for so many seconds while /readyz answers 503, so that a load balancer can look "
      "away (default: 0)",
      0 },
    { "access-log", KEY_ACCESS_LOG, "FORMAT[:FILE]", 0,
      "A line for each request, in FORMAT common or json, to FILE or to standard output (default: none)", 0 },
    { 0 },
};

/* "common", "json", with ":FILE" or without. */
static void parse_access_log(struct access_log_options *ret_log, const char *text)
{
    size_t format = strcspn(text, ":");

    if (format == 6 && strncmp(text, "common", format) == 0)
        ret_log->format = ACCESS_LOG_COMMON;
    else if (format == 4 && strncmp(text, "json", format) == 0)
        ret_log->format = ACCESS_LOG_JSON;
    else
        error(EXIT_USAGE, 0, "--access-log: '%s' is not common or json, with :FILE or without", text);
    ret_log->path = text[format] == ':' ? text + format + 1 : NULL;
    if (ret_log->path && ret_log->path[0] == '\0')
        error(EXIT_USAGE, 0, "--access-log: '%s' names no file", text);
}

static void parse_listen(struct serve_options *options, const char *text)
{
    if (options->n_listen == LISTEN_MAX)
        error(EXIT_USAGE, 0, "--listen: '%s' is one too many; at most %d", text, LISTEN_MAX);
    options->listen[options->n_listen++] = args_address("--listen", text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct serve_options *options = state->input;

    switch (key) {
    case KEY_LISTEN: parse_listen(options, arg); break;
    case KEY_DB: options->db_path = arg; break;
    case KEY_THREADS: args_range(&options->threads_min, &options->threads_max, "--threads", arg, THREADS_MAX); break;
    case KEY_QUEUE: options->queue_max = args_count("--queue", arg, 1, QUEUE_MAX); break;
    case KEY_CODEL: options->codel = true; break;
    case KEY_CONNECTIONS: options->connections_max = args_count("--connections", arg, 1, CONNECTIONS_MAX); break;
    case KEY_EXTERNAL_API: options->external_api = args_url("--external-api", arg); break;
    case KEY_DELAY: options->delay_s = args_seconds("--delay", arg, SECONDS_MAX); break;
    case KEY_TIMEOUT: options->timeout_s = args_seconds("--timeout", arg, SECONDS_MAX); break;
    case KEY_DRAIN: options->drain_s = args_seconds("--drain", arg, SECONDS_MAX); break;
    case KEY_DRAIN_DELAY: options->drain_delay_s = args_seconds("--drain-delay", arg, SECONDS_MAX); break;
    case KEY_ACCESS_LOG: parse_access_log(&options->access_log, arg); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void serve_options_parse(struct serve_options *ret_options, int argc, char **argv)
{
    static const struct argp argp = {
        .options = table,
        .parser = parse_option,
        .doc = "Serve every endpoint in three modes: blocking, offload and async; the page at / lists them.",
    };

    *ret_options = (struct serve_options){
        .db_path = "offloop.db",
        .threads_min = 4,
        .threads_max = 64,
        .queue_max = 4096,
        .delay_s = 0.5,
        .timeout_s = 10,
        .drain_s = 10,
    };
    args_parse(&argp, argc, argv, ret_options);
    if (ret_options->db_path[0] == '\0')
        error(EXIT_USAGE, 0, "--db: '' is not a file name");
}
