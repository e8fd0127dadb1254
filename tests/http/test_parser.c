/*
 * The parser alone: bytes in, verdict out, however the bytes are cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/parser.h"
#include "support/cmocka.h"

static const struct ol__parser_limits limits = { .request_line_max = 64, .head_max = 256, .headers_max = 4 };

struct outcome {
    int    status; /* 0: the message is whole. -1: more is needed */
    size_t used;   /* when whole */
    char   body[1024];
    size_t body_size;
};

/* Feed a message whose first `step` bytes come first, then `step` more, ... */
static void read_message(struct outcome *outcome, struct ol__parser *parser, const char *data, size_t size, size_t step)
{
    enum ol__parse result = OL__PARSE_MORE;
    size_t         seen = 0, at;

    *outcome = (struct outcome){ .status = -1 };
    ol__parser_init(parser, &limits);
    while (result == OL__PARSE_MORE && seen < size) {
        seen = seen + step < size ? seen + step : size;
        result = ol__parser_head(parser, data, seen);
    }
    at = parser->head_size;
    while (result == OL__PARSE_HEAD || result == OL__PARSE_BODY || (result == OL__PARSE_MORE && at && seen < size)) {
        const char *piece;
        size_t      used, piece_size;

        if (result == OL__PARSE_MORE)
            seen = seen + step < size ? seen + step : size;
        result = ol__parser_body(parser, data + at, seen - at, &used, &piece, &piece_size);
        at += used;
        if (result == OL__PARSE_BODY) {
            memcpy(outcome->body + outcome->body_size, piece, piece_size);
            outcome->body_size += piece_size;
        }
    }
    outcome->status = result == OL__PARSE_FAILED ? parser->status : result == OL__PARSE_END ? 0 : -1;
    outcome->used = at;
}

static int status_of(const char *text)
{
    struct ol__parser parser;
    struct outcome    whole, cut;
    size_t            size = strlen(text);

    read_message(&whole, &parser, text, size, size ? size : 1);
    for (size_t step = 1; step < 4; step++) {
        read_message(&cut, &parser, text, size, step);
        if (cut.status != whole.status)
            fail_msg("in steps of %zu: %d, at once: %d: %s", step, cut.status, whole.status, text);
        if (cut.status == 0)
            assert_int_equal(cut.used, whole.used);
        assert_int_equal(cut.body_size, whole.body_size);
        assert_memory_equal(cut.body, whole.body, whole.body_size);
    }
    return whole.status;
}

struct verdict {
    int         status;
    const char *text;
};

static void check_all(const struct verdict *verdicts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int status = status_of(verdicts[i].text);

        if (status != verdicts[i].status)
            fail_msg("%d instead of %d: %s", status, verdicts[i].status, verdicts[i].text);
    }
}

#define CHECK_ALL(verdicts) check_all(verdicts, sizeof(verdicts) / sizeof((verdicts)[0]))
#define HOST "Host: a\r\n"

static void request_line_is_method_space_target_space_version(void **state)
{
    static const struct verdict verdicts[] = {
        { 0, "GET / HTTP/1.1\r\n" HOST "\r\n" },
        { 0, "GET / HTTP/1.0\r\n\r\n" },
        { 0, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
        { 0, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
        { 0, "QUERY /a?b=c HTTP/1.1\r\n" HOST "\r\n" },
        { 0, "M-SEARCH /a HTTP/1.1\r\n" HOST "\r\n" },
        { 0, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET * HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET  / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /  HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET / HTTP/1.1 \r\n" HOST "\r\n" },
        { 400, " GET / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /\r\n\r\n" },
        { 400, "GET\r\n\r\n" },
        { 400, "G@T / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET / http/1.1\r\n" HOST "\r\n" },
        { 400, "GET / HTTP/11\r\n" HOST "\r\n" },
        { 505, "GET / HTTP/0.9\r\n\r\n" },
        { 505, "GET / HTTP/2.0\r\n" HOST "\r\n" },
        { 505, "GET / HTTP/1.2\r\n" HOST "\r\n" },
        { 505, "PRI * HTTP/2.0\r\n\r\n" },
        { 501, "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n" },
        { 501, "TRACE / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /a\x7f HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET a HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET / HTTP/1.1\n" HOST "\r\n" },
        { 400, "GET / HTTP/1.1\r" HOST "\r\n" },
    };

    (void)state;
    CHECK_ALL(verdicts);
}

static void absolute_target_must_be_valid_and_agree_with_host(void **state)
{
    static const struct verdict verdicts[] = {
        { 0, "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 0, "GET http://A:80/b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 0, "GET https://a HTTP/1.1\r\nHost: a:443\r\n\r\n" },
        { 0, "GET http://a?b HTTP/1.1\r\nHost: a:080\r\n\r\n" },
        { 0, "GET http://a/ HTTP/1.0\r\n\r\n" },
        { 400, "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n" },
        { 400, "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n" },
        { 400, "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET http://u@a/b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n" },
    };

    (void)state;
    CHECK_ALL(verdicts);
}

static void host_is_one_valid_host(void **state)
{
    static const struct verdict verdicts[] = {
        { 0, "GET / HTTP/1.1\r\nHost: a-b.c_d~:8080\r\n\r\n" },
        { 0, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n" },
        { 0, "GET / HTTP/1.1\r\nhOST:a:\r\n\r\n" },
        { 0, "GET / HTTP/1.1\r\nHost: a%20b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a:80a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n" },
        { 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n" },
    };

    (void)state;
    CHECK_ALL(verdicts);
}

static void fields_are_name_colon_value(void **state)
{
    static const struct verdict verdicts[] = {
        { 0, "GET / HTTP/1.1\r\n" HOST "A:\r\n\r\n" },
        { 0, "GET / HTTP/1.1\r\n" HOST "A: \tb\xff\t \r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST " A: b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A: b\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "\r\r\n" },
        { 417, "GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n" },
        { 0, "GET / HTTP/1.0\r\nExpect: tea\r\n\r\n" },
    };

    (void)state;
    CHECK_ALL(verdicts);
}

static void length_and_coding_are_unambiguous(void **state)
{
    static const struct verdict verdicts[] = {
        { 0, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" },
        { 0, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 003\r\n\r\nabc" },
        { 0, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n" },
        { -1, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\nabc" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" },
        { 0, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n" },
        { 400, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { 400, "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
    };

    (void)state;
    CHECK_ALL(verdicts);
}

#define CHUNKED "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static void chunks_are_what_the_grammar_says(void **state)
{
    static const struct verdict verdicts[] = {
        { 0, CHUNKED "3\r\nabc\r\n0\r\n\r\n" },
        { 0, CHUNKED "00a\r\n0123456789\r\n000\r\n\r\n" },
        { 0, CHUNKED "3;a;b=\"c d\";e\r\nabc\r\n0;last\r\n\r\n" },
        { 0, CHUNKED "0\r\nA: b\r\nContent-Length: 5\r\n\r\n" },
        { 400, CHUNKED "\r\n" },
        { 400, CHUNKED "3 \r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED " 3\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "-3\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "3\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "3\r\nabcd\r\n0\r\n\r\n" },
        { 400, CHUNKED "3\r\nabc0\r\n\r\n" },
        { 400, CHUNKED "3;\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "3;a=\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "3;a=\"b\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "3;a = b\r\nabc\r\n0\r\n\r\n" },
        { 400, CHUNKED "fffffffffffffffff\r\n" },
        { 400, CHUNKED "0\r\n A: b\r\n\r\n" },
        { 400, CHUNKED "0\r\nA : b\r\n\r\n" },
        { 400, CHUNKED "0\r\nA: b\n\r\n" },
        { -1, CHUNKED "3\r\nabc\r\n0\r\n" },
    };

    (void)state;
    CHECK_ALL(verdicts);
}

/* A request line of exactly `size` bytes, and then the rest. */
static char *with_line(size_t size)
{
    char *text = malloc(size + 64), *at = text;

    memcpy(at, "GET /", 5);
    memset(at + 5, 'a', size - 14);
    memcpy(at + size - 9, " HTTP/1.1\r\n" HOST "\r\n", 9 + 2 + 9 + 3);
    return text;
}

static void request_line_of_the_limit_is_read_and_one_more_is_414(void **state)
{
    (void)state;
    for (size_t more = 0; more < 3; more++) {
        char *text = with_line(limits.request_line_max - 1 + more);

        assert_int_equal(status_of(text), more < 2 ? 0 : 414);
        free(text);
    }
}

/* A head of exactly `size` bytes. */
static char *with_head(size_t size)
{
    static const char front[] = "GET / HTTP/1.1\r\n" HOST "A: ";
    char             *text = malloc(size + 1);

    memset(text, 'a', size);
    memcpy(text, front, sizeof front - 1);
    memcpy(text + size - 4, "\r\n\r\n", 5);
    return text;
}

static void head_of_the_limit_is_read_and_one_more_is_431(void **state)
{
    (void)state;
    for (size_t more = 0; more < 3; more++) {
        char *text = with_head(limits.head_max - 1 + more);

        assert_int_equal(status_of(text), more < 2 ? 0 : 431);
        free(text);
    }
    assert_int_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), 0);
    assert_int_equal(status_of("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), 431);
}

static void trailer_larger_than_a_head_is_431(void **state)
{
    char text[1024];

    (void)state;
    snprintf(text, sizeof text, CHUNKED "0\r\nA: %0*d\r\n\r\n", (int)limits.head_max, 1);
    assert_int_equal(status_of(text), 431);
}

static void body_and_end_are_found_before_the_next_message(void **state)
{
    static const char text[] = CHUNKED "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n";
    struct ol__parser parser;
    struct outcome    outcome;

    (void)state;
    read_message(&outcome, &parser, text, sizeof text - 1, sizeof text);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.body, "abcdefg");
    assert_string_equal(text + outcome.used, "GET / HTTP/1.1\r\n" HOST "\r\n");
}

static void index_cuts_the_head_into_strings(void **state)
{
    static const char text[] = "\r\nGET http://a/b%20c?d=e?f HTTP/1.1\r\nHost: a\r\nA: \t b c\t\r\nEmpty:\r\n\r\n";
    struct ol__parser parser;
    struct ol__request_line line;
    struct ol__field        fields[4];
    char                    copy[sizeof text];

    (void)state;
    ol__parser_init(&parser, &limits);
    assert_int_equal(ol__parser_head(&parser, text, sizeof text - 1), OL__PARSE_HEAD);
    assert_int_equal(parser.head_size, sizeof text - 1);
    assert_int_equal(parser.n_fields, 3);
    memcpy(copy, text, sizeof text);
    ol__parser_index(&parser, copy, &line, fields);
    assert_string_equal(line.method, "GET");
    assert_string_equal(line.path, "/b%20c");
    assert_string_equal(line.query, "d=e?f");
    assert_string_equal(fields[1].name, "A");
    assert_string_equal(fields[1].value, "b c");
    assert_int_equal(fields[1].value_size, 3);
    assert_string_equal(fields[2].value, "");
}

static void connection_and_version_decide_about_keep_alive(void **state)
{
    static const struct {
        const char *text;
        bool        keep_alive;
    } cases[] = {
        { "GET / HTTP/1.1\r\n" HOST "\r\n", true },
        { "GET / HTTP/1.1\r\n" HOST "Connection: tea , CLOSE\r\n\r\n", false },
        { "GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nConnection: close\r\n\r\n", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ol__parser parser;

        ol__parser_init(&parser, &limits);
        assert_int_equal(ol__parser_head(&parser, cases[i].text, strlen(cases[i].text)), OL__PARSE_HEAD);
        assert_int_equal(parser.keep_alive, cases[i].keep_alive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_line_is_method_space_target_space_version),
        cmocka_unit_test(absolute_target_must_be_valid_and_agree_with_host),
        cmocka_unit_test(host_is_one_valid_host),
        cmocka_unit_test(fields_are_name_colon_value),
        cmocka_unit_test(length_and_coding_are_unambiguous),
        cmocka_unit_test(chunks_are_what_the_grammar_says),
        cmocka_unit_test(request_line_of_the_limit_is_read_and_one_more_is_414),
        cmocka_unit_test(head_of_the_limit_is_read_and_one_more_is_431),
        cmocka_unit_test(trailer_larger_than_a_head_is_431),
        cmocka_unit_test(body_and_end_are_found_before_the_next_message),
        cmocka_unit_test(index_cuts_the_head_into_strings),
        cmocka_unit_test(connection_and_version_decide_about_keep_alive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
