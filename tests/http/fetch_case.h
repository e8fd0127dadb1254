#ifndef OFFLOOP_TESTS_HTTP_FETCH_CASE_H
#define OFFLOOP_TESTS_HTTP_FETCH_CASE_H

/*
 * fetch_case.h: one fetch in one place, and all that is known of it afterwards.
 */

#include <offloop/fetch.h>
#include "http/places.h"

struct fetched {
    int                     rc;
    struct ol_fetch_result *result; /* NULL unless rc is 0 */
    struct ol_error         error;
};

/* Free with ol_fetch_result_free(.result). */
struct fetched fetch_in(enum place place, struct ol_scope *scope, const struct ol_fetch_request *request);

/* Is the answer 200 with this body? */
bool is_answer(const struct fetched *fetched, const char *body);

/* One test for each place that may wait; the test gets the place as its state. */
#define IN_PLACE(test, place, setup, teardown)                                                            \
    {                                                                                                     \
        .name = #test " (" #place ")", .test_func = test, .setup_func = setup, .teardown_func = teardown, \
        .initial_state = &fetch_places[place]                                                             \
    }
#define IN_EVERY_PLACE_WITH(test, setup, teardown)                                                \
    IN_PLACE(test, PLAIN_THREAD, setup, teardown), IN_PLACE(test, OTHER_THREAD, setup, teardown), \
        IN_PLACE(test, FIBER, setup, teardown), IN_PLACE(test, WORKER, setup, teardown),          \
        IN_PLACE(test, BLOCKING_ROUTE, setup, teardown)
#define IN_EVERY_PLACE(test) IN_EVERY_PLACE_WITH(test, NULL, NULL)

extern enum place fetch_places[N_PLACES];

#endif
