/*
 * The access log: a line for each request, whole and well-formed, whatever clients send.
 */
#include "serve.h"

#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

/* What a hostile client sends as its name. */
static const char nasty[] = "GET /hello?a=%22 HTTP/1.1\r\nHost: test\r\nUser-Agent: a\"b\\c\xff\xc3\xa9\r\n\r\n";

static void ask_nastily(const char *address)
{
    int           fd = client_connect(address);
    struct answer answer;

    client_send(fd, nasty);
    client_read(&answer, fd, false);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    close(fd);
}

static FILE *open_log(const char *name)
{
    char  path[512];
    FILE *log;

    snprintf(path, sizeof path, "%s/%s", serve_folder, name);
    log = fopen(path, "r");
    assert_non_null(log);
    return log;
}

static void every_line_of_the_json_log_is_json(void **state)
{
    struct program serve;
    char           line[4096];
    FILE          *log;
    int            n = 0;

    (void)state;
    serve_start(&serve, "http://127.0.0.1:9/", "--access-log", "json:access.json", NULL);
    ask_nastily(serve.address);
    assert_int_equal(client_status(serve.address, "/nowhere"), 404);
    assert_int_equal(client_status(serve.address, "/async/items/1"), 200);
    serve_stop(&serve);

    log = open_log("access.json");
    while (fgets(line, sizeof line, log)) {
        static const int status[] = { 200, 404, 200 };
        json_t          *json = json_loads(line, 0, NULL);

        assert_non_null(json);
        assert_true(n < 3);
        assert_int_equal(json_integer_value(json_object_get(json, "status")), status[n++]);
        assert_string_equal(json_string_value(json_object_get(json, "method")), "GET");
        assert_true(json_number_value(json_object_get(json, "total_ms")) >= 0);
        json_decref(json);
    }
    fclose(log);
    assert_int_equal(n, 3);
}

static void every_line_of_the_common_log_has_its_form(void **state)
{
    struct program serve;
    char           line[4096];
    regex_t        form;
    FILE          *log;
    int            n = 0;

    (void)state;
    serve_start(&serve, "http://127.0.0.1:9/", "--access-log", "common:access.log", NULL);
    ask_nastily(serve.address);
    ask_nastily(serve.address);
    serve_stop(&serve);

    assert_int_equal(regcomp(&form,
                             "^127\\.0\\.0\\.1 - - \\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4}\\] "
                             "\"GET /hello\\?a=%22 HTTP/1\\.1\" 200 13\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    log = open_log("access.log");
    while (fgets(line, sizeof line, log)) {
        if (regexec(&form, line, 0, NULL, 0) != 0)
            fail_msg("not a line of the common log: %s", line);
        n++;
    }
    fclose(log);
    regfree(&form);
    assert_int_equal(n, 2);
}

/* ---- a log that stands still ---- */

/*
 * A pipe that nobody reads takes 64 KiB, the log's buffer 1 MiB, and these lines are 4 KB each. Returns the pipe's end.
 */
static int fill_log(struct program *serve, const char *name)
{
    enum { REQUESTS = 400, TARGET_SIZE = 7000 };
    char path[512], option[600], target[TARGET_SIZE + 1];
    int  pipe_end;

    snprintf(path, sizeof path, "%s/%s", serve_folder, name);
    snprintf(option, sizeof option, "json:%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    pipe_end = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(pipe_end >= 0);
    memset(target, 'x', TARGET_SIZE);
    target[0] = '/';
    target[TARGET_SIZE] = '\0';

    serve_start(serve, "http://127.0.0.1:9/", "--access-log", option, NULL);
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(client_status(serve->address, target), 404);
    return pipe_end;
}

static void expect_end(struct program *serve, int status, const char *last_words)
{
    char errors[1024];

    program_signal(serve, SIGTERM);
    program_read_all(errors, sizeof errors, serve->err);
    if (!strstr(errors, last_words))
        fail_msg("\"%s\" does not say \"%s\"", errors, last_words);
    assert_int_equal(program_wait(serve), status);
}

static void a_log_that_stands_still_delays_neither_requests_nor_the_end(void **state)
{
    struct program serve;
    int            pipe_end = fill_log(&serve, "pipe");

    (void)state;
    expect_end(&serve, 1, "the access log cannot be written");
    close(pipe_end);
}

static void dropped_lines_are_counted_and_reported(void **state)
{
    struct program serve;
    int            pipe_end = fill_log(&serve, "gone");

    (void)state;
    close(pipe_end); /* its writes fail now, and it catches up */
    expect_end(&serve, 0, "lines in all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_the_json_log_is_json),
        cmocka_unit_test(every_line_of_the_common_log_has_its_form),
        cmocka_unit_test(a_log_that_stands_still_delays_neither_requests_nor_the_end),
        cmocka_unit_test(dropped_lines_are_counted_and_reported),
    };

    return cmocka_run_group_tests(tests, serve_make_folder, serve_remove_folder);
}
