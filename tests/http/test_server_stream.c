/*
 * Answers that go out while they are made, and bodies that are read while they come, from a worker and from a fiber.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"

enum { WINDOW = 4096, N_LINES = 3000, N_LINES_WITHIN = 1000 };

static struct server_case sc;
static struct gate        hold, left;
static atomic_int         reason;
static atomic_size_t      written;

/* ---- handlers ---- */

static int count_up(struct ol_request *req, struct ol_response *res, void *arg)
{
    char piece[32];
    int  rc = ol_response_header(res, "Content-Type", "text/plain");
    int  n = strstr(ol_request_path(req), "/blocking/") ? N_LINES_WITHIN : N_LINES;

    (void)arg;
    for (int i = 0; i < n && rc == 0; i++)
        rc = ol_response_write(res, piece, (size_t)snprintf(piece, sizeof piece, "%d\n", i));
    return rc;
}

static int write_then_wait(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    ol_response_header(res, "Content-Type", "text/plain");
    int rc = ol_response_write(res, "first", 5);
    if (rc == 0)
        rc = ol_sleep(0.05);
    return rc < 0 ? rc : ol_response_write(res, "second", 6);
}

static int break_off(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    ol_response_header(res, "Content-Type", "text/plain");
    ol_response_write(res, "some", 4);
    ol_sleep(0.02);
    return OL_ESYS;
}

static int write_much(struct ol_request *req, struct ol_response *res, void *arg)
{
    static const char zeros[1000];
    int               rc = ol_response_header(res, "Content-Type", "application/octet-stream");

    (void)req, (void)arg;
    while (rc == 0 && (rc = ol_response_write(res, zeros, sizeof zeros)) == 0)
        atomic_fetch_add(&written, sizeof zeros);
    atomic_store(&reason, rc);
    gate_arrive(&left);
    return rc;
}

/* The rules of streaming, from inside: what is refused before and after the first piece. */
static int try_everything(struct ol_request *req, struct ol_response *res, void *arg)
{
    char   byte;
    size_t size;
    int    n = 0;

    (void)arg;
    n += ol_response_write(res, "a", 1) == OL_EINVAL;        /* no Content-Type yet */
    n += ol_request_read(req, &byte, 1, &size) == OL_EINVAL; /* not a streamed body */
    ol_response_header(res, "Content-Type", "text/plain");
    n += ol_response_write(res, "a", 1) == 0;
    n += ol_response_status(res, 404) == OL_EINVAL;
    n += ol_response_header(res, "A", "b") == OL_EINVAL;
    n += ol_response_body(res, NULL, "c", 1) == OL_EINVAL;
    n += ol_response_problem(res, 400, NULL) == OL_EINVAL;
    atomic_store(&reason, n);
    return 0;
}

static int fill_window(struct ol_request *req, struct ol_response *res, void *arg)
{
    static const char zeros[WINDOW];
    int               rc = ol_response_header(res, "Content-Type", "text/plain");

    (void)req, (void)arg;
    rc = rc < 0 ? rc : ol_response_write(res, zeros, WINDOW);
    atomic_store(&reason, ol_response_write(res, "x", 1));
    return rc;
}

static int sum_body(struct ol_request *req, struct ol_response *res, void *arg)
{
    char   piece[777];
    size_t size = 1, sum = 0;
    int    rc = 0;

    (void)arg;
    gate_wait(&hold);
    while (rc == 0 && size) {
        rc = ol_request_read(req, piece, sizeof piece, &size);
        sum += rc == 0 ? size : 0;
    }
    atomic_store(&reason, rc);
    return rc < 0 ? rc : ol_response_printf(res, NULL, "%zu", sum);
}

static int ignore_body(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    return ol_response_body(res, NULL, "no", 2);
}

static int send_events(struct ol_request *req, struct ol_response *res, void *arg)
{
    int rc = ol_response_event(res, &(struct ol_sent_event){ .name = "a", .id = "1", .data = "one\ntwo\r\nthree" });

    (void)req, (void)arg;
    if (rc == 0)
        rc = ol_response_event(res, &(struct ol_sent_event){ 0 });
    if (ol_response_event(res, &(struct ol_sent_event){ .name = "a\nb" }) != OL_EINVAL)
        rc = OL_ESYS;
    return rc;
}

static int flood_events(struct ol_request *req, struct ol_response *res, void *arg)
{
    int rc = 0;

    (void)req, (void)arg;
    while (rc == 0)
        rc = ol_response_event(res, &(struct ol_sent_event){ .data = "0123456789012345678901234567890123456789" });
    atomic_store(&reason, rc);
    gate_arrive(&left);
    return 0;
}

static void add_routes(struct ol_server *server, void *arg)
{
    static const struct {
        const char      *name;
        enum ol_run_mode mode;
    } modes[] = { { "offload", OL_RUN_OFFLOAD }, { "async", OL_RUN_ASYNC }, { "blocking", OL_RUN_BLOCKING } };
    static const struct {
        const char    *name;
        ol_handler_cb *handler;
    } handlers[] = { { "count", count_up },     { "wait", write_then_wait }, { "break", break_off },
                     { "much", write_much },    { "try", try_everything },   { "fill", fill_window },
                     { "events", send_events }, { "flood", flood_events } };
    char path[64];

    (void)arg;
    for (int m = 0; m < 3; m++)
        for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
            snprintf(path, sizeof path, "/%s/%s", modes[m].name, handlers[i].name);
            add_route(server, "GET", path, modes[m].mode, handlers[i].handler, NULL);
        }
    for (int m = 0; m < 2; m++) {
        snprintf(path, sizeof path, "/%s/sum", modes[m].name);
        ol_server_route(server, &(struct ol_route){ "POST", path, modes[m].mode, sum_body, .stream_body = true });
        snprintf(path, sizeof path, "/%s/ignore", modes[m].name);
        ol_server_route(server, &(struct ol_route){ "POST", path, modes[m].mode, ignore_body, .stream_body = true });
    }
}

static int start(void **state)
{
    (void)state;
    gate_init(&hold, "the handler may read");
    gate_init(&left, "a handler has ended");
    atomic_store(&reason, 0);
    atomic_store(&written, 0);
    sc = (struct server_case){ .config = { .response_window = WINDOW, .write_timeout_s = 0.3, .body_max = 1 << 24 },
                               .add_routes = add_routes };
    server_case_start(&sc);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    gate_open(&hold);
    server_case_stop(&sc, 5);
    gate_fini(&hold);
    gate_fini(&left);
    return 0;
}

static const char *const waiting_modes[] = { "offload", "async" };

static char *get(const char *mode, const char *name, const char *version, const char *field)
{
    char request[256];

    snprintf(request, sizeof request, "GET /%s/%s HTTP/1.%s\r\nHost: a\r\n%s\r\n", mode, name, version, field);
    return wire_call(&sc, request, false);
}

/* Undo the chunked coding in place; false when it does not end. */
static bool decode_chunks(char *body)
{
    char *out = body, *at = body;

    for (;;) {
        char  *end;
        size_t size = strtoul(at, &end, 16);

        if (end == at || strncmp(end, "\r\n", 2) != 0)
            return false;
        at = end + 2;
        memmove(out, at, size);
        out += size;
        at += size;
        if (strncmp(at, "\r\n", 2) != 0)
            return false;
        at += 2;
        if (size == 0)
            break;
    }
    *out = '\0';
    return *at == '\0';
}

static void check_count(const char *body, int n)
{
    for (int i = 0; i < n; i++) {
        char *end;

        assert_int_equal(strtol(body, &end, 10), i);
        body = end + 1;
    }
    assert_string_equal(body, "");
}

/* ---- tests ---- */

static void stream_is_chunked_and_whole_in_http_1_1(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        char *answer = get(waiting_modes[m], "count", "1", "Connection: close\r\n"),
             *body = strstr(answer, "\r\n\r\n") + 4;

        assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
        assert_null(strstr(answer, "Content-Length"));
        assert_true(decode_chunks(body));
        check_count(body, N_LINES);
        free(answer);
    }
}

static void stream_ends_with_the_connection_in_http_1_0(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        char *answer = get(waiting_modes[m], "count", "0", "Connection: keep-alive\r\n");

        assert_null(strstr(answer, "Transfer-Encoding"));
        assert_non_null(strstr(answer, "Connection: close\r\n"));
        check_count(strstr(answer, "\r\n\r\n") + 4, N_LINES);
        free(answer);
    }
}

static void blocking_route_keeps_its_pieces_and_sends_them_as_one_body(void **state)
{
    char *answer = get("blocking", "count", "1", "Connection: close\r\n");

    (void)state;
    assert_non_null(strstr(answer, "Content-Length: 3890\r\n"));
    check_count(strstr(answer, "\r\n\r\n") + 4, N_LINES_WITHIN);
    free(answer);
    answer = get("blocking", "fill", "1", "Connection: close\r\n");
    assert_int_equal(atomic_load(&reason), OL_ELIMIT);
    assert_non_null(strstr(answer, "Content-Length: 4096\r\n"));
    free(answer);
}

static void pieces_leave_when_they_are_written_not_at_the_end(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        char *answer = get(waiting_modes[m], "wait", "1", "Connection: close\r\n");

        assert_non_null(strstr(answer, "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"));
        free(answer);
    }
}

static void connection_goes_on_after_a_stream(void **state)
{
    char *answer = wire_call(&sc,
                             "GET /async/wait HTTP/1.1\r\nHost: a\r\n\r\nHEAD /offload/wait HTTP/1.1\r\nHost: a\r\n\r\n"
                             "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                             false);

    (void)state;
    const char *second = strstr(answer, "0\r\n\r\nHTTP/1.1 200 OK\r\n");
    assert_non_null(second);
    assert_non_null(strstr(second, "\r\n\r\nHTTP/1.1 404")); /* HEAD's stream has no body */
    free(answer);
}

static void stream_that_fails_is_broken_off(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        char *answer = get(waiting_modes[m], "break", "1", "");

        assert_non_null(strstr(answer, "4\r\nsome\r\n"));
        assert_null(strstr(answer, "0\r\n\r\n"));
        free(answer);
    }
}

static void rules_of_streaming_are_held(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        free(get(waiting_modes[m], "try", "1", "Connection: close\r\n"));
        assert_int_equal(atomic_load(&reason), 7);
    }
}

/* The client reads nothing: the handler writes what the kernel and the window take, waits, and is told. */
static void stalled_reader_stops_its_handler_and_is_closed(void **state)
{
    (void)state;
    for (unsigned m = 0; m < 2; m++) {
        char request[128];
        bool reset;
        int  fd = wire_connect(&sc);

        atomic_store(&reason, 0);
        snprintf(request, sizeof request, "GET /%s/much HTTP/1.1\r\nHost: a\r\n\r\n", waiting_modes[m]);
        wire_puts(fd, request);
        gate_wait_for_n(&left, m + 1);
        assert_int_equal(atomic_load(&reason), OL_ECANCELED);
        server_case_until(&sc, no_connection);
        free(wire_read_all(fd, &reset));
        assert_true(reset); /* an end would look like the end of the answer to HTTP/1.0, and leave its rest in the kernel */
        close(fd);
    }
}

static void streamed_body_is_read_piece_by_piece(void **state)
{
    enum { SIZE = 1 << 20 };
    char *body = malloc(SIZE);

    (void)state;
    memset(body, 'x', SIZE);
    gate_open(&hold);
    for (int m = 0; m < 2; m++) {
        char request[256];
        int  fd = wire_connect(&sc);

        snprintf(request, sizeof request,
                 "POST /%s/sum HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
                 waiting_modes[m], SIZE);
        wire_puts(fd, request);
        wire_send(fd, body, SIZE);
        char *answer = wire_read_all(fd, NULL);
        assert_non_null(strstr(answer, "\r\n\r\n1048576"));
        free(answer);
        close(fd);
    }
    free(body);
}

static void body_that_nobody_reads_is_not_taken_from_the_client(void **state)
{
    enum { SIZE = 1 << 24 };
    char  *body = calloc(1, SIZE);
    int    fd = wire_connect(&sc);
    size_t sent = 0;

    (void)state;
    wire_puts(fd, "POST /offload/sum HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 16777216\r\n\r\n");
    gate_wait_for_n(&hold, 1);
    for (ssize_t n = 1; n > 0; sent += n > 0 ? (size_t)n : 0) {
        server_case_stats(&sc);
        n = send(fd, body + sent, SIZE - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    assert_true(sent < SIZE);
    gate_open(&hold);
    wire_send(fd, body + sent, SIZE - sent);
    char *answer = wire_read_all(fd, NULL);
    assert_non_null(strstr(answer, "\r\n\r\n16777216"));
    free(answer);
    free(body);
    close(fd);
}

static void client_that_breaks_off_its_body_is_told_to_the_reader(void **state)
{
    (void)state;
    gate_open(&hold);
    for (int m = 0; m < 2; m++) {
        char request[256];

        snprintf(request, sizeof request, "POST /%s/sum HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
                 waiting_modes[m]);
        char *answer = wire_call(&sc, request, true);
        assert_int_equal(atomic_load(&reason), OL_EIO);
        assert_int_equal(answer_status(answer, 0), 500);
        free(answer);
    }
}

static void handler_that_leaves_its_body_unread_closes_the_connection(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        char request[256];

        snprintf(request, sizeof request, "POST /%s/ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
                 waiting_modes[m]);
        char *answer = wire_call(&sc, request, false);
        assert_int_equal(count_answers(answer), 1);
        assert_non_null(strstr(answer, "Connection: close\r\n"));
        free(answer);
    }
}

static void events_are_lines_and_a_full_queue_refuses(void **state)
{
    static const char expected[] = "id: 1\nevent: a\ndata: one\ndata: two\ndata: three\n\n:\n\n";

    (void)state;
    for (int m = 0; m < 2; m++) {
        char *answer = get(waiting_modes[m], "events", "0", "");

        assert_non_null(strstr(answer, "Content-Type: text/event-stream\r\n"));
        assert_string_equal(strstr(answer, "\r\n\r\n") + 4, expected);
        free(answer);
        int  fd = wire_connect(&sc);
        char request[64];
        snprintf(request, sizeof request, "GET /%s/flood HTTP/1.1\r\nHost: a\r\n\r\n", waiting_modes[m]);
        wire_puts(fd, request);
        gate_wait_for_n(&left, (unsigned)m + 1);
        assert_int_equal(atomic_load(&reason), OL_EBUSY);
        close(fd);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stream_is_chunked_and_whole_in_http_1_1),
        TEST(stream_ends_with_the_connection_in_http_1_0),
        TEST(blocking_route_keeps_its_pieces_and_sends_them_as_one_body),
        TEST(pieces_leave_when_they_are_written_not_at_the_end),
        TEST(connection_goes_on_after_a_stream),
        TEST(stream_that_fails_is_broken_off),
        TEST(rules_of_streaming_are_held),
        TEST(stalled_reader_stops_its_handler_and_is_closed),
        TEST(streamed_body_is_read_piece_by_piece),
        TEST(body_that_nobody_reads_is_not_taken_from_the_client),
        TEST(client_that_breaks_off_its_body_is_told_to_the_reader),
        TEST(handler_that_leaves_its_body_unread_closes_the_connection),
        TEST(events_are_lines_and_a_full_queue_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
