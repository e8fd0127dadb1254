/*
 * external_api.c: `offloop external-api`, the slow service of the comparison: any GET is answered after the delay.
 *
 * A request is a fiber that sleeps, so ten thousand of them wait at once and each is answered on its own time. Started
 * by `offloop serve` it has two hidden options (see app/child.c): a pipe to report its address on, and a lifeline whose
 * end is its own.
 */
#include <errno.h>
#include <error.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <offloop/offloop.h>

#include "app/args.h"
#include "app/command.h"
#include "app/limits.h"
#include "app/listen.h"
#include "app/stop.h"
#include "handlers/site.h"

static const double DELAY_MAX_S = 86400, DRAIN_S = 10;

enum key { KEY_LISTEN = 256, KEY_DELAY, KEY_LIFELINE, KEY_REPORT };

struct options {
    const char *listen;
    double      delay_s;
    int         lifeline, report; /* descriptors, or -1 */
};

/* ---- the command line ---- */

static const struct argp_option table[] = {
    { "listen", KEY_LISTEN, "ADDRESS", 0,
      "Where to listen: HOST:PORT or unix:/path (default: 127.0.0.1:8889; port 0: any free one)", 0 },
    { "delay", KEY_DELAY, "S", 0, "How long an answer takes, in seconds (default: 0.5)", 0 },
    { "lifeline", KEY_LIFELINE, "FD", OPTION_HIDDEN, NULL, 0 },
    { "report", KEY_REPORT, "FD", OPTION_HIDDEN, NULL, 0 },
    { 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) {
    case KEY_LISTEN: options->listen = args_address("--listen", arg); break;
    case KEY_DELAY: options->delay_s = args_seconds("--delay", arg, DELAY_MAX_S); break;
    case KEY_LIFELINE: options->lifeline = (int)args_count("--lifeline", arg, 3, 1048576); break;
    case KEY_REPORT: options->report = (int)args_count("--report", arg, 3, 1048576); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- the parent's pipes ---- */

static void *watch_lifeline(void *arg)
{
    const struct options *options = arg;
    char                  byte;
    ssize_t               n;

    do
        n = read(options->lifeline, &byte, 1);
    while (n > 0 || (n < 0 && errno == EINTR));
    _exit(0); /* nobody is left to answer to */
}

/* The thread ends with the process, and only so. Signals are for the main thread. */
static int start_lifeline(struct options *options)
{
    pthread_t thread;
    sigset_t  all, before;
    int       rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, watch_lifeline, options);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        error(0, rc, "cannot start a thread");
        return -1;
    }
    pthread_setname_np(thread, "lifeline");
    return 0;
}

/* Where it listens: to whoever started it, or to a person. */
static void report_address(const struct options *options, const struct ol_server *server)
{
    if (options->report < 0) {
        listen_announce(server);
        return;
    }
    dprintf(options->report, "http://%s/\n", ol_server_address(server, 0));
    close(options->report);
}

/* ---- running ---- */

static void stop_loop(struct ol_server *server, void *arg)
{
    (void)server;
    ol_loop_stop(arg);
}

static int serve_until_stopped(struct options *options, struct ol_loop *loop, struct ol_server *server, struct site *site)
{
    if (site_add_external_api(server, site) < 0 || ol_server_listen(server, options->listen) < 0) {
        error(0, 0, "%s", ol_last_error()->text);
        return 1;
    }
    if (options->lifeline >= 0) {
        stop_ignore_signals();
        if (start_lifeline(options) < 0)
            return 1;
    } else {
        stop_on_signals(loop);
    }
    report_address(options, server);
    ol_loop_run(loop);
    ol_server_close(server, DRAIN_S, stop_loop, loop);
    ol_loop_run(loop);
    return 0;
}

int app_external_api(int argc, char **argv)
{
    static const struct argp argp = {
        .options = table,
        .parser = parse_option,
        .doc = "Serve a slow service: any GET is answered after the delay, however many there are.",
    };
    struct options    options = { .listen = "127.0.0.1:8889", .delay_s = 0.5, .lifeline = -1, .report = -1 };
    struct site       site = { 0 };
    struct ol_loop   *loop = NULL;
    struct ol_server *server = NULL;
    int               status = 1;

    args_parse(&argp, argc, argv, &options);
    site.delay_s = options.delay_s;
    if (ol_loop_create(&loop, NULL) < 0 ||
        ol_server_create(&server, loop, &(struct ol_server_config){ .connections_max = limits_raise_files(1) }) < 0)
        error(0, 0, "cannot start: %s", ol_last_error()->text);
    else
        status = serve_until_stopped(&options, loop, server, &site);
    ol_server_destroy(server);
    ol_loop_destroy(loop);
    return status;
}
