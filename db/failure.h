/* db/failure.h: SQLite's errors as ours, recorded where they happen and handed to the caller with ol__fail_with(). */
#ifndef OL_DB_FAILURE_H
#define OL_DB_FAILURE_H

#include <offloop/base.h>

struct ol__connection;

/** Fill in `error` and return its code. Thread: any. */
int ol__failure(struct ol_error *error, int code, int detail, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/**
 * The same for SQLite's result `rc` of a call on `conn`: code, text, offset, and the cause when we stopped or refused
 * it.
 */
int ol__failure_of(struct ol_error *error, struct ol__connection *conn, int rc);

/** The OL_E... code for a result code of SQLite, plain or extended. */
int ol__code_of(int sqlite_rc);

#endif
