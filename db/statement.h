/* db/statement.h: a connection's cache of prepared statements. Thread: the connection's owner, for all of it. */
#ifndef OL_DB_STATEMENT_H
#define OL_DB_STATEMENT_H

#include <offloop/db.h>
#include <sqlite3.h>

#include "base/list.h"

struct ol__connection;
struct ol__figures;

enum { OL__STATEMENT_BUCKETS = 256, OL__STATEMENT_HINTS = 256 };

struct ol__statement {
    sqlite3_stmt         *stmt;
    const char           *sql; /* a copy */
    size_t                size;
    uint64_t              hash;
    const char           *hint; /* where the caller's text was when it was last asked for */
    struct ol__statement *next; /* in its bucket */
    struct ol_link        recent;
    struct ol__figures   *figures;
    unsigned              n_parameters;
    bool                  in_use; /* given out: not to be evicted */
};

struct ol__statements {
    struct ol__statement *hints[OL__STATEMENT_HINTS]; /* by the text's address */
    struct ol__statement *buckets[OL__STATEMENT_BUCKETS];
    struct ol_link        recent; /* the one that was used last comes first */
    unsigned              n, max;
};

void ol__statements_init(struct ol__statements *statements, unsigned max);
void ol__statements_fini(struct ol__statements *statements);

/**
 * The statement of `sql` with `args` bound, ready to be stepped.
 *
 * Owns:    borrows `args`' bytes until ol__statement_release, which the caller owes.
 * Returns: 0; OL_EINVAL (bad SQL, no or two statements, a wrong number of arguments, a value of no type); OL_ENOMEM
 * and what SQLite says.
 */
int ol__statement_acquire(struct ol__statement **ret_statement, struct ol__connection *conn, const char *sql,
                          struct ol_args args, struct ol_error *error);

/** Reset, let go of the arguments, and count a run of `ran_ns` that gave `n_rows`. */
void ol__statement_release(struct ol__connection *conn, struct ol__statement *statement, uint64_t ran_ns,
                           uint64_t n_rows);

#endif
