#ifndef OFFLOOP_TESTS_LOOP_PLACES_H
#define OFFLOOP_TESTS_LOOP_PLACES_H

/* places.h: the rows of the "called from" table in which a call may wait, so that a test can try each. */

#include <offloop/scope.h>

enum place { AT_THREAD, AT_FIBER, AT_BLOCKING_ROUTE, AT_OWNER_OUTSIDE_RUN, N_PLACES };

/* Thread: by the place. Must not assert: the caller of run_at looks afterwards. */
typedef void errand_cb(void *arg);

/* Runs `errand(arg)` there under `scope` (may be NULL), with a loop made for it, and returns when all is over. */
void run_at(enum place place, errand_cb *errand, void *arg, struct ol_scope *scope);

/* Waits until somebody waits under `scope`: until it has a hook. */
void until_somebody_waits(struct ol_scope *scope);

#endif
