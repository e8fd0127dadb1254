/*
 * send.c: answers, in the order of their requests.
 *
 * Once a turn, when something of a connection is answered: everything that can go out is put together in the server's scratch
 * buffer (the answers of pipelined requests next to each other) and written at once. Only what the kernel does not take is
 * kept with the connection, and nothing more is put together until that is gone: a client that does not read holds back
 * its own handlers, by their windows, and no memory but the answers that are whole already.
 *
 * An exchange is let go when the kernel has its last byte.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

enum { ROUND_MAX = 262144, PIECE_MAX = 65536, ROUNDS_MAX = 4, SCRATCH_KEPT_MAX = 1 << 20 };

static const double LINGER_S = 1;

static struct ol__exchange *exchange_at(struct ol_link *link)
{
    return OL_CONTAINER_OF(link, struct ol__exchange, link);
}

/* ---- putting together ---- */

/* Will the connection end with this answer? */
static bool is_last(const struct ol__conn *connection, const struct ol__exchange *exchange)
{
    return !exchange->keep_alive || connection->reading == exchange ||
           (connection->phase >= OL__LAST && exchange->link.next == &connection->exchanges);
}

static int put_head(struct ol__conn *connection, struct ol__exchange *exchange, struct ol_buffer *out, bool to_close)
{
    bool last = to_close || is_last(connection, exchange);

    if (ol__response_append_head(exchange, out, last) < 0)
        return OL_ENOMEM;
    if (last) {
        connection->said_close = true;
        connection->phase = OL__LAST;
    }
    return 0;
}

/* The rest of a body that was streamed into no head yet: it is whole, so its length is known. */
static int collect_stream(struct ol__exchange *exchange)
{
    struct ol_response *response = &exchange->response;

    if (response->broken) {
        response->begun = response->broken = false;
        ol__response_refuse(response, 500, NULL);
        return 0;
    }
    return ol__pipe_take(&exchange->download, &response->body, SIZE_MAX) < 0 ? OL_ENOMEM : 0;
}

static int put_whole(struct ol__conn *connection, struct ol__exchange *exchange, struct ol_buffer *out)
{
    struct ol_buffer *body = &exchange->response.body;
    int               rc = exchange->response.begun ? collect_stream(exchange) : 0;

    if (rc == 0)
        rc = put_head(connection, exchange, out, false);
    if (rc == 0 && ol__response_may_have_body(exchange) && ol_buffer_size(body) > 0) {
        rc = ol_buffer_append(out, ol_buffer_data(body), ol_buffer_size(body));
        exchange->bytes_sent = ol_buffer_size(body);
    }
    ol_buffer_fini(body);
    return rc;
}

static int put_piece(struct ol__exchange *exchange, struct ol_buffer *out)
{
    size_t size = ol__pipe_size(&exchange->download), before = ol_buffer_size(out);
    int    rc = 0;

    size = size < PIECE_MAX ? size : PIECE_MAX;
    if (size == 0)
        return 0;
    if (exchange->is_chunked)
        rc = ol_buffer_printf(out, "%zx\r\n", size);
    if (rc == 0 && ol__pipe_take(&exchange->download, out, size) < 0)
        rc = OL_ENOMEM;
    if (!ol__response_may_have_body(exchange)) {
        out->end = out->start + before;
        return rc;
    }
    exchange->bytes_sent += size;
    return rc == 0 && exchange->is_chunked ? ol_buffer_puts(out, "\r\n") : rc;
}

/* The head, once, and what the handler has written so far. */
static int put_stream(struct ol__conn *connection, struct ol__exchange *exchange, struct ol_buffer *out)
{
    int rc = 0;

    if (!exchange->in_stream) {
        bool has_body = ol__response_may_have_body(exchange);

        exchange->is_chunked = exchange->request.minor == 1 && has_body;
        rc = put_head(connection, exchange, out, exchange->request.minor == 0 && has_body);
        exchange->in_stream = true;
    }
    return rc < 0 ? rc : put_piece(exchange, out);
}

/* The handler has returned, and its last piece is put out. */
static int end_stream(struct ol__conn *connection, struct ol__exchange *exchange, struct ol_buffer *out)
{
    if (exchange->response.broken) {
        connection->broken = connection->said_close = true;
        return 0;
    }
    if (connection->reading == exchange) /* it did not read all of its body */
        connection->said_close = true;
    return exchange->is_chunked ? ol_buffer_puts(out, "0\r\n\r\n") : 0;
}

static int put_continue(struct ol__conn *connection, struct ol__exchange *exchange, struct ol_buffer *out)
{
    bool wanted = exchange->wants_continue && connection->reading == exchange && exchange->state < OL__ANSWERED;

    if (!wanted)
        return 0;
    exchange->wants_continue = false;
    return ol_buffer_puts(out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* What is known of one answer. *ret_whole: to its end. */
static int put_exchange(struct ol__conn *connection, struct ol__exchange *exchange, struct ol_buffer *out, bool *ret_whole)
{
    bool answered = exchange->state == OL__ANSWERED;
    int  rc = put_continue(connection, exchange, out);

    *ret_whole = false;
    if (rc < 0)
        return rc;
    if (answered && !exchange->in_stream) {
        *ret_whole = true;
        return put_whole(connection, exchange, out);
    }
    if (!exchange->streams && !exchange->in_stream)
        return 0;
    rc = put_stream(connection, exchange, out);
    if (rc == 0 && answered && ol__pipe_size(&exchange->download) == 0) {
        *ret_whole = true;
        rc = end_stream(connection, exchange, out);
    }
    return rc;
}

/* Everything that can be sent now, up to ROUND_MAX or so. */
static int put_all(struct ol__conn *connection, struct ol_buffer *out)
{
    struct ol_link *link = connection->exchanges.next;

    for (; link != &connection->exchanges; link = link->next) {
        struct ol__exchange *exchange = exchange_at(link);
        bool                 whole;

        if (exchange->state == OL__SENDING)
            continue;
        if (connection->said_close && !exchange->in_stream)
            return 0;
        int rc = put_exchange(connection, exchange, out, &whole);
        if (rc < 0)
            return rc;
        if (!whole)
            return 0;
        exchange->state = OL__SENDING;
        exchange->end_at = connection->put + ol_buffer_size(out);
        if (ol_buffer_size(out) > ROUND_MAX)
            return 0;
    }
    return 0;
}

/* ---- writing ---- */

/* Returns how much was taken, or OL_EIO when the client is gone. */
static int64_t write_some(struct ol__conn *connection, const char *data, size_t size)
{
    ssize_t n;

    do
        n = send(connection->fd, data, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : OL_EIO;
    connection->written += (uint64_t)n;
    return n;
}

static int write_kept(struct ol__conn *connection)
{
    struct ol_buffer *out = &connection->out;
    int64_t           n = write_some(connection, ol_buffer_data(out), ol_buffer_size(out));

    if (n < 0)
        return OL_EIO;
    ol_buffer_consume(out, (size_t)n);
    if (ol_buffer_size(out) == 0) {
        ol_buffer_fini(out);
        connection->write_ns = 0;
    }
    return 0;
}

/* Returns whether there may be more to put together, or a negative code. */
static int write_fresh(struct ol__conn *connection)
{
    struct ol_buffer *scratch = &connection->server->scratch_out;
    int               rc;

    ol_buffer_clear(scratch);
    rc = put_all(connection, scratch);
    size_t size = ol_buffer_size(scratch);
    if (rc < 0 || size == 0)
        return rc;
    connection->put += size;
    int64_t n = write_some(connection, ol_buffer_data(scratch), size);
    if (n < 0)
        return OL_EIO;
    if ((size_t)n == size)
        return 1;
    rc = ol_buffer_append(&connection->out, ol_buffer_data(scratch) + n, size - (size_t)n);
    ol__conn_expect_write(connection);
    return rc;
}

static int write_all(struct ol__conn *connection)
{
    int rc = 1;

    for (int round = 0; rc > 0 && round < ROUNDS_MAX; round++) {
        if (ol_buffer_size(&connection->out) > 0)
            rc = write_kept(connection);
        if (rc >= 0 && ol_buffer_size(&connection->out) > 0)
            return 0;
        if (rc >= 0)
            rc = write_fresh(connection);
    }
    if (rc > 0)
        ol__conn_wake(connection); /* others first */
    if (connection->server->scratch_out.capacity > SCRATCH_KEPT_MAX)
        ol_buffer_fini(&connection->server->scratch_out);
    return rc;
}

/* ---- the end of an answer ---- */

static void retire(struct ol__conn *connection)
{
    struct ol_server *server = connection->server;
    bool              any = false;

    while (!ol_list_empty(&connection->exchanges)) {
        struct ol__exchange *first = exchange_at(connection->exchanges.next);

        if (first->state != OL__SENDING || first->end_at > connection->written)
            break;
        ol__exchange_finish(first);
        any = true;
    }
    if (!any)
        return;
    if (ol__conn_is_idle(connection)) {
        connection->idle_ns = ol__loop_now_ns(server->loop) + ol__seconds_to_ns(server->config.keep_alive_s);
        ol__conn_arm(connection, connection->idle_ns);
    }
    ol__conn_resume(connection);
}

/* The answer that says close is out. What had been taken behind it is not answered: none of it was begun. */
static void finish(struct ol__conn *connection)
{
    if (connection->broken) {
        ol__conn_reset(connection);
        return;
    }
    if (connection->eof || shutdown(connection->fd, SHUT_WR) < 0) {
        ol__conn_close(connection, OL_ECANCELED);
        return;
    }
    while (!ol_list_empty(&connection->exchanges))
        ol__exchange_abandon(exchange_at(connection->exchanges.next), OL_ECANCELED);
    connection->phase = OL__LINGERING;
    connection->in_body = connection->stalled = false;
    connection->linger_ns = ol__loop_now_ns(connection->server->loop) + ol__seconds_to_ns(LINGER_S);
    ol__conn_arm(connection, connection->linger_ns);
}

static bool is_finished(struct ol__conn *connection)
{
    if (ol_buffer_size(&connection->out) > 0)
        return false;
    if (ol_list_empty(&connection->exchanges))
        return connection->said_close || (connection->phase == OL__LAST && !connection->in_body);
    const struct ol__exchange *first = exchange_at(connection->exchanges.next);
    return connection->said_close && !first->in_stream && first->state != OL__SENDING;
}

void ol__conn_send(struct ol__conn *connection)
{
    if (connection->phase >= OL__LINGERING)
        return;
    if (write_all(connection) < 0) {
        ol__conn_close(connection, OL_ECANCELED);
        return;
    }
    retire(connection);
    if (connection->phase < OL__LINGERING && is_finished(connection))
        finish(connection);
    ol__conn_watch(connection);
}
