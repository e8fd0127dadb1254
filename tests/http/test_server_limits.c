/*
 * Everything that a client can hold open or fill up has a limit: one below, at, and above it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"

#define LAST(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

enum { BODY_MAX = 1000 };

static struct server_case sc;

static int count_body(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)arg;
    return ol_response_printf(res, NULL, "%zu", ol_request_body(req).size);
}

static int count_stream(struct ol_request *req, struct ol_response *res, void *arg)
{
    char   piece[100];
    size_t size = 1, sum = 0;
    int    rc = 0;

    (void)arg;
    while (size && rc == 0) {
        rc = ol_request_read(req, piece, sizeof piece, &size);
        sum += rc == 0 ? size : 0;
    }
    return rc < 0 ? ol_response_problem(res, 413, ol_error_name(rc)) : ol_response_printf(res, NULL, "%zu", sum);
}

static int sleep_long(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)res, (void)arg;
    return ol_sleep(25);
}

static void add_routes(struct ol_server *server, void *arg)
{
    (void)arg;
    add_route(server, "*", "/whole", OL_RUN_BLOCKING, count_body, NULL);
    ol_server_route(server, &(struct ol_route){ "POST", "/small", OL_RUN_ASYNC, count_body, .body_max = 10 });
    ol_server_route(server, &(struct ol_route){ "POST", "/stream", OL_RUN_OFFLOAD, count_stream, .stream_body = true });
    ol_server_route(server, &(struct ol_route){ "GET", "/late", OL_RUN_ASYNC, sleep_long, .timeout_s = 0.05 });
    ol_server_route(server, &(struct ol_route){ "GET", "/late/offload", OL_RUN_OFFLOAD, sleep_long, .timeout_s = 0.05 });
    ol_server_route(server,
                    &(struct ol_route){ "GET", "/late/blocking", OL_RUN_BLOCKING, sleep_long, .timeout_s = 0.05 });
}

static void begin(const struct ol_server_config *config)
{
    sc = (struct server_case){ .config = *config, .add_routes = add_routes };
    server_case_start(&sc);
}

static void end(void)
{
    server_case_stop(&sc, 5);
}

/* Returns the status; *ret_rest what the body was. */
static int post(const char *path, size_t size, bool chunked)
{
    char  *request = malloc(size + 256);
    size_t used;

    if (chunked)
        used = (size_t)sprintf(
            request, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
            path, size);
    else
        used = (size_t)sprintf(request, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                               path, size);
    memset(request + used, 'x', size);
    strcpy(request + used + size, chunked ? "\r\n0\r\n\r\n" : "");
    char *answer = wire_call(&sc, request, false);
    int   status = answer_status(answer, 0);
    char  expected[32];
    snprintf(expected, sizeof expected, "\r\n\r\n%zu", size);
    if (status == 200)
        assert_non_null(strstr(answer, expected));
    assert_int_equal(count_answers(answer), 1);
    free(answer);
    free(request);
    return status;
}

static void body_of_the_limit_is_taken_and_one_more_is_413(void **state)
{
    (void)state;
    begin(&(struct ol_server_config){ .body_max = BODY_MAX });
    for (int chunked = 0; chunked < 2; chunked++) {
        assert_int_equal(post("/whole", BODY_MAX - 1, chunked), 200);
        assert_int_equal(post("/whole", BODY_MAX, chunked), 200);
        assert_int_equal(post("/whole", BODY_MAX + 1, chunked), 413);
        assert_int_equal(post("/small", 9, chunked), 200);
        assert_int_equal(post("/small", 10, chunked), 200);
        assert_int_equal(post("/small", 11, chunked), 413);
        assert_int_equal(post("/stream", BODY_MAX, chunked), 200);
        assert_int_equal(post("/stream", BODY_MAX + 1, chunked), 413);
    }
    end();
}

static void request_line_head_and_fields_of_the_default_limits_are_taken_and_more_refused(void **state)
{
    static char request[32768];

    (void)state;
    begin(&(struct ol_server_config){ 0 });
    for (int more = -1; more < 2; more++) {
        int path = 8192 - (int)strlen("GET / HTTP/1.1") - (int)strlen("/whole?") + 1 + more;

        sprintf(request, "GET /whole?%0*d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path, 0);
        char *answer = wire_call(&sc, request, false);
        assert_int_equal(answer_status(answer, 0), more > 0 ? 414 : 200);
        free(answer);
    }
    for (int more = -1; more < 2; more++) {
        static const char front[] = "GET /whole HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: ";

        sprintf(request, "%s%0*d\r\n\r\n", front, 16384 - (int)sizeof front + 1 - 4 + more, 0);
        char *answer = wire_call(&sc, request, false);
        assert_int_equal(answer_status(answer, 0), more > 0 ? 431 : 200);
        free(answer);
    }
    for (int n = 99; n < 102; n++) {
        size_t used = (size_t)sprintf(request, "GET /whole HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");

        for (int i = 2; i < n; i++)
            used += (size_t)sprintf(request + used, "A: b\r\n");
        strcpy(request + used, "\r\n");
        char *answer = wire_call(&sc, request, false);
        assert_int_equal(answer_status(answer, 0), n > 100 ? 431 : 200);
        free(answer);
    }
    end();
}

static void requests_max_closes_after_that_many(void **state)
{
    static const char get[] = "GET /whole HTTP/1.1\r\nHost: a\r\n\r\n";
    char              text[4 * sizeof get] = "";

    (void)state;
    begin(&(struct ol_server_config){ .requests_max = 3 });
    for (int i = 0; i < 4; i++)
        strcat(text, get);
    char *answer = wire_call(&sc, text, false);
    assert_int_equal(count_answers(answer), 3);
    const char *close_field = strstr(answer, "Connection: close");
    assert_true(close_field && !strstr(close_field, "HTTP/1.1 200"));
    free(answer);
    end();
}

/* ---- deadlines: the client would wait for ever ---- */

static int status_when_stuck_after(const char *text, const struct ol_server_config *config)
{
    begin(config);
    char *answer = wire_call(&sc, text, false);
    int   status = answer_status(answer, 0);
    free(answer);
    end();
    return status;
}

static void head_that_does_not_end_is_408(void **state)
{
    (void)state;
    assert_int_equal(status_when_stuck_after("GET / HT", &(struct ol_server_config){ .head_timeout_s = 0.05 }), 408);
    assert_int_equal(status_when_stuck_after("\r\n", &(struct ol_server_config){ .head_timeout_s = 0.05 }), 408);
}

static void head_that_trickles_ends_at_the_same_deadline(void **state)
{
    int  fd;
    bool open = true;

    (void)state;
    begin(&(struct ol_server_config){ .head_timeout_s = 0.2 });
    fd = wire_connect(&sc);
    wire_puts(fd, "GET / HTTP/1.1\r\nA: ");
    while (open) { /* ends only if bytes do not move the deadline */
        open = wire_try_send(fd, "a", 1);
        server_case_stats(&sc);
        open = open && server_case_stats(&sc).connections > 0;
    }
    close(fd);
    end();
}

static void body_that_does_not_come_is_408(void **state)
{
    static const char part[] = "POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";

    (void)state;
    assert_int_equal(status_when_stuck_after(part, &(struct ol_server_config){ .body_timeout_s = 0.05 }), 408);
}

static void idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    begin(&(struct ol_server_config){ .keep_alive_s = 0.05 });
    char *answer = wire_call(&sc, "", false);
    assert_string_equal(answer, "");
    free(answer);
    answer = wire_call(&sc, "GET /whole HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert_int_equal(count_answers(answer), 1);
    free(answer);
    end();
}

static void request_past_its_deadline_is_503_in_each_mode(void **state)
{
    static const char *const requests[] = { LAST("/late"), LAST("/late/offload"), LAST("/late/blocking") };

    (void)state;
    begin(&(struct ol_server_config){ 0 });
    for (int i = 0; i < 3; i++) {
        char *answer = wire_call(&sc, requests[i], false);

        assert_int_equal(answer_status(answer, 0), 503);
        assert_non_null(strstr(answer, "Retry-After"));
        free(answer);
    }
    end();
}

/* ---- connections ---- */

static bool was_paused(const struct ol_server_stats *stats)
{
    return stats->accept_paused > 0;
}

static void beyond_connections_max_clients_wait_until_one_leaves(void **state)
{
    int first, second;

    (void)state;
    begin(&(struct ol_server_config){ .connections_max = 1 });
    first = wire_connect(&sc);
    wire_puts(first, "G");
    second = wire_connect(&sc);
    wire_puts(second, LAST("/whole"));
    server_case_until(&sc, was_paused);
    assert_int_equal(server_case_stats(&sc).connections, 1);
    close(first);
    char *answer = wire_read_all(second, NULL);
    assert_int_equal(answer_status(answer, 0), 200);
    free(answer);
    close(second);
    end();
}

/* On the server's thread; the test looks when that is gone. */
static struct {
    unsigned n;
    char     text[128];
} told;

static void take_event(const struct ol_event *event, void *arg)
{
    (void)arg;
    told.n++;
    snprintf(told.text, sizeof told.text, "%s", event->text);
}

static struct ol_subscriber listening = { .kinds = OL_EVENT_HTTP, .cb = take_event };

static unsigned paused_before;

static bool was_paused_again(const struct ol_server_stats *stats)
{
    return stats->accept_paused > paused_before;
}

static void pauses_that_follow_each_other_are_told_of_once(void **state)
{
    int first, second;

    (void)state;
    told.n = paused_before = 0;
    ol_events_subscribe(&listening);
    begin(&(struct ol_server_config){ .connections_max = 1 });
    first = wire_connect(&sc);
    for (int i = 0; i < 5; i++) {
        second = wire_connect(&sc);
        server_case_until(&sc, was_paused_again);
        paused_before = (unsigned)server_case_stats(&sc).accept_paused;
        close(first);
        first = second;
    }
    close(first);
    end();
    ol_events_unsubscribe(&listening);
    assert_int_equal(told.n, 1);
    assert_string_equal(told.text, "no more clients are accepted for now: connections_max are there");
}

static void without_descriptors_the_listener_pauses_and_goes_on(void **state)
{
    struct rlimit before, none;
    int           fd;

    (void)state;
    ol_events_subscribe(&listening);
    begin(&(struct ol_server_config){ 0 });
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    int low = dup(0);
    close(low);
    none.rlim_cur = (rlim_t)low + 1; /* room for one descriptor: the client's own */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    fd = wire_connect(&sc);
    server_case_until(&sc, was_paused);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    wire_puts(fd, LAST("/whole"));
    char *answer = wire_read_all(fd, NULL);
    assert_int_equal(answer_status(answer, 0), 200);
    assert_true(server_case_stats(&sc).accept_paused < 100); /* it did not spin */
    free(answer);
    close(fd);
    end();
    ol_events_unsubscribe(&listening);
    assert_string_equal(told.text, "no more clients are accepted for now: Too many open files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_of_the_limit_is_taken_and_one_more_is_413),
        cmocka_unit_test(request_line_head_and_fields_of_the_default_limits_are_taken_and_more_refused),
        cmocka_unit_test(requests_max_closes_after_that_many),
        cmocka_unit_test(head_that_does_not_end_is_408),
        cmocka_unit_test(head_that_trickles_ends_at_the_same_deadline),
        cmocka_unit_test(body_that_does_not_come_is_408),
        cmocka_unit_test(idle_connection_is_closed_without_a_word),
        cmocka_unit_test(request_past_its_deadline_is_503_in_each_mode),
        cmocka_unit_test(beyond_connections_max_clients_wait_until_one_leaves),
        cmocka_unit_test(pauses_that_follow_each_other_are_told_of_once),
        cmocka_unit_test(without_descriptors_the_listener_pauses_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
