/*
 * What is wrong from the start: one line on stderr that names it, a status that is not 0, and nothing left behind. And
 * an external API that is down, slow or talks nonsense: a 502 or a 504, and the server goes on.
 */
#include "serve.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- command lines ---- */

/* Run to the end; the one line on stderr must begin with "offloop" and contain `word`. */
static void expect_complaint(const char *const args[], int status, const char *word)
{
    struct program program;
    char           text[2048];

    program_start(&program, &(struct program_setup){ .folder = serve_folder }, args);
    program_read_all(text, sizeof text, program.err);
    assert_int_equal(program_wait(&program), status);
    if (!strstr(text, word))
        fail_msg("\"%s\" does not say \"%s\"", text, word);
    assert_ptr_equal(strstr(text, "offloop"), text);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void a_wrong_command_line_is_named_in_one_line(void **state)
{
    static const struct {
        const char *args[5];
        const char *word;
    } wrong[] = {
        { { "frobnicate" }, "frobnicate" },
        { { "--frobnicate" }, "--frobnicate" },
        { { "serve", "--frobnicate" }, "--frobnicate" },
        { { "serve", "extra" }, "extra" },
        { { "serve", "--listen" }, "--listen" },
        { { "serve", "--listen", "nowhere" }, "nowhere" },
        { { "serve", "--listen", "127.0.0.1:99999" }, "127.0.0.1:99999" },
        { { "serve", "--listen", "127.0.0.1:http" }, "127.0.0.1:http" },
        { { "serve", "--listen", "unix:" }, "unix:" },
        { { "serve", "--db", "" }, "--db" },
        { { "serve", "--threads", "4" }, "--threads: '4' is not MIN:MAX" },
        { { "serve", "--threads", "4:x" }, "--threads: '4:x' is not MIN:MAX" },
        { { "serve", "--threads", "0:4" }, "0:4" },
        { { "serve", "--threads", "8:4" }, "8:4" },
        { { "serve", "--threads", "1:99999" }, "1:99999" },
        { { "serve", "--queue", "0" }, "--queue: '0'" },
        { { "serve", "--queue", "-5" }, "--queue: '-5'" },
        { { "serve", "--queue", "99999999999999999999" }, "99999999999999999999" },
        { { "serve", "--connections", "0" }, "--connections: '0'" },
        { { "serve", "--delay", "soon" }, "--delay: 'soon'" },
        { { "serve", "--delay", "-1" }, "--delay: '-1'" },
        { { "serve", "--delay", "nan" }, "--delay: 'nan'" },
        { { "serve", "--delay", "1e9" }, "--delay: '1e9'" },
        { { "serve", "--drain", "" }, "--drain: ''" },
        { { "serve", "--drain", "1.2.3" }, "--drain: '1.2.3'" },
        { { "serve", "--timeout", "999999" }, "--timeout: '999999'" },
        { { "serve", "--drain-delay", "x" }, "--drain-delay: 'x'" },
        { { "serve", "--external-api", "ftp://x/" }, "ftp://x/" },
        { { "serve", "--external-api", "http://" }, "http://" },
        { { "serve", "--access-log", "apache" }, "--access-log: 'apache'" },
        { { "serve", "--access-log", "json:" }, "--access-log: 'json:'" },
        { { "external-api", "--delay", "x" }, "--delay: 'x'" },
        { { "external-api", "--db", "x" }, "--db" },
        { { "external-api", "--listen", ":80" }, ":80" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_complaint(wrong[i].args, 2, wrong[i].word);
}

static void help_and_version_are_no_failures(void **state)
{
    static const char *const args[][3] = {
        { "--help" }, { "--version" }, { "serve", "--help" }, { "external-api", "--help" }
    };

    (void)state;
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        struct program program;
        char           text[8192];

        program_start(&program, NULL, args[i]);
        program_read_all(text, sizeof text, program.out);
        assert_non_null(strstr(text, "offloop"));
        assert_int_equal(program_wait(&program), 0);
    }
}

/* ---- what cannot be had ---- */

static void assert_no_file(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", serve_folder, name);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void nobody_answers(struct exchange *exchange)
{
    service_close(exchange);
}

static void a_port_in_use_is_named_and_no_file_is_made(void **state)
{
    struct service *service = service_start(nobody_answers, NULL);
    char            address[64];

    (void)state;
    snprintf(address, sizeof address, "127.0.0.1:%u", service_port(service));
    expect_complaint((const char *const[]){ "serve", "--listen", address, "--db", "never.db", NULL }, 1, address);
    assert_no_file("never.db");
    expect_complaint((const char *const[]){ "external-api", "--listen", address, NULL }, 1, address);
    service_stop(service);
}

static void write_file(const char *name, const char *text)
{
    char  path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", serve_folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_database_that_cannot_be_opened_is_named(void **state)
{
    static const char *const bad[] = { "letter.txt", "no/such/folder.db", "." };

    (void)state;
    write_file("letter.txt",
               "Dear Sir or Madam, this is a letter, and it is longer than the sixteen bytes that tell a database.\n");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_complaint((const char *const[]){ "serve", "--listen", "127.0.0.1:0", "--db", bad[i], NULL }, 1, bad[i]);
}

static void an_access_log_that_cannot_be_opened_is_named(void **state)
{
    (void)state;
    expect_complaint((const char *const[]){ "serve", "--listen", "127.0.0.1:0", "--db", "never.db", "--access-log",
                                            "json:no/such/folder.log", NULL },
                     1, "no/such/folder.log");
    assert_no_file("never.db");
}

/* ---- the external API ---- */

static void expect_problem(const char *address, int status)
{
    for (int m = 0; m < SERVE_MODES; m++) {
        struct answer answer;
        char          type[64];

        client_call(&answer, address, "GET", serve_modes[m], NULL);
        assert_int_equal(answer.status, status);
        assert_true(answer_field(&answer, "Content-Type", type, sizeof type));
        assert_string_equal(type, "application/problem+json");
        answer_free(&answer);
        assert_int_equal(client_status(address, "/hello"), 200);
    }
}

static void one_that_is_down_is_502(void **state)
{
    struct program serve;
    char           url[64];

    (void)state;
    serve_start(&serve, service_refusing_url(url, sizeof url), NULL);
    expect_problem(serve.address, 502);
    serve_stop(&serve);
}

static void wait_for_hangup(struct exchange *exchange)
{
    service_await_hangup(exchange);
    service_close(exchange);
}

static void one_that_is_slow_past_the_limit_is_504(void **state)
{
    struct service *service = service_start(wait_for_hangup, NULL);
    struct program  serve;

    (void)state;
    serve_start(&serve, service_url(service, "/"), "--timeout", "0.1", NULL);
    expect_problem(serve.address, 504);
    serve_stop(&serve);
    service_stop(service);
}

static void talk_nonsense(struct exchange *exchange)
{
    service_send(exchange, exchange->arg);
    service_close(exchange);
}

static void one_that_talks_nonsense_is_502(void **state)
{
    static char *const nonsense[] = {
        "",
        "who is there?\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 301 Gone\r\nLocation: /\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n{",
    };

    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        struct service *service = service_start(talk_nonsense, nonsense[i]);
        struct program  serve;

        serve_start(&serve, service_url(service, "/"), NULL);
        expect_problem(serve.address, 502);
        serve_stop(&serve);
        service_stop(service);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_command_line_is_named_in_one_line),
        cmocka_unit_test(help_and_version_are_no_failures),
        cmocka_unit_test(a_port_in_use_is_named_and_no_file_is_made),
        cmocka_unit_test(a_database_that_cannot_be_opened_is_named),
        cmocka_unit_test(an_access_log_that_cannot_be_opened_is_named),
        cmocka_unit_test(one_that_is_down_is_502),
        cmocka_unit_test(one_that_is_slow_past_the_limit_is_504),
        cmocka_unit_test(one_that_talks_nonsense_is_502),
    };

    return cmocka_run_group_tests(tests, serve_make_folder, serve_remove_folder);
}
