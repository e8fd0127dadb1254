#ifndef OFFLOOP_TESTS_SUPPORT_CMOCKA_H
#define OFFLOOP_TESTS_SUPPORT_CMOCKA_H

/* cmocka.h wants these before it, and does not include them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
