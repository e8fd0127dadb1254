/* The growing buffer: its limit to the byte, consuming and moving, and what a failing allocation leaves behind. */
#include "support/cmocka.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <offloop/base.h>
#include "base/buffer.h"

static bool     malloc_fails;
static unsigned n_mallocs;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    n_mallocs++;
    return malloc_fails ? NULL : __real_malloc(size);
}

static void holds(const struct ol_buffer *buffer, const char *text)
{
    assert_int_equal(ol_buffer_size(buffer), strlen(text));
    if (*text)
        assert_memory_equal(ol_buffer_data(buffer), text, strlen(text));
}

static void the_limit_is_exact(void **state)
{
    struct ol_buffer buffer;

    (void)state;
    ol_buffer_init(&buffer, 10);
    assert_int_equal(ol_buffer_append(&buffer, "12345678901", 11), OL_ELIMIT);
    holds(&buffer, "");
    assert_int_equal(ol_buffer_append(&buffer, "1234567", 7), 0);
    assert_int_equal(ol_buffer_append(&buffer, "8901", 4), OL_ELIMIT);
    holds(&buffer, "1234567");
    assert_int_equal(ol_buffer_puts(&buffer, "890"), 0);
    holds(&buffer, "1234567890");
    assert_int_equal(ol_buffer_append(&buffer, "x", 1), OL_ELIMIT);
    assert_int_equal(ol_buffer_append(&buffer, NULL, 0), 0);
    assert_int_equal(ol_buffer_reserve(&buffer, SIZE_MAX), OL_ELIMIT);

    /* It bounds what is held, not what has ever passed. */
    ol_buffer_consume(&buffer, 4);
    assert_int_equal(ol_buffer_puts(&buffer, "abcd"), 0);
    holds(&buffer, "567890abcd");
    ol_buffer_fini(&buffer);
    assert_int_equal(buffer.limit, 10);
}

static void printf_may_fill_the_limit_too(void **state)
{
    struct ol_buffer buffer;

    (void)state;
    ol_buffer_init(&buffer, 10);
    assert_int_equal(ol_buffer_printf(&buffer, "%d%s", 12345, "678901"), OL_ELIMIT);
    holds(&buffer, "");
    assert_int_equal(ol_buffer_printf(&buffer, "%d%s", 12345, "67890"), 0);
    holds(&buffer, "1234567890");
    assert_int_equal(ol_buffer_printf(&buffer, "%s", ""), 0);
    assert_int_equal(ol_buffer_printf(&buffer, "x"), OL_ELIMIT);
    holds(&buffer, "1234567890");
    ol_buffer_fini(&buffer);
}

static void zeroed_memory_with_a_limit_is_an_empty_buffer(void **state)
{
    struct ol_buffer buffer = { .limit = 100 };

    (void)state;
    holds(&buffer, "");
    assert_null(ol_buffer_data(&buffer));
    ol_buffer_consume(&buffer, 5);
    ol_buffer_clear(&buffer);
    assert_int_equal(ol_buffer_puts(&buffer, "abc"), 0);
    ol_buffer_fini(&buffer);
    ol_buffer_fini(&buffer);
    assert_int_equal(ol_buffer_puts(&buffer, "def"), 0);
    holds(&buffer, "def");
    ol_buffer_fini(&buffer);
}

static void what_was_reserved_can_be_written_without_growing(void **state)
{
    static const size_t sizes[] = { 1, 255, 256, 257, 1000, 4096, 100000 };

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ol_buffer buffer = { .limit = 200000 };

        assert_int_equal(ol_buffer_puts(&buffer, "abc"), 0);
        assert_int_equal(ol_buffer_reserve(&buffer, sizes[i]), 0);
        assert_true(buffer.capacity - buffer.end >= sizes[i]);
        memset(buffer.memory + buffer.end, 'x', sizes[i]); /* under AddressSanitizer this is a proof */
        const char *memory = buffer.memory;
        buffer.end += sizes[i];
        assert_ptr_equal(buffer.memory, memory);
        assert_memory_equal(ol_buffer_data(&buffer), "abcx", 4);
        ol_buffer_fini(&buffer);
    }
}

/* A window that slides over a long text: consumed at the front, filled at the end. */
static void bytes_come_out_as_they_went_in(void **state)
{
    struct ol_buffer buffer = { .limit = 1000 };
    unsigned         in = 0, out = 0, random = 1;

    (void)state;
    while (out < 100000) {
        random = random * 1103515245u + 12345u;
        for (unsigned n = random >> 16 & 511; n > 0; n--) {
            char byte = (char)in;

            if (ol_buffer_append(&buffer, &byte, 1) < 0)
                break;
            in++;
        }
        random = random * 1103515245u + 12345u;
        for (unsigned n = random >> 16 & 511; n > 0 && out < in; n--, out++) {
            if (*ol_buffer_data(&buffer) != (char)out)
                fail_msg("byte %u is wrong", out);
            ol_buffer_consume(&buffer, 1);
        }
        assert_int_equal(ol_buffer_size(&buffer), in - out);
    }
    assert_true(buffer.capacity <= 4096);
    ol_buffer_fini(&buffer);
}

static void a_full_window_that_slides_does_not_allocate_for_each_byte(void **state)
{
    struct ol_buffer buffer = { .limit = 256 };
    char             bytes[256] = { 0 };

    (void)state;
    assert_int_equal(ol_buffer_append(&buffer, bytes, sizeof bytes), 0);
    n_mallocs = 0;
    for (unsigned i = 0; i < 10000; i++) {
        ol_buffer_consume(&buffer, 1);
        assert_int_equal(ol_buffer_append(&buffer, bytes, 1), 0);
    }
    assert_in_range(n_mallocs, 0, 2);
    ol_buffer_fini(&buffer);
}

static void a_failing_allocation_leaves_everything_as_it_was(void **state)
{
    struct ol_buffer buffer = { .limit = SIZE_MAX };

    (void)state;
    malloc_fails = true;
    int first_rc = ol_buffer_puts(&buffer, "abc");
    malloc_fails = false;
    assert_int_equal(first_rc, OL_ENOMEM);
    holds(&buffer, "");

    assert_int_equal(ol_buffer_puts(&buffer, "abc"), 0);
    malloc_fails = true;
    int reserve_rc = ol_buffer_reserve(&buffer, 10000), printf_rc = ol_buffer_printf(&buffer, "%1000d", 1);
    malloc_fails = false;
    assert_int_equal(reserve_rc, OL_ENOMEM);
    assert_int_equal(printf_rc, OL_ENOMEM);
    holds(&buffer, "abc");
    assert_int_equal(ol_buffer_reserve(&buffer, SIZE_MAX - 3), OL_ENOMEM); /* more than there can be */
    holds(&buffer, "abc");
    ol_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(printf_may_fill_the_limit_too),
        cmocka_unit_test(zeroed_memory_with_a_limit_is_an_empty_buffer),
        cmocka_unit_test(what_was_reserved_can_be_written_without_growing),
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(a_full_window_that_slides_does_not_allocate_for_each_byte),
        cmocka_unit_test(a_failing_allocation_leaves_everything_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
