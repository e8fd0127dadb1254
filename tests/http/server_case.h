#ifndef OFFLOOP_TESTS_HTTP_SERVER_CASE_H
#define OFFLOOP_TESTS_HTTP_SERVER_CASE_H

/*
 * server_case.h: a real server on 127.0.0.1 for a test: loop, pool and server on a thread of their own, and a client's
 * few calls over bare sockets. Every wait has a limit, after which the test aborts with a word.
 */

#include <offloop/offloop.h>
#include <pthread.h>

#include "support/gate.h"

struct server_case {
    /* set by the test before server_case_start */
    struct ol_server_config config; /* its pool is filled in */
    void (*add_routes)(struct ol_server *server, void *arg);
    void       *arg;
    unsigned    threads; /* of the pool; 0: 2 */
    size_t      queue_max;
    const char *listen;    /* NULL: 127.0.0.1:0 */
    int         listen_fd; /* instead, when above 0 */

    /* the case's own */
    pthread_t         thread;
    struct ol_loop   *loop;
    struct ol_pool   *pool;
    struct ol_server *server;
    struct gate       ready, closed;
    int               n_fds; /* before it started */
    char              address[128];
};

void server_case_start(struct server_case *sc);

/* Close within `drain_s`, destroy everything, and see that no descriptor is left. */
void server_case_stop(struct server_case *sc, double drain_s);

/* The first half: begin to close, and return at once. */
void server_case_close(struct server_case *sc, double drain_s);

/* Run `fn(sc, arg)` on the loop, and wait for it. */
void server_case_call(struct server_case *sc, void (*fn)(struct server_case *sc, void *arg), void *arg);

struct ol_server_stats server_case_stats(struct server_case *sc);

/* Wait until a statement about the statistics is true. */
void server_case_until(struct server_case *sc, bool (*is_so)(const struct ol_server_stats *stats));

bool none_running(const struct ol_server_stats *stats);
bool one_running(const struct ol_server_stats *stats);
bool no_connection(const struct ol_server_stats *stats);

/* One route. */
void add_route(struct ol_server *server, const char *method, const char *pattern, enum ol_run_mode mode,
               ol_handler_cb *handler, void *arg);

int count_fds(void);

/* ---- the client ---- */

int  wire_connect(const struct server_case *sc);
void wire_send(int fd, const void *data, size_t size);

/* Send as much as goes; false when the server has closed. */
bool wire_try_send(int fd, const void *data, size_t size);
void wire_puts(int fd, const char *text);

/* Read to the end of the stream; a string to free. *ret_reset: it ended in a reset. */
char *wire_read_all(int fd, bool *ret_reset);

/* Read exactly so many bytes; false at an earlier end. */
bool wire_read(int fd, char *data, size_t size);

/* Connect, send all, shut our side if so wanted, read all, close. */
char *wire_call(const struct server_case *sc, const char *text, bool shut);

/* Close with a reset. */
void wire_reset(int fd);

/* The status of the n-th final answer in what was read (0: the first), or 0. Bodies must have a Content-Length. */
int answer_status(const char *text, unsigned n);

/* How many final answers there are; -1 when something else is in between. */
int count_answers(const char *text);

#endif
