/*
 * pool/quick.h: quick jobs keep to few threads. Why and how: quick.c.
 */
#ifndef OL_POOL_QUICK_H
#define OL_POOL_QUICK_H

#include <stdbool.h>
#include <stdint.h>

struct ol_pool;
struct ol__class;
struct ol__worker;

/** What a class's jobs have been like lately. Zeroed: nothing is known. Guarded by the pool's lock. */
struct ol__pace {
    uint64_t run_ns; /* moving average */
    unsigned streak; /* quick runs, one after the other; a slower one takes most of it away */
};

/** Guarded by the pool's lock. */
struct ol__quick {
    unsigned           cores;     /* what workers can use of them: set at create */
    unsigned           n_running; /* jobs of classes that are quick */
    uint64_t           n_held;    /* calls that were held back, or would have been if there had been a watch */
    uint64_t           n_seen;    /* of these, when the watch began */
    struct ol__worker *watch;     /* the idle worker that looks soon; or NULL */
};

void ol__quick_init(struct ol__quick *quick);

/** A job of the class has run for `run_ns`. */
void ol__pace_learn(struct ol__pace *pace, uint64_t run_ns);

bool ol__pace_is_quick(const struct ol__pace *pace);

/** May the call of one more worker, for a job of `class`, be left out? */
bool ol__quick_hold_back_locked(struct ol_pool *pool, const struct ol__class *class);

/** A worker is about to park: is it to be the watch? Then it sleeps until OL__QUICK_WATCH_NS have passed, at most. */
bool ol__quick_watch_locked(struct ol_pool *pool, struct ol__worker *worker);

/** The watch is awake again. */
void ol__quick_watch_over_locked(struct ol_pool *pool);

#define OL__QUICK_WATCH_NS (1 * OL_NS_PER_MS)

#endif
