/*
 * quick.c: quick jobs keep to few threads.
 *
 * To wake a thread costs both sides as much as a dozen jobs of a microsecond, and where every core has something to
 * do, it takes one away from somebody: from the loop, as a rule. So a call is held back while the jobs are quick and
 * somebody awake will be back for them in a moment anyway: as many workers as there are cores for, or enough to get
 * through the queue in the time that a wake-up takes. What they touch (a connection, its cache) stays warm, too.
 *
 * That a class's jobs have been quick is no promise that the next one will be. So a call is held back only while one
 * idle worker is the watch: it sleeps for OL__QUICK_WATCH_NS at most, then looks into the queue itself. A job that
 * blocks, against all experience, keeps those behind it waiting for no longer than that.
 *
 * A watch whose time is over looks for work as if it had been called, and what has run all that time counts as quick
 * no more: nobody waits for it a second time. It stands again if calls were held back meanwhile; when the rush is over
 * there is none.
 */
#include "pool/quick.h"

#include <sched.h>

#include "pool/internal.h"

enum { STREAK_MAX = 64, STREAK_MIN = 16 };
static const uint64_t QUICK_NS = 100 * OL_NS_PER_US;
static const uint64_t SLOW_NS = 200 * OL_NS_PER_US;
static const uint64_t WAKE_NS = 20 * OL_NS_PER_US; /* what a wake-up costs, both sides */
static const uint64_t HAND_OVER_NS = 200;          /* what a job costs besides its run */

void ol__quick_init(struct ol__quick *quick)
{
    cpu_set_t cpus;
    int       n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    quick->cores = n > 1 ? (unsigned)n - 1 : 1; /* one is the loop's */
}

void ol__pace_learn(struct ol__pace *pace, uint64_t run_ns)
{
    /* One that lost the core in the middle looks slow; it alone shall not count for the others. */
    pace->run_ns += (run_ns < SLOW_NS ? run_ns : SLOW_NS) / 8;
    pace->run_ns -= pace->run_ns / 8;
    if (run_ns > QUICK_NS)
        pace->streak -= pace->streak < STREAK_MIN ? pace->streak : STREAK_MIN;
    else if (pace->streak < STREAK_MAX)
        pace->streak++;
}

bool ol__pace_is_quick(const struct ol__pace *pace)
{
    return pace->streak >= STREAK_MIN && pace->run_ns <= QUICK_NS;
}

bool ol__quick_hold_back_locked(struct ol_pool *pool, const struct ol__class *class)
{
    struct ol__quick *quick = &pool->quick;
    unsigned          n_active = quick->n_running + pool->n_called; /* who come back, or come */
    uint64_t          queue_ns = pool->n_queued * (class->pace.run_ns + HAND_OVER_NS);

    if (n_active == 0 || !ol__pace_is_quick(&class->pace))
        return false;
    if (n_active < quick->cores && queue_ns > n_active * WAKE_NS)
        return false;
    quick->n_held++;
    return quick->watch != NULL;
}

bool ol__quick_watch_locked(struct ol_pool *pool, struct ol__worker *worker)
{
    struct ol__quick *quick = &pool->quick;

    if (quick->watch || quick->n_held == quick->n_seen)
        return false;
    quick->watch = worker;
    quick->n_seen = quick->n_held;
    return true;
}

void ol__quick_watch_over_locked(struct ol_pool *pool)
{
    uint64_t now_ns = ol_now_ns();

    pool->quick.watch = NULL;
    for (unsigned i = 0; i < pool->n_workers; i++) {
        struct ol__worker *worker = pool->workers[i];

        if (worker->is_quick && now_ns - ol__job_started_ns(worker->job) >= OL__QUICK_WATCH_NS) {
            worker->is_quick = false;
            pool->quick.n_running--;
        }
    }
}
