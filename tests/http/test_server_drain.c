/*
 * Closing a server: what was taken is answered, what is idle goes, and what does not end is ended. Restarting one by a socket
 * that both inherit.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"
#include "support/crew.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct server_case sc;
static struct gate        hold, left;
static atomic_int         reason;

static int wait_at_gate(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    gate_wait(&hold);
    return ol_response_body(res, NULL, "late", 4);
}

static int sleep_long(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    gate_arrive(&hold);
    int rc = ol_sleep(25);
    atomic_store(&reason, rc);
    gate_arrive(&left);
    return rc < 0 ? rc : ol_response_body(res, NULL, "slept", 5);
}

static int hello(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    return ol_response_body(res, NULL, "hello", 5);
}

static void add_routes(struct ol_server *server, void *arg)
{
    (void)arg;
    add_route(server, "GET", "/gate", OL_RUN_OFFLOAD, wait_at_gate, NULL);
    add_route(server, "GET", "/sleep/async", OL_RUN_ASYNC, sleep_long, NULL);
    add_route(server, "GET", "/sleep/offload", OL_RUN_OFFLOAD, sleep_long, NULL);
    add_route(server, "GET", "/hello", OL_RUN_BLOCKING, hello, NULL);
    add_route(server, "GET", "/hello/offload", OL_RUN_OFFLOAD, hello, NULL);
    add_route(server, "POST", "/hello/offload", OL_RUN_OFFLOAD, hello, NULL);
}

static int start(void **state)
{
    (void)state;
    gate_init(&hold, "a handler may go on");
    gate_init(&left, "a handler has ended");
    sc = (struct server_case){ .add_routes = add_routes };
    server_case_start(&sc);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    gate_fini(&hold);
    gate_fini(&left);
    return 0;
}

/* ---- tests ---- */

static void drain_answers_what_was_taken_and_says_close(void **state)
{
    int fd = wire_connect(&sc);

    (void)state;
    wire_puts(fd, GET("/gate") GET("/hello"));
    gate_wait_for_n(&hold, 1);
    server_case_close(&sc, 20);
    wire_puts(fd, GET("/hello")); /* too late: it may not be answered, and is not */
    gate_open(&hold);
    char *answer = wire_read_all(fd, NULL);
    assert_int_equal(count_answers(answer), 2);
    const char *second = strstr(answer, "late");
    assert_non_null(second);
    assert_null(memmem(answer, (size_t)(second - answer), "Connection: close", 17));
    assert_non_null(strstr(second, "Connection: close\r\n"));
    free(answer);
    close(fd);
    server_case_stop(&sc, -1);
}

static void idle_connections_are_closed_without_a_word_and_not_waited_for(void **state)
{
    int  fds[3];
    char answer[512];

    (void)state;
    for (int i = 0; i < 3; i++)
        fds[i] = wire_connect(&sc);
    wire_puts(fds[0], GET("/hello"));
    while (recv(fds[0], answer, sizeof answer, MSG_PEEK) < 1)
        ;
    server_case_close(&sc, 20);
    gate_wait_for_n(&sc.closed, 1); /* it does not wait for them to leave */
    for (int i = 0; i < 3; i++) {
        bool  reset;
        char *rest = wire_read_all(fds[i], &reset);

        assert_false(reset);
        assert_int_equal(count_answers(rest), i == 0);
        free(rest);
        close(fds[i]);
    }
    server_case_stop(&sc, -1);
}

static void head_that_has_begun_is_waited_for(void **state)
{
    int fd = wire_connect(&sc);

    (void)state;
    wire_puts(fd, "GET /hello HTTP/1.1\r\nHo");
    server_case_stats(&sc);
    server_case_close(&sc, 20);
    wire_puts(fd, "st: a\r\n\r\n");
    char *answer = wire_read_all(fd, NULL);
    assert_int_equal(answer_status(answer, 0), 200);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    free(answer);
    close(fd);
    server_case_stop(&sc, -1);
}

static void what_still_runs_at_the_end_of_the_drain_is_told_that_it_closed(void **state)
{
    static const char *const requests[] = { GET("/sleep/async"), GET("/sleep/offload") };

    for (unsigned i = 0; i < 2; i++) {
        int fd = wire_connect(&sc);

        wire_puts(fd, requests[i]);
        gate_wait_for_n(&hold, 1);
        server_case_close(&sc, 2);
        gate_wait_for_n(&left, 1);
        assert_int_equal(atomic_load(&reason), OL_ECLOSED);
        char *answer = wire_read_all(fd, NULL);
        assert_int_equal(answer_status(answer, 0), 503);
        free(answer);
        close(fd);
        server_case_stop(&sc, -1);
        if (i == 0) {
            clean_up(state);
            start(state);
        }
    }
}

static bool three_running(const struct ol_server_stats *stats)
{
    return stats->requests_running == 3;
}

/* Both threads have a handler that does not look; one request waits for a thread, and one for that request. */
static void what_was_not_begun_at_the_end_of_the_drain_is_answered_503(void **state)
{
    int running[2] = { wire_connect(&sc), wire_connect(&sc) }, waiting = wire_connect(&sc);

    (void)state;
    for (int i = 0; i < 2; i++)
        wire_puts(running[i], GET("/gate"));
    gate_wait_for_n(&hold, 2);
    wire_puts(waiting, GET("/gate") "POST /hello/offload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    server_case_until(&sc, three_running);
    server_case_close(&sc, 2);
    char *answer = wire_read_all(waiting, NULL);
    assert_int_equal(count_answers(answer), 2);
    assert_int_equal(answer_status(answer, 0), 503);
    assert_int_equal(answer_status(answer, 1), 503);
    free(answer);
    assert_int_equal(gate_arrived(&hold), 2);
    gate_open(&hold);
    close(waiting);
    close(running[0]);
    close(running[1]);
    server_case_stop(&sc, -1);
}

static void try_destroy(struct server_case *server_case, void *arg)
{
    *(int *)arg = ol_server_destroy(server_case->server);
}

static void server_with_a_running_handler_cannot_be_destroyed(void **state)
{
    int fd = wire_connect(&sc), rc;

    (void)state;
    wire_puts(fd, GET("/gate"));
    gate_wait_for_n(&hold, 1);
    server_case_call(&sc, try_destroy, &rc);
    assert_int_equal(rc, OL_EBUSY);
    gate_open(&hold);
    server_case_close(&sc, 20);
    char *answer = wire_read_all(fd, NULL);
    assert_int_equal(answer_status(answer, 0), 200); /* and it was left as it was */
    free(answer);
    close(fd);
    server_case_stop(&sc, -1);
}

/* ---- under load ---- */

struct load {
    atomic_uint answered; /* answers, each whole */
    atomic_uint cut;      /* connections that ended inside an answer */
    atomic_uint refused;
    atomic_uint unanswered; /* requests that got none, although their connection had not been told of its end */
    atomic_bool enough;
    in_port_t   port;
};

static int connect_or_refused(struct load *load)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = load->port,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A new connection for each request, as a restart is felt most. */
static void request_again_and_again(unsigned index, void *arg)
{
    static const char *const requests[] = { "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                                            "GET /hello/offload HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" };
    struct load             *load = arg;

    while (!atomic_load(&load->enough)) {
        int fd = connect_or_refused(load);

        if (fd < 0) {
            atomic_fetch_add(&load->refused, 1);
            return;
        }
        const char *request = requests[index % 2];
        bool        sent = wire_try_send(fd, request, strlen(request));
        char       *answer = wire_read_all(fd, NULL);
        if (sent && count_answers(answer) == 1)
            atomic_fetch_add(&load->answered, 1);
        else if (*answer)
            atomic_fetch_add(&load->cut, 1);
        else
            atomic_fetch_add(&load->unanswered, 1);
        free(answer);
        close(fd);
    }
}

static void until_answered(struct load *load, unsigned n)
{
    unsigned goal = atomic_load(&load->answered) + n;

    while (atomic_load(&load->answered) < goal && !atomic_load(&load->refused) && !atomic_load(&load->unanswered))
        usleep(1000);
}

static int open_listener(struct load *load)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof address;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    load->port = address.sin_port;
    return fd;
}

/* Without descriptors of its own to count: the load has some open. */
static void stop_under_load(struct server_case *server_case)
{
    server_case_close(server_case, 10);
    gate_wait_for_n(&server_case->closed, 1);
    pthread_join(server_case->thread, NULL);
    gate_fini(&server_case->ready);
    gate_fini(&server_case->closed);
}

static void restart_with_an_inherited_socket_loses_no_request(void **state)
{
    struct server_case first = { .add_routes = add_routes }, second = first;
    struct load        load = { 0 };
    struct crew        crew;
    int                listener = open_listener(&load);

    (void)state;
    first.listen_fd = dup(listener);
    server_case_start(&first);
    crew_start(&crew, 4, request_again_and_again, &load);
    for (int restart = 0; restart < 3; restart++) {
        until_answered(&load, 50);
        second = (struct server_case){ .add_routes = add_routes, .listen_fd = dup(listener) };
        server_case_start(&second);
        stop_under_load(&first);
        until_answered(&load, 50);
        first = (struct server_case){ .add_routes = add_routes, .listen_fd = dup(listener) };
        server_case_start(&first);
        stop_under_load(&second);
    }
    atomic_store(&load.enough, true);
    crew_join(&crew);
    stop_under_load(&first);
    close(listener);
    assert_int_equal(atomic_load(&load.refused), 0);
    assert_int_equal(atomic_load(&load.cut), 0);
    assert_int_equal(atomic_load(&load.unanswered), 0);
}

static void what_does_not_listen_is_refused(void **state)
{
    struct ol_loop   *loop;
    struct ol_server *server;
    int               fds[2];

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    assert_int_equal(ol_server_create(&server, loop, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(ol_server_listen_fd(server, fds[0]), OL_EINVAL);
    assert_int_equal(ol_server_listen_fd(server, -1), OL_EINVAL);
    assert_int_equal(ol_server_listen(server, "127.0.0.1"), OL_EINVAL);
    assert_int_equal(ol_server_listen(server, "::1:80"), OL_EINVAL);
    assert_int_equal(ol_server_listen(server, "127.0.0.1:http-ish"), OL_EINVAL);
    assert_int_equal(ol_server_listen(server, "unix:relative"), OL_EINVAL);
    assert_int_equal(ol_server_listen(server, "unix:/no/such/folder/s"), OL_ESYS);
    assert_int_equal(ol_server_listen(server, "127.0.0.1:0"), 0);
    assert_int_equal(ol_server_listen(server, ol_server_address(server, 0)), OL_ESYS); /* in use */
    assert_non_null(strstr(ol_last_error()->text, ol_server_address(server, 0)));
    assert_null(ol_server_address(server, 1));
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(ol_server_destroy(server), 0);
    assert_int_equal(ol_loop_destroy(loop), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(drain_answers_what_was_taken_and_says_close),
        TEST(idle_connections_are_closed_without_a_word_and_not_waited_for),
        TEST(head_that_has_begun_is_waited_for),
        TEST(what_still_runs_at_the_end_of_the_drain_is_told_that_it_closed),
        TEST(what_was_not_begun_at_the_end_of_the_drain_is_answered_503),
        TEST(server_with_a_running_handler_cannot_be_destroyed),
        cmocka_unit_test(restart_with_an_inherited_socket_loses_no_request),
        cmocka_unit_test(what_does_not_listen_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
