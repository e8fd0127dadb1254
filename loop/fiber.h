/*
 * loop/fiber.h: what the rooms above may ask of fibers, beside <offloop/fiber.h>.
 *
 * Thread: loop, for everything here.
 */
#ifndef OL_LOOP_FIBER_H
#define OL_LOOP_FIBER_H

#include <offloop/fiber.h>

struct ol_fiber;

/** The running fiber, or NULL. */
struct ol_fiber *ol__fiber_self(void);

/** Suspend the running fiber until ol__fiber_resume; there is one resume for each suspend. */
void ol__fiber_suspend(void);

/** Put a suspended fiber on its loop's ready list. Never runs it inside this call. */
void ol__fiber_resume(struct ol_fiber *fiber);

struct ol_loop *ol__fiber_loop(const struct ol_fiber *fiber);
struct ol_pool *ol__fiber_pool(const struct ol_fiber *fiber); /* as in its config; may be NULL */
unsigned        ol__fiber_class(const struct ol_fiber *fiber);

#endif
