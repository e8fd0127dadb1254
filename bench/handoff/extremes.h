/* extremes.h: what many jobs cost in memory. Both print what they found; exit status 0 when the promise holds. */
#ifndef OFFLOOP_BENCH_HANDOFF_EXTREMES_H
#define OFFLOOP_BENCH_HANDOFF_EXTREMES_H

#include <stdint.h>

/** Many jobs, one after the other through one pool: the process must not grow. */
int soak(uint64_t n_jobs);

/** Many jobs queued at once: the pool's own memory, beside the callers' structs, must stay under 100 bytes a job. */
int queue_at_once(uint64_t n_jobs);

#endif
