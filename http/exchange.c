/*
 * exchange.c: one request and its answer.
 *
 * One block holds the structure, the head (copied once, cut into strings in place) and the decoded parameters; it is
 * immutable while the handler runs. Two own it: the connection, until the answer is sent or the client is gone, and the running
 * handler, until the loop has heard that it returned. Only the loop counts, so there is no race about the last one; a
 * post that a pipe has under way holds it too.
 *
 *     READING --body whole--> WAITING --its turn--> RUNNING --handler returned--> ANSWERED --put out--> SENDING
 *        |                       |                                                   ^
 *        '-----------------------'--------------- the server answers by itself ------'
 *
 * (A streamed body skips READING; a streamed answer is put out piece by piece while RUNNING.)
 *
 * Turns. Requests of one connection run beside each other only when all of them are safe (RFC 9112 section 9.3.2): one that is
 * not waits for those before it, and those behind it wait for it. Answers go out in order in any case.
 *
 * Handlers start from the loop's ready list only. The same run() calls them in all three modes; what differs is who
 * calls it, and how the loop hears of the end.
 */
#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "http/chars.h"
#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"
#include "loop/here.h"
#include "loop/scope.h"

enum { DISCARD_MAX = 65536, ALLOW_MAX = 256, UPLOAD_WINDOW = 65536 };

static const double TIMEOUT_DEFAULT_S = 30;

/* ---- references ---- */

static void exchange_free(struct ol__exchange *exchange)
{
    struct ol_server *server = exchange->server;

    for (struct ol__extra *extra = exchange->request.extras, *next; extra; extra = next) {
        next = extra->next;
        free(extra);
    }
    if (exchange->has_upload)
        ol__pipe_fini(&exchange->upload);
    if (exchange->has_download)
        ol__pipe_fini(&exchange->download);
    if (exchange->has_scope)
        ol_scope_fini(&exchange->scope);
    ol__response_fini(&exchange->response);
    ol_buffer_fini(&exchange->body);
    free(exchange);
    server->n_exchanges--;
    ol__server_check_gone(server);
}

static void unref(struct ol__exchange *exchange)
{
    if (--exchange->n_refs == 0)
        exchange_free(exchange);
}

static void detach(struct ol__exchange *exchange)
{
    struct ol__conn *connection = exchange->connection;

    if (connection->reading == exchange)
        connection->reading = NULL;
    connection->n_exchanges--;
    ol_list_remove(&exchange->link);
    exchange->connection = NULL;
}

/* ---- the end ---- */

/* The target as it was sent, but for the absolute form's authority: the index cut it at the '?'. */
static void emit_event(struct ol__exchange *exchange, int status)
{
    struct ol_request      *request = &exchange->request;
    const char             *path = request->line.path;
    struct ol_event_request event = {
        .peer = request->peer,
        .method = request->line.method,
        .target = path,
        .version = request->minor ? "HTTP/1.1" : "HTTP/1.0",
        .status = status,
        .bytes_sent = exchange->bytes_sent,
        .total_ns = ol_now_ns() - exchange->head_ns,
    };
    struct ol_text referer = ol_request_header(request, "Referer"), agent = ol_request_header(request, "User-Agent");

    event.referer = referer.data ? referer.data : "";
    event.user_agent = agent.data ? agent.data : "";
    if (exchange->state >= OL__ANSWERED && exchange->start_ns) {
        event.queue_ns = exchange->start_ns - exchange->head_ns;
        event.run_ns = exchange->end_ns - exchange->start_ns;
    }
    if (request->line.query && request->line.query == path + request->line.path_size + 1)
        ((char *)path)[request->line.path_size] = '?';
    ol__event_emit(&(struct ol_event){ .kind = OL_EVENT_HTTP_REQUEST, .subject = exchange->server, .request = &event });
}

/* Its last byte is sent, or it is broken off. The handler may be running still, so only the loop's fields are read then. */
static void note_end(struct ol__exchange *exchange, bool broken)
{
    struct ol_server *server = exchange->server;
    bool              head_is_out = exchange->state == OL__SENDING || exchange->in_stream;
    int               status = head_is_out ? exchange->response.status : 0;

    server->stats.responses[broken ? 0 : status / 100]++;
    if (ol__event_wanted(OL_EVENT_HTTP_REQUEST) && exchange->state != OL__RUNNING)
        emit_event(exchange, status);
}

void ol__exchange_finish(struct ol__exchange *exchange)
{
    note_end(exchange, false);
    detach(exchange);
    unref(exchange);
}

void ol__exchange_abandon(struct ol__exchange *exchange, int reason)
{
    note_end(exchange, true);
    detach(exchange);
    if (exchange->ready.queued) { /* a blocking handler that will not run */
        ol__loop_unready(&exchange->ready);
        exchange->server->stats.requests_running--;
        exchange->n_refs--;
    }
    if (exchange->has_upload)
        ol__pipe_end(&exchange->upload, OL_EIO);
    if (exchange->has_scope)
        ol_scope_end(&exchange->scope, reason);
    unref(exchange);
}

/* ---- creation ---- */

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

static struct ol__exchange *exchange_alloc(struct ol__conn *connection, size_t extra)
{
    size_t               peer_size = strlen(connection->peer) + 1;
    struct ol__exchange *exchange = malloc(sizeof *exchange + extra + peer_size);

    if (!exchange)
        return NULL;
    memset(exchange, 0, sizeof *exchange);
    exchange->server = connection->server;
    exchange->connection = connection;
    exchange->head_ns = ol_now_ns();
    exchange->n_refs = 1;
    exchange->request.peer = memcpy((char *)(exchange + 1) + extra, connection->peer, peer_size);
    ol__response_init(&exchange->response);
    ol_list_append(&connection->exchanges, &exchange->link);
    connection->n_exchanges++;
    connection->server->n_exchanges++;
    return exchange;
}

struct ol__exchange *ol__exchange_create_failed(struct ol__conn *connection, int status, const char *why)
{
    struct ol__exchange *exchange = exchange_alloc(connection, 0);

    if (!exchange)
        return NULL;
    exchange->request.line = (struct ol__request_line){ .method = "", .path = "" };
    exchange->request.minor = connection->parser.minor;
    ol__exchange_refuse(exchange, status, why);
    return exchange;
}

void ol__exchange_refuse(struct ol__exchange *exchange, int status, const char *detail)
{
    ol__response_refuse(&exchange->response, status, detail);
    exchange->state = OL__ANSWERED;
    exchange->answered_ns = exchange->head_ns;
}

/* Decode the parameters into `at`, where there is room for them. */
static int decode_params(struct ol_request *request, const struct ol__match *match, char *at)
{
    for (unsigned i = 0; i < request->route->n_params; i++) {
        const struct ol__span *span = &match->params[i];
        int64_t                size = ol__percent_decode(at, span->data, span->size, false);

        if (size < 0)
            return OL_EINVAL;
        request->params[i] = (struct ol_text){ at, (size_t)size };
        at[size] = '\0';
        at += size + 1;
    }
    return 0;
}

/* No body, and which methods there are. RFC 9110 section 9.3.7. */
static void answer_options(struct ol__exchange *exchange, const struct ol__route *routes)
{
    char allow[ALLOW_MAX];

    if (routes)
        ol__routes_allow(allow, sizeof allow, routes);
    exchange->response.status = 204;
    ol_response_header(&exchange->response, "Allow", routes ? allow : "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    exchange->state = OL__ANSWERED;
    exchange->answered_ns = exchange->head_ns;
}

static void refuse_method(struct ol__exchange *exchange, const struct ol__route *routes)
{
    char allow[ALLOW_MAX];

    ol__routes_allow(allow, sizeof allow, routes);
    ol__exchange_refuse(exchange, 405, "this resource does not have that method");
    ol_response_header(&exchange->response, "Allow", allow);
}

/* Find the route, or answer why there is none. `room` is for the decoded parameters. */
static void route_request(struct ol__exchange *exchange, char *room)
{
    struct ol_request *request = &exchange->request;
    struct ol__match   match;

    if (request->line.path[0] == '*') {
        answer_options(exchange, NULL);
        return;
    }
    int rc = ol__router_match(&exchange->server->router, &match, request->line.path, request->line.path_size);
    if (rc == 0 && match.routes)
        request->route = ol__routes_for(match.routes, request->line.method);
    if (rc == 0 && request->route)
        rc = decode_params(request, &match, room);
    if (rc < 0)
        ol__exchange_refuse(exchange, 400, "the path has a broken percent escape");
    else if (!match.routes)
        ol__exchange_refuse(exchange, 404, "there is nothing at this path");
    else if (!request->route && strcmp(request->line.method, "OPTIONS") == 0)
        answer_options(exchange, match.routes);
    else if (!request->route)
        refuse_method(exchange, match.routes);
    if (exchange->state == OL__ANSWERED)
        request->route = NULL;
}

static uint64_t deadline_of(const struct ol__exchange *exchange)
{
    double timeout_s = exchange->request.route->route.timeout_s;

    if (timeout_s < 0)
        return 0;
    return exchange->head_ns + (uint64_t)((timeout_s > 0 ? timeout_s : TIMEOUT_DEFAULT_S) * 1e9);
}

static void upload_read(struct ol_post *post);

static void prepare_upload(struct ol__exchange *exchange)
{
    ol__pipe_init(&exchange->upload, exchange->server->loop, UPLOAD_WINDOW, upload_read);
    exchange->has_upload = true;
    exchange->request.upload = &exchange->upload;
}

/* What shall become of the body that the head announces? */
static void expect_body(struct ol__exchange *exchange, const struct ol__parser *parser)
{
    const struct ol__route *route = exchange->request.route;
    size_t                  max = route ? route->route.body_max : DISCARD_MAX;

    if (!route) {
        /* answered already: a small body is read over, for a large one the connection is given up */
        exchange->discards = !parser->is_chunked && parser->content_length <= DISCARD_MAX && !parser->expects_continue;
        exchange->keep_alive &= exchange->discards;
        if (exchange->discards)
            exchange->state = OL__READING;
        return;
    }
    exchange->wants_continue = parser->expects_continue;
    if (parser->content_length > max) {
        ol__exchange_refuse(exchange, 413, "the body is larger than this resource takes");
        exchange->request.route = NULL;
        exchange->keep_alive = exchange->wants_continue = false;
        return;
    }
    if (route->route.stream_body)
        prepare_upload(exchange);
    else
        ol_buffer_init(&exchange->body, max + 1); /* and a NUL */
}

struct ol__exchange *ol__exchange_create(struct ol__conn *connection, const char *data)
{
    const struct ol__parser *parser = &connection->parser;
    size_t                   fields_size = parser->n_fields * sizeof(struct ol__field),
           params_size = OL__PARAMS_MAX * sizeof(struct ol_text);
    size_t               room_size = parser->target_size + OL__PARAMS_MAX;
    struct ol__exchange *exchange = exchange_alloc(connection, fields_size + params_size + parser->head_size + room_size);

    if (!exchange)
        return NULL;
    struct ol_request *request = &exchange->request;
    struct ol__field  *fields = (struct ol__field *)(exchange + 1);
    char              *head = (char *)(fields + parser->n_fields) + params_size;
    request->params = (struct ol_text *)(void *)(fields + parser->n_fields);
    request->fields = fields;
    request->n_fields = parser->n_fields;
    request->minor = parser->minor;
    memcpy(head, data, parser->head_size);
    ol__parser_index(parser, head, &request->line, fields);
    exchange->request_size = parser->head_size;
    exchange->is_safe = is_safe(request->line.method);
    exchange->is_head = strcmp(request->line.method, "HEAD") == 0;
    exchange->keep_alive = parser->keep_alive;

    exchange->state = parser->has_body ? OL__READING : OL__WAITING;
    route_request(exchange, head + parser->head_size);
    if (parser->has_body)
        expect_body(exchange, parser);
    if (request->route) {
        ol__scope_begin(&exchange->scope, NULL, deadline_of(exchange), NULL, true);
        exchange->has_scope = true;
        if (request->route->route.stream_body) {
            if (!exchange->has_upload)
                prepare_upload(exchange);
            exchange->state = OL__WAITING;
        }
    }
    return exchange;
}

/* Of a body that was collected. */
static void body_collected(struct ol__exchange *exchange)
{
    size_t size = ol_buffer_size(&exchange->body);

    exchange->state = OL__WAITING;
    if (size == 0)
        return;
    if (ol_buffer_reserve(&exchange->body, 1) < 0) {
        ol__exchange_refuse(exchange, 500, NULL);
        return;
    }
    ol_buffer_data(&exchange->body)[size] = '\0';
    exchange->request.body = (struct ol_text){ ol_buffer_data(&exchange->body), size };
}

void ol__exchange_body_done(struct ol__exchange *exchange)
{
    if (exchange->has_upload)
        ol__pipe_end(&exchange->upload, 0);
    else if (exchange->discards)
        exchange->state = OL__ANSWERED;
    else if (exchange->state == OL__READING)
        body_collected(exchange);
}

/* ---- running, in three modes ---- */

/* Thread: the handler's. */
static void run(struct ol__exchange *exchange)
{
    const struct ol_route *route = &exchange->request.route->route;
    int                    rc;

    exchange->start_ns = ol_now_ns();
    rc = route->handler(&exchange->request, &exchange->response, route->arg);
    if (rc < 0)
        ol__response_fail(&exchange->response, rc);
    exchange->end_ns = ol_now_ns();
}

/* A pipe's post that is on its way needs the exchange; nobody posts any more. */
static void hold_for_posts(struct ol__exchange *exchange)
{
    if (exchange->has_upload && ol__pipe_posted(&exchange->upload))
        exchange->n_refs++;
    if (exchange->has_download && ol__pipe_posted(&exchange->download))
        exchange->n_refs++;
}

/* The loop hears that the handler has returned, or never began. */
static void run_done(struct ol__exchange *exchange)
{
    struct ol__conn *connection = exchange->connection;

    hold_for_posts(exchange);
    exchange->state = OL__ANSWERED;
    exchange->answered_ns = exchange->end_ns;
    exchange->server->stats.requests_running--;
    if (connection) {
        ol__exchanges_start(connection);
        ol__conn_wake(connection);
    } else if (ol__event_wanted(OL_EVENT_HTTP_REQUEST)) {
        emit_event(exchange, exchange->in_stream ? exchange->response.status : 0);
    }
    unref(exchange);
}

static void run_blocking(struct ol__ready *ready)
{
    struct ol__exchange *exchange = OL_CONTAINER_OF(ready, struct ol__exchange, ready);
    struct ol__here      before = ol__enter_blocking(&exchange->scope);

    run(exchange);
    ol__leave_blocking(&before);
    struct ol__conn *connection = exchange->connection;
    run_done(exchange);
    if (connection) /* the handlers behind this one in the turn may take long: its answer does not wait for them */
        ol__conn_flush(connection);
}

static void run_async(void *arg)
{
    run(arg);
    ol_scope_enter(NULL);
    run_done(arg);
}

static void offload_work(struct ol_job *job)
{
    run(job->arg);
}

static const char *why_not_run(enum ol_job_status status)
{
    switch (status) {
    case OL_JOB_LATE: return "the deadline passed before a thread was free";
    case OL_JOB_SHED: return "overloaded: too much was waiting for a thread";
    case OL_JOB_CLOSED: return "the server is stopping";
    default: return "cancelled before it ran";
    }
}

static void offload_done(struct ol_job *job, enum ol_job_status status)
{
    struct ol__exchange *exchange = job->arg;
    bool ran = status == OL_JOB_DONE || status == OL_JOB_CANCELLED_RUNNING || status == OL_JOB_LATE_RUNNING;

    if (status == OL_JOB_CANCELLED && ol_scope_reason(&exchange->scope) == OL_ETIMEDOUT)
        status = OL_JOB_LATE;
    if (!ran) {
        ol__response_refuse(&exchange->response, 503, why_not_run(status));
        exchange->start_ns = exchange->end_ns = ol_now_ns();
    }
    run_done(exchange);
}

static int start_async(struct ol__exchange *exchange)
{
    const struct ol_route *route = &exchange->request.route->route;

    return ol_fiber_start(exchange->server->loop, &(struct ol_fiber_config){
                                                      .run = run_async,
                                                      .arg = exchange,
                                                      .scope = &exchange->scope,
                                                      .pool = route->pool,
                                                      .class_id = route->class_id,
                                                  });
}

static int start_offload(struct ol__exchange *exchange)
{
    const struct ol_route *route = &exchange->request.route->route;

    exchange->job.work = offload_work;
    exchange->job.done = offload_done;
    exchange->job.arg = exchange;
    exchange->job.name = route->pattern;
    exchange->job.scope = &exchange->scope;
    exchange->job.class_id = route->class_id;
    return ol_pool_submit(route->pool, &exchange->job);
}

static int start_blocking(struct ol__exchange *exchange)
{
    exchange->ready.cb = run_blocking;
    ol__loop_ready(exchange->server->loop, &exchange->ready);
    return 0;
}

static void start(struct ol__exchange *exchange)
{
    int rc;

    switch (exchange->request.route->route.mode) {
    case OL_RUN_OFFLOAD: rc = start_offload(exchange); break;
    case OL_RUN_ASYNC: rc = start_async(exchange); break;
    default: rc = start_blocking(exchange); break;
    }
    if (rc < 0) {
        ol__exchange_refuse(exchange, ol_error_http_status(rc), ol_strerror(rc));
        return;
    }
    exchange->state = OL__RUNNING;
    exchange->n_refs++;
    exchange->server->stats.requests_running++;
}

void ol__exchanges_start(struct ol__conn *connection)
{
    bool all_safe = true, none = true; /* of those before it that are not answered */

    for (struct ol_link *link = connection->exchanges.next; link != &connection->exchanges; link = link->next) {
        struct ol__exchange *exchange = OL_CONTAINER_OF(link, struct ol__exchange, link);

        if (exchange->state >= OL__ANSWERED)
            continue;
        if (exchange->state == OL__WAITING && (none || (all_safe && exchange->is_safe)))
            start(exchange);
        if (exchange->state >= OL__ANSWERED)
            continue;
        none = false;
        all_safe &= exchange->is_safe;
        if (!all_safe)
            return;
    }
}

/* ---- streamed bodies and answers: the handler's pipes ---- */

static void pipe_delivered(struct ol__exchange *exchange, struct ol__pipe *pipe, bool resume)
{
    ol__pipe_delivered(pipe);
    if (exchange->connection && resume)
        ol__conn_resume(exchange->connection);
    else if (exchange->connection)
        ol__conn_wake(exchange->connection);
    if (exchange->state >= OL__ANSWERED)
        unref(exchange); /* hold_for_posts */
}

static void upload_read(struct ol_post *post)
{
    struct ol__exchange *exchange = OL_CONTAINER_OF(post, struct ol__exchange, upload.post);

    pipe_delivered(exchange, &exchange->upload, true);
}

static void download_written(struct ol_post *post)
{
    struct ol__exchange *exchange = OL_CONTAINER_OF(post, struct ol__exchange, download.post);

    exchange->streams = true;
    pipe_delivered(exchange, &exchange->download, false);
}

void ol__exchange_prepare_download(struct ol__exchange *exchange)
{
    ol__pipe_init(&exchange->download, exchange->server->loop, exchange->server->config.response_window,
                  download_written);
    exchange->has_download = true;
    exchange->response.download = &exchange->download;
}
