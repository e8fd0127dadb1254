/* CoDel, without a clock: bursts pass, standing queues are cut, and the target follows the run times. */
#include "support/cmocka.h"

#include <offloop/base.h>
#include "pool/codel.h"

static const uint64_t MS = OL_NS_PER_MS;
static const uint64_t NOW = UINT64_C(1000000) * OL_NS_PER_S;

static void a_short_delay_never_drops(void **state)
{
    struct ol__codel codel = { 0 };

    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        assert_false(ol__codel_drop(&codel, NOW + i * MS, 4 * MS));
}

static void a_burst_that_goes_within_the_interval_passes(void **state)
{
    struct ol__codel codel = { 0 };

    (void)state;
    for (unsigned burst = 0; burst < 10; burst++) {
        uint64_t begin_ns = NOW + burst * 200 * MS;

        for (unsigned i = 0; i < 99; i++)
            assert_false(ol__codel_drop(&codel, begin_ns + i * MS, 500 * MS));
        assert_false(ol__codel_drop(&codel, begin_ns + 99 * MS, 1 * MS));
    }
}

static void a_standing_queue_is_cut_after_one_interval(void **state)
{
    struct ol__codel codel = { 0 };

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_false(ol__codel_drop(&codel, NOW + i * MS, 6 * MS));
    assert_true(ol__codel_drop(&codel, NOW + 100 * MS, 6 * MS));
}

static void drops_come_faster_while_it_goes_on_standing(void **state)
{
    struct ol__codel codel = { 0 };
    uint64_t         last_ns = 0, gap_ns = 200 * MS;
    unsigned         n = 0;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        if (!ol__codel_drop(&codel, NOW + i * MS, 6 * MS)) /* over the target, under twice of it */
            continue;
        if (n++ > 0) {
            assert_true(i * MS - last_ns <= gap_ns + MS);
            gap_ns = i * MS - last_ns;
        }
        last_ns = i * MS;
    }
    assert_in_range(n, 50, 150); /* (1.9 s / (2 x 100 ms))^2 = 90 */
    assert_true(gap_ns <= 15 * MS);
}

static void what_has_waited_far_too_long_goes_at_once_while_dropping(void **state)
{
    struct ol__codel codel = { 0 };

    (void)state;
    for (unsigned i = 0; i <= 100; i++)
        ol__codel_drop(&codel, NOW + i * MS, 50 * MS);
    for (unsigned i = 0; i < 50; i++)
        assert_true(ol__codel_drop(&codel, NOW + 100 * MS, (50 - i) * MS + 10 * MS + 1));
    assert_false(ol__codel_drop(&codel, NOW + 100 * MS, 9 * MS)); /* fresh enough */
}

static void it_stops_when_the_delay_is_short_again_or_the_queue_empty(void **state)
{
    struct ol__codel codel = { 0 };

    (void)state;
    for (unsigned i = 0; i <= 100; i++)
        ol__codel_drop(&codel, NOW + i * MS, 50 * MS);
    assert_true(codel.dropping);
    assert_false(ol__codel_drop(&codel, NOW + 101 * MS, 1 * MS));
    assert_false(codel.dropping);
    assert_false(ol__codel_drop(&codel, NOW + 102 * MS, 50 * MS)); /* a new interval begins */

    for (unsigned i = 0; i <= 100; i++)
        ol__codel_drop(&codel, NOW + (200 + i) * MS, 50 * MS);
    assert_true(codel.dropping);
    ol__codel_empty(&codel);
    assert_false(ol__codel_drop(&codel, NOW + 302 * MS, 50 * MS));
}

static void the_target_is_twice_the_median_run_time_and_at_least_5_ms(void **state)
{
    struct ol__codel codel = { 0 };

    (void)state;
    assert_int_equal(ol__codel_target_ns(&codel), 5 * MS);
    for (unsigned i = 0; i < 3000; i++) /* two short ones for each long one: the median is short */
        ol__codel_learn(&codel, i % 3 == 0 ? 500 * MS : 20 * MS);
    assert_in_range(ol__codel_target_ns(&codel), 36 * MS, 44 * MS);
    for (unsigned i = 0; i < 3000; i++)
        ol__codel_learn(&codel, 100 * OL_NS_PER_US);
    assert_int_equal(ol__codel_target_ns(&codel), 5 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_delay_never_drops),
        cmocka_unit_test(a_burst_that_goes_within_the_interval_passes),
        cmocka_unit_test(a_standing_queue_is_cut_after_one_interval),
        cmocka_unit_test(drops_come_faster_while_it_goes_on_standing),
        cmocka_unit_test(what_has_waited_far_too_long_goes_at_once_while_dropping),
        cmocka_unit_test(it_stops_when_the_delay_is_short_again_or_the_queue_empty),
        cmocka_unit_test(the_target_is_twice_the_median_run_time_and_at_least_5_ms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
