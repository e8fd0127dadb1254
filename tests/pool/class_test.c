/* Quotas and reserves hold at every instant: the jobs themselves look. */
#include "support/cmocka.h"

#include "fixture.h"

enum { THREADS = 4, N_CLASSES = 3, JOBS_EACH = 5000, DEPTH = 16 };

static const struct ol_pool_class classes[N_CLASSES] = {
    { .name = "slow", .threads_max = 2 },
    { .name = "short", .threads_reserved = 1 },
    { .name = "rest" },
};

struct census {
    atomic_int  running[N_CLASSES];
    atomic_uint n_over_quota, n_into_reserve;
};

struct member {
    struct ol_job   job; /* first */
    struct census  *census;
    unsigned       *n_left;
    struct ol_pool *pool;
};

static void count_work(struct ol_job *job)
{
    struct census *census = ((struct member *)job)->census;
    int            mine = atomic_fetch_add(&census->running[job->class_id], 1) + 1;

    if (job->class_id == 0 && mine > 2)
        atomic_fetch_add(&census->n_over_quota, 1);
    /* What is not "short" may hold three of the four threads at most. */
    if (job->class_id != 1 && atomic_load(&census->running[0]) + atomic_load(&census->running[2]) > 3)
        atomic_fetch_add(&census->n_into_reserve, 1);
    atomic_fetch_sub(&census->running[job->class_id], 1);
}

static void submit_again(struct ol_job *job, enum ol_job_status status)
{
    struct member *member = (struct member *)job;

    (void)status;
    if (*member->n_left == 0)
        return;
    --*member->n_left;
    ol_pool_submit(member->pool, job);
}

static void quotas_and_reserves_hold_at_every_instant(void **state)
{
    struct fixture       fixture;
    static struct census census;
    static struct member members[N_CLASSES][DEPTH];
    unsigned             n_left[N_CLASSES];

    (void)state;
    fixture_create(&fixture,
                   (struct ol_pool_config){ .threads_max = THREADS, .classes = classes, .n_classes = N_CLASSES });
    for (unsigned c = 0; c < N_CLASSES; c++) {
        n_left[c] = rounds(JOBS_EACH);
        for (unsigned i = 0; i < DEPTH; i++) {
            members[c][i] = (struct member){ .census = &census, .n_left = &n_left[c], .pool = fixture.pool };
            members[c][i].job.work = count_work;
            members[c][i].job.done = submit_again;
            members[c][i].job.class_id = c;
            assert_int_equal(ol_pool_submit(fixture.pool, &members[c][i].job), 0);
        }
    }
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(census.n_over_quota, 0);
    assert_int_equal(census.n_into_reserve, 0);
    fixture_destroy(&fixture);
}

static void a_reserved_thread_serves_its_class_while_the_others_hold_all_they_can(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    hogs[10], quick;

    (void)state;
    gate_init(&gate, "hogs");
    fixture_create(&fixture,
                   (struct ol_pool_config){ .threads_max = THREADS, .classes = classes, .n_classes = N_CLASSES });
    for (unsigned i = 0; i < 10; i++) {
        task_init(&hogs[i], &gate);
        hogs[i].job.class_id = 2;
        assert_int_equal(ol_pool_submit(fixture.pool, &hogs[i].job), 0);
    }
    gate_wait_for_n(&gate, THREADS - 1);
    task_init(&quick, NULL);
    quick.job.class_id = (unsigned)ol_pool_class_find(fixture.pool, "short");
    assert_int_equal(quick.job.class_id, 1);
    assert_int_equal(ol_pool_submit(fixture.pool, &quick.job), 0);
    while (atomic_load(&quick.n_run) == 0)
        ol_sleep(0.0005);
    assert_int_equal(gate_arrived(&gate), THREADS - 1); /* the fourth thread is not theirs */
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&quick, OL_JOB_DONE, 1);
    for (unsigned i = 0; i < 10; i++)
        task_assert(&hogs[i], OL_JOB_DONE, 1);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void a_class_at_its_quota_waits_and_lets_others_pass(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    slow[4], other;

    (void)state;
    gate_init(&gate, "slow");
    fixture_create(&fixture,
                   (struct ol_pool_config){ .threads_max = THREADS, .classes = classes, .n_classes = N_CLASSES });
    for (unsigned i = 0; i < 4; i++) {
        task_init(&slow[i], &gate);
        assert_int_equal(ol_pool_submit(fixture.pool, &slow[i].job), 0);
    }
    gate_wait_for_n(&gate, 2);
    task_init(&other, NULL);
    other.job.class_id = 2;
    assert_int_equal(ol_pool_submit(fixture.pool, &other.job), 0);
    while (atomic_load(&other.n_run) == 0)
        ol_sleep(0.0005);
    assert_int_equal(gate_arrived(&gate), 2);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    for (unsigned i = 0; i < 4; i++)
        task_assert(&slow[i], OL_JOB_DONE, 1);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static unsigned order[8], n_order;

static void note_order(struct ol_job *job)
{
    order[n_order++] = job->class_id; /* one thread */
}

static void of_the_jobs_that_may_start_the_oldest_does(void **state)
{
    static const struct ol_pool_class two[] = { { .name = "a" }, { .name = "b" } };
    static const unsigned             wanted[] = { 1, 0, 0, 1, 0, 1, 1, 0 };
    struct fixture                    fixture;
    struct gate                       gate;
    struct task                       blocker, tasks[8];

    (void)state;
    gate_init(&gate, "blocker");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1, .classes = two, .n_classes = 2 });
    task_init(&blocker, &gate);
    assert_int_equal(ol_pool_submit(fixture.pool, &blocker.job), 0);
    gate_wait_for_n(&gate, 1);
    n_order = 0;
    for (unsigned i = 0; i < 8; i++) {
        task_init(&tasks[i], NULL);
        tasks[i].job.work = note_order;
        tasks[i].job.class_id = wanted[i];
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_memory_equal(order, wanted, sizeof order);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_and_reserves_hold_at_every_instant),
        cmocka_unit_test(a_reserved_thread_serves_its_class_while_the_others_hold_all_they_can),
        cmocka_unit_test(a_class_at_its_quota_waits_and_lets_others_pass),
        cmocka_unit_test(of_the_jobs_that_may_start_the_oldest_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
