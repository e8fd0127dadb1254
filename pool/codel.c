/*
 * codel.c: dropping what waits in a standing queue.
 *
 * A burst makes a queue that goes away; overload makes one that stays. CoDel tells them apart by the time that jobs
 * spend in the queue: when that has not been under the target for a whole interval, the queue stands, and one job is
 * dropped; while it goes on standing, one more after interval/sqrt(2), interval/sqrt(3), ... until the delay is under
 * the target (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; RFC 8289).
 *
 * The clients of a pool do not slow down for a lost job as TCP does, so that law alone would let the delay grow for
 * seconds under ten times the load. Therefore, while it is dropping, whatever has waited longer than twice the
 * target is dropped too, as folly's executor does: what runs is then what was submitted a short time ago.
 *
 * The target is twice the median of the class's run times, at least 5 ms: a queue of two jobs is none. The median is
 * followed by steps: up a little when a run took longer than the estimate, down a little when it took less, which
 * settles where both are equally frequent (stochastic approximation, Robbins and Monro).
 *
 * Time is an argument everywhere; no clock is read here.
 */
#include "pool/codel.h"

#include <offloop/base.h>

static const uint64_t INTERVAL_NS = 100 * OL_NS_PER_MS;
static const uint64_t TARGET_MIN_NS = 5 * OL_NS_PER_MS;

enum { LEARN_FAST = 4, LEARN_SLOWLY = 64, LEARNED_ENOUGH = 32 };

void ol__codel_learn(struct ol__codel *codel, uint64_t run_ns)
{
    /* Big steps first, so that a fresh class comes near quickly. */
    uint64_t divisor = codel->n_learned < LEARNED_ENOUGH ? LEARN_FAST : LEARN_SLOWLY;

    if (codel->n_learned++ == 0)
        codel->estimate_ns = run_ns;
    uint64_t step_ns = codel->estimate_ns / divisor + 1;
    if (run_ns > codel->estimate_ns)
        codel->estimate_ns += step_ns;
    else if (run_ns < codel->estimate_ns)
        codel->estimate_ns -= step_ns < codel->estimate_ns ? step_ns : codel->estimate_ns;
}

uint64_t ol__codel_target_ns(const struct ol__codel *codel)
{
    uint64_t target_ns = 2 * codel->estimate_ns;

    return target_ns > TARGET_MIN_NS ? target_ns : TARGET_MIN_NS;
}

static uint64_t isqrt(uint64_t n)
{
    uint64_t root = n, next = (n + 1) / 2;

    while (next < root) {
        root = next;
        next = (root + n / root) / 2;
    }
    return root;
}

/* interval / sqrt(n), in whole nanoseconds; the factor keeps the root's first digits. */
static uint64_t pause_ns(uint64_t n_drops)
{
    return INTERVAL_NS * 1024 / isqrt(n_drops * 1024 * 1024);
}

void ol__codel_empty(struct ol__codel *codel)
{
    codel->above_since_ns = 0;
    codel->dropping = false;
}

static bool begin_dropping(struct ol__codel *codel, uint64_t now_ns)
{
    /* A spell that follows soon upon another goes on at its rate. */
    bool soon = codel->n_drops > 2 && now_ns < codel->next_drop_ns + 16 * INTERVAL_NS;

    codel->dropping = true;
    codel->n_drops = soon ? codel->n_drops - 2 : 1;
    codel->next_drop_ns = now_ns + pause_ns(codel->n_drops);
    return true;
}

bool ol__codel_drop(struct ol__codel *codel, uint64_t now_ns, uint64_t delay_ns)
{
    uint64_t target_ns = ol__codel_target_ns(codel);

    if (delay_ns < target_ns) {
        ol__codel_empty(codel);
        return false;
    }
    if (codel->above_since_ns == 0)
        codel->above_since_ns = now_ns;
    if (!codel->dropping)
        return now_ns - codel->above_since_ns >= INTERVAL_NS && begin_dropping(codel, now_ns);
    if (delay_ns > 2 * target_ns)
        return true;
    if (now_ns < codel->next_drop_ns)
        return false;
    codel->n_drops++;
    codel->next_drop_ns += pause_ns(codel->n_drops);
    return true;
}
