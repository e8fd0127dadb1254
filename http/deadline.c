/*
 * deadline.c: everything that a client can hold open ends at an absolute time.
 *
 *     keep_alive_s     from the end of an answer (or the accept) to the next head's first byte: closed
 *     head_timeout_s   from there to the head's end: 408
 *     body_timeout_s   from there to the body's end: 408. And after BODY_GRACE_S it must have come, on average, at
 *                      body_rate_min. Neither counts while the handler of a streamed body does not take it
 *     write_timeout_s  to take WRITE_STEP bytes, or all that is waiting when that is less: closed
 *     the route's      its scope ends with OL_ETIMEDOUT
 *
 * One timer serves them all. It is never stopped or moved back when a deadline is met: a request only writes down a
 * time, and asks whether the timer is early enough. When it fires too early it is set to what is next. A busy keep-alive
 * connection so starts it twice a minute, not twice a request.
 */
#include "base/clock.h"
#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

enum { WRITE_STEP = 65536 };

static const double BODY_GRACE_S = 5;

void ol__conn_arm(struct ol__conn *connection, uint64_t at_ns)
{
    uint64_t now_ns;

    if (connection->phase == OL__CLOSED || (connection->timer.loop && connection->timer_ns <= at_ns))
        return;
    now_ns = ol_now_ns();
    connection->timer_ns = at_ns;
    ol_timer_start(connection->server->loop, &connection->timer, at_ns > now_ns ? ol__ns_to_seconds(at_ns - now_ns) : 0);
}

static uint64_t after(const struct ol__conn *connection, double seconds)
{
    return ol__loop_now_ns(connection->server->loop) + ol__seconds_to_ns(seconds);
}

void ol__conn_expect_write(struct ol__conn *connection)
{
    uint64_t waiting = connection->put - connection->written;

    connection->write_mark = connection->written + (waiting < WRITE_STEP ? waiting : WRITE_STEP);
    connection->write_ns = after(connection, connection->server->config.write_timeout_s);
    ol__conn_arm(connection, connection->write_ns);
}

void ol__conn_expect_probe(struct ol__conn *connection)
{
    double delay_s = connection->server->config.half_close_probe_s;

    if (delay_s < 0)
        return;
    connection->probe_ns = after(connection, delay_s);
    ol__conn_arm(connection, connection->probe_ns);
}

/* ---- bodies ---- */

static uint64_t body_deadline(const struct ol__conn *connection)
{
    const struct ol_server_config *config = &connection->server->config;
    double                         paid_s = (double)connection->body_size / (double)config->body_rate_min;
    double                         rate_s = paid_s > BODY_GRACE_S ? paid_s : BODY_GRACE_S;

    if (!connection->in_body || connection->body_paused_ns)
        return 0;
    return connection->body_began_ns +
           ol__seconds_to_ns(rate_s < config->body_timeout_s ? rate_s : config->body_timeout_s);
}

void ol__conn_expect_body(struct ol__conn *connection)
{
    connection->body_size = connection->body_paused_ns = 0;
    connection->body_began_ns = ol__loop_now_ns(connection->server->loop);
    ol__conn_arm(connection, body_deadline(connection));
}

void ol__conn_pause_body(struct ol__conn *connection, bool pause)
{
    uint64_t now_ns = ol__loop_now_ns(connection->server->loop);

    if (pause == (connection->body_paused_ns != 0))
        return;
    if (!pause)
        connection->body_began_ns += now_ns - connection->body_paused_ns;
    connection->body_paused_ns = pause ? now_ns : 0;
    if (!pause && connection->in_body)
        ol__conn_arm(connection, body_deadline(connection));
}

/* ---- what has come ---- */

static void earlier(uint64_t *next_ns, uint64_t at_ns)
{
    if (at_ns && (!*next_ns || at_ns < *next_ns))
        *next_ns = at_ns;
}

static bool has_come(uint64_t at_ns, uint64_t now_ns)
{
    return at_ns && at_ns <= now_ns;
}

struct ending {
    int         reason; /* for the scope of one that runs */
    int         body_status;
    const char *while_reading, *while_waiting;
};

static const struct ending timed_out = {
    .reason = OL_ETIMEDOUT,
    .body_status = 408,
    .while_reading = "the request took too long to come",
    .while_waiting = "the deadline passed before the requests in front were answered",
};

static const struct ending stopping = {
    .reason = OL_ECLOSED,
    .body_status = 503,
    .while_reading = "the server is stopping",
    .while_waiting = "the server is stopping",
};

/* One that no handler has is answered here; one that is running is told. */
static void end_exchange(struct ol__conn *connection, struct ol__exchange *exchange, const struct ending *ending)
{
    if (exchange->state == OL__RUNNING) {
        ol_scope_end(&exchange->scope, ending->reason);
        return;
    }
    if (connection->reading == exchange) {
        ol__conn_fail_body(connection, ending->body_status, ending->while_reading);
        return;
    }
    ol__exchange_refuse(exchange, 503, ending->while_waiting);
    ol__conn_wake(connection);
}

static bool may_end(const struct ol__exchange *exchange)
{
    return exchange->has_scope && exchange->state < OL__ANSWERED &&
           !__atomic_load_n(&exchange->scope.reason, __ATOMIC_RELAXED);
}

static void end_late(struct ol__conn *connection, uint64_t now_ns, uint64_t *next_ns)
{
    for (struct ol_link *link = connection->exchanges.next; link != &connection->exchanges; link = link->next) {
        struct ol__exchange *exchange = OL_CONTAINER_OF(link, struct ol__exchange, link);

        if (!may_end(exchange))
            continue;
        if (has_come(exchange->scope.deadline_ns, now_ns))
            end_exchange(connection, exchange, &timed_out);
        else
            earlier(next_ns, exchange->scope.deadline_ns);
    }
    ol__exchanges_start(connection);
}

void ol__conn_give_up(struct ol__conn *connection)
{
    for (struct ol_link *link = connection->exchanges.next; link != &connection->exchanges; link = link->next) {
        struct ol__exchange *exchange = OL_CONTAINER_OF(link, struct ol__exchange, link);

        if (may_end(exchange))
            end_exchange(connection, exchange, &stopping);
    }
}

/* Is the client there at all? If not, its kernel answers with a reset. */
static void probe(struct ol__conn *connection)
{
    static const char          interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
    const struct ol__exchange *first = OL_CONTAINER_OF(connection->exchanges.next, struct ol__exchange, link);

    connection->probe_ns = 0;
    if (ol_list_empty(&connection->exchanges) || first->state >= OL__ANSWERED || first->in_stream ||
        first->request.minor == 0 || ol_buffer_size(&connection->out) > 0)
        return;
    if (ol_buffer_append(&connection->out, interim, sizeof interim - 1) < 0)
        return;
    connection->put += sizeof interim - 1;
    ol__conn_expect_write(connection);
    ol__conn_send(connection);
}

static bool is_idle_too_long(const struct ol__conn *connection, uint64_t now_ns)
{
    return has_come(connection->idle_ns, now_ns) && ol__conn_is_idle(connection);
}

/* A client that took what it had to has the same time for the next step. */
static bool is_write_stalled(struct ol__conn *connection, uint64_t now_ns)
{
    if (!has_come(connection->write_ns, now_ns))
        return false;
    if (connection->written < connection->write_mark)
        return true;
    ol__conn_expect_write(connection);
    return false;
}

void ol__conn_timed(struct ol_timer *timer)
{
    struct ol__conn *connection = OL_CONTAINER_OF(timer, struct ol__conn, timer);
    uint64_t         now_ns = ol_now_ns(), next_ns = 0;

    if (is_write_stalled(connection, now_ns)) {
        ol__conn_reset(connection); /* the kernel must not keep for it what it does not take */
        return;
    }
    if (has_come(connection->linger_ns, now_ns) || is_idle_too_long(connection, now_ns)) {
        ol__conn_close(connection, OL_ECANCELED);
        return;
    }
    if (has_come(connection->head_ns, now_ns))
        ol__conn_refuse(connection, 408, "the request's head took too long to come");
    if (has_come(body_deadline(connection), now_ns))
        ol__conn_fail_body(connection, 408, "the request's body took too long to come");
    if (has_come(connection->probe_ns, now_ns))
        probe(connection);
    if (connection->phase == OL__CLOSED)
        return;
    end_late(connection, now_ns, &next_ns);
    if (ol__conn_is_idle(connection))
        earlier(&next_ns, connection->idle_ns);
    earlier(&next_ns, connection->head_ns);
    earlier(&next_ns, body_deadline(connection));
    earlier(&next_ns, connection->write_ns);
    earlier(&next_ns, connection->linger_ns);
    earlier(&next_ns, connection->probe_ns);
    if (next_ns)
        ol__conn_arm(connection, next_ns);
    ol__conn_watch(connection);
}
