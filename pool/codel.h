/*
 * pool/codel.h: dropping what waits in a standing queue. Why and how: codel.c.
 */
#ifndef OL_POOL_CODEL_H
#define OL_POOL_CODEL_H

#include <stdbool.h>
#include <stdint.h>

/** Zeroed memory is an empty one. Guarded by whatever guards the queue. */
struct ol__codel {
    uint64_t above_since_ns; /* the delay has been over the target since then; 0: it is not */
    uint64_t next_drop_ns;   /* while dropping */
    uint64_t n_drops;        /* in this spell of dropping */
    bool     dropping;

    uint64_t estimate_ns; /* of the median run time */
    uint64_t n_learned;
};

/** A job has run for `run_ns`. */
void ol__codel_learn(struct ol__codel *codel, uint64_t run_ns);

/** The delay that is no standing queue yet. */
uint64_t ol__codel_target_ns(const struct ol__codel *codel);

/** Must the job that is taken from the queue's head at `now_ns`, after `delay_ns` in it, be dropped? */
bool ol__codel_drop(struct ol__codel *codel, uint64_t now_ns, uint64_t delay_ns);

/** The queue is empty. */
void ol__codel_empty(struct ol__codel *codel);

#endif
