/*
 * Requests and answers over real sockets: routes, modes, framing, pipelines, errors.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static struct server_case sc;
static struct gate        hold, first_is_answered;
static int                n_in_turn; /* loop only */

/* ---- handlers ---- */

static int where(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    return ol_response_printf(res, NULL, "%s", ol_in_fiber() ? "fiber" : ol_on_loop() ? "loop" : "thread");
}

static int echo(struct ol_request *req, struct ol_response *res, void *arg)
{
    struct ol_text body = ol_request_body(req);

    (void)arg;
    return ol_response_body(res, "application/octet-stream", body.data, body.size);
}

static int tell(struct ol_request *req, struct ol_response *res, void *arg)
{
    struct ol_text id = ol_request_param(req, "id"), q = ol_request_query(req, "q"), h = ol_request_header(req, "x-h");

    (void)arg;
    return ol_response_printf(res, NULL, "%s %s [%s] [%s] [%s]", ol_request_method(req), ol_request_path(req),
                              id.data ? id.data : "-", q.data ? q.data : "-", h.data ? h.data : "-");
}

static int fail_with(struct ol_request *req, struct ol_response *res, void *arg)
{
    int64_t code;

    (void)arg;
    if (ol_text_int(&code, ol_request_query(req, "code"), -18, -1) < 0)
        return OL_EINVAL;
    ol_response_body(res, NULL, "thrown away", 11);
    return (int)code;
}

static int answer_status_of(struct ol_request *req, struct ol_response *res, void *arg)
{
    int64_t status = 0;

    (void)arg;
    ol_text_int(&status, ol_request_query(req, "status"), 200, 599);
    ol_response_body(res, NULL, "body", 4);
    return ol_response_status(res, (int)status);
}

static int wait_at_gate(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    gate_wait(&hold);
    return ol_response_body(res, NULL, "slow", 4);
}

/* The first that runs answers, the second waits. */
static int wait_when_second(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    if (n_in_turn++ > 0)
        gate_wait(&first_is_answered);
    return ol_response_body(res, NULL, "turn", 4);
}

static int sleep_ms(struct ol_request *req, struct ol_response *res, void *arg)
{
    int64_t ms = 0;

    (void)arg;
    ol_text_int(&ms, ol_request_query(req, "ms"), 0, 60000);
    int rc = ol_sleep((double)ms / 1e3);
    return rc < 0 ? rc : ol_response_body(res, NULL, "slept", 5);
}

/* What a handler may not set. Recorded; the test looks. */
static int set_fields(struct ol_request *req, struct ol_response *res, void *arg)
{
    static const struct {
        const char *name, *value;
    } bad[] = { { "A", "b\r\nC: d" },
                { "A", "b\n" },
                { "A b", "c" },
                { "", "c" },
                { "A:", "c" },
                { "Content-Length", "1" },
                { "transfer-encoding", "chunked" },
                { "Connection", "close" },
                { "Date", "today" },
                { "Trailer", "x" } };
    int *n_refused = arg;

    (void)req;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        *n_refused += ol_response_header(res, bad[i].name, bad[i].value) == OL_EINVAL;
    *n_refused += ol_response_body(res, "text/html\r\nA: b", "", 0) == OL_EINVAL;
    *n_refused += ol_response_status(res, 199) == OL_EINVAL && ol_response_status(res, 600) == OL_EINVAL;
    ol_response_header(res, "X-One", "1");
    ol_response_header(res, "X-One", "2");
    ol_response_header(res, "Content-Type", "text/a");
    ol_response_header(res, "content-type", "text/b");
    return 0;
}

static int n_refused;

static void add_routes(struct ol_server *server, void *arg)
{
    (void)arg;
    add_route(server, "GET", "/blocking", OL_RUN_BLOCKING, where, NULL);
    add_route(server, "GET", "/offload", OL_RUN_OFFLOAD, where, NULL);
    add_route(server, "GET", "/async", OL_RUN_ASYNC, where, NULL);
    add_route(server, "POST", "/blocking/echo", OL_RUN_BLOCKING, echo, NULL);
    add_route(server, "POST", "/offload/echo", OL_RUN_OFFLOAD, echo, NULL);
    add_route(server, "POST", "/async/echo", OL_RUN_ASYNC, echo, NULL);
    add_route(server, "GET", "/tell/{id}", OL_RUN_BLOCKING, tell, NULL);
    add_route(server, "GET", "/fail", OL_RUN_ASYNC, fail_with, NULL);
    add_route(server, "GET", "/status", OL_RUN_BLOCKING, answer_status_of, NULL);
    add_route(server, "GET", "/gate", OL_RUN_OFFLOAD, wait_at_gate, NULL);
    add_route(server, "GET", "/blocking/gate", OL_RUN_BLOCKING, wait_at_gate, NULL);
    add_route(server, "GET", "/blocking/turn", OL_RUN_BLOCKING, wait_when_second, NULL);
    add_route(server, "GET", "/sleep", OL_RUN_ASYNC, sleep_ms, NULL);
    add_route(server, "GET", "/fields", OL_RUN_BLOCKING, set_fields, &n_refused);
}

static int start(void **state)
{
    (void)state;
    gate_init(&hold, "the handler may go on");
    sc = (struct server_case){ .add_routes = add_routes, .threads = 1, .queue_max = 1 };
    server_case_start(&sc);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    gate_open(&hold);
    server_case_stop(&sc, 5);
    gate_fini(&hold);
    return 0;
}

/* The whole answer to one request that says close. */
static char *call(const char *request)
{
    return wire_call(&sc, request, false);
}

static void expect(const char *request, int status, const char *part)
{
    char *answer = call(request);

    if (answer_status(answer, 0) != status || !strstr(answer, part))
        fail_msg("expected %d and \"%s\", got: %s", status, part, answer);
    free(answer);
}

/* ---- tests ---- */

static void handler_runs_where_its_route_says(void **state)
{
    (void)state;
    expect(LAST("/blocking"), 200, "\r\n\r\nloop");
    expect(LAST("/offload"), 200, "\r\n\r\nthread");
    expect(LAST("/async"), 200, "\r\n\r\nfiber");
}

static void request_is_decoded_for_the_handler(void **state)
{
    (void)state;
    expect("GET /tell/a%2Fb%20c?p=1&q=%41+b&q=2 HTTP/1.1\r\nHost: a\r\nX-H: 1\r\nx-h: 2\r\nConnection: close\r\n\r\n",
           200, "\r\n\r\nGET /tell/a%2Fb%20c [a/b c] [A b] [1, 2]");
    expect(LAST("/tell/x"), 200, "[x] [-] [-]");
    expect(LAST("/tell/x?q"), 200, "[x] [] [-]");
    expect(LAST("/tell/x?%71=1"), 200, "[x] [1] [-]");
    expect(LAST("/tell/x?q=+%zz%41%00"), 200, "[x] [+%zz%41%00] [-]");
    expect(LAST("/tell/x%zz"), 400, "problem+json");
}

static void unknown_path_is_404_and_unknown_method_405_with_allow(void **state)
{
    (void)state;
    expect(LAST("/nothing"), 404, "\"status\":404");
    expect("PUT /blocking HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    expect("OPTIONS /blocking HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 204,
           "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    expect("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 204, "\r\nAllow: ");
}

static void body_reaches_the_handler_in_each_mode_and_framing(void **state)
{
    static const char *const modes[] = { "blocking", "offload", "async" };
    char                     request[512];

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(request, sizeof request,
                 "POST /%s/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                 "POST /%s/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwo\r\n3\r\nrld\r\n0\r\n\r\n"
                 "POST /%s/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                 modes[i], modes[i], modes[i]);
        char *answer = call(request);
        assert_int_equal(count_answers(answer), 3);
        assert_non_null(strstr(answer, "\r\n\r\nhello"));
        assert_non_null(strstr(answer, "\r\n\r\nworld"));
        assert_non_null(strstr(answer, "Content-Length: 0\r\n"));
        free(answer);
    }
}

static void pipelined_requests_are_answered_in_order_whatever_is_ready_first(void **state)
{
    char *answer = call(GET("/sleep?ms=30") GET("/blocking") GET("/sleep?ms=5") GET("/async") LAST("/nothing"));

    (void)state;
    assert_int_equal(count_answers(answer), 5);
    const char *first = strstr(answer, "slept"), *second = strstr(answer, "\r\n\r\nloop");
    assert_true(first && second && first < second && strstr(second, "slept") < strstr(second, "\r\n\r\nfiber"));
    assert_int_equal(answer_status(answer, 4), 404);
    free(answer);
}

static void more_pipelined_requests_than_pipeline_max_are_all_answered(void **state)
{
    enum { N = 100 };
    char text[N * sizeof GET("/sleep?ms=1") + 64] = "";

    (void)state;
    for (int i = 0; i < N; i++)
        strcat(text, GET("/sleep?ms=1"));
    strcat(text, LAST("/blocking"));
    char *answer = call(text);
    assert_int_equal(count_answers(answer), N + 1);
    free(answer);
}

static void unsafe_request_waits_for_those_before_it_and_holds_those_behind_it(void **state)
{
    int fd = wire_connect(&sc);

    (void)state;
    wire_puts(fd, GET("/gate") "POST /blocking/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" LAST("/blocking"));
    gate_wait_for_n(&hold, 1);
    struct ol_server_stats stats = server_case_stats(&sc);
    assert_int_equal(stats.requests_total, 3);
    assert_int_equal(stats.requests_running, 1);
    gate_open(&hold);
    char *answer = wire_read_all(fd, NULL);
    assert_int_equal(count_answers(answer), 3);
    free(answer);
    close(fd);
}

static void nothing_runs_after_an_error_and_what_came_before_is_answered(void **state)
{
    char *answer = call(GET("/sleep?ms=20") "GET / HTTP/1.1\r\nHost : a\r\n\r\n" GET("/blocking"));

    (void)state;
    assert_int_equal(count_answers(answer), 2);
    assert_int_equal(answer_status(answer, 0), 200);
    assert_int_equal(answer_status(answer, 1), 400);
    assert_non_null(strstr(answer, "Connection: close"));
    free(answer);
    assert_int_equal(server_case_stats(&sc).requests_total, 1);
}

static void head_204_and_304_have_no_body(void **state)
{
    (void)state;
    char *answer = call("HEAD /blocking HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(answer, "Content-Length: 4\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    answer = call(GET("/status?status=204") GET("/status?status=304") LAST("/status?status=201"));
    assert_int_equal(count_answers(answer), 3);
    const char *last = strstr(answer, "HTTP/1.1 201");
    assert_non_null(last);
    assert_true(strstr(answer, "Content-Length") > last);
    assert_string_equal(last + strlen(last) - 8, "\r\n\r\nbody");
    free(answer);
}

static void old_clients_get_keep_alive_only_when_they_ask(void **state)
{
    (void)state;
    char *answer = call(
        "GET /blocking HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /blocking HTTP/1.0\r\n\r\n" GET("/async"));
    assert_int_equal(count_answers(answer), 2);
    const char *keep = strstr(answer, "Connection: keep-alive\r\n");
    assert_non_null(keep);
    assert_true(strstr(answer, "Connection: close\r\n") > keep);
    free(answer);
}

static void handlers_error_becomes_a_problem_and_inner_failures_tell_nothing(void **state)
{
    static const struct {
        int         code, status;
        const char *part;
    } cases[] = { { OL_EINVAL, 400, "Bad Request" },   { OL_ENOENT, 404, "Not Found" },
                  { OL_EBUSY, 503, "Retry-After: " },  { OL_EUPSTREAM, 502, "Bad Gateway" },
                  { OL_ESYS, 500, "\"status\":500}" }, { OL_EFULL, 507, "no space" } };
    char request[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(request, sizeof request, LAST("/fail?code=%d"), cases[i].code);
        expect(request, cases[i].status, cases[i].part);
    }
}

static void full_queue_is_503_with_retry_after(void **state)
{
    int running = wire_connect(&sc), queued = wire_connect(&sc);

    (void)state;
    wire_puts(running, LAST("/gate"));
    gate_wait_for_n(&hold, 1);
    wire_puts(queued, LAST("/gate"));
    for (struct ol_server_stats stats = server_case_stats(&sc); stats.requests_total < 2;)
        stats = server_case_stats(&sc);
    expect(LAST("/gate"), 503, "\r\nRetry-After: 1\r\n");
    gate_open(&hold);
    free(wire_read_all(running, NULL));
    free(wire_read_all(queued, NULL));
    close(running);
    close(queued);
}

static void fields_that_a_handler_sets_are_checked(void **state)
{
    (void)state;
    n_refused = 0;
    char *answer = call(LAST("/fields"));
    assert_int_equal(n_refused, 12);
    assert_non_null(strstr(answer, "X-One: 1\r\nX-One: 2\r\n"));
    assert_non_null(strstr(answer, "Content-Type: text/b\r\n"));
    assert_null(strstr(answer, "text/a"));
    free(answer);
}

static void expect_continue_is_answered_before_the_body_comes(void **state)
{
    char interim[sizeof "HTTP/1.1 100 Continue\r\n\r\n"] = "";
    int  fd = wire_connect(&sc);

    (void)state;
    wire_puts(
        fd,
        "POST /async/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
    assert_true(wire_read(fd, interim, sizeof interim - 1));
    assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    wire_puts(fd, "ok");
    char *answer = wire_read_all(fd, NULL);
    assert_int_equal(count_answers(answer), 1);
    assert_non_null(strstr(answer, "\r\n\r\nok"));
    free(answer);
    close(fd);
    expect("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", 404, "close");
}

static void body_for_nobody_is_read_over_and_the_connection_goes_on(void **state)
{
    char *answer = call("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" LAST("/blocking"));

    (void)state;
    assert_int_equal(count_answers(answer), 2);
    assert_int_equal(answer_status(answer, 1), 200);
    free(answer);
}

static void answers_have_a_date(void **state)
{
    char *answer = call(LAST("/blocking"));
    char  day[4], month[4], zone[4];
    int   date, year, hour, minute, second;

    (void)state;
    assert_int_equal(sscanf(strstr(answer, "Date: "), "Date: %3s, %2d %3s %4d %2d:%2d:%2d %3s\r\n", day, &date, month,
                            &year, &hour, &minute, &second, zone),
                     8);
    assert_string_equal(zone, "GMT");
    free(answer);
}

/* Both requests are read in one turn, while the loop was held. */
static void a_blocking_handlers_answer_does_not_wait_for_the_handlers_behind_it(void **state)
{
    struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
    int           holder = wire_connect(&sc);
    char          answer[4];

    (void)state;
    n_in_turn = 0;
    gate_init(&first_is_answered, "the first answer was read");
    for (int i = 0; i < 2; i++)
        fds[i].fd = wire_connect(&sc);
    wire_puts(holder, LAST("/blocking/gate"));
    gate_wait_for_n(&hold, 1);
    for (int i = 0; i < 2; i++)
        wire_puts(fds[i].fd, LAST("/blocking/turn"));
    gate_open(&hold);
    assert_in_range(poll(fds, 2, GATE_LIMIT_S * 1000 / 2), 1, 2);
    int first = fds[0].revents ? 0 : 1;
    assert_true(wire_read(fds[first].fd, answer, sizeof answer));
    gate_open(&first_is_answered);
    free(wire_read_all(fds[first].fd, NULL));
    char *second = wire_read_all(fds[!first].fd, NULL);
    assert_int_equal(count_answers(second), 1);
    free(second);
    free(wire_read_all(holder, NULL));
    close(holder);
    close(fds[0].fd);
    close(fds[1].fd);
    gate_fini(&first_is_answered);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(handler_runs_where_its_route_says),
        TEST(request_is_decoded_for_the_handler),
        TEST(unknown_path_is_404_and_unknown_method_405_with_allow),
        TEST(body_reaches_the_handler_in_each_mode_and_framing),
        TEST(pipelined_requests_are_answered_in_order_whatever_is_ready_first),
        TEST(more_pipelined_requests_than_pipeline_max_are_all_answered),
        TEST(unsafe_request_waits_for_those_before_it_and_holds_those_behind_it),
        TEST(a_blocking_handlers_answer_does_not_wait_for_the_handlers_behind_it),
        TEST(nothing_runs_after_an_error_and_what_came_before_is_answered),
        TEST(head_204_and_304_have_no_body),
        TEST(old_clients_get_keep_alive_only_when_they_ask),
        TEST(handlers_error_becomes_a_problem_and_inner_failures_tell_nothing),
        TEST(full_queue_is_503_with_retry_after),
        TEST(fields_that_a_handler_sets_are_checked),
        TEST(expect_continue_is_answered_before_the_body_comes),
        TEST(body_for_nobody_is_read_over_and_the_connection_goes_on),
        TEST(answers_have_a_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
