#ifndef OFFLOOP_TESTS_HTTP_PLACES_H
#define OFFLOOP_TESTS_HTTP_PLACES_H

/*
 * places.h: run a function in each of the places that the calls which wait know: the columns of the "called from"
 * table.
 *
 * A failed assertion may only happen on the main thread's own stack, so the function records, and the test asserts when
 * in_place has returned.
 */

#include <offloop/scope.h>

enum place { PLAIN_THREAD, OTHER_THREAD, FIBER, WORKER, BLOCKING_ROUTE, BARE_LOOP, N_PLACES };

extern const char *const place_names[N_PLACES];

/*
 * Call run(arg) there, under `scope` (NULL: none), and return when it has returned. Aborts when the place cannot be
 * made.
 */
void in_place(enum place place, struct ol_scope *scope, void (*run)(void *arg), void *arg);

#endif
