/*
 * failure.c: which of our codes an SQLite result becomes, and the text that goes with it.
 *
 * A statement runs on one thread and its caller may be on another, so failures are written into a struct ol_error
 * that travels with the request. SQLite's extended code, message and offset are kept; where the failure is our own
 * doing (the progress handler stopped it, the authorizer refused it) the text says what we know and SQLite does not.
 */
#include "db/failure.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "db/connection.h"

int ol__code_of(int sqlite_rc)
{
    if (sqlite_rc == SQLITE_IOERR_NOMEM)
        return OL_ENOMEM;
    switch (sqlite_rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return 0;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: return OL_ECONSTRAINT;
    case SQLITE_ERROR:
    case SQLITE_AUTH:
    case SQLITE_RANGE:
    case SQLITE_MISUSE: return OL_EINVAL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return OL_ETIMEDOUT;
    case SQLITE_INTERRUPT: return OL_ECANCELED;
    case SQLITE_FULL: return OL_EFULL;
    case SQLITE_TOOBIG: return OL_ELIMIT;
    case SQLITE_NOMEM: return OL_ENOMEM;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return OL_EIO;
    case SQLITE_PERM:
    case SQLITE_READONLY: return OL_EPERM;
    default: return OL_EDB;
    }
}

int ol__failure(struct ol_error *error, int code, int detail, const char *format, ...)
{
    struct ol_error *before = ol__error_slot_set(error);
    char             text[sizeof error->text];
    va_list          ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    ol__fail(code, detail, "%s", text);
    ol__error_slot_set(before);
    return code;
}

static int offset_of(sqlite3 *sqlite)
{
#if SQLITE_VERSION_NUMBER >= 3038000
    return sqlite3_error_offset(sqlite);
#else
    (void)sqlite;
    return -1;
#endif
}

static int stopped(struct ol_error *error, struct ol__connection *conn)
{
    int reason = ol__stop_reason(&conn->stop, 0);

    if (reason == OL_ETIMEDOUT)
        return ol__failure(error, reason, SQLITE_INTERRUPT, "the statement was ended at its deadline");
    return ol__failure(error, reason ? reason : OL_ECANCELED, SQLITE_INTERRUPT, "the statement was told to stop");
}

int ol__failure_of(struct ol_error *error, struct ol__connection *conn, int rc)
{
    int code = ol__code_of(rc);
    int offset = offset_of(conn->sqlite);

    if ((rc & 0xff) == SQLITE_INTERRUPT)
        return stopped(error, conn);
    if ((rc & 0xff) == SQLITE_AUTH && conn->refused)
        code = ol__failure(error, code, rc, "refused: %s", conn->refused);
    else if ((rc & 0xff) == SQLITE_NOMEM)
        code = ol__failure(error, code, rc, "out of memory");
    else
        code = ol__failure(error, code, rc, "%s", sqlite3_errmsg(conn->sqlite));
    error->offset = offset;
    return code;
}
