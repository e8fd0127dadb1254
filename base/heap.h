/*
 * base/heap.h: an intrusive pairing heap: the least of many, in the caller's memory.
 *
 * Insert and "which is the least?" take constant time, removal (of any node) amortized O(log n). The heap is a
 * tree of nodes in which no child is less than its parent; children stand in a list. Removing the root pairs its
 * children from left to right, then melds the pairs from right to left (Fredman, Sedgewick, Sleator, Tarjan, 1986).
 * Both passes are loops: a heap may hold a million nodes, and the callers' stacks are small.
 */
#ifndef OL_BASE_HEAP_H
#define OL_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct ol__heap_node {
    struct ol__heap_node *child; /* the first */
    struct ol__heap_node *next;  /* the next sibling, or NULL */
    struct ol__heap_node *prev;  /* the sibling before, or the parent for a first child; NULL for the root */
};

/** Must `a` stand before `b`? */
typedef bool ol__heap_less_cb(const struct ol__heap_node *a, const struct ol__heap_node *b);

struct ol__heap {
    struct ol__heap_node *root; /* the least; NULL when empty */
};

/* Both roots, neither NULL; returns the one that is the parent now. */
static inline struct ol__heap_node *ol__heap_meld(struct ol__heap_node *upper, struct ol__heap_node *lower,
                                                  ol__heap_less_cb *less)
{
    if (less(lower, upper)) {
        struct ol__heap_node *swap = upper;

        upper = lower;
        lower = swap;
    }
    lower->next = upper->child;
    lower->prev = upper;
    if (upper->child)
        upper->child->prev = lower;
    upper->child = lower;
    upper->next = upper->prev = NULL;
    return upper;
}

/* One tree of a list of siblings, or NULL. */
static inline struct ol__heap_node *ol__heap_meld_siblings(struct ol__heap_node *first, ol__heap_less_cb *less)
{
    struct ol__heap_node *pairs = NULL; /* the last pair first, by `next` */

    while (first) {
        struct ol__heap_node *a = first, *b = first->next;

        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b) {
            b->next = b->prev = NULL;
            a = ol__heap_meld(a, b, less);
        }
        a->next = pairs;
        pairs = a;
    }
    struct ol__heap_node *root = pairs;
    if (!root)
        return NULL;
    pairs = root->next;
    root->next = NULL;
    while (pairs) {
        struct ol__heap_node *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        root = ol__heap_meld(root, pair, less);
    }
    return root;
}

static inline void ol__heap_insert(struct ol__heap *heap, struct ol__heap_node *node, ol__heap_less_cb *less)
{
    *node = (struct ol__heap_node){ 0 };
    heap->root = heap->root ? ol__heap_meld(heap->root, node, less) : node;
}

/** Take out a node that is in the heap. */
static inline void ol__heap_remove(struct ol__heap *heap, struct ol__heap_node *node, ol__heap_less_cb *less)
{
    struct ol__heap_node *below = ol__heap_meld_siblings(node->child, less);

    if (node == heap->root) {
        heap->root = below;
        *node = (struct ol__heap_node){ 0 };
        return;
    }
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next)
        node->next->prev = node->prev;
    if (below)
        heap->root = ol__heap_meld(heap->root, below, less);
    *node = (struct ol__heap_node){ 0 };
}

#endif
