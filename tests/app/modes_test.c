/*
 * The three modes, end to end: the real program, real sockets, and a slow service that the test holds in its hand.
 * Nothing here measures time: while the service holds its answers, either somebody else is served or nobody is.
 */
#include "serve.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 20 };

/* A serve whose external API waits at a gate. */
struct held {
    struct gate     gate;
    struct service *service;
    struct program  serve;
};

static void held_start(struct held *held, const char *threads, const char *queue)
{
    gate_init(&held->gate, "the external API's answers");
    held->service = service_start(serve_answer_after_gate, &held->gate);
    serve_start(&held->serve, service_url(held->service, "/"), "--threads", threads, "--queue", queue, NULL);
}

static void held_stop(struct held *held)
{
    gate_open(&held->gate);
    serve_stop(&held->serve);
    service_stop(held->service);
    gate_fini(&held->gate);
}

static void expect_status(int fd, int status)
{
    struct answer answer;

    client_read(&answer, fd, false);
    assert_int_equal(answer.status, status);
    answer_free(&answer);
}

static void check_others_are_served(const char *mode)
{
    struct held held;
    int         fds[CLIENTS];

    held_start(&held, "4:64", "100");
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(held.serve.address);
        client_request(fds[i], "GET", mode, NULL);
    }
    gate_wait_for_n(&held.gate, CLIENTS); /* all of them stand in the slow call, at the same time */

    assert_int_equal(client_status(held.serve.address, "/hello"), 200);
    assert_int_equal(client_status(held.serve.address, serve_path(mode, "/items/1")), 200);
    for (int i = 0; i < CLIENTS; i++)
        assert_true(client_is_silent(fds[i], 0));

    gate_open(&held.gate);
    for (int i = 0; i < CLIENTS; i++) {
        expect_status(fds[i], 200);
        close(fds[i]);
    }
    held_stop(&held);
}

static void while_20_wait_in_offload_others_are_served(void **state)
{
    (void)state;
    check_others_are_served("/offload");
}

static void while_20_wait_in_async_others_are_served(void **state)
{
    (void)state;
    check_others_are_served("/async");
}

static void while_one_waits_in_blocking_nobody_is_served(void **state)
{
    struct held held;
    int         slow, hello;

    (void)state;
    held_start(&held, "4:64", "100");
    slow = client_connect(held.serve.address);
    client_request(slow, "GET", "/blocking", NULL);
    gate_wait_for_n(&held.gate, 1);

    hello = client_connect(held.serve.address);
    client_request(hello, "GET", "/hello", NULL);
    assert_true(client_is_silent(hello, 300));

    gate_open(&held.gate);
    expect_status(slow, 200);
    expect_status(hello, 200);
    close(slow);
    close(hello);
    held_stop(&held);
}

static void every_mode_answers_the_same(void **state)
{
    struct held held;

    (void)state;
    held_start(&held, "4:64", "100");
    gate_open(&held.gate);
    for (int m = 0; m < SERVE_MODES; m++) {
        struct answer answer;
        char          type[64];

        client_call(&answer, held.serve.address, "GET", serve_modes[m], NULL);
        assert_int_equal(answer.status, 200);
        assert_true(answer_field(&answer, "Content-Type", type, sizeof type));
        assert_string_equal(type, "application/json");
        assert_non_null(strstr(answer.body, "\"external_api\":{\"answer\":42}"));
        assert_non_null(strstr(answer.body, "\"took_ms\":"));
        answer_free(&answer);
    }
    held_stop(&held);
}

static void fetches_that_fill_the_pool_leave_a_thread_to_queries(void **state)
{
    struct held held;
    int         fds[CLIENTS];

    (void)state;
    held_start(&held, "2:4", "100");
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(held.serve.address);
        client_request(fds[i], "GET", "/offload", NULL);
    }
    gate_wait_for_n(&held.gate, 3); /* of four threads; the others wait in the class's queue */

    assert_int_equal(client_status(held.serve.address, "/offload/items/7"), 200);
    assert_int_equal(gate_arrived(&held.gate), 3);

    gate_open(&held.gate);
    for (int i = 0; i < CLIENTS; i++) {
        expect_status(fds[i], 200);
        close(fds[i]);
    }
    held_stop(&held);
}

/* The index of the one that has something to read. */
static int wait_for_one(const int fds[2])
{
    struct pollfd pfds[] = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };

    assert_int_equal(poll(pfds, 2, CLIENT_LIMIT_S * 1000), 1);
    return pfds[0].revents ? 0 : 1;
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
    struct held   held;
    struct answer answer;
    char          seconds[16];
    int           running, later[2], refused;

    (void)state;
    held_start(&held, "1:1", "1");
    running = client_connect(held.serve.address);
    client_request(running, "GET", "/offload", NULL);
    gate_wait_for_n(&held.gate, 1);

    /* One of these two waits for the thread, the other is refused: whichever the server read first. */
    for (int i = 0; i < 2; i++) {
        later[i] = client_connect(held.serve.address);
        client_request(later[i], "GET", "/offload", NULL);
    }
    refused = wait_for_one(later);
    client_read(&answer, later[refused], false);
    assert_int_equal(answer.status, 503);
    assert_true(answer_field(&answer, "Retry-After", seconds, sizeof seconds));
    answer_free(&answer);

    gate_open(&held.gate);
    expect_status(running, 200);
    expect_status(later[!refused], 200);
    close(running);
    close(later[0]);
    close(later[1]);
    held_stop(&held);
}

/* ---- a client that leaves ---- */

static void answer_nobody(struct exchange *exchange)
{
    struct gate *gates = exchange->arg;

    gate_arrive(&gates[0]);
    service_await_hangup(exchange);
    gate_arrive(&gates[1]);
    service_close(exchange);
}

static void check_hang_up(const char *mode)
{
    struct gate     gates[2];
    struct service *service;
    struct program  serve;
    int             fd;

    gate_init(&gates[0], "the fetch has begun");
    gate_init(&gates[1], "the fetch was given up");
    service = service_start(answer_nobody, gates);
    serve_start(&serve, service_url(service, "/"), NULL);
    fd = client_connect(serve.address);
    client_request(fd, "GET", mode, NULL);
    gate_wait_for_n(&gates[0], 1);
    close(fd);
    gate_wait_for_n(&gates[1], 1);

    assert_int_equal(client_status(serve.address, "/hello"), 200);
    serve_stop(&serve);
    service_stop(service);
    gate_fini(&gates[0]);
    gate_fini(&gates[1]);
}

static void a_client_that_leaves_ends_its_fetch_in_offload(void **state)
{
    (void)state;
    check_hang_up("/offload");
}

static void a_client_that_leaves_ends_its_fetch_in_async(void **state)
{
    (void)state;
    check_hang_up("/async");
}

/* ---- the small endpoints, and serve's own external API ---- */

static void small_endpoints_answer_in_every_mode(void **state)
{
    struct program serve;

    (void)state;
    serve_start(&serve, NULL, "--delay", "0.01", NULL);
    for (int m = 0; m < SERVE_MODES; m++) {
        assert_int_equal(client_status(serve.address, serve_modes[m]), 200);
        assert_int_equal(client_status(serve.address, serve_path(serve_modes[m], "/noop")), 200);
        assert_int_equal(client_status(serve.address, serve_path(serve_modes[m], "/sleep?ms=1")), 200);
        assert_int_equal(client_status(serve.address, serve_path(serve_modes[m], "/sleep")), 400);
        assert_int_equal(client_status(serve.address, serve_path(serve_modes[m], "/sleep?ms=-1")), 400);
        assert_int_equal(client_status(serve.address, serve_path(serve_modes[m], "/sleep?ms=soon")), 400);
        assert_int_equal(client_status(serve.address, serve_path(serve_modes[m], "/nothing")), 404);
    }
    assert_int_equal(client_status(serve.address, "/"), 200);
    assert_int_equal(client_status(serve.address, "/livez"), 200);
    assert_int_equal(client_status(serve.address, "/readyz"), 200);
    assert_int_equal(client_status(serve.address, "/external-api"), 200);
    serve_stop(&serve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_20_wait_in_offload_others_are_served),
        cmocka_unit_test(while_20_wait_in_async_others_are_served),
        cmocka_unit_test(while_one_waits_in_blocking_nobody_is_served),
        cmocka_unit_test(every_mode_answers_the_same),
        cmocka_unit_test(fetches_that_fill_the_pool_leave_a_thread_to_queries),
        cmocka_unit_test(a_full_queue_is_503_with_retry_after),
        cmocka_unit_test(a_client_that_leaves_ends_its_fetch_in_offload),
        cmocka_unit_test(a_client_that_leaves_ends_its_fetch_in_async),
        cmocka_unit_test(small_endpoints_answer_in_every_mode),
    };

    return cmocka_run_group_tests(tests, serve_make_folder, serve_remove_folder);
}
