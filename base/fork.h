/*
 * base/fork.h: is this the child of a fork?
 *
 * A child has none of its parent's threads. Objects that own threads remember the generation in which they were made;
 * in a child the generation is another, so that every call can refuse.
 */
#ifndef OL_BASE_FORK_H
#define OL_BASE_FORK_H

#include <stdbool.h>

extern unsigned ol__fork_generation; /* atomic; written in a child, while it has one thread */

/** Begin to count forks, once in a process. Returns: 0, or OL_ENOMEM. Thread: any. */
int ol__fork_watch(void);

static inline unsigned ol__fork_now(void)
{
    return __atomic_load_n(&ol__fork_generation, __ATOMIC_RELAXED);
}

/** Was there a fork between `generation` and now, and are we the child? Thread: any. */
static inline bool ol__forked_since(unsigned generation)
{
    return __builtin_expect(ol__fork_now() != generation, 0);
}

#endif
