/* The error table, and the last error: each thread's own, one line of whole UTF-8. */
#include "support/cmocka.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <offloop/base.h>
#include "base/error.h"
#include "support/crew.h"
#include "support/gate.h"

static const struct {
    int         code, http_status;
    const char *name, *text;
} rows[] = {
#define ROW(code, value, status, text) { code, status, #code, text },
    OL_ERROR_TABLE(ROW)
#undef ROW
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

static void codes_are_minus_one_and_on_without_gaps(void **state)
{
    (void)state;
    for (int i = 0; i < N_ROWS; i++) {
        assert_int_equal(rows[i].code, -i - 1);
        assert_string_equal(ol_error_name(rows[i].code), rows[i].name);
        assert_string_equal(ol_strerror(rows[i].code), rows[i].text);
        assert_int_equal(ol_error_http_status(rows[i].code), rows[i].http_status);
        assert_in_range(rows[i].http_status, 400, 599);
    }
}

static void codes_outside_the_table_have_answers_too(void **state)
{
    static const int outside[] = { -N_ROWS - 1, -1000, INT_MIN };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(ol_strerror(outside[i]), "unknown error");
        assert_int_equal(ol_error_http_status(outside[i]), 500);
        assert_non_null(ol_error_name(outside[i]));
    }
    assert_string_equal(ol_strerror(0), "ok");
    assert_string_equal(ol_strerror(INT_MAX), "ok");
    assert_int_equal(ol_error_http_status(0), 500);
}

static void failing_leaves_code_detail_and_one_line(void **state)
{
    (void)state;
    assert_int_equal(ol__fail(OL_EDB, 19, "near \"%s\":\r\nsyntax", "selct"), OL_EDB);
    assert_int_equal(ol_last_error()->code, OL_EDB);
    assert_int_equal(ol_last_error()->detail, 19);
    assert_int_equal(ol_last_error()->offset, -1);
    assert_string_equal(ol_last_error()->text, "near \"selct\":  syntax");

    /* Its own text may be part of the next. */
    ol__fail(OL_EIO, 0, "while closing: %s", ol_last_error()->text);
    assert_string_equal(ol_last_error()->text, "while closing: near \"selct\":  syntax");

    assert_int_equal(ol__fail_errno(OL_ESYS, ENOENT, "cannot open %s", "x"), OL_ESYS);
    assert_int_equal(ol_last_error()->detail, ENOENT);
    assert_string_equal(ol_last_error()->text, "cannot open x: No such file or directory");
}

/* Whole sequences only, to the end. */
static bool is_whole_utf8(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        unsigned n = *c < 0x80 ? 1 : *c >= 0xF0 ? 4 : *c >= 0xE0 ? 3 : *c >= 0xC0 ? 2 : 0;

        if (n == 0)
            return false;
        for (unsigned i = 1; i < n; i++)
            if ((c[i] & 0xC0) != 0x80)
                return false;
        c += n;
    }
    return true;
}

static void a_text_is_cut_between_characters(void **state)
{
    static const char *const characters[] = { "x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned shift = 0; shift < 4; shift++) {
            char   text[400] = "";
            size_t length = strlen(characters[i]);

            memset(text, 'a', shift);
            while (strlen(text) + length < sizeof text)
                strcat(text, characters[i]);
            ol__fail(OL_EIO, 0, "%s", text);
            const struct ol_error *error = ol_last_error();
            assert_true(is_whole_utf8(error->text));
            assert_in_range(strlen(error->text), sizeof error->text - 4, sizeof error->text - 1);
            assert_memory_equal(error->text, text, strlen(error->text));

            ol__fail_errno(OL_EIO, ENOENT, "%s", text);
            assert_true(is_whole_utf8(error->text));
            assert_non_null(strstr(error->text, ": No such file"));
        }
    }
}

static void a_text_that_just_fits_is_not_cut(void **state)
{
    char text[sizeof ol_last_error()->text];

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 4, "\xE2\x82\xAC", 4);
    ol__fail(OL_EIO, 0, "%s", text);
    assert_string_equal(ol_last_error()->text, text);
}

static void rubbish_is_cut_as_well_as_it_can_be(void **state)
{
    char text[400];

    (void)state;
    memset(text, 0x80, sizeof text); /* no character begins anywhere */
    text[sizeof text - 1] = '\0';
    ol__fail(OL_EIO, 0, "%s", text);
    assert_in_range(strlen(ol_last_error()->text), sizeof ol_last_error()->text - 5, sizeof ol_last_error()->text - 1);
}

struct failing {
    struct gate gate;
    bool        was_clean[2], is_own[2];
};

static void fail_in_thread(unsigned index, void *arg)
{
    struct failing *failing = arg;
    int             code = index ? OL_EFULL : OL_EPERM;

    failing->was_clean[index] = ol_last_error()->code == 0 && ol_last_error()->text[0] == '\0';
    ol__fail(code, 0, "thread %u", index);
    gate_wait(&failing->gate);
    failing->is_own[index] = ol_last_error()->code == code;
}

static void each_thread_has_its_own(void **state)
{
    struct failing failing = { .was_clean = { false } };
    struct crew    crew;

    (void)state;
    gate_init(&failing.gate, "both have failed");
    ol__fail(OL_ENOENT, 0, "main");
    crew_start(&crew, 2, fail_in_thread, &failing);
    gate_wait_for_n(&failing.gate, 2);
    gate_open(&failing.gate);
    crew_join(&crew);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(failing.was_clean[i]);
        assert_true(failing.is_own[i]);
    }
    assert_int_equal(ol_last_error()->code, OL_ENOENT);
    gate_fini(&failing.gate);
}

static void a_slot_takes_the_failures_until_it_is_taken_back(void **state)
{
    struct ol_error slot = { .code = 0 };
    struct ol_error elsewhere = { .code = OL_ECONSTRAINT, .detail = 2067, .offset = 7, .text = "UNIQUE" };

    (void)state;
    ol__fail(OL_ENOENT, 0, "the thread's");
    struct ol_error *before = ol__error_slot_set(&slot);
    assert_int_equal(ol_last_error()->code, 0);
    assert_int_equal(ol__fail_with(&elsewhere), OL_ECONSTRAINT);
    assert_ptr_equal(ol_last_error(), &slot);
    assert_int_equal(slot.offset, 7);
    assert_string_equal(slot.text, "UNIQUE");
    assert_ptr_equal(ol__error_slot_set(before), &slot);
    assert_int_equal(ol_last_error()->code, OL_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_minus_one_and_on_without_gaps),
        cmocka_unit_test(codes_outside_the_table_have_answers_too),
        cmocka_unit_test(failing_leaves_code_detail_and_one_line),
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(a_text_that_just_fits_is_not_cut),
        cmocka_unit_test(rubbish_is_cut_as_well_as_it_can_be),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(a_slot_takes_the_failures_until_it_is_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
