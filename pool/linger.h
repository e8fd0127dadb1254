/*
 * pool/linger.h: not going to sleep for what is about to come. Why and how: linger.c.
 */
#ifndef OL_POOL_LINGER_H
#define OL_POOL_LINGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ol_pool;
struct ol__worker;

/* Has waiting paid lately? Zeroed: try. */
struct ol__patience {
    unsigned n_misses; /* one after the other */
    unsigned n_skip;   /* so many times not to try */
};

struct ol__linger {
    /* set at create */
    bool is_on;

    /* guarded by the pool's lock */
    struct ol__patience worker_patience;
    struct ol__worker  *worker; /* the one that lingers and was not called yet; or NULL */

    /* loop only */
    struct ol__patience loop_patience;

    /* any thread: goes up when the lingering worker is called, which looks at it all the time */
    _Alignas(64) atomic_uint n_calls;
    char alone[60];
};

void ol__linger_init(struct ol__linger *linger);

/** Should `patience` be tried now? Counts as a try that was skipped when not. */
bool ol__patience_try(struct ol__patience *patience);

/** What became of a try. */
void ol__patience_learn(struct ol__patience *patience, bool paid);

/** Linger before parking; the lock is released meanwhile. Returns whether the worker was called. Thread: worker. */
bool ol__linger_worker_locked(struct ol__worker *worker);

/** Call the worker that lingers. Returns false when there is none. */
bool ol__linger_call_locked(struct ol_pool *pool);

/** After a hand-over: wait a moment for the completion, which may come sooner than a sleep would. Thread: loop. */
void ol__linger_loop(struct ol_pool *pool);

#endif
