/* db/writer.h: the one writer thread, what waits for it, and what its parts share. */
#ifndef OL_DB_WRITER_H
#define OL_DB_WRITER_H

#include <offloop/db.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"

struct ol__backup;
struct ol__connection;
struct ol__wait;

/** One write that waits for the writer, in its caller's memory: a statement, or a transaction's body. */
struct ol__write {
    /* set by the caller */
    const char      *sql; /* NULL: `fn` */
    struct ol_args   args;
    ol_tx_cb        *fn;
    void            *arg;
    size_t           size; /* bytes of the arguments */
    uint64_t         arrived_ns;
    struct ol__wait *wait;

    /* guarded by the writer's lock while queued, then the writer thread's */
    struct ol_link link;
    bool           is_queued;

    /* the writer thread's until it has been answered, then the caller's */
    int                 rc;
    struct ol_db_result result;
    struct ol_error     error;
};

struct ol__writer {
    /* set at open */
    struct ol_db *db;
    pthread_t     thread;
    bool          is_started;

    pthread_mutex_t lock;
    pthread_cond_t  wake; /* CLOCK_MONOTONIC */
    /* guarded by lock */
    struct ol_link queue; /* writes, in the order of their arrival */
    size_t         n_queue;
    struct ol_link backups; /* that wait, or run: the first */
    unsigned       n_backups;
    bool           is_asleep;
    bool           is_closing;
    bool           is_open; /* or has failed to */
    int            open_rc;

    pthread_cond_t  opened;     /* is_open */
    struct ol_error open_error; /* the writer thread's until is_open */

    /* writer thread only */
    struct ol__connection *conn;    /* NULL: it was lost, and could not be opened again so far */
    uint64_t           patience_ns; /* until when the busy handler waits; 0: as long as the first of the queue may */
    uint64_t           checkpointed_pages;  /* of the log's pages, so many are in the file already */
    uint64_t           checkpoint_retry_ns; /* not before */
    struct ol__backup *backup;              /* the one that runs */

    /* any thread, atomic */
    _Atomic(uint64_t) wal_pages;
    _Atomic(uint64_t) n_writes, n_commits, n_rerun, n_checkpoints, n_reopened, batch_max;
};

/** Before anything else. */
void ol__writer_init(struct ol_db *db);

/**
 * Start the thread, and wait until it has opened the file and brought its schema up to date. Returns: 0, OL_ESYS, or
 * why it could not.
 */
int ol__writer_start(struct ol_db *db, struct ol_error *error);

/**
 * Take nothing new, finish what was accepted, checkpoint, close: the last connection of all. Also after a failed
 * start.
 */
void ol__writer_close(struct ol_db *db);

/** Is this thread inside a transaction's body? Thread: any. */
bool ol__writer_is_here(void);

/* ---- between writer.c and its parts; thread: the writer ---- */

/** The first of the queue, the caller's to answer; NULL when it is empty. */
struct ol__write *ol__writer_take(struct ol__writer *writer);

/** Tell the caller; the write is gone afterwards. */
void ol__writer_answer(struct ol__write *write);

/** Open the connection. Returns: 0, or as ol__db_connection_open. */
int ol__writer_open(struct ol_db *db, struct ol_error *error);

/** Close the connection, roll back what it had, and open another. */
void ol__writer_reopen(struct ol__writer *writer);

/** Run one group of writes and commit it. (group_commit.c) */
void ol__group_run(struct ol__writer *writer);

/** Run one statement in the open transaction. Returns: as ol_db_exec. (group_commit.c) */
int ol__writer_exec(struct ol_db_result *ret_result, struct ol__connection *conn, const char *sql, struct ol_args args,
                    struct ol_error *error);

/**
 * Run a transaction's body and fill in the write's result and error; the transaction is open. Returns its code;
 * *ret_own_code says that the body chose it, and no failure of the database did. (tx.c)
 */
int ol__tx_run(bool *ret_own_code, struct ol__connection *conn, struct ol__write *write);

/** Move the log into the file when it is due. `is_idle`: nothing else waits. (checkpoint.c) */
void ol__checkpoint_if_due(struct ol__writer *writer, bool is_idle);

/** When the idle writer must look again, or 0. */
uint64_t ol__checkpoint_next_ns(const struct ol__writer *writer);

/** All of it, before the file is closed. */
void ol__checkpoint_last(struct ol__writer *writer);

#endif
