/*
 * What is sent for a request, byte by byte, and what is refused before anything is sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/fetch_case.h"
#include "support/service.h"

/* Answers with what it was asked: the head, and then the body; a HEAD with its own length alone. */
static void echo(struct exchange *exchange)
{
    char head[96];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
             strlen(exchange->head) + exchange->body_size);
    service_send(exchange, head);
    if (strncmp(exchange->head, "HEAD ", 5) == 0)
        return;
    service_send(exchange, exchange->head);
    service_send_bytes(exchange, exchange->body, exchange->body_size);
}

static struct service *service;

static int start_echo(void **state)
{
    (void)state;
    service = service_start(echo, NULL);
    return 0;
}

static int stop_echo(void **state)
{
    (void)state;
    service_stop(service);
    return 0;
}

/* What the service got for this request. The caller's to free. */
static char *sent_for(struct ol_fetch_request request)
{
    request.url = service_url(service, "/path?query=1");
    struct fetched fetched = fetch_in(PLAIN_THREAD, NULL, &request);

    assert_int_equal(fetched.rc, 0);
    size_t size;
    char  *sent = strdup(ol_fetch_body(fetched.result, &size));
    ol_fetch_result_free(fetched.result);
    return sent;
}

static void assert_sent(struct ol_fetch_request request, const char *expected)
{
    char *sent = sent_for(request), *all = NULL;
    char  host[64];

    snprintf(host, sizeof host, "127.0.0.1:%u", service_port(service));
    const char *mark = strstr(expected, "@");
    assert_true(asprintf(&all, "%.*s%s%s", (int)(mark - expected), expected, host, mark + 1) > 0);
    assert_string_equal(sent, all);
    free(sent);
    free(all);
}

#define HEAD_REST "Host: @\r\nUser-Agent: offloop/" OL_VERSION "\r\nAccept: */*\r\n"

static void get_is_the_default(void **state)
{
    (void)state;
    assert_sent((struct ol_fetch_request){ 0 }, "GET /path?query=1 HTTP/1.1\r\n" HEAD_REST);
}

static void body_makes_it_a_post_without_a_content_type_or_expect(void **state)
{
    (void)state;
    assert_sent((struct ol_fetch_request){ .body = "a=1", .body_size = 3 },
                "POST /path?query=1 HTTP/1.1\r\n" HEAD_REST "Content-Length: 3\r\na=1");
}

static void any_method_may_have_a_body(void **state)
{
    (void)state;
    assert_sent((struct ol_fetch_request){ .method = "PUT", .body = "x", .body_size = 1 },
                "PUT /path?query=1 HTTP/1.1\r\n" HEAD_REST "Content-Length: 1\r\nx");
    assert_sent((struct ol_fetch_request){ .method = "QUERY", .body = "x", .body_size = 1 },
                "QUERY /path?query=1 HTTP/1.1\r\n" HEAD_REST "Content-Length: 1\r\nx");
    assert_sent((struct ol_fetch_request){ .method = "GET", .body = "x", .body_size = 1 },
                "GET /path?query=1 HTTP/1.1\r\n" HEAD_REST "Content-Length: 1\r\nx");
}

static void methods_without_a_body_say_so_where_one_is_expected(void **state)
{
    (void)state;
    assert_sent((struct ol_fetch_request){ .method = "POST" },
                "POST /path?query=1 HTTP/1.1\r\n" HEAD_REST "Content-Length: 0\r\n");
    assert_sent((struct ol_fetch_request){ .method = "PATCH" },
                "PATCH /path?query=1 HTTP/1.1\r\n" HEAD_REST "Content-Length: 0\r\n");
    assert_sent((struct ol_fetch_request){ .method = "DELETE" }, "DELETE /path?query=1 HTTP/1.1\r\n" HEAD_REST);
}

static void headers_are_sent_as_they_are(void **state)
{
    const struct ol_fetch_header headers[] = {
        { "X-One", "1" }, { "X-Empty", "" }, { "X-Colon", "a:b\tc" }, { "User-Agent", "me" }
    };

    (void)state;
    assert_sent((struct ol_fetch_request){ .headers = headers, .n_headers = 4 },
                "GET /path?query=1 HTTP/1.1\r\nHost: @\r\nAccept: */*\r\nX-One: 1\r\nX-Empty:\r\nX-Colon: a:b\tc\r\n"
                "User-Agent: me\r\n");
}

static void body_may_hold_any_bytes(void **state)
{
    static char body[1 << 20];

    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 7);
    struct ol_fetch_request request = { .url = service_url(service, "/"), .body = body, .body_size = sizeof body };
    for (enum place place = PLAIN_THREAD; place <= FIBER; place++) {
        struct fetched fetched = fetch_in(place, NULL, &request);
        size_t         size;

        assert_int_equal(fetched.rc, 0);
        const char *got = ol_fetch_body(fetched.result, &size);
        assert_true(size > sizeof body);
        assert_memory_equal(got + size - sizeof body, body, sizeof body);
        ol_fetch_result_free(fetched.result);
    }
}

static void head_gets_a_head(void **state)
{
    struct ol_fetch_request request = { .url = service_url(service, "/"), .method = "HEAD" };
    struct fetched          fetched = fetch_in(PLAIN_THREAD, NULL, &request);
    size_t                  size = 99;

    (void)state;
    assert_int_equal(fetched.rc, 0);
    assert_non_null(ol_fetch_header(fetched.result, "Content-Length"));
    assert_string_equal(ol_fetch_body(fetched.result, &size), "");
    assert_int_equal(size, 0);
    ol_fetch_result_free(fetched.result);
}

static void assert_refused(struct ol_fetch_request request)
{
    struct ol_fetch_result *untouched = (void *)&request, *result = untouched;
    unsigned                before = service_requests(service);

    assert_int_equal(ol_fetch(&result, &request), OL_EINVAL);
    assert_int_equal(ol_last_error()->code, OL_EINVAL);
    assert_ptr_equal(result, untouched);
    assert_int_equal(service_requests(service), before);
}

static void urls_that_cannot_be_fetched_are_refused(void **state)
{
    static const char *const urls[] = { NULL,
                                        "",
                                        "x",
                                        "127.0.0.1/",
                                        "ftp://127.0.0.1/",
                                        "file:///etc/passwd",
                                        "gopher://127.0.0.1/",
                                        "http:/127.0.0.1/",
                                        "http://",
                                        "http:///path",
                                        "http://127.0.0.1:99999/",
                                        "http://127.0.0.1:x/",
                                        "http://[::1/",
                                        "http://127.0.0.1/a b",
                                        "http://127.0.0.1/a\r\nX: y",
                                        "http://127.0.0.1/\x7f" };

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        assert_refused((struct ol_fetch_request){ .url = urls[i] });
}

static void headers_that_could_be_read_two_ways_are_refused(void **state)
{
    static const struct ol_fetch_header headers[] = {
        { "X", "a\r\nY: b" },
        { "X", "a\nb" },
        { "X", "a\rb" },
        { "X", "\x01" },
        { "X", "\x7f" },
        { "X\r\nY", "a" },
        { "X:", "a" },
        { "X Y", "a" },
        { "", "a" },
        { NULL, "a" },
        { "X", NULL },
        { "Content-Length", "7" },
        { "X\xc3\xa4", "a" },
        { "content-length", "7" },
        { "Transfer-Encoding", "chunked" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_refused(
            (struct ol_fetch_request){ .url = service_url(service, "/"), .headers = &headers[i], .n_headers = 1 });
}

static void methods_and_numbers_that_make_no_sense_are_refused(void **state)
{
    const char *url = service_url(service, "/");

    (void)state;
    assert_int_equal(ol_fetch(&(struct ol_fetch_result *){ NULL }, NULL), OL_EINVAL);
    assert_refused((struct ol_fetch_request){ .url = url, .method = "" });
    assert_refused((struct ol_fetch_request){ .url = url, .method = "GET /x HTTP/1.1\r\n" });
    assert_refused((struct ol_fetch_request){ .url = url, .method = "CONNECT" });
    assert_refused((struct ol_fetch_request){ .url = url, .method = "HEAD", .body = "x", .body_size = 1 });
    assert_refused((struct ol_fetch_request){ .url = url, .body_size = 1 });
    assert_refused((struct ol_fetch_request){ .url = url, .n_headers = 1 });
    assert_refused((struct ol_fetch_request){ .url = url, .timeout_s = -1 });
    assert_refused((struct ol_fetch_request){ .url = url, .connect_timeout_s = 0.0 / 0.0 });
}

/* A proxy that the environment names gets what is not for this machine, and only that. */
static void proxy_of_the_environment_is_not_asked_for_this_machine(void **state)
{
    char proxy[64];

    (void)state;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", service_port(service));
    setenv("http_proxy", proxy, 1);
    struct fetched near = fetch_in(PLAIN_THREAD, NULL, &(struct ol_fetch_request){ .url = service_url(service, "/") });
    struct fetched far = fetch_in(PLAIN_THREAD, NULL, &(struct ol_fetch_request){ .url = "http://127.0.0.1.test/far" });
    unsetenv("http_proxy");

    size_t size;
    if (near.rc < 0)
        fail_msg("%s", near.error.text);
    assert_memory_equal(ol_fetch_body(near.result, &size), "GET / ", 6);
    if (far.rc < 0)
        fail_msg("%s", far.error.text);
    assert_memory_equal(ol_fetch_body(far.result, &size), "GET http://127.0.0.1.test/far ", 30);
    ol_fetch_result_free(near.result);
    ol_fetch_result_free(far.result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_is_the_default),
        cmocka_unit_test(body_makes_it_a_post_without_a_content_type_or_expect),
        cmocka_unit_test(any_method_may_have_a_body),
        cmocka_unit_test(methods_without_a_body_say_so_where_one_is_expected),
        cmocka_unit_test(headers_are_sent_as_they_are),
        cmocka_unit_test(body_may_hold_any_bytes),
        cmocka_unit_test(head_gets_a_head),
        cmocka_unit_test(urls_that_cannot_be_fetched_are_refused),
        cmocka_unit_test(headers_that_could_be_read_two_ways_are_refused),
        cmocka_unit_test(methods_and_numbers_that_make_no_sense_are_refused),
        cmocka_unit_test(proxy_of_the_environment_is_not_asked_for_this_machine),
    };

    return cmocka_run_group_tests(tests, start_echo, stop_echo);
}
