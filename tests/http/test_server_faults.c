/*
 * A kernel that takes little, gives little, and interrupts: on the server's thread each send takes a few bytes, each read gives a
 * few, and some fail for a moment. The answers must be the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"

enum { BODY_SIZE = 20000 };

static struct server_case   sc;
static _Thread_local bool   is_server;
static _Thread_local size_t n_calls;

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);

/* Some calls fail as the kernel's do: nothing has happened, try again. */
static bool fails_for_now(void)
{
    n_calls++;
    if (n_calls % 7 == 3)
        errno = EINTR;
    else if (n_calls % 11 == 5)
        errno = EAGAIN;
    else
        return false;
    return true;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    if (!is_server)
        return __real_send(fd, data, size, flags);
    if (fails_for_now())
        return -1;
    size_t few = n_calls % 199 + 1;
    return __real_send(fd, data, size < few ? size : few, flags);
}

ssize_t __wrap_read(int fd, void *data, size_t size)
{
    if (!is_server || size < 1024) /* an eventfd is none of our business */
        return __real_read(fd, data, size);
    if (fails_for_now())
        return -1;
    size_t few = n_calls % 13 + 1;
    return __real_read(fd, data, size < few ? size : few);
}

static int echo(struct ol_request *req, struct ol_response *res, void *arg)
{
    struct ol_text body = ol_request_body(req);

    (void)arg;
    return ol_response_body(res, NULL, body.data, body.size);
}

static int stream(struct ol_request *req, struct ol_response *res, void *arg)
{
    int rc = ol_response_header(res, "Content-Type", "text/plain");

    (void)req, (void)arg;
    for (int i = 0; i < BODY_SIZE / 10 && rc == 0; i++)
        rc = ol_response_write(res, "0123456789", 10);
    return rc;
}

static void add_routes(struct ol_server *server, void *arg)
{
    (void)arg;
    is_server = true;
    add_route(server, "POST", "/echo", OL_RUN_ASYNC, echo, NULL);
    add_route(server, "GET", "/stream", OL_RUN_OFFLOAD, stream, NULL);
}

static void short_and_interrupted_calls_lose_and_add_nothing(void **state)
{
    static char request[2 * BODY_SIZE];
    int         used;

    (void)state;
    sc = (struct server_case){ .config = { .response_window = 1000 }, .add_routes = add_routes };
    server_case_start(&sc);
    used = sprintf(request, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", BODY_SIZE);
    for (int i = 0; i < BODY_SIZE; i++)
        request[used + i] = (char)('a' + i % 26);
    strcpy(request + used + BODY_SIZE, "GET /stream HTTP/1.0\r\n\r\n");
    char *answer = wire_call(&sc, request, false);
    char *body = strstr(answer, "\r\n\r\n") + 4, *streamed = strstr(body, "\r\n\r\n") + 4;
    assert_memory_equal(body, request + used, BODY_SIZE);
    assert_int_equal(strlen(streamed), BODY_SIZE);
    for (int i = 0; i < BODY_SIZE; i++)
        assert_int_equal(streamed[i], '0' + i % 10);
    free(answer);
    server_case_stop(&sc, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_interrupted_calls_lose_and_add_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
