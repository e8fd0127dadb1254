/* Histograms: every value is found again to within 1.6 %, and merging loses nothing. */
#include "support/cmocka.h"

#include <stdlib.h>

#include "base/histogram.h"

static void every_bucket_begins_where_the_one_before_ends(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < OL_HISTOGRAM_BUCKETS; i++) {
        uint64_t upper_ns = ol__histogram_upper_ns(i);

        assert_int_equal(ol__histogram_index(upper_ns), i);
        assert_int_equal(ol__histogram_index(upper_ns + 1), i + 1);
    }
    assert_int_equal(ol__histogram_index(0), 0);
    assert_int_equal(ol__histogram_index(UINT64_MAX), OL_HISTOGRAM_BUCKETS - 1);
}

static void a_value_is_known_to_within_two_percent_from_1_us_to_1000_s(void **state)
{
    (void)state;
    for (uint64_t ns = OL_NS_PER_US; ns <= 1000 * OL_NS_PER_S; ns += ns / 100 + 1) {
        unsigned i = ol__histogram_index(ns);
        uint64_t upper_ns = ol__histogram_upper_ns(i);

        assert_true(i < OL_HISTOGRAM_BUCKETS - 1);
        assert_true(upper_ns >= ns && (double)(upper_ns - ns) <= 0.02 * (double)ns);
    }
}

static void percentiles_of_shards_together_are_those_of_all_values(void **state)
{
    struct ol__histogram *shards = calloc(2, sizeof *shards);
    struct ol_histogram  *all = calloc(1, sizeof *all);
    static const double   percents[] = { 0, 1, 50, 90, 99, 100 };

    (void)state;
    for (uint64_t i = 1; i <= 10000; i++)
        ol__histogram_record(&shards[i % 2], i * OL_NS_PER_US);
    ol__histogram_add_to(all, &shards[0]);
    ol__histogram_add_to(all, &shards[1]);
    assert_int_equal(all->count, 10000);
    assert_int_equal(all->min_ns, OL_NS_PER_US);
    assert_int_equal(all->max_ns, 10000 * OL_NS_PER_US);
    assert_int_equal(all->sum_ns, 10000 * UINT64_C(10001) / 2 * OL_NS_PER_US);
    for (unsigned i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        double exact = percents[i] == 0 ? 1e3 : percents[i] * 100 * 1e3;
        double found = (double)ol_histogram_percentile_ns(all, percents[i]);

        assert_true(found >= exact && found <= exact * 1.02);
    }
    free(shards);
    free(all);
}

static void one_value_is_all_percentiles_and_none_is_zero(void **state)
{
    struct ol__histogram *one = calloc(1, sizeof *one);
    struct ol_histogram  *all = calloc(1, sizeof *all);

    (void)state;
    assert_int_equal(ol_histogram_percentile_ns(all, 50), 0);
    ol__histogram_add_to(all, one); /* of an empty one: nothing, not even a minimum */
    assert_int_equal(all->count, 0);
    ol__histogram_record(one, 123456789);
    ol__histogram_add_to(all, one);
    for (double percent = 0; percent <= 100; percent += 12.5)
        assert_int_equal(ol_histogram_percentile_ns(all, percent), 123456789);
    free(one);
    free(all);
}

static void what_is_too_long_keeps_its_maximum(void **state)
{
    struct ol__histogram *one = calloc(1, sizeof *one);
    struct ol_histogram  *all = calloc(1, sizeof *all);

    (void)state;
    ol__histogram_record(one, 0);
    ol__histogram_record(one, 100000 * OL_NS_PER_S);
    ol__histogram_add_to(all, one);
    assert_int_equal(all->min_ns, 0);
    assert_int_equal(ol_histogram_percentile_ns(all, 100), 100000 * OL_NS_PER_S);
    free(one);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bucket_begins_where_the_one_before_ends),
        cmocka_unit_test(a_value_is_known_to_within_two_percent_from_1_us_to_1000_s),
        cmocka_unit_test(percentiles_of_shards_together_are_those_of_all_values),
        cmocka_unit_test(one_value_is_all_percentiles_and_none_is_zero),
        cmocka_unit_test(what_is_too_long_keeps_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
