/*
 * base/histogram.h: counting durations while they happen.
 *
 * One thread records, any thread takes a snapshot; the buckets and their precision are those of struct ol_histogram.
 * The recorder is alone, so its additions are plain loads and stores that happen to be atomic: no locked instruction, a
 * few nanoseconds each. Several recorders have one histogram each (a shard), and a snapshot adds them up; it may see
 * one recording in the sum and not yet in its bucket.
 */
#ifndef OL_BASE_HISTOGRAM_H
#define OL_BASE_HISTOGRAM_H

#include <offloop/observe.h>
#include <stdatomic.h>

/** Zeroed memory is an empty one. */
struct ol__histogram {
    /* one thread writes, any reads: atomic, relaxed */
    _Atomic(uint64_t) sum_ns;
    _Atomic(uint64_t) min_ns_plus_1; /* 0: nothing yet */
    _Atomic(uint64_t) max_ns;
    _Atomic(uint64_t) buckets[OL_HISTOGRAM_BUCKETS];
};

/* Durations are counted in units of 16 ns, of which 64 linear buckets reach to the first power of two, 1,024 ns. */
enum { OL__HISTOGRAM_UNIT_BITS = 4 };

/** The bucket of a duration. */
static inline unsigned ol__histogram_index(uint64_t ns)
{
    const uint64_t sub = UINT64_C(1) << OL_HISTOGRAM_SUB_BITS;
    uint64_t       units = ns >> OL__HISTOGRAM_UNIT_BITS;

    if (units < sub)
        return (unsigned)units;
    unsigned octave = 63 - OL_HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(units);
    uint64_t index = sub * (octave + 1) + ((units >> octave) - sub);
    return index < OL_HISTOGRAM_BUCKETS ? (unsigned)index : OL_HISTOGRAM_BUCKETS - 1;
}

/** The longest duration that falls into a bucket. */
uint64_t ol__histogram_upper_ns(unsigned index);

static inline uint64_t ol__counter_read(const _Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/** Thread: the one that writes. */
static inline void ol__counter_add(_Atomic(uint64_t) *counter, uint64_t n)
{
    atomic_store_explicit(counter, ol__counter_read(counter) + n, memory_order_relaxed);
}

/** Thread: the one recorder. */
static inline void ol__histogram_record(struct ol__histogram *histogram, uint64_t ns)
{
    uint64_t min_plus_1 = ol__counter_read(&histogram->min_ns_plus_1);

    ol__counter_add(&histogram->buckets[ol__histogram_index(ns)], 1);
    ol__counter_add(&histogram->sum_ns, ns);
    if (ns + 1 < min_plus_1 || min_plus_1 == 0)
        atomic_store_explicit(&histogram->min_ns_plus_1, ns + 1, memory_order_relaxed);
    if (ns > ol__counter_read(&histogram->max_ns))
        atomic_store_explicit(&histogram->max_ns, ns, memory_order_relaxed);
}

/** Add what `histogram` has counted to a snapshot, which begins zeroed. Thread: any. */
void ol__histogram_add_to(struct ol_histogram *snapshot, const struct ol__histogram *histogram);

#endif
