/*
 * `offloop fetch` as a process, against a fake service: lines, bodies and JSON, URLs from standard input, the exit status,
 * and what each mode means for the number of requests that wait at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/gate.h"
#include "support/service.h"

enum { TOGETHER = 8 };

struct desk {
    struct gate all_here; /* /together waits here, until TOGETHER are there */
};

static struct desk     desk;
static struct service *service;
static const char     *base; /* URL */

static void answer(struct exchange *exchange)
{
    if (strcmp(exchange->path, "/missing") == 0)
        service_send(exchange, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    else if (strcmp(exchange->path, "/binary") == 0)
        service_send_bytes(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\0\xfe\n", 42);
    else if (strcmp(exchange->path, "/silent") == 0)
        service_await_hangup(exchange);
    else if (strcmp(exchange->path, "/together") == 0) {
        gate_arrive(&desk.all_here);
        gate_wait_for_n(&desk.all_here, TOGETHER);
        service_answer(exchange, "here");
    } else
        service_answer(exchange, exchange->path);
}

static int start(void **state)
{
    (void)state;
    gate_init(&desk.all_here, "all here");
    service = service_start(answer, &desk);
    base = service_url(service, "");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    service_stop(service);
    gate_fini(&desk.all_here);
    return 0;
}

/* Run a shell's command line in which $P is the program and $U the service. Returns its exit status. */
static int run(char *output, size_t size, const char *line)
{
    setenv("P", getenv("OFFLOOP_PROGRAM"), 1);
    setenv("U", base, 1);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t n = fread(output, 1, size - 1, pipe);
    output[n] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;

    for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
        n++;
    return n;
}

static void each_answer_is_a_line_with_status_time_bytes_and_url(void **state)
{
    char   out[1024], url[256];
    int    status, bytes;
    double ms;

    (void)state;
    assert_int_equal(run(out, sizeof out, "$P fetch $U/hello 2>/dev/null"), 0);
    assert_int_equal(sscanf(out, "%d %lf ms %d B %255s", &status, &ms, &bytes, url), 4);
    assert_int_equal(status, 200);
    assert_int_equal(bytes, strlen("/hello"));
    assert_int_equal(strncmp(url, base, strlen(base)), 0);
}

static void exit_status_tells_whether_any_failed(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(out, sizeof out, "$P fetch $U/a $U/missing 2>&1"), 1);
    assert_non_null(strstr(out, "404"));
    assert_non_null(strstr(out, "2 requests"));
    assert_non_null(strstr(out, "1 failed"));
    assert_int_equal(run(out, sizeof out, "$P fetch ftp://127.0.0.1/ 2>&1"), 1);
    assert_non_null(strstr(out, "OL_EINVAL"));
    assert_int_equal(run(out, sizeof out, "$P fetch --timeout 0.05 $U/silent 2>&1"), 1);
    assert_non_null(strstr(out, "OL_EUPTIMEOUT"));
    assert_int_equal(run(out, sizeof out, "$P fetch - </dev/null 2>&1"), 0);
}

static void a_wrong_command_line_is_2_and_one_line(void **state)
{
    static const char *const lines[] = { "$P fetch 2>&1",
                                         "$P fetch -c 0 x 2>&1",
                                         "$P fetch -c 99999 x 2>&1",
                                         "$P fetch --mode x y 2>&1",
                                         "$P fetch --timeout soon x 2>&1",
                                         "$P fetch --nothing x 2>&1",
                                         "$P fetch -m offload -c 2000 x 2>&1" };
    char                     out[1024];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(run(out, sizeof out, lines[i]), 2);
        assert_int_equal(count(out, "\n"), 1);
        assert_int_equal(strncmp(out, "offloop fetch: ", 15), 0);
    }
}

static void body_is_printed_alone(void **state)
{
    char out[1024];

    (void)state;
    assert_int_equal(run(out, sizeof out, "$P fetch --body $U/hello 2>/dev/null"), 0);
    assert_string_equal(out, "/hello");
}

static void json_has_the_body_as_text_or_as_base64(void **state)
{
    char out[1024];

    (void)state;
    assert_int_equal(run(out, sizeof out, "$P fetch --json --body $U/hello 2>/dev/null"), 0);
    json_t *object = json_loads(out, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), 6);
    assert_string_equal(json_string_value(json_object_get(object, "body")), "/hello");
    assert_true(json_is_real(json_object_get(object, "seconds")));
    json_decref(object);

    assert_int_equal(run(out, sizeof out, "$P fetch --json --body $U/binary 2>/dev/null"), 0);
    object = json_loads(out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "body_base64")), "/wD+Cg==");
    json_decref(object);

    assert_int_equal(run(out, sizeof out, "$P fetch --json ftp://x/ 2>/dev/null"), 1);
    object = json_loads(out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "error")), "OL_EINVAL");
    json_decref(object);
}

static void urls_come_from_standard_input(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(out, sizeof out,
                         "printf '# two\\n\\n  %s/a \\r\\n%s\\n' $U \"${U#http://}/b\" | $P fetch - $U/c 2>/dev/null"),
                     0);
    assert_int_equal(count(out, "\n"), 3);
    assert_non_null(strstr(out, "/a\n"));
    assert_non_null(strstr(out, "/b\n"));
    assert_non_null(strstr(out, "/c\n"));
}

static void thousands_are_answered_in_every_mode(void **state)
{
    static const char *const lines[] = {
        "yes $U/x | head -n 2000 | $P fetch --mode blocking - 2>/dev/null | grep -c '^200 '",
        "yes $U/x | head -n 2000 | $P fetch --mode offload -c 20 - 2>/dev/null | grep -c '^200 '",
        "yes $U/x | head -n 2000 | $P fetch --mode async -c 20 - 2>/dev/null | grep -c '^200 '"
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(run(out, sizeof out, lines[i]), 0);
        assert_string_equal(out, "2000\n");
    }
}

/* The service answers nobody before all are there: a mode that waits for one after the other would stand still. */
static void offload_and_async_wait_for_many_at_once(void **state)
{
    static const char *const lines[] = { "yes $U/together | head -n 8 | $P fetch --mode offload -c 8 - 2>/dev/null",
                                         "yes $U/together | head -n 8 | $P fetch --mode async -c 8 - 2>/dev/null" };
    char                     out[4096];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        gate_shut(&desk.all_here); /* forgets who has arrived */
        assert_int_equal(run(out, sizeof out, lines[i]), 0);
        assert_int_equal(count(out, "200 "), TOGETHER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_is_a_line_with_status_time_bytes_and_url),
        cmocka_unit_test(exit_status_tells_whether_any_failed),
        cmocka_unit_test(a_wrong_command_line_is_2_and_one_line),
        cmocka_unit_test(body_is_printed_alone),
        cmocka_unit_test(json_has_the_body_as_text_or_as_base64),
        cmocka_unit_test(urls_come_from_standard_input),
        cmocka_unit_test(thousands_are_answered_in_every_mode),
        cmocka_unit_test(offload_and_async_wait_for_many_at_once),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
