/* db/connection.h: one SQLite connection with one owner thread at a time. */
#ifndef OL_DB_CONNECTION_H
#define OL_DB_CONNECTION_H

#include <offloop/db.h>
#include <sqlite3.h>

#include "base/list.h"
#include "db/rows.h"
#include "db/statement.h"
#include "db/stop.h"

enum ol__role { OL__READS, OL__WRITES };

/* Whose SQL is being prepared: decides what the authorizer lets pass. */
enum ol__author { OL__BY_CALLER, OL__BY_MIGRATION, OL__BY_US };

/* Our own statements, kept prepared on each connection. */
enum ol__control {
    OL__BEGIN,
    OL__BEGIN_IMMEDIATE,
    OL__COMMIT,
    OL__ROLLBACK,
    OL__SAVEPOINT,
    OL__RELEASE,
    OL__ROLLBACK_TO,
    OL__CONTROLS /* their number */
};

/*
 * The progress handler found the statement still running at `slow_at_ns`. Thread: the owner, inside sqlite3_step.
 * Returns whether it must stop.
 */
typedef bool ol__slow_cb(void *arg, uint64_t now_ns);

struct ol__connection {
    /* set at open */
    struct ol_db *db;
    sqlite3      *sqlite;
    enum ol__role role;
    unsigned      number;
    bool          is_utf8;

    /* owner thread only */
    struct ol__statements   statements;
    struct ol__rows_builder builder;
    sqlite3_stmt           *controls[OL__CONTROLS];
    enum ol__author         author;
    const char             *refused;    /* what the authorizer refused last, in words */
    uint64_t                slow_at_ns; /* 0: nobody wants to know */
    ol__slow_cb            *on_slow;
    void                   *on_slow_arg;

    /* any thread, atomic */
    struct ol__stop       stop;
    _Atomic(uint64_t)     reading_since_ns; /* 0: no read transaction is open */
    _Atomic(const char *) reading_sql;      /* a string of the database's */

    struct ol_link link; /* a thread's own connection: guarded by db->threads.lock */
};

/** Open a connection to db->path. Thread: any; it becomes the owner. Returns: 0, or what SQLite says. */
int ol__db_connection_open(struct ol__connection **ret_conn, struct ol_db *db, enum ol__role role,
                           struct ol_error *error);

/**
 * Finalize everything and close. NULL is fine. Thread: the owner, or whoever has made sure that there is none any
 * more.
 */
void ol__db_connection_close(struct ol__connection *conn);

/** Run one of our own statements. Returns SQLite's result (SQLITE_OK for done). Thread: the owner. */
int ol__db_connection_control(struct ol__connection *conn, enum ol__control control);

/** Run SQL of our own that needs no result. Returns SQLite's result. Thread: the owner. */
int ol__db_connection_exec_own(struct ol__connection *conn, const char *sql);

/** The integer that a statement of our own gives first, in *ret_value. Returns SQLite's result. Thread: the owner. */
int ol__db_connection_get_own(int64_t *ret_value, struct ol__connection *conn, const char *sql);

/** What was refused, or NULL: the authorizer's judgement, in authorizer.c. */
const char *ol__authorize(const struct ol__connection *conn, int action, const char *first, const char *second);

/**
 * Prepare, bind, step to the end, give back. `ret_rows` NULL: the rows are not kept. `clock_ns` is now when it begins
 * and when it returns.
 *
 * Thread:  the owner.
 * Returns: 0, OL_ELIMIT (rows_bytes_max), or as ol__statement_acquire and SQLite say.
 */
int ol__db_connection_run(struct ol_rows **ret_rows, struct ol__connection *conn, const char *sql, struct ol_args args,
                          uint64_t *clock_ns, struct ol_error *error);

#endif
