/*
 * offloop/db.h: SQLite off the loop.
 *
 * One writer connection on a thread of its own, several read-only connections, WAL. Calls look the same everywhere: a
 * fiber suspends, any other thread waits. Values are typed and bound; nothing is ever pasted into SQL. A write is
 * acknowledged when it is committed, and many writes share a commit (docs/DESIGN.md, "Group commit"). A read never sees
 * a state older than the moment of its call, so what you were told is written, you read.
 */
#ifndef OFFLOOP_DB_H
#define OFFLOOP_DB_H

#include <offloop/loop.h>
#include <offloop/pool.h>
#include <offloop/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_db;

/* ---- values ---- */

enum ol_value_type { OL_TYPE_NULL, OL_TYPE_INT, OL_TYPE_REAL, OL_TYPE_TEXT, OL_TYPE_BLOB };

/** One typed value. Text and blobs are borrowed: `size` bytes at `data`. SQLite stores a real that is NaN as NULL. */
struct ol_value {
    enum ol_value_type type;
    union {
        int64_t integer;
        double  real;
        struct {
            const void *data;
            size_t      size;
        } bytes;
    } as;
};

/** The arguments of a statement, for ?1, ?2, ... in order. */
struct ol_args {
    const struct ol_value *values;
    size_t                 count;
};

static inline struct ol_value ol_value_int(int64_t integer)
{
    struct ol_value value;
    value.type = OL_TYPE_INT;
    value.as.integer = integer;
    return value;
}

static inline struct ol_value ol_value_real(double real)
{
    struct ol_value value;
    value.type = OL_TYPE_REAL;
    value.as.real = real;
    return value;
}

static inline struct ol_value ol_value_bytes(enum ol_value_type type, const void *data, size_t size)
{
    struct ol_value value;
    value.type = data ? type : OL_TYPE_NULL;
    value.as.bytes.data = data;
    value.as.bytes.size = size;
    return value;
}

#define OL_NULL (ol_value_bytes(OL_TYPE_NULL, NULL, 0))
#define OL_INT(i) (ol_value_int(i))
#define OL_REAL(r) (ol_value_real(r))
#define OL_TEXT(s) (ol_value_bytes(OL_TYPE_TEXT, (s), __builtin_strlen(s)))
#define OL_TEXT_N(s, n) (ol_value_bytes(OL_TYPE_TEXT, (s), (n)))
#define OL_BLOB(p, n) (ol_value_bytes(OL_TYPE_BLOB, (p), (n)))

/** OL_ARGS(OL_INT(7), OL_TEXT("x")): arguments in place, valid until the end of the enclosing block. C only. */
#define OL_ARGS(...)                                             \
    ((struct ol_args){ (const struct ol_value[]){ __VA_ARGS__ }, \
                       sizeof((const struct ol_value[]){ __VA_ARGS__ }) / sizeof(struct ol_value) })
#define OL_NO_ARGS ((struct ol_args){ NULL, 0 })

/* ---- open and close ---- */

enum ol_db_sync { OL_DB_SYNC_FULL, OL_DB_SYNC_NORMAL };

/** How to open a database. Zeroes mean the defaults. */
struct ol_db_config {
    unsigned readers;            /* reading threads, at least 2; 0: max(4, cores) */
    int      readers_nice;       /* added to their niceness, up to 19; 0: 5, so that the loop goes first; -1: nothing */
    size_t   queue_max;          /* reads, and writes, that may wait; 0: 16,384; then OL_EBUSY */
    enum ol_db_sync synchronous; /* default FULL: a commit survives power loss */
    unsigned        statements_max; /* cached statements for each connection; 0: 100 */
    /* of threads that are not the database's own; 0: 64; beyond it they wait for a reading thread */
    unsigned connections_max;
    /* a query that runs longer is ended; a stream only when the log must be reset; 0: 30 s */
    double read_timeout_s;
    double busy_timeout_s;  /* how long a write waits for another process; 0: 5 s */
    size_t rows_bytes_max;  /* of one ol_db_query; 0: 64 MiB; more is OL_ELIMIT: use ol_db_stream */
    size_t batch_max;       /* writes in one commit; 0: 256 */
    size_t batch_bytes_max; /* 0: 4 MiB */
    double batch_max_s;     /* 0: 0.02 s */
    size_t stream_window;   /* bytes of rows in flight for each stream; 0: 256 KiB */
    double stall_timeout_s; /* a stream whose taker stands still so long is ended; 0: 30 s */
    /* PASSIVE checkpoint when idle above it, at four times as much also when not; 0: 1,000 */
    size_t wal_soft_pages;
    size_t wal_hard_pages; /* TRUNCATE checkpoint above it; 0: 65,536 */
    /* [i] leads the schema from version i to i + 1 (PRAGMA user_version), each in a transaction */
    const char *const *migrations;
    unsigned           n_migrations;
};

/**
 * Open, or make, the database file, and bring its schema up to date. Waits where it is: call it before the run.
 * Foreign keys are enforced, but for the migrations, after each of which all references are checked.
 *
 * Thread:  any but the bare loop.
 * Owns:    copies `config`; the caller closes with ol_db_close.
 * Returns: 0, OL_EINVAL, OL_EDB (not a database, a failed migration, a newer schema), OL_EIO, OL_EPERM (read-only
 *          file), OL_ENOENT (no such directory), OL_EFULL (disk full), OL_ENOMEM, OL_ESYS, OL_EONLOOP. ol_last_error
 *          names the file and the cause.
 */
OL_API int ol_db_open(struct ol_db **ret_db, const char *path, const struct ol_db_config *config);

/**
 * Finish the writes that were accepted, refuse the rest with OL_ECLOSED, end reads, checkpoint, and close. NULL is
 * fine. No other thread may be about to call in, and no fiber may wait in it.
 *
 * Thread:  any but the bare loop; the loop's owner after the run.
 */
OL_API void ol_db_close(struct ol_db *db);

/**
 * Let the workers of `pool` read on connections of their own. Without it they wait for a reading thread, as fibers do.
 * Threads that are no workers may always have one, up to connections_max.
 *
 * Thread: the owner of the pool's loop, before the run. Returns: 0, OL_EBUSY (8 pools), OL_EINVAL.
 */
OL_API int ol_db_serve_pool(struct ol_db *db, struct ol_pool *pool);

/* ---- reading ---- */

struct ol_rows;

/**
 * Run one reading statement and keep all its rows.
 *
 * Thread:  any but the bare loop. A fiber waits for a database thread; a worker and any other thread read here.
 * Owns:    borrows `sql` and `args` until it returns; the caller frees the rows with ol_rows_free.
 * Returns: 0 (also without a row); OL_EINVAL (bad SQL, a wrong number of arguments, two statements, a write),
 *          OL_EBUSY (queue full), OL_ELIMIT (rows_bytes_max), OL_EDB, OL_EIO, OL_ENOMEM, OL_ECLOSED, OL_EONLOOP, or
 *          the scope's reason (OL_ETIMEDOUT also for read_timeout_s). ol_last_error has SQLite's code, text and
 *          offset.
 */
OL_API int ol_db_query(struct ol_rows **ret_rows, struct ol_db *db, const char *sql, struct ol_args args);

/** Free. NULL is fine. Thread: any. */
OL_API void ol_rows_free(struct ol_rows *rows);

/**
 * Rows are immutable: every getter may be called by any thread. Text and blobs are the rows' and end in a NUL that is
 * not counted.
 */
OL_API size_t             ol_rows_count(const struct ol_rows *rows);
OL_API unsigned           ol_rows_columns(const struct ol_rows *rows);
OL_API const char        *ol_rows_column_name(const struct ol_rows *rows, unsigned column);
OL_API enum ol_value_type ol_rows_type(const struct ol_rows *rows, size_t row, unsigned column);
/** The integer, or the real cut to one; 0 for anything else, and outside the rows. */
OL_API int64_t ol_rows_int(const struct ol_rows *rows, size_t row, unsigned column);
/** The real, or the integer as one; 0 for anything else. */
OL_API double ol_rows_real(const struct ol_rows *rows, size_t row, unsigned column);
/** Text or blob with its length (ret_size may be NULL); NULL for NULL and for numbers. */
OL_API const char *ol_rows_bytes(const struct ol_rows *rows, size_t row, unsigned column, size_t *ret_size);
/** Any of them. Borrows from the rows. */
OL_API struct ol_value ol_rows_value(const struct ol_rows *rows, size_t row, unsigned column);

struct ol_db_stream;

/**
 * Begin a result of any length: rows come in batches of bounded size, and the database waits for the taker.
 *
 * Thread:  a fiber, a worker or any other thread, which then makes all calls on the stream; not the bare loop.
 * Owns:    copies `sql` and `args`; the caller ends it with ol_db_stream_end.
 * Returns: as ol_db_query; OL_EBUSY when readers - 1 streams run and the queue behind them is full.
 */
OL_API int ol_db_stream_begin(struct ol_db_stream **ret_stream, struct ol_db *db, const char *sql, struct ol_args args);

/** Wait for the next batch. Returns: 0 with rows to free, OL_ENOENT at the end of the result, or as ol_db_query. */
OL_API int ol_db_stream_next(struct ol_rows **ret_rows, struct ol_db_stream *stream);

/** End it, also in the middle. NULL is fine. */
OL_API void ol_db_stream_end(struct ol_db_stream *stream);

/* ---- writing ---- */

struct ol_db_result {
    int64_t changes;        /* rows changed by this statement, or by this transaction */
    int64_t last_insert_id; /* of this statement or transaction, 0 when it inserted nothing */
};

/**
 * Run one writing statement and wait until it is committed.
 *
 * A RETURNING clause's rows are not kept. BEGIN, COMMIT, SAVEPOINT, ATTACH and PRAGMAs that write are refused. Cancel
 * reaches a write until the writer takes it up; then it is finished.
 *
 * Thread:  any but the bare loop. The statement runs on the writer thread, wherever the caller is.
 * Owns:    borrows `sql` and `args` until it returns. `ret_result` may be NULL.
 * Returns: 0 when committed; OL_ECONSTRAINT, OL_EINVAL (bad SQL, a wrong number of arguments, two statements),
 *          OL_EBUSY (queue full), OL_ETIMEDOUT (another process held the lock, or the scope's deadline), OL_EFULL
 *          (disk full), OL_EIO, OL_EDB, OL_ENOMEM, OL_ECLOSED, OL_EONLOOP, or the scope's reason. After a failure
 *          nothing of it is in the file, save that after OL_EIO on a failed sync nobody can know; ol_last_error has
 *          SQLite's code, text and offset.
 */
OL_API int ol_db_exec(struct ol_db_result *ret_result, struct ol_db *db, const char *sql, struct ol_args args);

struct ol_tx;

/**
 * The body of a transaction. Thread: the database's writer. May run twice (when the batch that it was in had to be
 * run again), so it must have no effect but through `tx`, and may call nothing of offloop's but ol_tx_*. Return 0 to
 * commit; a negative code rolls back and is what ol_db_transaction returns.
 */
typedef int ol_tx_cb(struct ol_tx *tx, void *arg);

/** Run `fn` in a transaction of the writer and wait until it is committed. As ol_db_exec in all else. */
OL_API int ol_db_transaction(struct ol_db_result *ret_result, struct ol_db *db, ol_tx_cb *fn, void *arg);

/** One writing statement inside a transaction. Thread: the writer, inside `fn`. Returns: as ol_db_exec. */
OL_API int ol_tx_exec(struct ol_db_result *ret_result, struct ol_tx *tx, const char *sql, struct ol_args args);

/** One reading statement inside a transaction; sees the transaction's own writes. Free the rows. */
OL_API int ol_tx_query(struct ol_rows **ret_rows, struct ol_tx *tx, const char *sql, struct ol_args args);

/* ---- upkeep ---- */

struct ol_db_backup_progress {
    uint64_t pages_done, pages_total;
};

/** Called between steps. Thread: the writer. Return 0 to go on, or a negative code to give up. Must not wait. */
typedef int ol_db_backup_cb(const struct ol_db_backup_progress *progress, void *arg);

struct ol_db_backup {
    const char      *path;           /* the copy; must not exist */
    unsigned         pages_per_step; /* 0: 256 */
    double           pause_s;        /* between steps, for the writes that wait; 0: none */
    ol_db_backup_cb *on_progress;    /* may be NULL */
    void            *arg;
};

/**
 * Copy the database to a file while it is in use, in steps between the writer's batches. Waits. One runs at a time,
 * and up to 15 wait for their turn. Returns: 0, OL_EBUSY (16 are at it or waiting), or as ol_db_exec. On failure no
 * copy is left.
 */
OL_API int ol_db_backup(struct ol_db *db, const struct ol_db_backup *backup);

struct ol_db_stats {
    uint64_t    reads, read_batches, writes, commits, write_batch_max;
    uint64_t    writes_rerun; /* because the batch they were in had to be taken apart */
    uint64_t    checkpoints;
    uint64_t    wal_pages;         /* in the log now */
    uint64_t    oldest_reader_ns;  /* age of the oldest open read transaction; 0: none */
    const char *oldest_reader_sql; /* what it runs; a string of the database's, valid until it is closed; or NULL */
    uint64_t    reads_queued, writes_queued, streams;
    uint64_t    writer_reopened; /* after a failed sync */
};

/** A snapshot. Thread: any. Stops nobody. */
OL_API void ol_db_stats(struct ol_db *db, struct ol_db_stats *ret_stats);

/** What is known about one statement, for a callback of ol_db_statement_stats. */
struct ol_db_statement_stats {
    const char *sql;
    uint64_t    count, time_ns, rows, full_scan_steps, reprepares;
};

typedef void ol_db_statement_cb(const struct ol_db_statement_stats *stats, void *arg);

/**
 * Call `cb` for each statement that has run (up to 1,000 texts are told apart). Thread: any; `cb` runs inside, must
 * not wait and may not call the database.
 */
OL_API void ol_db_statement_stats(struct ol_db *db, ol_db_statement_cb *cb, void *arg);

#ifdef __cplusplus
}
#endif
#endif
