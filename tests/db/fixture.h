#ifndef OFFLOOP_TESTS_DB_FIXTURE_H
#define OFFLOOP_TESTS_DB_FIXTURE_H

/* fixture.h: a scratch folder, databases in it, fibers to call from, and a writer that can be held. */

#include "support/cmocka.h"

#include <offloop/offloop.h>
#include <pthread.h>

#include "support/gate.h"

/* A query that never ends by itself. */
#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

/* Group set-up and tear-down: a folder for this process, removed with all that is in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* "<folder>/name". Owns: one of 16 static buffers, in turn. */
const char *scratch(const char *name);

/* A database in a file of its own that no test has used yet. */
struct ol_db *open_new(const struct ol_db_config *config);
struct ol_db *open_at(const char *path, const struct ol_db_config *config);

/* Fail the test with SQLite's text when a call fails. Thread: main. */
#define must(call) must_at((call), #call, __FILE__, __LINE__)
void must_at(int rc, const char *what, const char *file, int line);

/* A call must fail with `code`, and the text must say `part` (NULL: anything). Thread: main, or a fiber of its. */
#define must_fail(call, code, part) must_fail_at((call), (code), (part), #call, __FILE__, __LINE__)
void must_fail_at(int rc, int code, const char *part, const char *what, const char *file, int line);

/* Thread: main. */
void    exec(struct ol_db *db, const char *sql);
int64_t query_int(struct ol_db *db, const char *sql);

/* Run `n` fibers on a loop of their own to their end, each with `arg` + index * size. Thread: main. */
void run_fibers(ol_fiber_cb *run, void *args, size_t size, unsigned n);

/* Wait, without sleeping, until a number of the database's statistics has become `value`. */
#define await_stat(db, field, value)                                                        \
    do {                                                                                    \
        struct ol_db_stats await_stats_;                                                    \
        uint64_t           await_until_ = ol_now_ns() + 30 * OL_NS_PER_S;                   \
        for (;;) {                                                                          \
            ol_db_stats((db), &await_stats_);                                               \
            if (await_stats_.field == (value))                                              \
                break;                                                                      \
            if (ol_now_ns() > await_until_)                                                 \
                fail_msg(#field " stayed at %llu", (unsigned long long)await_stats_.field); \
            sched_yield();                                                                  \
        }                                                                                   \
    } while (0)

/* A transaction that keeps the writer busy from hold_writer to release_writer: what is written meanwhile queues up. */
struct hold {
    struct ol_db *db;
    struct gate   gate;
    pthread_t     thread;
    int           rc;
};

void hold_writer(struct hold *hold, struct ol_db *db);
void release_writer(struct hold *hold);

/* A write on a thread of its own. */
struct bg_write {
    struct ol_db       *db;
    const char         *sql;
    ol_tx_cb           *fn; /* instead of sql */
    void               *arg;
    struct ol_scope    *scope; /* may be NULL */
    pthread_t           thread;
    int                 rc;
    struct ol_db_result result;
    struct ol_error     error;
};

void bg_write_start(struct bg_write *write);
void bg_write_join(struct bg_write *write);

#endif
