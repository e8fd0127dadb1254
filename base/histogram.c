#include "base/histogram.h"

static const uint64_t SUB = UINT64_C(1) << OL_HISTOGRAM_SUB_BITS;

uint64_t ol__histogram_upper_ns(unsigned index)
{
    if (index < SUB)
        return ((index + UINT64_C(1)) << OL__HISTOGRAM_UNIT_BITS) - 1;
    uint64_t octave = index / SUB - 1;
    uint64_t units = (index % SUB + SUB + 1) << octave;

    return (units << OL__HISTOGRAM_UNIT_BITS) - 1;
}

void ol__histogram_add_to(struct ol_histogram *snapshot, const struct ol__histogram *histogram)
{
    uint64_t min_plus_1 = ol__counter_read(&histogram->min_ns_plus_1);
    uint64_t max_ns = ol__counter_read(&histogram->max_ns);

    if (min_plus_1 == 0)
        return;
    if (snapshot->count == 0 || min_plus_1 - 1 < snapshot->min_ns)
        snapshot->min_ns = min_plus_1 - 1;
    if (max_ns > snapshot->max_ns)
        snapshot->max_ns = max_ns;
    snapshot->sum_ns += ol__counter_read(&histogram->sum_ns);
    for (unsigned i = 0; i < OL_HISTOGRAM_BUCKETS; i++) {
        uint64_t n = ol__counter_read(&histogram->buckets[i]);

        snapshot->buckets[i] += n;
        snapshot->count += n;
    }
}

/* The rank of the value asked for, from 1. Written so that 100 % never passes the last, whatever doubles round. */
static uint64_t rank_of(uint64_t count, double percent)
{
    if (!(percent > 0))
        return 1;
    if (percent >= 100)
        return count;
    double   exact = (double)count * percent / 100;
    uint64_t rank = (uint64_t)exact;

    rank += (double)rank < exact;
    return rank > count ? count : rank;
}

uint64_t ol_histogram_percentile_ns(const struct ol_histogram *histogram, double percent)
{
    uint64_t seen = 0, rank = rank_of(histogram->count, percent);

    if (histogram->count == 0)
        return 0;
    for (unsigned i = 0; i < OL_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen < rank)
            continue;
        uint64_t upper_ns = ol__histogram_upper_ns(i);
        /* The last bucket has no upper end, and every other's may lie beyond what was seen. */
        if (i == OL_HISTOGRAM_BUCKETS - 1 || upper_ns > histogram->max_ns)
            return histogram->max_ns;
        return upper_ns < histogram->min_ns ? histogram->min_ns : upper_ns;
    }
    return histogram->max_ns;
}
