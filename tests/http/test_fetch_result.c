/*
 * The answer while it arrives, without a socket and without curl: heads, folded lines, trailers, limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/fetch_result.h"

static struct ol_fetch_result *result;

static int create(void **state)
{
    (void)state;
    return ol__fetch_result_create(&result, 10);
}

static int destroy(void **state)
{
    (void)state;
    ol_fetch_result_free(result);
    return 0;
}

static int head(const char *line)
{
    return ol__fetch_result_head(result, line, strlen(line));
}

static void first_line_must_be_a_status_line(void **state)
{
    (void)state;
    assert_int_equal(head("X: y\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1 \r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1 20\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1 099 x\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1 2000\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1 -20\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("HTTP/1.1 200"), 0);
    assert_int_equal(ol_fetch_status(result), 200);
}

static void values_are_trimmed_and_the_last_one_counts(void **state)
{
    (void)state;
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    assert_null(ol_fetch_header(result, "A"));
    assert_int_equal(head("A: \t one \t \r\n"), 0);
    assert_string_equal(ol_fetch_header(result, "a"), "one");
    assert_int_equal(head("B:\r\n"), 0);
    assert_int_equal(head("a:two\n"), 0);
    assert_string_equal(ol_fetch_header(result, "A"), "two");
    assert_string_equal(ol_fetch_header(result, "B"), "");
    assert_null(ol_fetch_header(result, ""));
    assert_null(ol_fetch_header(result, "two"));
}

static void folded_line_continues_the_value_before(void **state)
{
    (void)state;
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    assert_int_equal(head(" lonely\r\n"), OL_EUPSTREAM);
    assert_int_equal(head("A: one\r\n"), 0);
    assert_int_equal(head("\t  two \r\n"), 0);
    assert_string_equal(ol_fetch_header(result, "A"), "one two");
}

static void line_that_is_no_field_is_refused_and_leaves_the_others_alone(void **state)
{
    (void)state;
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    assert_int_equal(head("A: one\r\n"), 0);
    assert_int_equal(head("nonsense\r\n"), OL_EUPSTREAM);
    assert_int_equal(head(": no name\r\n"), OL_EUPSTREAM);
    assert_int_equal(ol__fetch_result_head(result, "B: a\0b\r\n", 8), OL_EUPSTREAM);
    assert_int_equal(ol__fetch_result_head(result, "B\0: ab\r\n", 8), OL_EUPSTREAM);
    assert_string_equal(ol_fetch_header(result, "A"), "one");
    assert_null(ol_fetch_header(result, "B"));
}

static void status_line_begins_a_new_head(void **state)
{
    (void)state;
    assert_int_equal(head("HTTP/1.1 302 Found\r\n"), 0);
    assert_int_equal(head("Location: /x\r\n"), 0);
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), OL_EUPSTREAM); /* but not in the middle of one */
    assert_int_equal(head("\r\n"), 0);
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    assert_int_equal(ol_fetch_status(result), 200);
    assert_null(ol_fetch_header(result, "Location"));
}

static void trailers_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    assert_int_equal(head("A: one\r\n"), 0);
    assert_int_equal(head("\r\n"), 0);
    assert_int_equal(head("A: two\r\n"), 0);
    assert_int_equal(head("nonsense\r\n"), 0);
    assert_int_equal(head("\r\n"), 0);
    assert_string_equal(ol_fetch_header(result, "A"), "one");
}

static void head_has_a_limit(void **state)
{
    enum { VALUE = 1000 };
    char line[VALUE + 4];
    int  rc = 0, n = 0;

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "A: ", 3);
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    for (; rc == 0 && n < 1000; n++)
        rc = ol__fetch_result_head(result, line, sizeof line);
    assert_int_equal(rc, OL_EUPSTREAM);
    assert_in_range(n, OL__FETCH_HEAD_MAX / sizeof line - 1, OL__FETCH_HEAD_MAX / VALUE + 1);
    assert_non_null(ol_fetch_header(result, "A"));
    assert_null(ol_fetch_header(result, "B"));
}

static void body_has_a_nul_behind_it_and_a_limit(void **state)
{
    size_t size = 7;

    (void)state;
    assert_string_equal(ol_fetch_body(result, &size), "");
    assert_int_equal(size, 0);
    assert_int_equal(ol__fetch_result_keep(result, "01234", 5), 0);
    assert_string_equal(ol_fetch_body(result, NULL), "01234");
    assert_int_equal(ol__fetch_result_keep(result, "567890", 6), OL_ELIMIT);
    assert_int_equal(ol__fetch_result_keep(result, "56789", 5), 0);
    assert_string_equal(ol_fetch_body(result, &size), "0123456789");
    assert_int_equal(size, 10);
    assert_int_equal(ol__fetch_result_keep(result, "", 0), 0);
    assert_int_equal(ol__fetch_result_keep(result, "x", 1), OL_ELIMIT);
}

static void body_announced_too_large_is_refused_at_its_first_byte(void **state)
{
    (void)state;
    assert_int_equal(head("HTTP/1.1 200 OK\r\n"), 0);
    assert_int_equal(head("Content-Length: 11\r\n"), 0);
    assert_int_equal(head("\r\n"), 0);
    assert_int_equal(ol__fetch_result_keep(result, "0", 1), OL_ELIMIT);
    assert_int_equal(ol__fetch_result_count(result, 1), OL_ELIMIT);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, create, destroy)
    const struct CMUnitTest tests[] = {
        T(first_line_must_be_a_status_line),
        T(values_are_trimmed_and_the_last_one_counts),
        T(folded_line_continues_the_value_before),
        T(line_that_is_no_field_is_refused_and_leaves_the_others_alone),
        T(status_line_begins_a_new_head),
        T(trailers_are_ignored),
        T(head_has_a_limit),
        T(body_has_a_nul_behind_it_and_a_limit),
        T(body_announced_too_large_is_refused_at_its_first_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
