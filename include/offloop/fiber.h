/*
 * offloop/fiber.h: stackful coroutines on a loop.
 *
 * A fiber is straight-line code that may wait: ol_fetch, ol_db_query, ol_sleep and ol_offload suspend it and the loop
 * goes on. Fibers of one loop never run at the same time, and switch only inside those calls, so they need no locks
 * among themselves. A fiber stays on the loop that started it. Its stack is small (64 KiB by default) and ends in a
 * guard of the same size.
 */
#ifndef OFFLOOP_FIBER_H
#define OFFLOOP_FIBER_H

#include <offloop/loop.h>
#include <offloop/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_pool;

/** A fiber's body. Thread: loop, on the fiber's own stack, once. */
typedef void ol_fiber_cb(void *arg);

struct ol_fiber_config {
    ol_fiber_cb     *run; /* required */
    void            *arg;
    struct ol_scope *scope;    /* the scope that its waits are under; NULL: none. Must outlive the fiber */
    struct ol_pool  *pool;     /* where its ol_offload goes; NULL: the loop's default pool */
    unsigned         class_id; /* and under which class of that pool */
};

/**
 * Start a fiber. It runs for the first time in the loop's next turn, never inside this call, and keeps the loop alive
 * until it returns.
 *
 * Thread:  loop (also inside another fiber), or the owner before the run.
 * Owns:    copies `config`.
 * Returns: 0, OL_EINVAL, OL_EBUSY (ol_loop_set_fibers_max reached), OL_ENOMEM (no stack to be had).
 */
OL_API int ol_fiber_start(struct ol_loop *loop, const struct ol_fiber_config *config);

/** Let everything else that is ready run first. Thread: fiber. Returns: 0, or OL_EINVAL (not in a fiber). */
OL_API int ol_fiber_yield(void);

/** Is this a fiber? Thread: any. */
OL_API bool ol_in_fiber(void);

/**
 * Bound the fibers that may live at once (default 16,384; each costs two of the kernel's 65,530 mappings). Thread:
 * loop's owner.
 */
OL_API void ol_loop_set_fibers_max(struct ol_loop *loop, unsigned max);

#ifdef __cplusplus
}
#endif
#endif
