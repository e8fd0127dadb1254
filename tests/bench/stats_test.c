/* Percentiles and medians, by what they promise. */

#include "support/cmocka.h"

#include "app/bench/stats.h"

static void fill(struct samples *samples, uint64_t count)
{
    for (uint64_t i = count; i > 0; i--) /* from the largest down: nobody may rely on the order */
        assert_int_equal(samples_add(samples, i), 0);
}

static void a_percentile_is_the_nearest_rank(void **state)
{
    struct samples samples = { 0 };

    (void)state;
    fill(&samples, 1000);
    assert_int_equal(samples_percentile_ns(&samples, 0), 1);
    assert_int_equal(samples_percentile_ns(&samples, 0.1), 1);
    assert_int_equal(samples_percentile_ns(&samples, 50), 500);
    assert_int_equal(samples_percentile_ns(&samples, 50.01), 501);
    assert_int_equal(samples_percentile_ns(&samples, 95), 950);
    assert_int_equal(samples_percentile_ns(&samples, 99), 990);
    assert_int_equal(samples_percentile_ns(&samples, 99.9), 999);
    assert_int_equal(samples_percentile_ns(&samples, 100), 1000);
    samples_fini(&samples);
}

static void a_sample_that_comes_after_a_percentile_counts(void **state)
{
    struct samples samples = { 0 };

    (void)state;
    fill(&samples, 3);
    assert_int_equal(samples_percentile_ns(&samples, 100), 3);
    assert_int_equal(samples_add(&samples, 7), 0);
    assert_int_equal(samples_percentile_ns(&samples, 100), 7);
    assert_int_equal(samples_percentile_ns(&samples, 75), 3);
    samples_fini(&samples);
}

static void one_sample_is_every_percentile(void **state)
{
    struct samples samples = { 0 };

    (void)state;
    assert_int_equal(samples_add(&samples, 42), 0);
    for (int i = 0; i < CURVE_POINTS; i++)
        assert_int_equal(samples_percentile_ns(&samples, curve_percents[i]), 42);
    samples_fini(&samples);
}

static void nothing_measured_is_zero(void **state)
{
    struct samples samples = { 0 };

    (void)state;
    assert_int_equal(samples_percentile_ns(&samples, 99), 0);
    assert_true(samples_mean_ns(&samples) == 0);
    assert_true(median(NULL, 0) == 0);
    samples_fini(&samples);
}

static void the_curve_rises_from_the_least_to_the_most(void **state)
{
    struct samples samples = { 0 };
    uint64_t       last = 0;

    (void)state;
    fill(&samples, 12345);
    for (int i = 0; i < CURVE_POINTS; i++) {
        uint64_t value = samples_percentile_ns(&samples, curve_percents[i]);

        assert_true(value > last);
        last = value;
    }
    assert_int_equal(last, 12345);
    assert_true(samples_mean_ns(&samples) == 6173);
    samples_fini(&samples);
}

static void the_median_is_in_the_middle_whatever_the_order(void **state)
{
    double odd[] = { 9, 1, 5 }, even[] = { 8, 2, 4, 100 };

    (void)state;
    assert_true(median(odd, 3) == 5);
    assert_true(median(even, 4) == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_the_nearest_rank),
        cmocka_unit_test(a_sample_that_comes_after_a_percentile_counts),
        cmocka_unit_test(one_sample_is_every_percentile),
        cmocka_unit_test(nothing_measured_is_zero),
        cmocka_unit_test(the_curve_rises_from_the_least_to_the_most),
        cmocka_unit_test(the_median_is_in_the_middle_whatever_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
