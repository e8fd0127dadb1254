/*
 * serve.c: `offloop serve`: brings everything up in an order in which a failure leaves nothing behind, and down again.
 *
 *     up                                   because
 *     log, loop, threads, server, routes   nothing outside is touched yet
 *     listen                               a port in use is the likeliest failure: before a file is made
 *     database                             made and filled on the first start
 *     external API                         its process exists only when all else does; it ends with its lifeline anyway
 *     run                                  connections that came meanwhile wait in the listening queue
 *
 * Going down after SIGTERM or SIGINT, in straight code, since the signal only ends ol_loop_run:
 *
 *     /readyz says no          for --drain-delay, while everything is still served
 *     ol_server_close          nothing new; what runs may finish within --drain, then its scope is cancelled
 *     STUCK_S later            a handler that has not returned by now does not look at its scope: it is reported by
 *                              name, and the process ends with status 1, since memory that it uses cannot be freed
 *     pools, database, child   in this order: jobs use the database, and handlers the child
 */
#include "app/options.h"

#include <error.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/child.h"
#include "app/command.h"
#include "app/database.h"
#include "app/limits.h"
#include "app/listen.h"
#include "app/logger.h"
#include "app/pools.h"
#include "app/stop.h"
#include "app/systemd.h"
#include "handlers/site.h"

static const double STUCK_S = 5;

/* All of it belongs to the main thread, which runs the loop. */
struct serve {
    struct serve_options options;
    struct site          site;
    struct logger       *logger;
    struct ol_loop      *loop;
    struct pools         pools;
    struct ol_server    *server;
    struct child         external_api;
    bool                 drained; /* the last connection and the last handler are gone, or there never was one */
};

/* ---- up ---- */

static int fail(const char *what)
{
    error(0, 0, "%s: %s", what, ol_last_error()->text);
    return -1;
}

/* In async mode a connection may need a second descriptor, to the external API. */
static int create_server(struct serve *serve)
{
    unsigned                allowed = limits_raise_files(2);
    struct ol_server_config config = {
        .pool = serve->pools.serve,
        .connections_max = serve->options.connections_max ? serve->options.connections_max : allowed,
        .server_timing = true,
    };

    if (ol_server_create(&serve->server, serve->loop, &config) < 0)
        return fail("cannot make the server");
    if (site_add_routes(serve->server, &serve->site) < 0)
        return fail("cannot add the routes");
    return 0;
}

static int open_database(struct serve *serve)
{
    if (database_open(&serve->site.db, serve->options.db_path, pools_threads_max(&serve->options)) < 0)
        return -1;
    if (pools_use_db(&serve->pools, serve->site.db) < 0)
        return fail("cannot use the database in the pools");
    return 0;
}

static int start_external_api(struct serve *serve)
{
    serve->site.delay_s = serve->options.delay_s;
    serve->site.external_timeout_s = serve->options.timeout_s;
    serve->site.external_api = serve->options.external_api;
    if (serve->site.external_api)
        return 0;
    if (child_start(&serve->external_api, serve->options.delay_s) < 0)
        return -1;
    serve->site.external_api = serve->external_api.url;
    return 0;
}

/* Returns 0, or a negative number when something failed and was complained about; bring_down is for both. */
static int bring_up(struct serve *serve)
{
    int n_inherited = systemd_listen_fds();

    if (logger_start(&serve->logger, &serve->options.access_log) < 0)
        return -1;
    if (ol_loop_create(&serve->loop, NULL) < 0)
        return fail("cannot make the loop");
    stop_on_signals(serve->loop);
    if (pools_create(&serve->pools, &serve->site, serve->loop, &serve->options) < 0 || create_server(serve) < 0 ||
        listen_as_told(serve->server, &serve->options, n_inherited) < 0 || open_database(serve) < 0)
        return -1;
    return start_external_api(serve);
}

static void announce(struct serve *serve)
{
    printf("database %s, external API %s%s\n", serve->options.db_path, serve->site.external_api,
           serve->external_api.pid ? " (started)" : "");
    listen_announce(serve->server);
    systemd_notify("READY=1");
}

/* ---- down ---- */

static void stop_waiting(struct ol_timer *timer)
{
    ol_loop_stop(timer->arg);
}

/* Run on for so long, or until somebody stops the loop. */
static void run_for(struct ol_loop *loop, double seconds)
{
    struct ol_timer timer = { .cb = stop_waiting, .arg = loop };

    ol_timer_start(loop, &timer, seconds);
    ol_loop_run(loop);
    ol_timer_stop(&timer);
}

static void server_closed(struct ol_server *server, void *arg)
{
    struct serve *serve = arg;

    (void)server;
    serve->drained = true;
    ol_loop_stop(serve->loop);
}

static void drain(struct serve *serve)
{
    serve->drained = false;
    atomic_store(&serve->site.draining, true);
    systemd_notify("STOPPING=1");
    if (serve->options.drain_delay_s > 0)
        run_for(serve->loop, serve->options.drain_delay_s);
    ol_server_close(serve->server, serve->options.drain_s, server_closed, serve);
    run_for(serve->loop, serve->options.drain_s + STUCK_S);
}

/* What could not be made is zero, and each of these takes that. Returns the exit status. */
static int bring_down(struct serve *serve)
{
    /* After a drain that did not end there is nothing more to wait for. */
    double wait_s = serve->drained ? STUCK_S : 0;

    if (pools_destroy(&serve->pools, wait_s) < 0 || ol_server_destroy(serve->server) < 0) {
        error(0, 0, "gave up waiting");
        logger_stop(serve->logger);
        fflush(stdout);
        _exit(1); /* the lifeline ends the external API */
    }
    ol_db_close(serve->site.db);
    child_stop(&serve->external_api);
    ol_loop_destroy(serve->loop);
    if (logger_stop(serve->logger) < 0)
        _exit(1); /* exit() would wait for the same write */
    return 0;
}

int app_serve(int argc, char **argv)
{
    static struct serve serve = { .drained = true };

    serve_options_parse(&serve.options, argc, argv);
    if (bring_up(&serve) < 0) {
        bring_down(&serve);
        return 1;
    }
    announce(&serve);
    ol_loop_run(serve.loop);
    drain(&serve);
    return bring_down(&serve);
}
