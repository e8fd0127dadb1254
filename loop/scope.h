/*
 * loop/scope.h: what the rooms above may ask of scopes, beside <offloop/scope.h>.
 */
#ifndef OL_LOOP_SCOPE_H
#define OL_LOOP_SCOPE_H

#include <offloop/scope.h>

/**
 * A scope for a job or a request: as ol_scope_init with an absolute deadline (0: none), and `hook` (may be NULL)
 * registered before anybody can end it. `watched` promises that the caller ends the scope at its deadline by a timer
 * of its own, so that ol_cancelled() need not look at the clock and fibers need no timer.
 *
 * Returns: 0, or the parent's reason when it has ended: then nothing was initialised.
 */
int ol__scope_begin(struct ol_scope *scope, struct ol_scope *parent, uint64_t deadline_ns, struct ol_scope_hook *hook,
                    bool watched);

#endif
