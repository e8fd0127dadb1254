#ifndef OFFLOOP_TESTS_SUPPORT_GATE_H
#define OFFLOOP_TESTS_SUPPORT_GATE_H

/*
 * gate.h: park threads at a known point, prove what is then true, let them go. The tests' replacement for sleeping.
 *
 * A worker calls gate_wait() and stays there until the test calls gate_open(). The test calls gate_wait_for_n() to know
 * that n threads have arrived. Every wait ends after GATE_LIMIT_S: the program then says which gate stayed shut and
 * aborts, since a test that hangs tells nothing.
 */

#include <pthread.h>
#include <stdbool.h>

enum { GATE_LIMIT_S = 30 };

struct gate {
    const char     *name; /* set by gate_init, printed when a wait takes too long */
    pthread_mutex_t lock;
    pthread_cond_t  changed;

    /* guarded by lock */
    unsigned n_arrived; /* calls of gate_wait and gate_arrive so far */
    bool     is_open;
};

void gate_init(struct gate *gate, const char *name);
void gate_fini(struct gate *gate);

/* Thread: any. Lets everybody through who waits now, or comes later. */
void gate_open(struct gate *gate);

/* Thread: any. Shuts an open gate again, and forgets who has arrived. */
void gate_shut(struct gate *gate);

/* Thread: any. Counts an arrival, then waits until the gate is open. */
void gate_wait(struct gate *gate);

/* Thread: any. Counts an arrival and goes on at once. */
void gate_arrive(struct gate *gate);

/* Thread: any. Waits until there have been at least n arrivals, open or not. */
void gate_wait_for_n(struct gate *gate, unsigned n);

/* Thread: any. How many have arrived. */
unsigned gate_arrived(struct gate *gate);

#endif
