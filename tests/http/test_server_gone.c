/*
 * Clients that go away: at every phase of a request, in each mode, by a reset, a full close and a half-close. Nothing may be
 * left: no connection, no request, no descriptor (server_case_stop looks).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"

static struct server_case sc;
static struct gate        entered, left;
static atomic_int         reason; /* why the last handler's wait ended */

static int wait_for_end(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    gate_arrive(&entered);
    int rc = ol_sleep(25);
    atomic_store(&reason, rc);
    gate_arrive(&left);
    return rc < 0 ? rc : ol_response_body(res, NULL, "slept", 5);
}

static int sleep_briefly(struct ol_request *req, struct ol_response *res, void *arg)
{
    int64_t ms = 0;

    (void)arg;
    ol_text_int(&ms, ol_request_query(req, "ms"), 0, 10000);
    int rc = ol_sleep((double)ms / 1e3);
    return rc < 0 ? rc : ol_response_body(res, NULL, "slept", 5);
}

static int write_for_ever(struct ol_request *req, struct ol_response *res, void *arg)
{
    static const char zeros[8192];
    int               rc = ol_response_header(res, "Content-Type", "application/octet-stream");

    (void)req, (void)arg;
    gate_arrive(&entered);
    while (rc == 0)
        rc = ol_response_write(res, zeros, sizeof zeros);
    atomic_store(&reason, rc);
    gate_arrive(&left);
    return rc;
}

static int read_all(struct ol_request *req, struct ol_response *res, void *arg)
{
    char   piece[4096];
    size_t size = 1;
    int    rc = 0;

    (void)res, (void)arg;
    gate_arrive(&entered);
    while (rc == 0 && size)
        rc = ol_request_read(req, piece, sizeof piece, &size);
    atomic_store(&reason, rc);
    gate_arrive(&left);
    return rc;
}

static void add_routes(struct ol_server *server, void *arg)
{
    static const struct {
        const char      *name;
        enum ol_run_mode mode;
    } modes[] = { { "offload", OL_RUN_OFFLOAD }, { "async", OL_RUN_ASYNC } };

    (void)arg;
    for (int i = 0; i < 2; i++) {
        char path[64];

        snprintf(path, sizeof path, "/%s/wait", modes[i].name);
        add_route(server, "*", path, modes[i].mode, wait_for_end, NULL);
        snprintf(path, sizeof path, "/%s/sleep", modes[i].name);
        add_route(server, "GET", path, modes[i].mode, sleep_briefly, NULL);
        snprintf(path, sizeof path, "/%s/write", modes[i].name);
        add_route(server, "GET", path, modes[i].mode, write_for_ever, NULL);
        snprintf(path, sizeof path, "/%s/read", modes[i].name);
        ol_server_route(server, &(struct ol_route){ "POST", path, modes[i].mode, read_all, .stream_body = true });
    }
    add_route(server, "GET", "/blocking/sleep", OL_RUN_BLOCKING, sleep_briefly, NULL);
}

static void begin(const struct ol_server_config *config, const char *listen)
{
    gate_init(&entered, "a handler has begun");
    gate_init(&left, "a handler has ended");
    atomic_store(&reason, 0);
    sc = (struct server_case){ .config = *config, .add_routes = add_routes, .listen = listen };
    server_case_start(&sc);
}

static void end(void)
{
    server_case_until(&sc, no_connection);
    server_case_stop(&sc, 5);
    gate_fini(&entered);
    gate_fini(&left);
}

static int start(void **state)
{
    (void)state;
    begin(&(struct ol_server_config){ .half_close_probe_s = 0.05 }, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    end();
    return 0;
}

/* ---- tests ---- */

static void reset_before_a_handler_runs_leaves_nothing(void **state)
{
    static const char *const phases[] = {
        "", "G", "GET / HTTP/1.1\r\nHost", "POST /async/wait HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
        "POST /offload/wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
    };

    (void)state;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        int fd = wire_connect(&sc);

        wire_puts(fd, phases[i]);
        server_case_stats(&sc);
        wire_reset(fd);
        server_case_until(&sc, no_connection);
    }
    assert_int_equal(gate_arrived(&entered), 0);
}

/* `request` runs when the client resets: the handler must be told. */
static void reset_while_it_runs(const char *request)
{
    unsigned before = gate_arrived(&left);
    int      fd = wire_connect(&sc);

    wire_puts(fd, request);
    gate_wait_for_n(&entered, before + 1);
    wire_reset(fd);
    gate_wait_for_n(&left, before + 1);
    assert_true(atomic_load(&reason) == OL_ECANCELED || atomic_load(&reason) == OL_EIO);
    server_case_until(&sc, no_connection);
}

static void reset_while_a_handler_runs_ends_its_scope(void **state)
{
    (void)state;
    reset_while_it_runs("GET /offload/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    reset_while_it_runs("GET /async/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    reset_while_it_runs("GET /offload/write HTTP/1.1\r\nHost: a\r\n\r\n");
    reset_while_it_runs("GET /async/write HTTP/1.1\r\nHost: a\r\n\r\n");
    reset_while_it_runs("POST /offload/read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
    reset_while_it_runs("POST /async/read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
}

static void reset_behind_a_blocking_route_is_noticed_afterwards(void **state)
{
    int fd = wire_connect(&sc);

    (void)state;
    wire_puts(fd, "GET /blocking/sleep?ms=20 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire_reset(fd);
    server_case_until(&sc, no_connection);
}

static void reset_is_seen_while_the_pipeline_is_full(void **state)
{
    int fd = wire_connect(&sc);

    (void)state;
    for (int i = 0; i < 40; i++)
        wire_puts(fd, "GET /async/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    gate_wait_for_n(&entered, 16);
    wire_reset(fd);
    gate_wait_for_n(&left, 16);
    server_case_until(&sc, no_connection);
    assert_int_equal(gate_arrived(&entered), 16);
}

static void half_close_after_the_request_does_not_cancel(void **state)
{
    char *answer = wire_call(&sc, "GET /async/sleep?ms=20 HTTP/1.1\r\nHost: a\r\n\r\n", true);

    (void)state;
    assert_int_equal(count_answers(answer), 1);
    assert_int_equal(answer_status(answer, 0), 200);
    free(answer);
}

static void half_closed_client_is_probed_by_an_interim_answer_and_served(void **state)
{
    char *answer = wire_call(&sc, "GET /offload/sleep?ms=400 HTTP/1.1\r\nHost: a\r\n\r\n", true);

    (void)state;
    assert_non_null(strstr(answer, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n"));
    assert_int_equal(count_answers(answer), 1);
    free(answer);
    answer = wire_call(&sc, "GET /offload/sleep?ms=200 HTTP/1.0\r\n\r\n", true);
    assert_null(strstr(answer, "102")); /* HTTP/1.0 has no interim answers */
    assert_int_equal(answer_status(answer, 0), 200);
    free(answer);
}

static void full_close_cancels_once_the_probe_finds_nobody(void **state)
{
    static const char *const paths[] = { "/async/wait", "/offload/wait" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char request[128];
        int  fd = wire_connect(&sc);

        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
        wire_puts(fd, request);
        gate_wait_for_n(&entered, i + 1);
        close(fd);
        gate_wait_for_n(&left, i + 1);
        assert_int_equal(atomic_load(&reason), OL_ECANCELED);
    }
}

static void full_close_of_a_unix_socket_cancels_at_once_and_a_half_close_does_not(void **state)
{
    char folder[] = "/tmp/offloop-http-XXXXXX", address[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof address, "unix:%s/s", folder);
    begin(&(struct ol_server_config){ .half_close_probe_s = -1 }, address);
    assert_string_equal(sc.address, address);
    int fd = wire_connect(&sc);
    wire_puts(fd, "GET /async/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    gate_wait_for_n(&entered, 1);
    close(fd);
    gate_wait_for_n(&left, 1);
    assert_int_equal(atomic_load(&reason), OL_ECANCELED);
    char *answer = wire_call(&sc, "GET /async/sleep?ms=20 HTTP/1.1\r\nHost: a\r\n\r\n", true);
    assert_int_equal(answer_status(answer, 0), 200);
    free(answer);
    end();
    assert_int_equal(rmdir(folder), 0); /* the socket's path went with the server */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reset_before_a_handler_runs_leaves_nothing),
        TEST(reset_while_a_handler_runs_ends_its_scope),
        TEST(reset_behind_a_blocking_route_is_noticed_afterwards),
        TEST(reset_is_seen_while_the_pipeline_is_full),
        TEST(half_close_after_the_request_does_not_cancel),
        TEST(half_closed_client_is_probed_by_an_interim_answer_and_served),
        TEST(full_close_cancels_once_the_probe_finds_nobody),
        cmocka_unit_test(full_close_of_a_unix_socket_cancels_at_once_and_a_half_close_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
