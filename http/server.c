/*
 * server.c: the server as a whole: made, closed, gone.
 *
 * Closing is three steps. ol_server_close stops accepting, closes what is idle, lets each connection finish what it has taken
 * (the last answer says "Connection: close"). A moment before drain_s is over it gives up: what no handler has begun is answered
 * 503, what runs is told, and what it says to that still goes out. At drain_s all connections are closed. The server is gone when no connection and no exchange is left: a handler that does not look at its scope keeps its exchange,
 * and so the server, in memory.
 */
#include "http/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/connection.h"

static const double LAST_WORDS_S = 1; /* of the drain, at most a quarter of it */

static const struct ol_server_config defaults = {
    .connections_max = 16384,
    .pipeline_max = 16,
    .request_line_max = 8192,
    .head_max = 16384,
    .headers_max = 100,
    .body_max = 1 << 20,
    .response_window = 262144,
    .head_timeout_s = 10,
    .body_timeout_s = 30,
    .body_rate_min = 100,
    .keep_alive_s = 60,
    .write_timeout_s = 30,
    .half_close_probe_s = 1,
};

#define FILL_IN(config, field)                \
    do {                                      \
        if ((config)->field == 0)             \
            (config)->field = defaults.field; \
    } while (0)

static void fill_in(struct ol_server_config *config)
{
    FILL_IN(config, connections_max);
    FILL_IN(config, pipeline_max);
    FILL_IN(config, request_line_max);
    FILL_IN(config, head_max);
    FILL_IN(config, headers_max);
    FILL_IN(config, body_max);
    FILL_IN(config, response_window);
    FILL_IN(config, head_timeout_s);
    FILL_IN(config, body_timeout_s);
    FILL_IN(config, body_rate_min);
    FILL_IN(config, keep_alive_s);
    FILL_IN(config, write_timeout_s);
    FILL_IN(config, half_close_probe_s);
}

static int check(const struct ol_server_config *config)
{
    if (!ol__seconds_valid(config->head_timeout_s) || !ol__seconds_valid(config->body_timeout_s) ||
        !ol__seconds_valid(config->keep_alive_s) || !ol__seconds_valid(config->write_timeout_s))
        return ol__fail(OL_EINVAL, 0, "a server's timeout is negative or not a number");
    if (config->head_max > 1 << 30 || config->request_line_max > 1 << 30)
        return ol__fail(OL_EINVAL, 0, "a head of more than 1 GiB");
    if (config->server_name && config->server_name[strcspn(config->server_name, "\r\n")])
        return ol__fail(OL_EINVAL, 0, "server_name is more than a line");
    return 0;
}

static void give_up(struct ol_timer *timer);
static void all_gone(struct ol__ready *ready);

int ol_server_create(struct ol_server **ret_server, struct ol_loop *loop, const struct ol_server_config *config)
{
    struct ol_server_config full = config ? *config : (struct ol_server_config){ 0 };
    int                     rc = loop ? check(&full) : ol__fail(OL_EINVAL, 0, "a server needs a loop");

    if (rc < 0)
        return rc;
    fill_in(&full);
    struct ol_server *server = calloc(1, sizeof *server);
    char             *scratch = malloc(OL__READ_SIZE);
    if (!server || !scratch) {
        free(server);
        free(scratch);
        return ol__fail(OL_ENOMEM, 0, "no memory for a server");
    }
    server->loop = loop;
    server->config = full;
    server->limits = (struct ol__parser_limits){ full.request_line_max, full.head_max, full.headers_max };
    server->scratch = scratch;
    server->hangup_fd = -1;
    server->drain.cb = give_up;
    server->all_gone.cb = all_gone;
    ol_link_init(&server->connections);
    ol_buffer_init(&server->scratch_out, SIZE_MAX / 2);
    *ret_server = server;
    return 0;
}

int ol_server_route(struct ol_server *server, const struct ol_route *route)
{
    struct ol_route full = *route;

    if (!full.pool)
        full.pool = server->config.pool;
    if (!full.body_max)
        full.body_max = server->config.body_max;
    if (full.mode == OL_RUN_OFFLOAD && !full.pool)
        return ol__fail(OL_EINVAL, 0, "%s: an offload route needs a pool", full.pattern ? full.pattern : "?");
    if (full.mode == OL_RUN_BLOCKING && full.stream_body)
        return ol__fail(OL_EINVAL, 0, "%s: a blocking route gets its body whole", full.pattern ? full.pattern : "?");
    if (full.mode > OL_RUN_ASYNC || !(full.timeout_s <= 1e9))
        return ol__fail(OL_EINVAL, 0, "%s: no such mode or timeout", full.pattern ? full.pattern : "?");
    return ol__router_add(&server->router, &full);
}

const char *ol__server_date(struct ol_server *server)
{
    time_t    now = time(NULL);
    struct tm utc;

    if (now == server->date_of)
        return server->date;
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char              line[64];
    gmtime_r(&now, &utc); /* not strftime's names, which are the locale's */
    strftime(line, sizeof line, "Date: ddd, %d mmm %Y %H:%M:%S GMT\r\n", &utc);
    memcpy(line + 6, days + 3 * (size_t)utc.tm_wday, 3);
    memcpy(line + 14, months + 3 * (size_t)utc.tm_mon, 3);
    memcpy(server->date, line, OL__DATE_SIZE);
    server->date_of = now;
    return server->date;
}

void ol_server_stats(const struct ol_server *server, struct ol_server_stats *ret_stats)
{
    *ret_stats = server->stats;
    ret_stats->connections = server->n_connections;
}

/* ---- closing ---- */

static struct ol__conn *connection_at(struct ol_link *link)
{
    return OL_CONTAINER_OF(link, struct ol__conn, link);
}

static void drained(struct ol_timer *timer)
{
    struct ol_server *server = OL_CONTAINER_OF(timer, struct ol_server, drain);

    for (struct ol_link *link = server->connections.next; link != &server->connections; link = link->next)
        ol__conn_close(connection_at(link), OL_ECLOSED); /* freed later: the list stays as it is */
}

static void give_up(struct ol_timer *timer)
{
    struct ol_server *server = OL_CONTAINER_OF(timer, struct ol_server, drain);

    for (struct ol_link *link = server->connections.next; link != &server->connections; link = link->next)
        ol__conn_give_up(connection_at(link));
    server->drain.cb = drained;
    ol_timer_start(server->loop, &server->drain, server->last_words_s);
}

static void end_hold(struct ol_server *server)
{
    ol_timer_stop(&server->drain);
    if (server->holds_loop)
        ol__loop_release(server->loop);
    server->holds_loop = false;
}

static void all_gone(struct ol__ready *ready)
{
    struct ol_server    *server = OL_CONTAINER_OF(ready, struct ol_server, all_gone);
    ol_server_closed_cb *closed = server->closed;

    end_hold(server);
    server->closed = NULL;
    if (closed)
        closed(server, server->closed_arg);
}

void ol__server_check_gone(struct ol_server *server)
{
    if (server->is_closing && server->n_connections == 0 && server->n_exchanges == 0)
        ol__loop_ready(server->loop, &server->all_gone);
}

void ol_server_close(struct ol_server *server, double drain_s, ol_server_closed_cb *closed, void *arg)
{
    if (server->is_closing)
        return;
    server->is_closing = server->holds_loop = true;
    ol__loop_hold(server->loop); /* the last handler's end must not be the loop's before `closed` was called */
    server->closed = closed;
    server->closed_arg = arg;
    ol__listeners_close(server);
    for (struct ol_link *link = server->connections.next; link != &server->connections; link = link->next)
        ol__conn_drain(connection_at(link));
    drain_s = drain_s > 0 ? drain_s : 0;
    server->last_words_s = drain_s / 4 < LAST_WORDS_S ? drain_s / 4 : LAST_WORDS_S;
    ol_timer_start(server->loop, &server->drain, drain_s - server->last_words_s);
    ol__server_check_gone(server);
}

/* What is closed waits for the end of a turn that may not come: it is freed here. */
static void free_connections(struct ol_server *server)
{
    struct ol_link *next;

    drained(&server->drain);
    for (struct ol_link *link = server->connections.next; link != &server->connections; link = next) {
        next = link->next;
        ol__loop_unready(&connection_at(link)->turn_end);
        free(connection_at(link));
    }
    ol_link_init(&server->connections);
}

int ol_server_destroy(struct ol_server *server)
{
    if (!server)
        return 0;
    if (server->stats.requests_running > 0)
        return ol__fail(OL_EBUSY, 0, "%llu requests are being handled",
                        (unsigned long long)server->stats.requests_running);
    server->closed = NULL;
    ol__listeners_close(server);
    free_connections(server);
    if (server->n_exchanges > 0)
        return ol__fail(OL_EBUSY, 0, "%u requests are being handled", server->n_exchanges);
    end_hold(server);
    ol__loop_unready(&server->all_gone);
    ol__hangup_fini(server);
    ol__router_fini(&server->router);
    ol_buffer_fini(&server->scratch_out);
    free(server->scratch);
    free(server);
    return 0;
}
