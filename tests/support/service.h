#ifndef OFFLOOP_TESTS_SUPPORT_SERVICE_H
#define OFFLOOP_TESTS_SUPPORT_SERVICE_H

/*
 * service.h: a fake HTTP service on 127.0.0.1 that does exactly as it is told, bad manners included.
 *
 * Each connection has a thread. It reads a request, calls the script with it, and goes on with the next one until the
 * script closes or resets the connection or the client leaves. What the script sends are raw bytes: nothing is added. A
 * script that must wait does so at a gate.
 */

#include <stdbool.h>
#include <stddef.h>

struct service;

/* One request, valid while the script runs. */
struct exchange {
    void       *arg;  /* service_start's */
    const char *head; /* request line and headers, a string */
    const char *path; /* of the request line, a string */
    const char *body; /* body_size bytes and a NUL */
    size_t      body_size;
    unsigned    nth; /* on its connection, from 1 */
    int         fd;
    bool        closing; /* set by service_close and service_reset */
};

/* Thread: the connection's. */
typedef void service_cb(struct exchange *exchange);

/* Start on a free port. Aborts the program when it cannot. */
struct service *service_start(service_cb *script, void *arg);

/* Break all connections, wait for the scripts, free. Gates that scripts wait at must be open. */
void service_stop(struct service *service);

/* "http://127.0.0.1:PORT/path". Owns: the service's, until it stops. Thread: any. */
const char *service_url(struct service *service, const char *path);
unsigned    service_port(const struct service *service);

/* So far. Thread: any. */
unsigned service_connections(struct service *service);
unsigned service_requests(struct service *service);

/* ---- in scripts ---- */

/* Send all of it; what a client that has left does not take is dropped. */
void service_send(struct exchange *exchange, const char *text);
void service_send_bytes(struct exchange *exchange, const void *data, size_t size);

/* A whole answer: 200, with this body. */
void service_answer(struct exchange *exchange, const char *body);

/* Close the connection when the script returns: in good order, or by a reset. */
void service_close(struct exchange *exchange);
void service_reset(struct exchange *exchange);

/* Wait until the client has closed. */
void service_await_hangup(struct exchange *exchange);

/* A URL on 127.0.0.1 where nobody listens. `buffer` of at least 40 bytes. */
const char *service_refusing_url(char *buffer, size_t size);

#endif
