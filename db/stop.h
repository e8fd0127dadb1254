/*
 * db/stop.h: telling one running statement to stop, and no other.
 *
 * A connection has one 64-bit word that its progress handler reads every PROGRESS_OPS instructions of SQLite's machine:
 *
 *     | generation: 20 | reason: 4 | deadline in ms of ol_now_ns()'s clock: 40 |
 *
 * The owner arms it for each statement, which counts the generation on. Whoever wants that statement stopped brings
 * the generation that it saw and exchanges the word only while it is still the same: a stop that comes too late meets
 * the next generation and does nothing, so it can never hit the statement after. (sqlite3_interrupt has neither
 * property: it hits whatever runs, is lost when nothing runs yet, and races with close.)
 */
#ifndef OL_DB_STOP_H
#define OL_DB_STOP_H

#include <offloop/base.h>
#include <stdatomic.h>

enum { OL__STOP_DEADLINE_BITS = 40, OL__STOP_REASON_BITS = 4 };

#define OL__STOP_DEADLINE_MASK ((UINT64_C(1) << OL__STOP_DEADLINE_BITS) - 1)
#define OL__STOP_REASON_MASK ((UINT64_C(1) << OL__STOP_REASON_BITS) - 1)

struct ol__stop {
    _Atomic(uint64_t) word;
};

static inline uint32_t ol__stop_generation(uint64_t word)
{
    return (uint32_t)(word >> (OL__STOP_DEADLINE_BITS + OL__STOP_REASON_BITS));
}

/** The OL_E... code in a word, or 0. */
static inline int ol__stop_reason_of(uint64_t word)
{
    return -(int)((word >> OL__STOP_DEADLINE_BITS) & OL__STOP_REASON_MASK);
}

/**
 * Begin a statement that may run until `deadline_ns` (0: for ever). Returns its generation. Thread: the connection's
 * owner.
 */
static inline uint32_t ol__stop_arm(struct ol__stop *stop, uint64_t deadline_ns)
{
    uint64_t before = atomic_load_explicit(&stop->word, memory_order_relaxed);
    uint64_t ms = (deadline_ns + OL_NS_PER_MS - 1) / OL_NS_PER_MS;
    uint64_t generation = (uint64_t)ol__stop_generation(before) + 1;
    uint64_t word = generation << (OL__STOP_DEADLINE_BITS + OL__STOP_REASON_BITS);

    word |= ms < OL__STOP_DEADLINE_MASK ? ms : OL__STOP_DEADLINE_MASK;
    atomic_store_explicit(&stop->word, word, memory_order_release);
    return ol__stop_generation(word); /* 20 bits of it */
}

/** The statement has ended: stops that are still on their way are for nobody. Thread: the connection's owner. */
static inline void ol__stop_disarm(struct ol__stop *stop)
{
    ol__stop_arm(stop, 0);
}

/** Ask the statement of `generation` to stop for `reason`; the first reason stays. Thread: any. */
static inline void ol__stop_request(struct ol__stop *stop, uint32_t generation, int reason)
{
    uint64_t word = atomic_load_explicit(&stop->word, memory_order_acquire);

    while (ol__stop_generation(word) == generation && ol__stop_reason_of(word) == 0) {
        uint64_t told = word | (uint64_t)(-reason) << OL__STOP_DEADLINE_BITS;

        if (atomic_compare_exchange_weak(&stop->word, &word, told))
            return;
    }
}

/** Why the running statement must stop, or 0. Looks at the clock's `now_ns` too. Thread: the connection's owner. */
static inline int ol__stop_reason(struct ol__stop *stop, uint64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&stop->word, memory_order_acquire);
    uint64_t deadline_ms = word & OL__STOP_DEADLINE_MASK;

    if (ol__stop_reason_of(word) == 0 && deadline_ms && now_ns / OL_NS_PER_MS >= deadline_ms)
        ol__stop_request(stop, ol__stop_generation(word), OL_ETIMEDOUT);
    return ol__stop_reason_of(atomic_load_explicit(&stop->word, memory_order_acquire));
}

#endif
