/* Quick jobs keep to few threads; and one that blocks, against all experience, keeps nobody waiting for long. */
#include "support/cmocka.h"

#include <string.h>

#include "fixture.h"
#include "pool/internal.h"

static const uint64_t US = OL_NS_PER_US;

static void learn(struct ol__pace *pace, unsigned n, uint64_t run_ns)
{
    for (unsigned i = 0; i < n; i++)
        ol__pace_learn(pace, run_ns);
}

static void a_class_is_quick_after_sixteen_quick_runs(void **state)
{
    struct ol__pace pace = { 0 };

    (void)state;
    assert_false(ol__pace_is_quick(&pace));
    learn(&pace, 15, 1 * US);
    assert_false(ol__pace_is_quick(&pace));
    learn(&pace, 1, 1 * US);
    assert_true(ol__pace_is_quick(&pace));
    learn(&pace, 1, 50000 * US);
    assert_false(ol__pace_is_quick(&pace));
}

static void a_slow_run_takes_sixteen_quick_ones_away(void **state)
{
    struct ol__pace pace = { 0 };

    (void)state;
    learn(&pace, 1000, 1 * US);
    learn(&pace, 3, 50000 * US); /* 64 are remembered at most */
    assert_int_equal(pace.streak, 16);
    learn(&pace, 1, 50000 * US);
    assert_int_equal(pace.streak, 0);
    assert_false(ol__pace_is_quick(&pace));
}

static void one_run_in_twenty_that_blocks_leaves_a_class_quick_and_one_in_four_does_not(void **state)
{
    struct ol__pace rare = { 0 }, often = { 0 };
    unsigned        n_rare = 0, n_often = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        ol__pace_learn(&rare, i % 20 == 19 ? 5000 * US : 1 * US);
        ol__pace_learn(&often, i % 4 == 3 ? 5000 * US : 1 * US);
        n_rare += ol__pace_is_quick(&rare);
        n_often += ol__pace_is_quick(&often);
    }
    assert_in_range(n_rare, 900, 1000);
    assert_int_equal(n_often, 0);
}

static void runs_of_a_tenth_of_a_millisecond_and_more_are_not_quick(void **state)
{
    struct ol__pace pace = { 0 };

    (void)state;
    learn(&pace, 1000, 90 * US);
    assert_true(ol__pace_is_quick(&pace));
    learn(&pace, 1000, 110 * US);
    assert_false(ol__pace_is_quick(&pace));
}

/* A pool of which only what the decision looks at is there: `n` quick jobs of 1 us are queued. */
static struct ol_pool *pool_with(unsigned n_queued, unsigned n_running, unsigned n_called, bool has_watch)
{
    static struct ol__worker watch;
    static struct ol_pool    pool;

    memset(&pool, 0, sizeof pool);
    learn(&pool.classes[0].pace, 1000, 1 * US);
    pool.quick.cores = 3;
    pool.quick.n_running = n_running;
    pool.quick.watch = has_watch ? &watch : NULL;
    pool.n_called = n_called;
    pool.n_queued = n_queued;
    return &pool;
}

static bool held_back(struct ol_pool *pool)
{
    return ol__quick_hold_back_locked(pool, &pool->classes[0]);
}

static void a_call_is_held_back_only_while_somebody_comes_back_and_a_watch_stands(void **state)
{
    (void)state;
    assert_true(held_back(pool_with(4, 1, 0, true)));
    assert_true(held_back(pool_with(4, 0, 1, true)));
    assert_false(held_back(pool_with(4, 0, 0, true)));
    assert_false(held_back(pool_with(4, 1, 0, false)));
}

static void a_long_queue_gets_a_worker_for_each_core_and_no_more(void **state)
{
    (void)state;
    assert_false(held_back(pool_with(1000, 1, 0, true)));
    assert_false(held_back(pool_with(1000, 2, 0, true)));
    assert_true(held_back(pool_with(1000, 3, 0, true)));
}

static void a_watch_stands_when_calls_were_or_would_have_been_held_back_since_the_last(void **state)
{
    struct ol_pool   *pool = pool_with(4, 1, 0, false);
    struct ol__worker worker = { .pool = pool };

    (void)state;
    assert_false(ol__quick_watch_locked(pool, &worker));
    assert_false(held_back(pool));
    assert_true(ol__quick_watch_locked(pool, &worker));
    assert_ptr_equal(pool->quick.watch, &worker);
    assert_false(ol__quick_watch_locked(pool, &worker)); /* one is enough */
    pool->quick.watch = NULL;
    assert_false(ol__quick_watch_locked(pool, &worker)); /* nothing was held back meanwhile */
}

/* ---- a real pool ---- */

enum { BURST = 32, QUICK_JOBS = 2000 };

struct rush {
    struct ol_pool *pool;
    struct gate    *gate;
    struct ol_job   quick[BURST];
    unsigned        n_submitted, n_done; /* loop only */
    unsigned        n_to_open;           /* the gate opens when so many quick ones are done */
};

static void nothing(struct ol_job *job)
{
    (void)job;
}

static void count_quick(struct ol_job *job, enum ol_job_status status)
{
    struct rush *rush = job->arg;

    assert_int_equal(status, OL_JOB_DONE);
    if (++rush->n_done == rush->n_to_open)
        gate_open(rush->gate);
    if (rush->n_submitted < rush->n_to_open) {
        rush->n_submitted++;
        assert_int_equal(ol_pool_submit(rush->pool, job), 0);
    }
}

/* Many quick ones, a burst at a time, and a job in their middle that ends when the last of them has. */
static void rush_around_a_blocker(struct fixture *fixture, unsigned n)
{
    struct gate gate;
    struct task blocker;
    struct rush rush = { .pool = fixture->pool, .gate = &gate, .n_to_open = n };

    gate_init(&gate, "all quick jobs done");
    task_init(&blocker, &gate);
    for (unsigned i = 0; i < BURST; i++) {
        rush.quick[i] = (struct ol_job){ .work = nothing, .done = count_quick, .arg = &rush };
        rush.n_submitted++;
        assert_int_equal(ol_pool_submit(fixture->pool, &rush.quick[i]), 0);
        if (i == BURST / 2)
            assert_int_equal(ol_pool_submit(fixture->pool, &blocker.job), 0);
    }
    assert_int_equal(ol_loop_run(fixture->loop), 0);
    assert_int_equal(rush.n_done, n);
    task_assert(&blocker, OL_JOB_DONE, 1);
    gate_fini(&gate);
}

static void a_job_that_blocks_among_quick_ones_keeps_nobody_waiting(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 4 });
    for (unsigned i = 0; i < rounds(50); i++)
        rush_around_a_blocker(&fixture, QUICK_JOBS);
    fixture_destroy(&fixture);
}

static bool has_had_a_watch(struct ol_pool *pool)
{
    ol__pool_lock(pool);
    bool has = pool->quick.n_seen > 0;
    pthread_mutex_unlock(&pool->lock);
    return has;
}

static void quick_jobs_get_a_watch_and_all_of_them_run(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 4 });
    for (unsigned i = 0; !has_had_a_watch(fixture.pool); i++) {
        assert_in_range(i, 0, 999);
        rush_around_a_blocker(&fixture, QUICK_JOBS);
    }
    fixture_destroy(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_is_quick_after_sixteen_quick_runs),
        cmocka_unit_test(a_slow_run_takes_sixteen_quick_ones_away),
        cmocka_unit_test(one_run_in_twenty_that_blocks_leaves_a_class_quick_and_one_in_four_does_not),
        cmocka_unit_test(runs_of_a_tenth_of_a_millisecond_and_more_are_not_quick),
        cmocka_unit_test(a_call_is_held_back_only_while_somebody_comes_back_and_a_watch_stands),
        cmocka_unit_test(a_long_queue_gets_a_worker_for_each_core_and_no_more),
        cmocka_unit_test(a_watch_stands_when_calls_were_or_would_have_been_held_back_since_the_last),
        cmocka_unit_test(a_job_that_blocks_among_quick_ones_keeps_nobody_waiting),
        cmocka_unit_test(quick_jobs_get_a_watch_and_all_of_them_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
