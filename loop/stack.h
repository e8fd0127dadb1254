/*
 * loop/stack.h: memory for fibers' stacks.
 */
#ifndef OL_LOOP_STACK_H
#define OL_LOOP_STACK_H

#include <stddef.h>

/**
 * Usable memory from `base` to `base + size`, below it the guard. Stacks grow down, so that is where they overflow.
 */
struct ol__stack {
    char  *base;
    size_t size;
};

/** Returns: 0 or OL_ENOMEM (memory, or the kernel's number of mappings). */
int  ol__stack_create(struct ol__stack *ret_stack);
void ol__stack_destroy(const struct ol__stack *stack);

#endif
