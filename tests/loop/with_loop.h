#ifndef OFFLOOP_TESTS_LOOP_WITH_LOOP_H
#define OFFLOOP_TESTS_LOOP_WITH_LOOP_H

/* with_loop.h: a loop for each test, which must leave nothing alive on it. Included once by a test program. */

#include <offloop/loop.h>
#include "support/cmocka.h"

static struct ol_loop *loop;

static int create_loop(void **state)
{
    (void)state;
    return ol_loop_create(&loop, NULL);
}

static int destroy_loop(void **state)
{
    (void)state;
    return ol_loop_destroy(loop);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, create_loop, destroy_loop)

#endif
