/* The pairing heap: the least comes first, whatever was inserted and removed before. */
#include "support/cmocka.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/list.h"

enum { N = 500, STEPS = 20000 };

struct item {
    struct ol__heap_node node;
    unsigned             key;
    bool                 in_heap;
};

static unsigned seed;

static unsigned next_random(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 12;
}

static struct item *item_of(const struct ol__heap_node *node)
{
    return OL_CONTAINER_OF((uintptr_t)node, struct item, node);
}

static bool is_less(const struct ol__heap_node *a, const struct ol__heap_node *b)
{
    return item_of(a)->key < item_of(b)->key;
}

static void removed_in_order_of_their_keys(void **state)
{
    struct ol__heap heap = { 0 };
    struct item    *items = calloc(N, sizeof *items);
    unsigned        last = 0;

    (void)state;
    seed = 1;
    for (unsigned i = 0; i < N; i++) {
        items[i].key = next_random() % 100; /* many equal ones */
        ol__heap_insert(&heap, &items[i].node, is_less);
    }
    for (unsigned i = 0; i < N; i++) {
        struct item *least = item_of(heap.root);

        assert_true(least->key >= last);
        last = least->key;
        ol__heap_remove(&heap, &least->node, is_less);
    }
    assert_null(heap.root);
    free(items);
}

static const struct item *least_of(const struct item *items)
{
    const struct item *least = NULL;

    for (unsigned i = 0; i < N; i++)
        if (items[i].in_heap && (!least || items[i].key < least->key))
            least = &items[i];
    return least;
}

static void any_node_may_be_removed_at_any_time(void **state)
{
    struct ol__heap heap = { 0 };
    struct item    *items = calloc(N, sizeof *items);

    (void)state;
    seed = 2;
    for (unsigned step = 0; step < STEPS; step++) {
        struct item *item = &items[next_random() % N];

        if (item->in_heap) {
            ol__heap_remove(&heap, &item->node, is_less);
        } else {
            item->key = next_random();
            ol__heap_insert(&heap, &item->node, is_less);
        }
        item->in_heap = !item->in_heap;
        const struct item *least = least_of(items);
        assert_int_equal(heap.root == NULL, least == NULL);
        if (least)
            assert_int_equal(item_of(heap.root)->key, least->key);
    }
    free(items);
}

static void a_million_siblings_do_not_exhaust_the_stack(void **state)
{
    enum { MANY = 1000000 };
    struct ol__heap heap = { 0 };
    struct item    *items = calloc(MANY, sizeof *items);

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        items[i].key = i + 1; /* each one becomes a child of the first */
        ol__heap_insert(&heap, &items[i].node, is_less);
    }
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(item_of(heap.root)->key, i + 1);
        ol__heap_remove(&heap, heap.root, is_less);
    }
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removed_in_order_of_their_keys),
        cmocka_unit_test(any_node_may_be_removed_at_any_time),
        cmocka_unit_test(a_million_siblings_do_not_exhaust_the_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
