/*
 * linger.c: not going to sleep for what is about to come.
 *
 * A small job runs for a microsecond; putting a thread to sleep and waking it takes ten to thirty, twice for each job
 * that is alone: the worker on its way in, the loop on its way out. So each looks for a moment before it sleeps: one
 * worker of a pool, at most, for more work, and the loop for a completion, when it has just handed over a few jobs.
 * What is looked at is one cache line that does not change; the core is told to take it easy.
 *
 * The bound. LINGER_NS is about what the sleep avoided would have cost, so even a wait in vain at most doubles the
 * price (the ski-rental argument: Karlin, Li, Manasse, Owicki, "Empirical studies of competitive spinning", SOSP 1991).
 *
 * Backing off. When it did not pay (work ran longer, none came, or on a busy machine somebody else had the core) the
 * next tries are skipped, 1, 3, 7, ... up to 255 of them; one that pays resets that. So jobs that block cost one wait
 * in 256, some 40 ns each. With one processor nobody lingers.
 *
 * The lingering worker counts as idle, but it is called by a store instead of a system call. The loop does not linger
 * with more than FEW in flight: then completions come while it looks at its sockets anyway.
 */
#include "pool/linger.h"

#include <sched.h>

#include "pool/internal.h"

enum { SKIP_DOUBLINGS_MAX = 8, LOOKS_A_CLOCK = 16, FEW = 4 };
static const uint64_t LINGER_NS = 10 * OL_NS_PER_US;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void ol__linger_init(struct ol__linger *linger)
{
    cpu_set_t cpus;

    linger->is_on = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

bool ol__patience_try(struct ol__patience *patience)
{
    if (patience->n_skip == 0)
        return true;
    patience->n_skip--;
    return false;
}

void ol__patience_learn(struct ol__patience *patience, bool paid)
{
    if (paid) {
        patience->n_misses = 0;
        return;
    }
    if (patience->n_misses < SKIP_DOUBLINGS_MAX)
        patience->n_misses++;
    patience->n_skip = (1U << patience->n_misses) - 1;
}

static void wait_for_call(struct ol__linger *linger, unsigned seen)
{
    uint64_t until_ns = ol_now_ns() + LINGER_NS;

    do
        for (unsigned i = 0; i < LOOKS_A_CLOCK; i++) {
            if (atomic_load_explicit(&linger->n_calls, memory_order_acquire) != seen)
                return;
            relax();
        }
    while (ol_now_ns() < until_ns);
}

bool ol__linger_worker_locked(struct ol__worker *worker)
{
    struct ol_pool    *pool = worker->pool;
    struct ol__linger *linger = &pool->linger;

    if (!linger->is_on || linger->worker || pool->is_stopping || !ol__patience_try(&linger->worker_patience))
        return false;
    unsigned seen = atomic_load_explicit(&linger->n_calls, memory_order_relaxed);
    linger->worker = worker;
    pthread_mutex_unlock(&pool->lock);
    wait_for_call(linger, seen);
    ol__pool_lock(pool);
    bool called = worker->called;
    if (called) {
        worker->called = false;
        pool->n_called--;
    } else {
        linger->worker = NULL;
    }
    ol__patience_learn(&linger->worker_patience, called);
    return called;
}

bool ol__linger_call_locked(struct ol_pool *pool)
{
    struct ol__linger *linger = &pool->linger;

    if (!linger->worker)
        return false;
    linger->worker->called = true;
    linger->worker = NULL;
    pool->n_called++;
    atomic_fetch_add_explicit(&linger->n_calls, 1, memory_order_release);
    return true;
}

void ol__linger_loop(struct ol_pool *pool)
{
    struct ol__linger *linger = &pool->linger;
    unsigned long      n = atomic_load_explicit(&pool->n_inflight, memory_order_relaxed);

    if (!linger->is_on || n == 0 || n > FEW || !ol__patience_try(&linger->loop_patience))
        return;
    uint64_t until_ns = ol_now_ns() + LINGER_NS;
    bool     come = false;
    do
        for (unsigned i = 0; i < LOOKS_A_CLOCK && !come; i++) {
            come = ol__loop_has_posts(pool->loop);
            relax();
        }
    while (!come && ol_now_ns() < until_ns);
    ol__patience_learn(&linger->loop_patience, come);
}
