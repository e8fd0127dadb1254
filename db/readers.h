/* db/readers.h: the reading threads and what waits for them. */
#ifndef OL_DB_READERS_H
#define OL_DB_READERS_H

#include <offloop/db.h>
#include <pthread.h>

#include "base/list.h"

struct ol__connection;
struct ol__reader;
struct ol__read;
struct ol__wait;

enum {
    OL__READ_CHUNK_MAX = 64,  /* reads in one read transaction */
    OL__READ_PENDING_MAX = 16 /* finished reads whose callers were not told yet */
};

/** Work that needs a reader for itself: how it runs, instead of as a query. Thread: reader, no lock held. */
typedef void ol__read_alone_cb(struct ol__reader *reader, struct ol__read *read);

enum ol__read_state { OL__READ_QUEUED, OL__READ_RUNNING, OL__READ_FINISHED };

/** The database was closed before such work began. Thread: the closer, with the readers' lock held. */
typedef void ol__read_refused_cb(struct ol__read *read);

/** One read that waits for a reading thread, in its caller's memory. */
struct ol__read {
    /* set by the caller */
    const char          *sql;
    struct ol_args       args;
    uint64_t             deadline_ns;  /* the scope's; 0: none */
    struct ol__wait     *wait;         /* signalled when it has finished; NULL: a stream, which sees to that itself */
    ol__read_alone_cb   *alone;        /* NULL: a query */
    ol__read_refused_cb *refused;      /* with `alone`, instead of `wait` */
    bool                 is_unlimited; /* read_timeout_s is not for it */

    /* guarded by the readers' lock, and while `reader` is set by that reader's lock */
    struct ol_link      link;
    struct ol__reader  *reader; /* who has taken it; NULL: it is in a shared queue */
    enum ol__read_state state;

    /* the reader's until it has finished, then the caller's */
    int             rc;
    struct ol_rows *rows;
    struct ol_error error;
};

enum ol__reader_mode {
    OL__READER_IDLE,  /* sleeps, on the idle list */
    OL__READER_SHORT, /* has a batch of point reads, or looks for work: will look again soon */
    OL__READER_SLOW,  /* has a read that takes longer than the others should wait */
    OL__READER_LONG   /* has a long read or a stream: one of at most long_max */
};

struct ol__reader {
    /* set at open */
    struct ol_db          *db;
    struct ol__connection *conn;
    pthread_t              thread;
    unsigned               number;
    bool                   is_started;

    /* guarded by the readers' lock */
    enum ol__reader_mode mode;
    struct ol_link       idle;    /* in the idle list */
    uint64_t             took_ns; /* when it last took something */
    pthread_cond_t       wake;

    /* guarded by `lock`, which is taken after the readers' */
    pthread_mutex_t  lock;
    struct ol_link   chunk; /* taken and not begun */
    struct ol__read *running;
    uint32_t         generation; /* the stop word's, of what runs */

    /* this reader's thread only */
    struct ol__read *pending[OL__READ_PENDING_MAX];
    unsigned         n_pending;
    uint64_t         batch_ns;   /* when the batch began */
    uint64_t         started_ns; /* when the running read began */
    uint64_t suspected_cpu_ns;   /* the thread\'s processor time when the running read was found suspiciously slow */
    bool     is_slow;            /* what runs has been found slow */
    bool     displaced;          /* it was stopped in order to run again alone */
};

struct ol__readers {
    /* set at open */
    struct ol__reader *all;
    unsigned           long_max;

    pthread_mutex_t lock;
    /* guarded by lock */
    unsigned       n;     /* of `all`, while they are there */
    struct ol_link queue; /* point reads, in the order of their arrival */
    size_t         n_queue;
    struct ol_link longs; /* what needs a reader for itself */
    size_t         n_longs;
    struct ol_link idle; /* who fell asleep last comes first: its caches are warm */
    unsigned       n_short, n_long;
    unsigned       chunk;       /* reads to take at once */
    uint64_t       read_avg_ns; /* of point reads, smoothed */
    bool           is_closing;
};

/** Before anything else. */
void ol__readers_init(struct ol_db *db);

/**
 * Open the connections and start the threads. Returns: 0 with at least two readers running; OL_ESYS, or as
 * ol__db_connection_open.
 */
int ol__readers_open(struct ol_db *db, struct ol_error *error);

/**
 * Answer what waits with OL_ECLOSED, stop what runs, end the threads, close the connections. Also after a failed
 * open.
 */
void ol__readers_close(struct ol_db *db);

/** After everything else, the writer included. */
void ol__readers_fini(struct ol_db *db);

/** Queue a read. Returns: 0, OL_EBUSY, OL_ECLOSED. Thread: any. */
int ol__readers_submit(struct ol_db *db, struct ol__read *read);

/**
 * Take a queued read back: true, and nobody will signal it. A running one is told to stop for `reason`: false.
 * Thread: any.
 */
bool ol__readers_withdraw(struct ol_db *db, struct ol__read *read, int reason);

/**
 * Run a query on a reading thread and wait for it. Thread: fiber, or any that may stand still. Returns: as
 * ol_db_query.
 */
int ol__readers_query(struct ol_rows **ret_rows, struct ol_db *db, const char *sql, struct ol_args args);

#endif
