/*
 * offloop/http.h: an HTTP/1.1 server on a loop, and handlers that run in any of three modes.
 *
 * A handler is one straight-line function. Its route says where it runs: on the loop (blocking: everybody waits for
 * it), on a worker of a pool (offload), or in a fiber on the loop (async). The source is the same in all three,
 * because the calls that wait (ol_fetch, ol_db_query, ol_sleep, ol_offload) know where they were called from.
 *
 * Request and response are valid until the handler returns, also when the client has left; only the running handler
 * may touch the response. A client that leaves, a deadline and a drain end the request's scope, which is the
 * handler's current one.
 */
#ifndef OFFLOOP_HTTP_H
#define OFFLOOP_HTTP_H

#include <offloop/loop.h>
#include <offloop/pool.h>
#include <offloop/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_server;
struct ol_request;
struct ol_response;

/* ---- routes ---- */

enum ol_run_mode {
    OL_RUN_BLOCKING, /* on the loop: nothing else moves until it returns */
    OL_RUN_OFFLOAD,  /* on a worker of the route's pool */
    OL_RUN_ASYNC     /* in a fiber on the loop */
};

/**
 * Answer a request. Thread: by the route's mode. Once for each request, no lock held, under the request's scope.
 *
 * Return 0 when the response is as it should be. A negative OL_E... code throws away a response that was not begun to
 * be sent and answers ol_error_http_status(code) with a problem+json body; one that was begun is broken off by
 * closing the connection.
 */
typedef int ol_handler_cb(struct ol_request *req, struct ol_response *res, void *arg);

/** One route. The first four fields are required; zeroes mean the defaults. */
struct ol_route {
    /* "GET" (answers HEAD too), ...; "*": any method that no other route of the pattern names */
    const char *method;
    /* "/items/{id}", "/{rest...}" last: the remainder, slashes and all; literal segments win over {names} */
    const char      *pattern;
    enum ol_run_mode mode;
    ol_handler_cb   *handler;
    void            *arg;
    struct ol_pool  *pool;      /* for OL_RUN_OFFLOAD, and ol_offload in OL_RUN_ASYNC; NULL: the server's pool */
    unsigned         class_id;  /* of that pool */
    double           timeout_s; /* from the request's head to the end of the handler; 0: 30 s; negative: none */
    size_t           body_max;  /* bytes; 0: the server's; more is 413 before it is read */
    /* start the handler at the head; it takes the body with ol_request_read (not for OL_RUN_BLOCKING) */
    bool stream_body;
};

/* ---- the server ---- */

struct ol_server_config {
    struct ol_pool *pool;             /* default of the routes; may be NULL when no route needs one */
    unsigned        connections_max;  /* 0: 16,384; then the listener pauses */
    unsigned        requests_max;     /* of one connection; 0: no limit */
    unsigned        pipeline_max;     /* requests in flight of one connection; 0: 16; then reading pauses */
    size_t          request_line_max; /* bytes; 0: 8,192; 414 */
    size_t          head_max;         /* bytes; 0: 16,384; 431 */
    unsigned        headers_max;      /* fields; 0: 100; 431 */
    size_t          body_max;         /* 0: 1 MiB; 413 */
    size_t          response_window;  /* bytes that a streamed answer may have unsent; 0: 256 KiB */
    double          head_timeout_s;   /* first byte of a head to its end; 0: 10 s; 408 */
    double          body_timeout_s;   /* whole body; 0: 30 s; 408 */
    size_t          body_rate_min;    /* bytes/s after the first 5 s of a body; 0: 100 */
    double          keep_alive_s;     /* idle between requests; 0: 60 s */
    double          write_timeout_s;  /* for 64 KiB, or all there is, to be taken; else closed. 0: 30 s */
    /*
     * A client has shut its side, and its request still runs so long after that: is it there at all? It is asked by
     * an interim 102 answer; a reset in reply cancels. 0: 1 s; negative: never.
     */
    double      half_close_probe_s;
    const char *server_name;   /* the Server field; NULL: none; outlives the server */
    bool        server_timing; /* send Server-Timing: queue, run, deliver */
};

/** Make a server. Thread: the loop's owner. Owns: ol_server_destroy. Returns: 0, OL_EINVAL, OL_ENOMEM. */
OL_API int ol_server_create(struct ol_server **ret_server, struct ol_loop *loop, const struct ol_server_config *config);

/**
 * Add a route. Literal segments win over {names}, and {names} over {rest...}, whatever the order of the calls.
 *
 * Thread:  the loop's owner, before ol_server_listen.
 * Owns:    copies the route; borrows `arg`.
 * Returns: 0, OL_EINVAL (bad pattern or method, no pool for OL_RUN_OFFLOAD, streamed body in OL_RUN_BLOCKING),
 *          OL_EBUSY (that method and pattern exist), OL_ENOMEM.
 */
OL_API int ol_server_route(struct ol_server *server, const struct ol_route *route);

/**
 * Listen on "HOST:PORT" ("[::1]:80", port 0: any free one) or "unix:/path". May be called several times.
 *
 * Thread:  the loop's owner.
 * Returns: 0, OL_EINVAL, OL_ESYS (in use, not allowed); ol_last_error names the address and the cause.
 */
OL_API int ol_server_listen(struct ol_server *server, const char *address);

/**
 * Listen on a socket that listens already (socket activation). Owns: takes `fd`. Thread: the loop's owner. Returns:
 * 0, OL_EINVAL (no listening stream socket), OL_ENOMEM.
 */
OL_API int ol_server_listen_fd(struct ol_server *server, int fd);

/**
 * The address of the i-th listener as "127.0.0.1:8888" or "unix:/path", or NULL. Thread: the loop's owner. Owns: the
 * server's.
 */
OL_API const char *ol_server_address(const struct ol_server *server, unsigned i);

/** Called when a closing server has no connection left. Thread: loop, once. */
typedef void ol_server_closed_cb(struct ol_server *server, void *arg);

/**
 * Stop accepting, close idle connections, finish the requests that were taken. A moment before `drain_s` is over (1 s, or a
 * quarter of it when that is less) those that wait are answered 503, and handlers that run are told (OL_ECLOSED), so that
 * they can answer. At `drain_s` all connections are closed.
 *
 * Thread:  loop, or its owner.
 * Then:    `closed` (may be NULL) is called on the loop when the last connection and the last handler are gone, never
 *          inside this call.
 */
OL_API void ol_server_close(struct ol_server *server, double drain_s, ol_server_closed_cb *closed, void *arg);

/**
 * Free. NULL is fine. Thread: the loop's owner, outside callbacks of the server. Returns: 0, or OL_EBUSY (a handler
 * still runs: close first).
 */
OL_API int ol_server_destroy(struct ol_server *server);

struct ol_server_stats {
    uint64_t connections, connections_total, requests_total, requests_running;
    uint64_t responses[6];  /* [s]: with status sxx; [0]: broken off */
    uint64_t accept_paused; /* times: EMFILE, or connections_max */
};

OL_API void ol_server_stats(const struct ol_server *server, struct ol_server_stats *ret_stats); /* Thread: loop */

/* ---- the request: immutable; valid until the handler returns ---- */

/**
 * A piece of the request, `size` bytes at `data`, followed by a NUL that is not counted. `data` is NULL when there is
 * none.
 */
struct ol_text {
    const char *data;
    size_t      size;
};

OL_API const char *ol_request_method(const struct ol_request *req);
/** The path as it was sent, before any '?', still percent-encoded. */
OL_API const char *ol_request_path(const struct ol_request *req);
/** A {name} of the route's pattern, percent-decoded. */
OL_API struct ol_text ol_request_param(const struct ol_request *req, const char *name);
/**
 * The first value of `name` in the query, decoded ('+' is a space); as it was sent when an escape in it is broken or is
 * %00. Thread: the handler's.
 */
OL_API struct ol_text ol_request_query(struct ol_request *req, const char *name);
/** A field's value, case of `name` ignored; several fields of one name are joined by ", ". */
OL_API struct ol_text ol_request_header(struct ol_request *req, const char *name);
/** The whole body; of a streamed body nothing. */
OL_API struct ol_text ol_request_body(const struct ol_request *req);
/** The client's address, "127.0.0.1:51234" or "unix". */
OL_API const char *ol_request_peer(const struct ol_request *req);
/** The request's scope. */
OL_API struct ol_scope *ol_request_scope(struct ol_request *req);

/**
 * A parameter or query value as a whole decimal number between min and max.
 *
 * Returns: 0, OL_ENOENT (`text.data` is NULL), OL_EINVAL (not a number, or outside).
 */
OL_API int ol_text_int(int64_t *ret_value, struct ol_text text, int64_t min, int64_t max);

/**
 * Take up to `size` bytes of a streamed body; waits for the first. *ret_size 0: the end. Returns: 0, the scope's
 * reason, OL_EINVAL (not streamed), OL_EIO (the client broke off).
 */
OL_API int ol_request_read(struct ol_request *req, void *buffer, size_t size, size_t *ret_size);

/* ---- the response: the running handler's ---- */

/** 200 to 599; 200 by default. Returns: 0, OL_EINVAL (out of range, or the head was sent). */
OL_API int ol_response_status(struct ol_response *res, int status);

/**
 * Add a field; copied. A second one of a name is added beside the first (Content-Type: replaces it). Content-Length,
 * Transfer-Encoding, Connection, Date, Keep-Alive, Upgrade and Trailer are the server's and refused.
 *
 * Returns: 0, OL_EINVAL (CR, LF or NUL in it, not a token, the server's own, or the head was sent), OL_ENOMEM,
 *          OL_ELIMIT.
 */
OL_API int ol_response_header(struct ol_response *res, const char *name, const char *value);

/**
 * The whole body; copied; replaces what was set. `content_type` NULL: text/plain; charset=utf-8. Returns: 0,
 * OL_EINVAL, OL_ENOMEM.
 */
OL_API int ol_response_body(struct ol_response *res, const char *content_type, const void *data, size_t size);

/** The same, formatted as by printf. */
OL_API int ol_response_printf(struct ol_response *res, const char *content_type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * An RFC 9457 problem+json answer: status, title of the status, and `detail` (may be NULL). Throws away what was set.
 * Returns: 0, or as ol_response_body.
 */
OL_API int ol_response_problem(struct ol_response *res, int status, const char *detail);

/**
 * Send a piece of the body now; the first call sends the head (Content-Type must be set). Waits while response_window
 * bytes are unsent: a worker stands, a fiber suspends. In a blocking route the pieces are kept, up to the window, and
 * sent at the end.
 *
 * Returns: 0; OL_ECANCELED (the client is gone) or another scope's reason; OL_ETIMEDOUT; OL_ELIMIT (blocking route,
 *          window full); OL_ENOMEM; OL_EINVAL (a whole body was set).
 */
OL_API int ol_response_write(struct ol_response *res, const void *data, size_t size);

/**
 * A server-sent event. Any field may be NULL; `data` may have several lines; without it the event is a comment that
 * keeps proxies awake.
 */
struct ol_sent_event {
    const char *name, *id, *data;
};

/**
 * Send an event to a browser's EventSource now; the first one sends the head (text/event-stream). Never waits: each
 * client has a queue of response_window bytes, and one that does not read fast enough is told so by OL_EBUSY: drop
 * the event, or end.
 *
 * Returns: 0; OL_EBUSY (the client's queue is full; nothing was queued); the scope's reason; OL_EINVAL (a name or id
 *          of several lines, or a whole body was set); OL_ENOMEM.
 */
OL_API int ol_response_event(struct ol_response *res, const struct ol_sent_event *event);

#ifdef __cplusplus
}
#endif
#endif
