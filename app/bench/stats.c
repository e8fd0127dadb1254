#include "app/bench/stats.h"

#include <math.h>
#include <stdlib.h>

#include <offloop/base.h>

const double curve_percents[CURVE_POINTS] = { 0, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.99, 100 };

int samples_add(struct samples *samples, uint64_t ns)
{
    if (samples->count == samples->room) {
        size_t    room = samples->room ? samples->room * 2 : 1024;
        uint64_t *grown = realloc(samples->ns, room * sizeof *grown);

        if (!grown)
            return OL_ENOMEM;
        samples->ns = grown;
        samples->room = room;
    }
    samples->ns[samples->count++] = ns;
    samples->is_sorted = false;
    return 0;
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

uint64_t samples_percentile_ns(struct samples *samples, double percent)
{
    double rank;

    if (samples->count == 0)
        return 0;
    if (!samples->is_sorted) {
        qsort(samples->ns, samples->count, sizeof *samples->ns, compare_ns);
        samples->is_sorted = true;
    }
    /* 99.9 is a little more than 99.9 in binary: without the small step back, rank 999 of 1,000 would become 1,000. */
    rank = ceil(percent / 100 * (double)samples->count - 1e-9);
    if (rank < 1)
        rank = 1;
    if (rank > (double)samples->count)
        rank = (double)samples->count;
    return samples->ns[(size_t)rank - 1];
}

double samples_mean_ns(const struct samples *samples)
{
    double sum = 0;

    for (size_t i = 0; i < samples->count; i++)
        sum += (double)samples->ns[i];
    return samples->count ? sum / (double)samples->count : 0;
}

void samples_fini(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){ 0 };
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double median(double *values, size_t count)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
