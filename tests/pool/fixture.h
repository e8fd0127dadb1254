#ifndef OFFLOOP_TESTS_POOL_FIXTURE_H
#define OFFLOOP_TESTS_POOL_FIXTURE_H

/* fixture.h: a loop with a pool, and jobs that count what happens to them. */

#include <offloop/pool.h>
#include <stdatomic.h>

#include "support/gate.h"

struct fixture {
    struct ol_loop *loop;
    struct ol_pool *pool;
};

/* A pool as configured (name filled in when missing) on a loop of its own. Asserts. */
void fixture_create(struct fixture *fixture, struct ol_pool_config config);

/* Both destroyed, both with 0. Asserts. */
void fixture_destroy(struct fixture *fixture);

/* A job that records. Zeroed but for what task_init sets. */
struct task {
    struct ol_job      job;  /* first: a job is its task */
    struct gate       *gate; /* where `work` waits, or NULL */
    atomic_uint        n_run;
    int                reason; /* what ol_cancelled() said when `work` ended */
    unsigned           n_done;
    enum ol_job_status status;
};

/* `work` waits at the gate (if any), `done` counts. */
void task_init(struct task *task, struct gate *gate);

void task_work(struct ol_job *job);
void task_done(struct ol_job *job, enum ol_job_status status);

/* Runs until told: returns when its scope has ended. Arrives at the gate first. */
void task_work_until_cancelled(struct ol_job *job);

/* Asserts that `done` came once with this status, and that `work` ran `n_run` times. */
void task_assert(const struct task *task, enum ol_job_status status, unsigned n_run);

/* How many rounds a race gets: the full number plain, fewer under sanitizers. */
unsigned rounds(unsigned plain);

#endif
