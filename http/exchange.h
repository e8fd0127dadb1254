/*
 * http/exchange.h: one request and its answer. Who owns what, and the states: exchange.c.
 */
#ifndef OL_HTTP_EXCHANGE_H
#define OL_HTTP_EXCHANGE_H

#include <offloop/http.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/parser.h"
#include "http/pipe.h"
#include "http/router.h"
#include "loop/turn.h"

struct ol__conn;

enum { OL__TYPE_MAX = 64 };

/** Memory that a handler's questions made (a decoded query value), freed with the exchange. */
struct ol__extra {
    struct ol__extra *next;
    char              data[];
};

struct ol_request {
    /* set before the handler runs; strings in the exchange's own block */
    struct ol__request_line line;
    const struct ol__field *fields;
    unsigned                n_fields;
    unsigned                minor;
    const struct ol__route *route;  /* NULL: the server answers */
    struct ol_text         *params; /* decoded, in the order of route->params */
    struct ol_text          body;
    const char             *peer;
    struct ol__pipe        *upload; /* of a streamed body; else NULL */

    /* the running handler's */
    struct ol__extra *extras;
};

struct ol_response {
    /* the running handler's; the loop's when that has returned, or for the head when it began to stream */
    int              status;
    const char      *content_type;
    char             type_copy[OL__TYPE_MAX]; /* what content_type mostly points at */
    struct ol_buffer fields;                  /* "Name: value\r\n", one after the other */
    struct ol_buffer body;
    bool             has_body; /* a whole one was set */
    bool             begun;    /* ol_response_write was called */
    bool             broken;   /* the handler failed after that */
    struct ol__pipe *download; /* once begun */
};

enum ol__exchange_state {
    OL__READING,  /* the body is on its way */
    OL__WAITING,  /* whole; a request before it must be answered first */
    OL__RUNNING,  /* the handler has it */
    OL__ANSWERED, /* the answer is known to its end */
    OL__SENDING   /* the answer's last byte is in the connection's output */
};

struct ol__exchange {
    struct ol_request  request;
    struct ol_response response;

    /* set at creation */
    struct ol_server *server;
    size_t            request_size; /* of the head */
    uint64_t          head_ns;      /* when the head was whole */
    bool              is_safe;      /* by its method (RFC 9110 section 9.2.1) */
    bool              is_head;

    /* loop only */
    struct ol__conn        *connection; /* NULL: gone */
    struct ol_link          link;       /* in the connection's list, in order of arrival */
    unsigned                n_refs;     /* the connection's, the handler's, and a pipe's post */
    enum ol__exchange_state state;
    bool                    has_scope;
    bool                    keep_alive; /* as far as this request is concerned */
    bool                    wants_continue;
    bool                    discards;   /* the body is not wanted */
    bool                    streams;    /* the handler has begun to write */
    bool                    in_stream;  /* the answer's head was put out, and the body is being */
    bool                    is_chunked; /* the streamed answer */
    struct ol_buffer        body;
    uint64_t                end_at;     /* in the connection's output, when SENDING */
    uint64_t                bytes_sent; /* of the body */
    uint64_t                answered_ns;
    struct ol__ready        ready;

    /* the handler's, read by the loop when it has returned */
    uint64_t start_ns, end_ns;

    /* any thread, by their own rules */
    struct ol_scope scope;
    struct ol_job   job;
    struct ol__pipe upload, download; /* set up when they are needed */
    bool            has_upload, has_download;
};

static inline struct ol__exchange *ol__exchange_of_request(struct ol_request *request)
{
    return OL_CONTAINER_OF(request, struct ol__exchange, request);
}

static inline struct ol__exchange *ol__exchange_of_response(struct ol_response *response)
{
    return OL_CONTAINER_OF(response, struct ol__exchange, response);
}

/**
 * An exchange for the head that the connection's parser has just found in `data`: routed, and either to be run, to be
 * filled with a body, or answered by the server already. NULL: no memory. Thread: loop.
 */
struct ol__exchange *ol__exchange_create(struct ol__conn *connection, const char *data);

/** One that answers what could not be read. NULL: no memory. */
struct ol__exchange *ol__exchange_create_failed(struct ol__conn *connection, int status, const char *why);

/** The body is whole. */
void ol__exchange_body_done(struct ol__exchange *exchange);

/** Answer with an error of the server's own before any handler has begun. */
void ol__exchange_refuse(struct ol__exchange *exchange, int status, const char *detail);

/** Begin what may begin: the first that waits, and those behind it that are safe beside each other. */
void ol__exchanges_start(struct ol__conn *connection);

/** The client is gone, or must go: end the scope, and let go. */
void ol__exchange_abandon(struct ol__exchange *exchange, int reason);

/** The handler begins to stream. Thread: the handler's. */
void ol__exchange_prepare_download(struct ol__exchange *exchange);

/** The answer was sent: let go. */
void ol__exchange_finish(struct ol__exchange *exchange);

#endif
