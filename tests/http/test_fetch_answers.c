/*
 * What services answer, good and bad, and what becomes of it: a table of raw bytes, each fetched on a thread and in a
 * fiber.
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

enum then { KEEP, CLOSE, RESET };

struct answer {
    const char *name;
    const char *bytes;
    enum then   then;
    int         rc;
    int         status; /* when rc is 0 */
    const char *body;
};

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static const struct answer answers[] = {
    { "counted body", OK_HEAD "Content-Length: 5\r\n\r\nhello", KEEP, 0, 200, "hello" },
    { "empty body", OK_HEAD "Content-Length: 0\r\n\r\n", KEEP, 0, 200, "" },
    { "chunked body", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", KEEP, 0, 200,
      "hello" },
    { "body until the close", OK_HEAD "\r\nhello", CLOSE, 0, 200, "hello" },
    { "HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", CLOSE, 0, 200, "hello" },
    { "no reason phrase", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", KEEP, 0, 200, "hi" },
    { "interim answers first",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nhi",
      KEEP, 0, 200, "hi" },
    { "204", "HTTP/1.1 204 No Content\r\n\r\n", KEEP, 0, 204, "" },
    { "304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", KEEP, 0, 304, "" },
    { "404 is an answer", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", KEEP, 0, 404, "none" },
    { "500 is an answer", "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", KEEP, 0, 500, "no" },
    { "999 is an answer", "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n??", KEEP, 0, 999, "??" },
    { "a redirect that is not followed", "HTTP/1.1 302 Found\r\nLocation: /0\r\nContent-Length: 0\r\n\r\n", KEEP, 0,
      302, "" },

    { "closes at once", "", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "resets at once", "", RESET, OL_EUPSTREAM, 0, NULL },
    { "closes in the status line", "HTTP/1.1 20", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "resets in the head", OK_HEAD "Content-Len", RESET, OL_EUPSTREAM, 0, NULL },
    { "closes in a counted body", OK_HEAD "Content-Length: 10\r\n\r\nhello", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "resets in a counted body", OK_HEAD "Content-Length: 10\r\n\r\nhello", RESET, OL_EUPSTREAM, 0, NULL },
    { "closes in a chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nhello", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "closes before the last chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CLOSE, OL_EUPSTREAM,
      0, NULL },
    { "a chunk size that is none", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n", CLOSE,
      OL_EUPSTREAM, 0, NULL },
    { "a negative length", OK_HEAD "Content-Length: -5\r\n\r\nhello", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "HTTP/0.9", "hello", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "another protocol", "SSH-2.0-OpenSSH_9.2\r\n", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "binary garbage", "\x01\x02\xff\xfe\r\n\r\n\r\n", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "an unknown version", "HTTP/7.3 200 OK\r\nContent-Length: 2\r\n\r\nhi", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "a status of two digits", "HTTP/1.1 99 Low\r\nContent-Length: 2\r\n\r\nhi", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "a status of four digits", "HTTP/1.1 2000 High\r\nContent-Length: 2\r\n\r\nhi", CLOSE, OL_EUPSTREAM, 0, NULL },
    { "a folded line first", OK_HEAD " neo: A\r\n two\r\nContent-Length: 0\r\n\r\n", KEEP, OL_EUPSTREAM, 0, NULL },
    { "a line that is no field", OK_HEAD "nonsense\r\nContent-Length: 2\r\n\r\nhi", KEEP, OL_EUPSTREAM, 0, NULL },
};

enum { N_ANSWERS = sizeof answers / sizeof answers[0] };

static void finish(struct exchange *exchange, enum then then)
{
    if (then == CLOSE)
        service_close(exchange);
    else if (then == RESET)
        service_reset(exchange);
}

static void answer_whole(struct exchange *exchange)
{
    const struct answer *answer = &answers[atoi(exchange->path + 1)];

    service_send(exchange, answer->bytes);
    finish(exchange, answer->then);
}

static void answer_byte_by_byte(struct exchange *exchange)
{
    const struct answer *answer = &answers[atoi(exchange->path + 1)];

    for (const char *p = answer->bytes; *p; p++)
        service_send_bytes(exchange, p, 1);
    finish(exchange, answer->then);
}

static void check_answer(const struct answer *answer, const struct fetched *fetched)
{
    size_t size = 0;

    if (fetched->rc != answer->rc)
        fail_msg("\"%s\": %s, not %s (%s)", answer->name, ol_error_name(fetched->rc), ol_error_name(answer->rc),
                 fetched->error.text);
    if (answer->rc < 0) {
        assert_int_equal(fetched->error.code, answer->rc);
        assert_string_not_equal(fetched->error.text, "");
        return;
    }
    assert_int_equal(ol_fetch_status(fetched->result), answer->status);
    assert_string_equal(ol_fetch_body(fetched->result, &size), answer->body);
    assert_int_equal(size, strlen(answer->body));
}

static void fetch_all(service_cb *script, enum place place)
{
    struct service *service = service_start(script, NULL);

    for (int i = 0; i < N_ANSWERS; i++) {
        char path[16];

        snprintf(path, sizeof path, "/%d", i);
        struct fetched fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = service_url(service, path) });
        check_answer(&answers[i], &fetched);
        ol_fetch_result_free(fetched.result);
    }
    service_stop(service);
}

static void every_answer_means_the_same_on_a_thread(void **state)
{
    (void)state;
    fetch_all(answer_whole, PLAIN_THREAD);
}

static void every_answer_means_the_same_in_a_fiber(void **state)
{
    (void)state;
    fetch_all(answer_whole, FIBER);
}

static void every_answer_means_the_same_byte_by_byte(void **state)
{
    (void)state;
    fetch_all(answer_byte_by_byte, PLAIN_THREAD);
    fetch_all(answer_byte_by_byte, FIBER);
}

/* ---- headers ---- */

static void answer_with_headers(struct exchange *exchange)
{
    service_send(exchange, "HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n"
                           "HTTP/1.1 200 OK\r\nX-One:  first \r\nx-one:second\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n"
                           "Trailer: X-Late\r\n\r\n2\r\nhi\r\n0\r\nX-Late: yes\r\nX-One: third\r\n\r\n");
}

static void headers_are_those_of_the_last_head_and_never_trailers(void **state)
{
    struct service *service = service_start(answer_with_headers, NULL);
    struct fetched fetched = fetch_in(PLAIN_THREAD, NULL, &(struct ol_fetch_request){ .url = service_url(service, "/") });

    (void)state;
    assert_int_equal(fetched.rc, 0);
    assert_string_equal(ol_fetch_header(fetched.result, "X-ONE"), "second");
    assert_string_equal(ol_fetch_header(fetched.result, "x-empty"), "");
    assert_null(ol_fetch_header(fetched.result, "X-Early"));
    assert_null(ol_fetch_header(fetched.result, "X-Late"));
    assert_null(ol_fetch_header(fetched.result, "X"));
    ol_fetch_result_free(fetched.result);
    service_stop(service);
}

static void answer_with_a_huge_head(struct exchange *exchange)
{
    service_send(exchange, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 10000; i++)
        service_send(exchange, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    service_send(exchange, "Content-Length: 0\r\n\r\n");
}

static void head_without_end_is_refused(void **state)
{
    struct service *service = service_start(answer_with_a_huge_head, NULL);

    (void)state;
    for (enum place place = PLAIN_THREAD; place <= FIBER; place++) {
        struct fetched fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = service_url(service, "/") });
        assert_int_equal(fetched.rc, OL_EUPSTREAM);
    }
    service_stop(service);
}

/* ---- redirects: /N leads to /N-1, and /0 answers; /file and /loop lead astray ---- */

static void redirect(struct exchange *exchange)
{
    char answer[128];
    int  n = atoi(exchange->path + 1);

    if (strcmp(exchange->path, "/0") == 0) {
        service_answer(exchange, "arrived");
        return;
    }
    if (strcmp(exchange->path, "/file") == 0)
        snprintf(answer, sizeof answer, "file:///etc/passwd");
    else if (strcmp(exchange->path, "/bad") == 0)
        snprintf(answer, sizeof answer, "http://[half/");
    else
        snprintf(answer, sizeof answer, "/%d", n - 1);
    service_send(exchange, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ");
    service_send(exchange, answer);
    service_send(exchange, "\r\n\r\n");
}

static void check_redirect(struct service *service, const char *path, unsigned max, int rc, int status)
{
    struct ol_fetch_request request = { .url = service_url(service, path), .redirects_max = max };
    struct fetched          fetched = fetch_in(FIBER, NULL, &request);

    assert_int_equal(fetched.rc, rc);
    if (rc == 0)
        assert_int_equal(ol_fetch_status(fetched.result), status);
    ol_fetch_result_free(fetched.result);
}

static void redirects_are_followed_up_to_the_limit_and_only_to_http(void **state)
{
    struct service *service = service_start(redirect, NULL);

    (void)state;
    check_redirect(service, "/3", 0, 0, 302);
    check_redirect(service, "/3", 2, OL_EUPSTREAM, 0);
    check_redirect(service, "/3", 3, 0, 200);
    check_redirect(service, "/3", 4, 0, 200);
    check_redirect(service, "/file", 5, OL_EUPSTREAM, 0);
    check_redirect(service, "/bad", 5, OL_EUPSTREAM, 0);
    service_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_means_the_same_on_a_thread),
        cmocka_unit_test(every_answer_means_the_same_in_a_fiber),
        cmocka_unit_test(every_answer_means_the_same_byte_by_byte),
        cmocka_unit_test(headers_are_those_of_the_last_head_and_never_trailers),
        cmocka_unit_test(head_without_end_is_refused),
        cmocka_unit_test(redirects_are_followed_up_to_the_limit_and_only_to_http),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
