/*
 * offloop/base.h: what every other header needs: the export mark, the error codes, the clock.
 *
 * Every function that can fail returns 0 or a negative OL_E... code. Out-parameters come first, are named `ret_x`, and
 * stay untouched on failure. The library never prints, never exits and never aborts for what happens at run time.
 */
#ifndef OFFLOOP_BASE_H
#define OFFLOOP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of these headers; CMakeLists.txt takes the project's from here. */
#define OL_VERSION "0.1.0"

#define OL_API __attribute__((visibility("default")))

/** The one table of errors: code, value, the HTTP status that a handler's return of it becomes, text. */
#define OL_ERROR_TABLE(X)                                                                                        \
    X(OL_EINVAL, -1, 400, "invalid argument")                                                                    \
    X(OL_ENOENT, -2, 404, "not found")                                                                           \
    X(OL_EBUSY, -3, 503, "busy: a queue or a limit is full")                                                     \
    X(OL_ETIMEDOUT, -4, 503, "the deadline passed")                                                              \
    X(OL_ECANCELED, -5, 500, "cancelled")                                                                        \
    X(OL_ECLOSED, -6, 503, "closed: takes nothing new")                                                          \
    X(OL_EONLOOP, -7, 500, "this call would block the loop: call it from a fiber, a worker or a blocking route") \
    X(OL_ENOMEM, -8, 500, "out of memory")                                                                       \
    X(OL_ESYS, -9, 500, "a system call failed")                                                                  \
    X(OL_EFORKED, -10, 500, "this object belongs to the parent of a fork")                                       \
    X(OL_ELIMIT, -11, 500, "larger than the limit")                                                              \
    X(OL_EUPSTREAM, -12, 502, "the upstream service failed")                                                     \
    X(OL_EUPTIMEOUT, -13, 504, "the upstream service did not answer in time")                                    \
    X(OL_EDB, -14, 500, "the database failed")                                                                   \
    X(OL_ECONSTRAINT, -15, 409, "the database refused: a constraint")                                            \
    X(OL_EIO, -16, 500, "input or output failed")                                                                \
    X(OL_EFULL, -17, 507, "no space left")                                                                       \
    X(OL_EPERM, -18, 500, "not permitted here")

enum ol_error_code {
#define OL__ERROR_ENUM(code, value, status, text) code = value,
    OL_ERROR_TABLE(OL__ERROR_ENUM)
#undef OL__ERROR_ENUM
};

/** A sentence for a code; "ok" for 0 and above. Thread: any. Owns: a static string. */
OL_API const char *ol_strerror(int code);

/** The code's name, such as "OL_EBUSY". Thread: any. Owns: a static string. */
OL_API const char *ol_error_name(int code);

/** The HTTP status that a handler's return of `code` becomes: 500 for what is not in the table. Thread: any. */
OL_API int ol_error_http_status(int code);

/**
 * What is known about the last failure beyond its code.
 *
 * Each fiber and each thread has one, as each thread has an errno: SQLite's text and the offset in the statement,
 * curl's message, the file that could not be opened. A call that succeeds leaves it alone.
 */
struct ol_error {
    int  code;      /* OL_E... of the failed call; 0: nothing failed here yet */
    int  detail;    /* the failing library's own code: an SQLite extended result, a CURLcode, an errno; 0: none */
    int  offset;    /* byte offset in the SQL text, or -1 */
    char text[256]; /* one line, always terminated; may be cut off, never inside a UTF-8 sequence */
};

/** The detail of the last failed call of this fiber or thread. Thread: any. Owns: valid until the next failure here. */
OL_API const struct ol_error *ol_last_error(void);

/** Nanoseconds of CLOCK_MONOTONIC. Every deadline in offloop is on this clock. Thread: any. */
OL_API uint64_t ol_now_ns(void);

#define OL_NS_PER_S UINT64_C(1000000000)
#define OL_NS_PER_MS UINT64_C(1000000)
#define OL_NS_PER_US UINT64_C(1000)

#ifdef __cplusplus
}
#endif
#endif
