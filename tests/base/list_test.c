/* The intrusive list: order, removal anywhere, splicing. */
#include "support/cmocka.h"

#include "base/list.h"

struct item {
    int            number;
    struct ol_link link;
};

/* The numbers in a list as one: 1, 2, 3 is 123; both directions must agree. */
static int numbers(const struct ol_link *head)
{
    int forward = 0, backward = 0, place = 1;

    for (const struct ol_link *l = head->next; l != head; l = l->next)
        forward = forward * 10 + OL_CONTAINER_OF(l, struct item, link)->number;
    for (const struct ol_link *l = head->prev; l != head; l = l->prev, place *= 10)
        backward += OL_CONTAINER_OF(l, struct item, link)->number * place;
    assert_int_equal(forward, backward);
    return forward;
}

static void items_keep_their_order(void **state)
{
    struct ol_link head;
    struct item    items[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };

    (void)state;
    ol_link_init(&head);
    assert_true(ol_list_empty(&head));
    ol_list_append(&head, &items[1].link);
    ol_list_append(&head, &items[3].link);
    ol_list_prepend(&head, &items[0].link);
    ol_list_insert_before(&items[3].link, &items[2].link);
    assert_int_equal(numbers(&head), 1234);
    assert_false(ol_list_empty(&head));
    for (int i = 1; i <= 4; i++)
        assert_int_equal(OL_CONTAINER_OF(ol_list_pop(&head), struct item, link)->number, i);
    assert_null(ol_list_pop(&head));
    assert_true(ol_list_empty(&head));
}

static void a_link_may_be_taken_out_anywhere_and_twice(void **state)
{
    struct ol_link head;
    struct item    items[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };

    (void)state;
    ol_link_init(&head);
    for (unsigned i = 0; i < 4; i++)
        ol_list_append(&head, &items[i].link);
    ol_list_remove(&items[1].link);
    assert_int_equal(numbers(&head), 134);
    ol_list_remove(&items[1].link);
    ol_list_remove(&items[0].link);
    ol_list_remove(&items[3].link);
    assert_int_equal(numbers(&head), 3);
    ol_list_remove(&items[2].link);
    assert_true(ol_list_empty(&head));
}

static void splicing_moves_all_to_the_end(void **state)
{
    struct ol_link to, from;
    struct item    items[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };

    (void)state;
    ol_link_init(&to);
    ol_link_init(&from);
    ol_list_splice(&to, &from); /* nothing to nothing */
    assert_true(ol_list_empty(&to));
    ol_list_append(&from, &items[0].link);
    ol_list_append(&from, &items[1].link);
    ol_list_splice(&to, &from);
    assert_int_equal(numbers(&to), 12);
    assert_true(ol_list_empty(&from));
    ol_list_append(&from, &items[2].link);
    ol_list_append(&from, &items[3].link);
    ol_list_splice(&to, &from);
    ol_list_splice(&to, &from);
    assert_int_equal(numbers(&to), 1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_order),
        cmocka_unit_test(a_link_may_be_taken_out_anywhere_and_twice),
        cmocka_unit_test(splicing_moves_all_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
