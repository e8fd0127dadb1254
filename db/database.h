/* db/database.h: the database object: what its parts share. */
#ifndef OL_DB_DATABASE_H
#define OL_DB_DATABASE_H

#include <offloop/db.h>
#include <pthread.h>
#include <stdatomic.h>

#include "db/figures.h"
#include "db/readers.h"
#include "db/stream.h"
#include "db/threads.h"
#include "db/writer.h"

enum { OL__DB_POOLS_MAX = 8 };

struct ol_db {
    /* set at open */
    uint64_t            id; /* never used again in this process */
    char               *path;
    struct ol_db_config config; /* with the defaults filled in; `migrations` is not kept */

    /* set before the run */
    struct ol_pool *pools[OL__DB_POOLS_MAX];
    unsigned        n_pools;

    /* any thread, atomic */
    atomic_bool       is_closing;
    _Atomic(unsigned) n_connections; /* ever opened; numbers them */
    _Atomic(uint64_t) n_reads, n_read_batches, n_streams;

    /* each with a lock of its own */
    struct ol__figures_table figures;
    struct ol__readers       readers;
    struct ol__streams       streams;
    struct ol__threads       threads;
    struct ol__writer        writer;
};

/**
 * Refuse what no call may do: 0, OL_EONLOOP, OL_EPERM (inside a transaction's body), OL_ECLOSED, or why the scope
 * ended. Thread: any.
 */
int ol__db_may_wait(struct ol_db *db);

/** Tell the subscribers of OL_EVENT_DB, if any. Thread: any. */
void ol__db_event(const struct ol_db *db, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Make sure of a database that may be written, in WAL mode, with the schema's newest version. Thread: the writer. */
int ol__db_prepare_file(struct ol_db *db, struct ol__connection *conn, struct ol_error *error);

/** Start a thread of the database's: named, its signals blocked. Returns 0 or an errno. */
int ol__db_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg);

/**
 * When a call under the current scope, beginning now, must have ended: the earlier of `timeout_s` and the scope's
 * deadline.
 */
uint64_t ol__db_deadline(double timeout_s);

/** Tell every read transaction that has been open for longer than read_timeout_s to end. Thread: the writer. */
void ol__db_end_old_readers(struct ol_db *db);

#endif
