/*
 * base/error.h: where a failing call leaves what it knows.
 *
 * Each thread has a slot, and each fiber brings its own: the fiber switch swaps the pointer, so that ol_last_error()
 * after a wait is still this fiber's.
 */
#ifndef OL_BASE_ERROR_H
#define OL_BASE_ERROR_H

#include <offloop/base.h>

/** Note a failure here and return its code, so that `return ol__fail(OL_EINVAL, 0, "...")` is one line. Thread: any. */
int ol__fail(int code, int detail, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** The same with the text of errno `sys` appended: "cannot open x: No such file or directory". */
int ol__fail_errno(int code, int sys, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Note a failure that was recorded elsewhere, on the thread where it happened. Returns its code. */
int ol__fail_with(const struct ol_error *error);

/** Let this thread's failures go `to` this slot from now on (NULL: the thread's own); returns what it was before. */
struct ol_error *ol__error_slot_set(struct ol_error *to);

#endif
