/*
 * connection.c: a client, from its first byte to its last.
 *
 *     OPEN ----> LAST ----> LINGERING ----> CLOSED          (and from anywhere to CLOSED: a reset, a stall, the end of a drain)
 *
 *     LAST: a request said close, could not be read, or was the last that is allowed; the client shut its side; or the
 *           server drains. What was taken is answered; what comes now is thrown away.
 *     LINGERING: our side is shut, theirs is read over for a second: a close with bytes unread would make the kernel
 *           send a reset, which can overtake the answer in the client.
 *
 * Reading. All connections read into the server's one scratch buffer and are parsed there; only the beginning of a head that is
 * not whole is kept (`in`), so that an idle connection holds no buffer at all. Reading goes on while requests run, because only
 * so is it seen that a client goes away; it pauses when pipeline_max requests are in flight or a handler does not take its
 * body, and after that much has been thrown away.
 *
 * Gone? A reset is. A FIN is not clear: TCP says the same for "I have sent all" and for "I have left", until something is sent
 * back. So after a FIN the request goes on; when it still runs half_close_probe_s later, and nothing of an answer is out, an
 * interim "102 Processing" is sent, which a client that is there must skip (RFC 9110 section 15.2), and which is
 * answered by a reset when it is not. Unix sockets tell the difference at once. While nothing is read, resets are seen by a
 * second epoll (hangup.c).
 *
 * A closed connection is freed at the end of the turn, so that no caller up the stack finds itself without it.
 */
#include "http/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/server.h"

enum { DROP_MAX = 1 << 20 };

/* Who has just connected means to ask: a server that drains waits so long for the first request. */
static const double FRESH_S = 0.5;

/* ---- life ---- */

static void read_ready(struct ol__io *io, int events);

static void turn_end(struct ol__ready *ready)
{
    struct ol__conn *connection = OL_CONTAINER_OF(ready, struct ol__conn, turn_end);

    if (connection->phase != OL__CLOSED) {
        ol__conn_send(connection);
        return;
    }
    ol_list_remove(&connection->link);
    free(connection);
}

static void expect_request(struct ol__conn *connection)
{
    ol__parser_init(&connection->parser, &connection->server->limits);
    connection->head_ns = 0;
}

int ol__conn_create(struct ol_server *server, int fd, const char *peer)
{
    struct ol__conn *connection = calloc(1, sizeof *connection);

    if (!connection) {
        close(fd);
        return OL_ENOMEM;
    }
    connection->server = server;
    connection->fd = fd;
    connection->io.cb = read_ready;
    connection->turn_end.cb = turn_end;
    connection->timer.cb = ol__conn_timed;
    strncpy(connection->peer, peer, sizeof connection->peer - 1);
    ol_link_init(&connection->exchanges);
    ol_buffer_init(&connection->in, server->limits.head_max + (size_t)2 * OL__READ_SIZE);
    ol_buffer_init(&connection->out, SIZE_MAX / 2);
    ol_list_append(&server->connections, &connection->link);
    server->n_connections++;
    server->stats.connections_total++;
    expect_request(connection);
    connection->idle_ns = ol__loop_now_ns(server->loop) + ol__seconds_to_ns(server->config.keep_alive_s);
    ol__conn_arm(connection, connection->idle_ns);
    ol__conn_watch(connection);
    return 0;
}

void ol__conn_close(struct ol__conn *connection, int reason)
{
    struct ol_server *server = connection->server;

    if (connection->phase == OL__CLOSED)
        return;
    connection->phase = OL__CLOSED;
    while (!ol_list_empty(&connection->exchanges))
        ol__exchange_abandon(OL_CONTAINER_OF(connection->exchanges.next, struct ol__exchange, link), reason);
    ol__io_stop(&connection->io);
    ol__hangup_unwatch(connection);
    ol_timer_stop(&connection->timer);
    ol_buffer_fini(&connection->in);
    ol_buffer_fini(&connection->out);
    close(connection->fd);
    ol__loop_at_turn_end(server->loop, &connection->turn_end);
    server->n_connections--;
    ol__listeners_resume(server);
    ol__server_check_gone(server);
}

void ol__conn_reset(struct ol__conn *connection)
{
    static const struct linger at_once = { .l_onoff = 1 };

    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ol__conn_close(connection, OL_ECANCELED);
}

bool ol__conn_is_idle(const struct ol__conn *connection)
{
    return ol_list_empty(&connection->exchanges) && !connection->in_body && !ol__parser_begun(&connection->parser);
}

void ol__conn_wake(struct ol__conn *connection)
{
    ol__loop_at_turn_end(connection->server->loop, &connection->turn_end);
}

void ol__conn_flush(struct ol__conn *connection)
{
    if (!connection->turn_end.queued)
        return;
    ol__loop_unready(&connection->turn_end);
    turn_end(&connection->turn_end);
}

/* ---- watching ---- */

void ol__conn_watch(struct ol__conn *connection)
{
    bool reads = !connection->eof && !connection->stalled;
    bool writes = ol_buffer_size(&connection->out) > 0;

    if (connection->phase == OL__CLOSED)
        return;
    if (reads || writes)
        ol__hangup_unwatch(connection);
    ol__io_set(connection->server->loop, &connection->io, connection->fd,
               (reads ? OL__READ : 0) | (writes ? OL__WRITE : 0));
    if (!reads && !writes)
        ol__hangup_watch(connection);
}

/* ---- taking requests ---- */

void ol__conn_refuse(struct ol__conn *connection, int status, const char *why)
{
    connection->phase = OL__LAST;
    connection->head_ns = 0;
    if (!ol__exchange_create_failed(connection, status, why)) {
        ol__conn_close(connection, OL_ECANCELED);
        return;
    }
    ol__conn_wake(connection);
}

void ol__conn_fail_body(struct ol__conn *connection, int status, const char *why)
{
    struct ol__exchange *exchange = connection->reading;

    connection->in_body = false;
    connection->reading = NULL;
    connection->stalled = false;
    connection->phase = OL__LAST;
    if (!exchange)
        return;
    exchange->keep_alive = exchange->wants_continue = false;
    if (exchange->has_upload)
        ol__pipe_end(&exchange->upload, status == 413 ? OL_ELIMIT : OL_EIO);
    else
        ol__exchange_refuse(exchange, status, why);
    ol__conn_wake(connection);
}

static void take_head(struct ol__conn *connection, const char *data)
{
    struct ol_server    *server = connection->server;
    struct ol__exchange *exchange = ol__exchange_create(connection, data);

    connection->head_ns = connection->idle_ns = 0;
    if (!exchange) {
        ol__conn_close(connection, OL_ENOMEM);
        return;
    }
    connection->n_requests++;
    server->stats.requests_total++;
    if (server->config.requests_max && connection->n_requests >= server->config.requests_max)
        exchange->keep_alive = false;
    if (!exchange->keep_alive || server->is_closing)
        connection->phase = OL__LAST;
    if (exchange->has_scope && exchange->scope.deadline_ns)
        ol__conn_arm(connection, exchange->scope.deadline_ns);
    if (connection->parser.has_body && (exchange->discards || exchange->has_scope)) {
        connection->in_body = true;
        connection->reading = exchange;
        ol__conn_expect_body(connection);
        if (exchange->wants_continue)
            ol__conn_wake(connection);
    } else {
        if (exchange->has_upload)
            ol__exchange_body_done(exchange);
        expect_request(connection);
    }
    ol__exchanges_start(connection);
    if (exchange->state == OL__ANSWERED)
        ol__conn_wake(connection);
}

/* A piece of the body. */
static void take_piece(struct ol__conn *connection, const char *data, size_t size)
{
    struct ol__exchange *exchange = connection->reading;

    connection->body_size += size;
    if (!exchange || exchange->discards)
        return;
    exchange->wants_continue = false;
    if (exchange->has_upload && connection->body_size <= exchange->request.route->route.body_max) {
        if (ol__pipe_put(&exchange->upload, data, size) < 0)
            ol__conn_fail_body(connection, 500, NULL);
        connection->stalled = connection->in_body && ol__pipe_is_full(&exchange->upload);
        ol__conn_pause_body(connection, connection->stalled);
        return;
    }
    if (exchange->has_upload || connection->body_size >= exchange->body.limit ||
        ol_buffer_append(&exchange->body, data, size) < 0)
        ol__conn_fail_body(connection, 413, "the body is larger than this resource takes");
}

static void end_body(struct ol__conn *connection)
{
    struct ol__exchange *exchange = connection->reading;

    connection->in_body = false;
    connection->reading = NULL;
    expect_request(connection);
    if (!exchange)
        return;
    ol__exchange_body_done(exchange);
    ol__exchanges_start(connection);
    if (exchange->state == OL__ANSWERED)
        ol__conn_wake(connection);
}

/* Returns how many bytes were taken. */
static size_t take_body(struct ol__conn *connection, const char *data, size_t size)
{
    size_t at = 0, used = 0, piece_size;

    while (connection->in_body && !connection->stalled) {
        const char    *piece;
        enum ol__parse result = ol__parser_body(&connection->parser, data + at, size - at, &used, &piece, &piece_size);

        at += used;
        if (result == OL__PARSE_MORE)
            break;
        if (result == OL__PARSE_END)
            end_body(connection);
        else if (result == OL__PARSE_FAILED)
            ol__conn_fail_body(connection, connection->parser.status, connection->parser.why);
        else
            take_piece(connection, piece, piece_size);
    }
    return at;
}

/* A head that is not whole yet has so long. */
static void expect_head(struct ol__conn *connection)
{
    struct ol_server *server = connection->server;

    if (connection->head_ns)
        return;
    connection->head_ns = ol__loop_now_ns(server->loop) + ol__seconds_to_ns(server->config.head_timeout_s);
    ol__conn_arm(connection, connection->head_ns);
}

/* Returns how many bytes were taken: 0 also when there is no room. */
static size_t take_request(struct ol__conn *connection, const char *data, size_t size)
{
    if (connection->n_exchanges >= connection->server->config.pipeline_max) {
        connection->stalled = true;
        return 0;
    }
    switch (ol__parser_head(&connection->parser, data, size)) {
    case OL__PARSE_HEAD: {
        size_t used = connection->parser.head_size;

        take_head(connection, data);
        return used;
    }
    case OL__PARSE_FAILED: ol__conn_refuse(connection, connection->parser.status, connection->parser.why); return size;
    default: expect_head(connection); return 0;
    }
}

/* Take what there is room for. Returns how many bytes need not be seen again. */
static size_t take(struct ol__conn *connection, const char *data, size_t size)
{
    size_t at = 0;

    while (at < size && !connection->stalled) {
        size_t used;

        if (connection->in_body)
            used = take_body(connection, data + at, size - at);
        else if (connection->phase == OL__OPEN)
            used = take_request(connection, data + at, size - at);
        else
            used = size - at; /* nothing is taken any more */
        if (used == 0 && !connection->in_body)
            break;
        at += used;
    }
    return at;
}

static void consume(struct ol__conn *connection, size_t used)
{
    if (connection->phase == OL__CLOSED)
        return;
    ol_buffer_consume(&connection->in, used);
    if (ol_buffer_size(&connection->in) == 0 && connection->in.capacity)
        ol_buffer_fini(&connection->in);
}

/* `size` bytes have come, into the scratch buffer. */
static void take_scratch(struct ol__conn *connection, size_t size)
{
    struct ol_buffer *in = &connection->in;
    const char       *data = connection->server->scratch;
    size_t            used;

    if (ol_buffer_size(in) > 0) {
        if (ol_buffer_append(in, data, size) < 0)
            ol__conn_close(connection, OL_ECANCELED);
        else
            consume(connection, take(connection, ol_buffer_data(in), ol_buffer_size(in)));
        return;
    }
    used = take(connection, data, size);
    if (used < size && connection->phase != OL__CLOSED && ol_buffer_append(in, data + used, size - used) < 0)
        ol__conn_close(connection, OL_ECANCELED);
}

void ol__conn_resume(struct ol__conn *connection)
{
    struct ol_buffer *in = &connection->in;

    if (!connection->stalled || connection->phase == OL__CLOSED)
        return;
    if (connection->in_body && connection->reading && connection->reading->has_upload &&
        ol__pipe_is_full(&connection->reading->upload))
        return;
    connection->stalled = false;
    ol__conn_pause_body(connection, false);
    if (connection->in_body) /* also with nothing there: its end may be all that is missing */
        consume(connection, take_body(connection, ol_buffer_size(in) ? ol_buffer_data(in) : "", ol_buffer_size(in)));
    if (ol_buffer_size(in) > 0)
        consume(connection, take(connection, ol_buffer_data(in), ol_buffer_size(in)));
    ol__conn_watch(connection);
}

/* ---- reading ---- */

/* A unix socket says that both sides are shut; TCP only after a reset. */
static bool is_hung_up(int fd)
{
    struct pollfd pfd = { .fd = fd };

    return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR)) != 0;
}

static void take_eof(struct ol__conn *connection)
{
    connection->eof = true;
    if (connection->phase == OL__LINGERING || ol_list_empty(&connection->exchanges) || is_hung_up(connection->fd)) {
        ol__conn_close(connection, OL_ECANCELED);
        return;
    }
    connection->phase = OL__LAST;
    connection->head_ns = 0;
    if (connection->in_body)
        ol__conn_fail_body(connection, 400, "the body was cut short");
    ol__conn_expect_probe(connection);
    ol__conn_wake(connection);
}

static void drop(struct ol__conn *connection, size_t size)
{
    connection->dropped += size;
    if (connection->dropped > DROP_MAX)
        connection->stalled = true;
}

static void read_some(struct ol__conn *connection)
{
    ssize_t n = read(connection->fd, connection->server->scratch, OL__READ_SIZE);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        ol__conn_close(connection, OL_ECANCELED);
    else if (n == 0)
        take_eof(connection);
    else if (connection->phase >= OL__LAST && !connection->in_body)
        drop(connection, (size_t)n);
    else
        take_scratch(connection, (size_t)n);
}

static void read_ready(struct ol__io *io, int events)
{
    struct ol__conn *connection = OL_CONTAINER_OF(io, struct ol__conn, io);

    if (events & OL__WRITE)
        ol__conn_send(connection);
    if ((events & OL__READ) && connection->phase != OL__CLOSED)
        read_some(connection);
    ol__conn_watch(connection);
}

/* ---- draining ---- */

void ol__conn_drain(struct ol__conn *connection)
{
    if (connection->phase == OL__OPEN && ol__conn_is_idle(connection))
        read_some(connection); /* a request may have come that the loop was not told of yet */
    if (connection->phase != OL__OPEN || ol__parser_begun(&connection->parser))
        return;
    if (!ol_list_empty(&connection->exchanges) || connection->in_body) {
        connection->phase = OL__LAST;
    } else if (connection->n_requests == 0) {
        connection->idle_ns = ol__loop_now_ns(connection->server->loop) + ol__seconds_to_ns(FRESH_S);
        ol__conn_arm(connection, connection->idle_ns);
    } else {
        ol__conn_close(connection, OL_ECLOSED);
    }
}
