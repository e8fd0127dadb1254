/* The threads: grown, shrunk, named, silent; and what happens when one cannot be started. */
#include "support/cmocka.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <offloop/observe.h>
#include "fixture.h"

/* The fault knob: starts number `fail_from` to `fail_to` of this process fail. */
static atomic_uint n_starts, fail_from, fail_to;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    unsigned n = atomic_fetch_add(&n_starts, 1) + 1;

    if (n >= atomic_load(&fail_from) && n <= atomic_load(&fail_to))
        return EAGAIN;
    return __real_pthread_create(thread, attr, run, arg);
}

static void fail_starts(unsigned from, unsigned to)
{
    atomic_store(&n_starts, 0);
    atomic_store(&fail_from, from);
    atomic_store(&fail_to, to);
}

static struct ol_pool_stats stats_of(struct ol_pool *pool)
{
    struct ol_pool_stats stats;

    assert_int_equal(ol_pool_stats(pool, &stats), 0);
    return stats;
}

static void a_burst_grows_the_pool_to_its_maximum_at_once(void **state)
{
    enum { MAX = 8 };
    struct fixture fixture;
    struct gate    gate;
    struct task    tasks[MAX + 2];

    (void)state;
    gate_init(&gate, "burst");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = MAX });
    assert_int_equal(stats_of(fixture.pool).threads, 1);
    for (unsigned i = 0; i < MAX + 2; i++) {
        task_init(&tasks[i], &gate);
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    gate_wait_for_n(&gate, MAX); /* all of them run although none has returned */
    assert_int_equal(stats_of(fixture.pool).threads, MAX);
    assert_int_equal(stats_of(fixture.pool).threads_busy, MAX);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    for (unsigned i = 0; i < MAX + 2; i++)
        task_assert(&tasks[i], OL_JOB_DONE, 1);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void idle_threads_leave_down_to_the_minimum_and_come_back(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    tasks[4];

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_min = 2, .threads_max = 4, .idle_timeout_s = 0.005 });
    for (unsigned round = 0; round < 5; round++) {
        gate_init(&gate, "all");
        for (unsigned i = 0; i < 4; i++) {
            task_init(&tasks[i], &gate);
            assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
        }
        gate_wait_for_n(&gate, 4);
        gate_open(&gate);
        assert_int_equal(ol_loop_run(fixture.loop), 0);
        while (stats_of(fixture.pool).threads > 2)
            ol_sleep(0.002);
        ol_sleep(0.01);
        assert_int_equal(stats_of(fixture.pool).threads, 2);
        gate_fini(&gate);
    }
    fixture_destroy(&fixture);
}

static atomic_uint n_pool_events;

static void count_pool_event(const struct ol_event *event, void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_pool_events, event->text != NULL);
}

static void the_third_thread_that_cannot_be_started_loses_no_job(void **state)
{
    struct ol_subscriber subscriber = { .kinds = OL_EVENT_POOL, .cb = count_pool_event };
    struct fixture       fixture;
    struct gate          gate;
    struct task          tasks[6];

    (void)state;
    ol_events_subscribe(&subscriber);
    gate_init(&gate, "two run");
    fail_starts(3, UINT_MAX); /* two starts may be under way at once: the fourth must not stand in for the third */
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 4 });
    for (unsigned i = 0; i < 6; i++) {
        task_init(&tasks[i], &gate);
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    gate_wait_for_n(&gate, 2);
    while (stats_of(fixture.pool).threads_failed == 0 || stats_of(fixture.pool).threads != 2)
        ol_sleep(0.0005); /* a start that is under way counts until it fails */
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    for (unsigned i = 0; i < 6; i++)
        task_assert(&tasks[i], OL_JOB_DONE, 1);
    while (n_pool_events == 0)
        ol_sleep(0.0005);
    fixture_destroy(&fixture);
    fail_starts(0, 0);
    ol_events_unsubscribe(&subscriber);
    gate_fini(&gate);
}

static void not_one_thread_is_an_error_of_create(void **state)
{
    struct ol_loop *loop;
    struct ol_pool *pool = NULL;

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    fail_starts(1, 1);
    assert_int_equal(ol_pool_create(&pool, loop, &(struct ol_pool_config){ .name = "none" }), OL_ESYS);
    assert_null(pool);
    fail_starts(2, 9);
    assert_int_equal(ol_pool_create(&pool, loop, &(struct ol_pool_config){ .name = "one", .threads_min = 3 }), 0);
    assert_int_equal(stats_of(pool).threads, 1);
    fail_starts(0, 0);
    assert_int_equal(ol_pool_destroy(pool, NULL, NULL), 0);
    assert_int_equal(ol_loop_destroy(loop), 0);
}

/* ---- hooks ---- */

static atomic_uint n_inits, n_finis, refuse_inits;

static int count_init(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&n_inits, 1) < atomic_load(&refuse_inits) ? OL_ENOMEM : 0;
}

static void count_fini(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_finis, 1);
}

static void each_thread_is_initialised_and_finished_once(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    tasks[3];

    (void)state;
    n_inits = n_finis = refuse_inits = 0;
    gate_init(&gate, "three");
    fixture_create(&fixture,
                   (struct ol_pool_config){ .threads_max = 3, .worker_init = count_init, .worker_fini = count_fini });
    for (unsigned i = 0; i < 3; i++) {
        task_init(&tasks[i], &gate);
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    gate_wait_for_n(&gate, 3);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    fixture_destroy(&fixture);
    assert_int_equal(n_inits, 3);
    assert_int_equal(n_finis, 3);
    gate_fini(&gate);
}

static void a_thread_whose_init_refuses_takes_no_job_and_another_is_tried(void **state)
{
    struct fixture fixture;
    struct task    task;

    (void)state;
    n_inits = n_finis = 0;
    refuse_inits = 1;
    fixture_create(&fixture,
                   (struct ol_pool_config){ .threads_max = 1, .worker_init = count_init, .worker_fini = count_fini });
    while (stats_of(fixture.pool).threads > 0)
        ol_sleep(0.0005);
    task_init(&task, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0); /* the retry's timer starts another */
    task_assert(&task, OL_JOB_DONE, 1);
    fixture_destroy(&fixture);
    assert_int_equal(n_inits, 2);
    assert_int_equal(n_finis, 1);
}

/* ---- manners ---- */

struct portrait {
    struct ol_job job; /* first */
    char          name[32];
    sigset_t      blocked;
    int           nice;
    size_t        stack_size;
    bool          done;
};

static void portray(struct ol_job *job)
{
    struct portrait *portrait = (struct portrait *)job;
    pthread_attr_t   attr;

    pthread_getname_np(pthread_self(), portrait->name, sizeof portrait->name);
    pthread_sigmask(SIG_BLOCK, NULL, &portrait->blocked);
    portrait->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &portrait->stack_size);
    pthread_attr_destroy(&attr);
}

static void portray_done(struct ol_job *job, enum ol_job_status status)
{
    ((struct portrait *)job)->done = status == OL_JOB_DONE;
}

static void threads_are_named_mask_signals_and_yield_to_others(void **state)
{
    struct portrait portrait = { .job.work = portray, .job.done = portray_done };
    struct fixture  fixture;
    sigset_t        before, after;
    int             nice_before = getpriority(PRIO_PROCESS, (id_t)gettid());

    (void)state;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    fixture_create(&fixture, (struct ol_pool_config){ .name = "averylongname", .nice = 5, .stack_size = 512 * 1024 });
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int signal = 1; signal < SIGRTMIN; signal++)
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
    assert_int_equal(ol_pool_submit(fixture.pool, &portrait.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_true(portrait.done);
    assert_string_equal(portrait.name, "ol-averylongn-0");
    assert_true(sigismember(&portrait.blocked, SIGTERM) && sigismember(&portrait.blocked, SIGUSR1));
    assert_int_equal(portrait.nice, nice_before + 5 > 19 ? 19 : nice_before + 5);
    assert_true(portrait.stack_size >= 512 * 1024);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), nice_before);
    fixture_destroy(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_grows_the_pool_to_its_maximum_at_once),
        cmocka_unit_test(idle_threads_leave_down_to_the_minimum_and_come_back),
        cmocka_unit_test(the_third_thread_that_cannot_be_started_loses_no_job),
        cmocka_unit_test(not_one_thread_is_an_error_of_create),
        cmocka_unit_test(each_thread_is_initialised_and_finished_once),
        cmocka_unit_test(a_thread_whose_init_refuses_takes_no_job_and_another_is_tried),
        cmocka_unit_test(threads_are_named_mask_signals_and_yield_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
