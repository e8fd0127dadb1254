/*
 * offloop/fetch.h: one HTTP request to somebody else, from any place that may wait.
 *
 * The same call, request and result everywhere: in a fiber it suspends (libcurl's multi interface on the loop), on a
 * worker, in a blocking route or in a plain program it waits where it is. Connections are kept and used again. Cancel
 * and deadlines of the current scope end a transfer at once, name lookup included. HTTPS is verified. Only http and
 * https. docs/FETCH.md goes deeper.
 */
#ifndef OFFLOOP_FETCH_H
#define OFFLOOP_FETCH_H

#include <offloop/loop.h>
#include <offloop/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_fetch_header {
    const char *name;
    const char *value;
};

/**
 * A piece of the answer's body. Thread: the caller's of ol_fetch or ol_fetch_batch_next, in its own fiber. May wait,
 * and the service is then held back. Return 0 to go on, or a negative code that ol_fetch will return.
 */
typedef int ol_fetch_body_cb(const void *data, size_t size, void *arg);

/** What to fetch. Only `url` is required; zeroes mean the defaults. */
struct ol_fetch_request {
    const char                   *url;
    const char                   *method;  /* NULL: GET, or POST when there is a body */
    const struct ol_fetch_header *headers; /* n_headers of them; CR, LF and NUL are refused */
    size_t                        n_headers;
    const void                   *body; /* body_size bytes */
    size_t                        body_size;
    double                        connect_timeout_s; /* 0: 10 s */
    double                        timeout_s;         /* whole transfer; 0: 30 s; the scope's deadline holds beside it */
    size_t                        size_max;          /* of the answer's body; 0: 16 MiB; more is OL_ELIMIT */
    unsigned                      redirects_max;     /* 0: a redirect is an answer like any other */
    ol_fetch_body_cb             *on_body;           /* NULL: the whole body is kept in the result */
    void                         *on_body_arg;
    /* PEM file of the CAs that an https service may be certified by, instead of the system's; NULL: the system's */
    const char *ca_file;
};

struct ol_fetch_result;

/**
 * Fetch, and wait for the answer. Any HTTP status is a success of the call.
 *
 * Thread:  any but the bare loop.
 * Owns:    borrows `request` and all it points to until it returns; the caller frees the result (ol_fetch_result_free).
 * Returns: 0; OL_EUPSTREAM (could not connect, certificate refused, broke off, talked nonsense), OL_EUPTIMEOUT
 *          (timeout_s or connect_timeout_s passed), OL_EINVAL (no URL, a scheme that is not http or https, bad header,
 *          a ca_file that cannot be used), OL_ELIMIT (size_max), OL_EBUSY (16,384 transfers of this loop are under
 *          way), OL_EONLOOP, OL_ENOMEM, or the scope's reason. ol_last_error has curl's code and message.
 */
OL_API int ol_fetch(struct ol_fetch_result **ret_result, const struct ol_fetch_request *request);

/** Free. NULL is fine. Thread: any. */
OL_API void ol_fetch_result_free(struct ol_fetch_result *result);

/** The HTTP status, 100 to 999. Thread: any. */
OL_API int ol_fetch_status(const struct ol_fetch_result *result);

/** The body, `*ret_size` bytes and a NUL that is not counted; never NULL. Thread: any. Owns: the result's. */
OL_API const void *ol_fetch_body(const struct ol_fetch_result *result, size_t *ret_size);

/** The last header of that name (case does not matter), or NULL. Thread: any. Owns: the result's. */
OL_API const char *ol_fetch_header(const struct ol_fetch_result *result, const char *name);

/** Seconds from the start of the transfer to its end. Thread: any. */
OL_API double ol_fetch_duration_s(const struct ol_fetch_result *result);

/* ---- many at once, without a server and without callbacks ---- */

struct ol_fetch_batch;

struct ol_fetch_batch_config {
    unsigned concurrency; /* transfers under way, or answered and not yet taken, at once; 0: 100 */
};

/** One answer of a batch, or one failure. */
struct ol_fetch_answer {
    uint64_t                id;     /* what ol_fetch_batch_add was given */
    int                     rc;     /* as ol_fetch returns */
    struct ol_fetch_result *result; /* the taker's to free; NULL unless rc is 0 */
    struct ol_error         error;  /* when rc is negative */
};

/**
 * Make a batch.
 *
 * Thread:  any but the bare loop; then all calls from that same thread (or fiber).
 * Owns:    ol_fetch_batch_destroy.
 * Returns: 0, OL_EINVAL (over 16,384 at once), OL_ENOMEM, OL_EONLOOP.
 */
OL_API int ol_fetch_batch_create(struct ol_fetch_batch **ret_batch, const struct ol_fetch_batch_config *config);

/**
 * Add a request. It starts during ol_fetch_batch_next, as soon as the concurrency lets it.
 *
 * Owns:    copies the request (not what on_body_arg points to).
 * Returns: 0, OL_EINVAL, OL_ENOMEM, OL_EBUSY (1,048,576 waiting).
 */
OL_API int ol_fetch_batch_add(struct ol_fetch_batch *batch, uint64_t id, const struct ol_fetch_request *request);

/**
 * Wait for the next answer, in the order in which they arrive.
 *
 * Owns:    the caller frees `ret_answer->result`.
 * Returns: 0; OL_ENOENT (every request has been answered), OL_EONLOOP, or the scope's reason.
 */
OL_API int ol_fetch_batch_next(struct ol_fetch_answer *ret_answer, struct ol_fetch_batch *batch);

/** Cancel what is under way, and free. NULL is fine. */
OL_API void ol_fetch_batch_destroy(struct ol_fetch_batch *batch);

#ifdef __cplusplus
}
#endif
#endif
