/*
 * base/histogram.h: counting durations while they happen.
 *
 * One thread records, any thread takes a snapshot; the buckets and their precision are those of struct ol_histogram.
 * The recorder is alone, so its additions are plain loads and stores that happen to be atomic: no locked
 * instruction, a few nanoseconds each. Several recorders have one histogram each (a shard), and a snapshot adds them up;
 * it may see one recording in the sum and not yet in its bucket.
 */
#ifndef OL_BASE_HISTOGRAM_H
#define OL_BASE_HISTOGRAM_H

#include <offloop/observe.h>

/** Zeroed memory is an empty one. */
struct ol__histogram {
    /* one thread writes, any reads: atomic, relaxed */
    uint64_t sum_ns;
    uint64_t min_ns_plus_1; /* 0: nothing yet */
    uint64_t max_ns;
    uint64_t buckets[OL_HISTOGRAM_BUCKETS];
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

static inline void ol__counter_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/** Thread: the one recorder. */
static inline void ol__histogram_record(struct ol__histogram *histogram, uint64_t ns)
{
    uint64_t min_plus_1 = __atomic_load_n(&histogram->min_ns_plus_1, __ATOMIC_RELAXED);

    ol__counter_add(&histogram->buckets[ol__histogram_index(ns)], 1);
    ol__counter_add(&histogram->sum_ns, ns);
    if (ns + 1 < min_plus_1 || min_plus_1 == 0)
        __atomic_store_n(&histogram->min_ns_plus_1, ns + 1, __ATOMIC_RELAXED);
    if (ns > __atomic_load_n(&histogram->max_ns, __ATOMIC_RELAXED))
        __atomic_store_n(&histogram->max_ns, ns, __ATOMIC_RELAXED);
}

/** Add what `histogram` has counted to a snapshot, which begins zeroed. Thread: any. */
void ol__histogram_add_to(struct ol_histogram *snapshot, const struct ol__histogram *histogram);

#endif
