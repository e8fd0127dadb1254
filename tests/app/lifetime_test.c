/*
 * Starting and stopping: signals, drain, the external API's process, two servers, sockets from a service manager.
 */
#include "serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A serve that has a request in its hands: the external API holds the answer. */
struct busy {
    struct gate     gate;
    struct service *service;
    struct program  serve;
    int             running; /* the client of that request */
    int             idle;    /* another one, whose connection is kept alive */
};

static void busy_start(struct busy *busy, const char *mode, const char *drain_s)
{
    struct answer answer;

    gate_init(&busy->gate, "the external API's answers");
    busy->service = service_start(serve_answer_after_gate, &busy->gate);
    serve_start(&busy->serve, service_url(busy->service, "/"), "--drain", drain_s, NULL);
    busy->running = client_connect(busy->serve.address);
    client_request(busy->running, "GET", mode, NULL);
    gate_wait_for_n(&busy->gate, 1);

    busy->idle = client_connect(busy->serve.address);
    client_request(busy->idle, "GET", "/hello", NULL);
    client_read(&answer, busy->idle, false);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

static void busy_stop(struct busy *busy)
{
    gate_open(&busy->gate);
    close(busy->running);
    close(busy->idle);
    service_stop(busy->service);
    gate_fini(&busy->gate);
}

/* The drain has begun when idle connections are closed. */
static void wait_for_drain(const struct busy *busy)
{
    struct pollfd pfd = { .fd = busy->idle, .events = POLLIN };
    char          byte;

    assert_int_equal(poll(&pfd, 1, CLIENT_LIMIT_S * 1000), 1);
    assert_int_equal(read(busy->idle, &byte, 1), 0);
}

static bool is_refused(const char *address)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM, 0), rc;

    in.sin_port = htons((in_port_t)atoi(strchr(address, ':') + 1));
    rc = connect(fd, (const struct sockaddr *)&in, sizeof in);
    close(fd);
    return rc < 0 && errno == ECONNREFUSED;
}

static void check_drain(const char *mode, int signal_number)
{
    struct busy   busy;
    struct answer answer;

    busy_start(&busy, mode, "20");
    program_signal(&busy.serve, signal_number);
    wait_for_drain(&busy);
    assert_true(is_refused(busy.serve.address));
    assert_true(client_is_silent(busy.running, 0));

    gate_open(&busy.gate);
    client_read(&answer, busy.running, false);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    assert_int_equal(program_wait(&busy.serve), 0);
    busy_stop(&busy);
}

static void sigterm_finishes_what_runs_in_offload(void **state)
{
    (void)state;
    check_drain("/offload", SIGTERM);
}

static void sigint_finishes_what_runs_in_async(void **state)
{
    (void)state;
    check_drain("/async", SIGINT);
}

static void what_runs_past_the_drain_is_cancelled_and_the_exit_is_0(void **state)
{
    static const char *const modes[] = { "/offload", "/async" };

    (void)state;
    for (int m = 0; m < 2; m++) {
        struct busy   busy;
        struct answer answer;

        busy_start(&busy, modes[m], "0.1");
        program_signal(&busy.serve, SIGTERM);
        client_read(&answer, busy.running, false);
        assert_int_not_equal(answer.status, 200);
        answer_free(&answer);
        assert_int_equal(program_wait(&busy.serve), 0);
        busy_stop(&busy);
    }
}

static void a_second_signal_exits_at_once_with_1(void **state)
{
    struct busy busy;

    (void)state;
    busy_start(&busy, "/offload", "1000");
    program_signal(&busy.serve, SIGTERM);
    wait_for_drain(&busy);
    program_signal(&busy.serve, SIGTERM);
    assert_int_equal(program_wait(&busy.serve), 1);
    busy_stop(&busy);
}

/* ---- the external API's process ---- */

static void check_child_ends(int signal_number, int status)
{
    struct program serve;
    pid_t          child;
    int            pidfd;

    serve_start(&serve, NULL, "--delay", "0", NULL);
    assert_int_equal(client_status(serve.address, "/async"), 200);
    child = process_child(serve.pid);
    pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    assert_true(pidfd >= 0);
    program_signal(&serve, signal_number);
    assert_int_equal(program_wait(&serve), status);
    process_wait_gone(pidfd);
    close(pidfd);
}

static void sigkill_of_serve_ends_its_external_api(void **state)
{
    (void)state;
    check_child_ends(SIGKILL, -SIGKILL);
}

static void sigterm_of_serve_ends_its_external_api(void **state)
{
    (void)state;
    check_child_ends(SIGTERM, 0);
}

static void two_serves_live_side_by_side(void **state)
{
    struct program serves[2];

    (void)state;
    serve_start(&serves[0], NULL, "--delay", "0", "--db", "one.db", NULL);
    serve_start(&serves[1], NULL, "--delay", "0", "--db", "two.db", NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_status(serves[i].address, "/async"), 200);
        assert_int_equal(client_status(serves[i].address, "/offload/items/1"), 200);
    }
    serve_stop(&serves[0]);
    assert_int_equal(client_status(serves[1].address, "/offload"), 200);
    serve_stop(&serves[1]);
}

/* ---- listening ---- */

static void a_unix_socket_serves_as_well(void **state)
{
    struct program serve;
    char           address[256], path[200];

    (void)state;
    snprintf(path, sizeof path, "%s/socket", serve_folder);
    snprintf(address, sizeof address, "unix:%s", path);
    serve_start(&serve, "http://127.0.0.1:9/", "--listen", address, NULL);
    assert_int_equal(client_status(address, "/hello"), 200);
    assert_int_equal(client_status(serve.address, "/hello"), 200);
    serve_stop(&serve);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* A listening socket as a service manager would hold it. */
static int listen_outside(char *address, size_t size)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          in_size = sizeof in;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &in_size), 0);
    snprintf(address, size, "127.0.0.1:%u", ntohs(in.sin_port));
    return fd;
}

static void start_with_socket(struct program *serve, int listener)
{
    program_start_server(serve, &(struct program_setup){ .folder = serve_folder, .listener = listener },
                         (const char *const[]){ "serve", "--db", "items.db", "--external-api", "http://127.0.0.1:9/",
                                                NULL });
}

static void an_inherited_socket_refuses_nobody_over_a_restart(void **state)
{
    struct program first, second;
    struct answer  answer;
    char           address[64];
    int            listener = listen_outside(address, sizeof address), between;

    (void)state;
    start_with_socket(&first, listener);
    assert_string_equal(first.address, address);
    assert_int_equal(client_status(address, "/hello"), 200);
    serve_stop(&first);

    between = client_connect(address); /* nobody serves now: it waits in the queue */
    client_request(between, "GET", "/hello", NULL);
    start_with_socket(&second, listener);
    client_read(&answer, between, false);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    close(between);
    serve_stop(&second);
    close(listener);
}

/* ---- telling the service manager, and load balancers ---- */

static int make_notify_socket(char *variable, size_t size)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(local.sun_path, sizeof local.sun_path, "%s/notify", serve_folder);
    assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof local), 0);
    snprintf(variable, size, "NOTIFY_SOCKET=%s", local.sun_path);
    return fd;
}

static void expect_notice(int fd, const char *wanted)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    char          text[64] = "";

    assert_int_equal(poll(&pfd, 1, CLIENT_LIMIT_S * 1000), 1);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, wanted);
}

static void the_service_manager_and_readyz_hear_of_start_and_stop(void **state)
{
    struct program serve;
    char           variable[256];
    int            notify = make_notify_socket(variable, sizeof variable);

    (void)state;
    program_start_server(&serve, &(struct program_setup){ .folder = serve_folder, .environment = variable },
                         (const char *const[]){ "serve", "--listen", "127.0.0.1:0", "--db", "items.db", "--external-api",
                                                "http://127.0.0.1:9/", "--drain-delay", "1000", NULL });
    expect_notice(notify, "READY=1");
    assert_int_equal(client_status(serve.address, "/readyz"), 200);

    program_signal(&serve, SIGTERM);
    expect_notice(notify, "STOPPING=1");
    assert_int_equal(client_status(serve.address, "/readyz"), 503);
    assert_int_equal(client_status(serve.address, "/livez"), 200);
    program_signal(&serve, SIGTERM);
    assert_int_equal(program_wait(&serve), 1);
    close(notify);
}

static void listening_to_the_world_is_warned_of(void **state)
{
    struct program serve;
    char           line[512];

    (void)state;
    program_start_server(&serve, &(struct program_setup){ .folder = serve_folder },
                         (const char *const[]){ "serve", "--listen", "0.0.0.0:0", "--db", "items.db", "--external-api",
                                                "http://127.0.0.1:9/", NULL });
    do
        assert_true(program_read_line(line, sizeof line, serve.err));
    while (!strstr(line, "warning: 0.0.0.0:"));
    serve_stop(&serve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigterm_finishes_what_runs_in_offload),
        cmocka_unit_test(sigint_finishes_what_runs_in_async),
        cmocka_unit_test(what_runs_past_the_drain_is_cancelled_and_the_exit_is_0),
        cmocka_unit_test(a_second_signal_exits_at_once_with_1),
        cmocka_unit_test(sigkill_of_serve_ends_its_external_api),
        cmocka_unit_test(sigterm_of_serve_ends_its_external_api),
        cmocka_unit_test(two_serves_live_side_by_side),
        cmocka_unit_test(a_unix_socket_serves_as_well),
        cmocka_unit_test(an_inherited_socket_refuses_nobody_over_a_restart),
        cmocka_unit_test(the_service_manager_and_readyz_hear_of_start_and_stop),
        cmocka_unit_test(listening_to_the_world_is_warned_of),
    };

    return cmocka_run_group_tests(tests, serve_make_folder, serve_remove_folder);
}
