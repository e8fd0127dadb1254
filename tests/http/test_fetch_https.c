/*
 * HTTPS: nothing is taken from a service whose certificate was not verified, in whichever place the fetch is made.
 *
 * The service is python3's ssl module in a child process (tls/server.py), with certificates that only tls/ca.pem
 * vouches for.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/fetch_case.h"

/* Its ports, in the order of the certificates on its command line. */
enum { GOOD, OTHERNAME, EXPIRED, N_SERVICES };

static pid_t server;
static int   lifeline = -1; /* the server's standard input: its end is the server's */
static char  urls[N_SERVICES][64];
static char  localhost_url[64];
static char  ca_file[4096];

/* ---- the service ---- */

static _Noreturn void exec_server(int in, int out, pid_t parent)
{
    char script[4096];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    snprintf(script, sizeof script, "%s/tests/http/tls/server.py", getenv("OFFLOOP_SOURCE_DIR"));
    execlp("python3", "python3", "-B", script, "good.pem", "othername.pem", "expired.pem", (char *)NULL);
    perror("python3");
    _exit(127);
}

static int start_services(void **state)
{
    int      in[2], out[2];
    unsigned ports[N_SERVICES];
    pid_t    parent = getpid();

    (void)state;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    server = fork();
    if (server == 0)
        exec_server(in[0], out[1], parent);
    close(in[0]);
    close(out[1]);
    lifeline = in[1];
    FILE *said = fdopen(out[0], "r");
    assert_int_equal(fscanf(said, "%u %u %u", &ports[GOOD], &ports[OTHERNAME], &ports[EXPIRED]), N_SERVICES);
    fclose(said);
    for (int i = 0; i < N_SERVICES; i++)
        snprintf(urls[i], sizeof urls[i], "https://127.0.0.1:%u/", ports[i]);
    snprintf(localhost_url, sizeof localhost_url, "https://localhost:%u/", ports[GOOD]);
    snprintf(ca_file, sizeof ca_file, "%s/tests/http/tls/ca.pem", getenv("OFFLOOP_SOURCE_DIR"));
    return 0;
}

static int stop_services(void **state)
{
    int status;

    (void)state;
    close(lifeline);
    return waitpid(server, &status, 0) == server && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- tests ---- */

static void assert_hello(enum place place, const char *url)
{
    struct fetched fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = url, .ca_file = ca_file });

    if (fetched.rc < 0)
        fail_msg("%s: %s", url, fetched.error.text);
    assert_true(is_answer(&fetched, "hello"));
    ol_fetch_result_free(fetched.result);
}

/* Every TLS library has its own words for what is wrong, but this one is in all of them. */
static void assert_refused(enum place place, const char *url, const char *ca)
{
    struct fetched fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = url, .ca_file = ca });

    assert_int_equal(fetched.rc, OL_EUPSTREAM);
    assert_null(fetched.result);
    assert_int_equal(fetched.error.code, OL_EUPSTREAM);
    assert_int_not_equal(fetched.error.detail, 0);
    assert_non_null(strstr(fetched.error.text, "certificate"));
}

static void service_of_a_known_authority_answers(void **state)
{
    enum place place = *(enum place *)*state;

    assert_hello(place, urls[GOOD]);
    assert_hello(place, localhost_url);
}

static void unknown_authority_is_refused(void **state)
{
    assert_refused(*(enum place *)*state, urls[GOOD], NULL);
}

static void another_name_is_refused(void **state)
{
    assert_refused(*(enum place *)*state, urls[OTHERNAME], ca_file);
}

static void expired_certificate_is_refused(void **state)
{
    assert_refused(*(enum place *)*state, urls[EXPIRED], ca_file);
}

static void trust_one_then_another(void *arg)
{
    struct ol_fetch_request request = { .url = urls[GOOD], .ca_file = ca_file };
    struct ol_fetch_result *result;
    int                    *codes = arg;

    for (int i = 0; i < 3; i++) {
        request.ca_file = i == 1 ? NULL : ca_file;
        codes[i] = ol_fetch(&result, &request);
        if (codes[i] == 0)
            ol_fetch_result_free(result);
    }
}

/* On one thread or one loop, the three could share a connection and its TLS session. */
static void trust_is_not_kept_with_a_connection(void **state)
{
    int codes[3];

    in_place(*(enum place *)*state, NULL, trust_one_then_another, codes);
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], OL_EUPSTREAM);
    assert_int_equal(codes[2], 0);
}

static void file_that_cannot_be_used_is_the_callers_mistake(void **state)
{
    enum place              place = *(enum place *)*state;
    struct ol_fetch_request request = { .url = urls[GOOD], .ca_file = "/nonexistent/ca.pem" };

    assert_int_equal(fetch_in(place, NULL, &request).rc, OL_EINVAL);
    request.ca_file = "";
    assert_int_equal(fetch_in(place, NULL, &request).rc, OL_EINVAL);
}

static void batch_keeps_a_copy_of_the_name(void **state)
{
    struct ol_fetch_batch *batch;
    struct ol_fetch_answer answer;
    char                   name[sizeof ca_file];

    (void)state;
    snprintf(name, sizeof name, "%s", ca_file);
    assert_int_equal(ol_fetch_batch_create(&batch, NULL), 0);
    assert_int_equal(ol_fetch_batch_add(batch, 1, &(struct ol_fetch_request){ .url = urls[GOOD], .ca_file = name }), 0);
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(ol_fetch_batch_next(&answer, batch), 0);
    assert_int_equal(answer.rc, 0);
    ol_fetch_result_free(answer.result);
    ol_fetch_batch_destroy(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EVERY_PLACE(service_of_a_known_authority_answers),
        IN_EVERY_PLACE(unknown_authority_is_refused),
        IN_EVERY_PLACE(another_name_is_refused),
        IN_EVERY_PLACE(expired_certificate_is_refused),
        IN_EVERY_PLACE(trust_is_not_kept_with_a_connection),
        IN_EVERY_PLACE(file_that_cannot_be_used_is_the_callers_mistake),
        cmocka_unit_test(batch_keeps_a_copy_of_the_name),
    };

    return cmocka_run_group_tests(tests, start_services, stop_services);
}
