/*
 * loop/switch.h: from one stack to another, and what the sanitizers must be told about it.
 */
#ifndef OL_LOOP_SWITCH_H
#define OL_LOOP_SWITCH_H

#include <setjmp.h>
#include <stddef.h>

/** One side of a switch: where it stopped, and which memory it runs on. */
struct ol__strand {
    jmp_buf     jump;
    const void *stack_base; /* lowest address; the loop's own strand learns it at its first switch */
    size_t      stack_size;
    void       *fake_stack; /* AddressSanitizer's, while stopped */
    void       *tsan_fiber; /* ThreadSanitizer's */
};

/** The strand of the calling thread's own stack. */
void ol__strand_init_thread(struct ol__strand *strand);

/**
 * A strand that will run `entry(arg)` on the given stack at its first switch. `entry` must never return.
 * Returns: 0 or OL_ENOMEM.
 */
int ol__strand_init(struct ol__strand *strand, void *stack_base, size_t stack_size, void (*entry)(void *arg), void *arg);
void ol__strand_fini(struct ol__strand *strand);

/** Stop `from`, the running strand, and go on with `to`. Returns when somebody switches back to `from`. */
void ol__strand_switch(struct ol__strand *from, struct ol__strand *to);

#endif
