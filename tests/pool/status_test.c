/* How a job may end: each status, reached on purpose. Workers are parked at gates; nothing depends on speed. */
#include "support/cmocka.h"

#include "fixture.h"
#include "loop/turn.h"

static const struct ol_pool_config one_thread = { .threads_max = 1 };

static void work_that_returns_is_done(void **state)
{
    struct fixture fixture;
    struct task    task;

    (void)state;
    fixture_create(&fixture, one_thread);
    task_init(&task, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(task.n_done, 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&task, OL_JOB_DONE, 1);
    assert_int_equal(task.reason, 0);
    fixture_destroy(&fixture);
}

/* The one thread is held by `blocker`; `task` waits behind it. */
struct queued_case {
    struct fixture fixture;
    struct gate    gate;
    struct task    blocker, task;
};

static void queued_create(struct queued_case *c)
{
    gate_init(&c->gate, "blocker");
    fixture_create(&c->fixture, one_thread);
    task_init(&c->blocker, &c->gate);
    task_init(&c->task, NULL);
    assert_int_equal(ol_pool_submit(c->fixture.pool, &c->blocker.job), 0);
    gate_wait_for_n(&c->gate, 1);
}

static void run_until_task_is_done(struct queued_case *c)
{
    while (c->task.n_done == 0)
        ol__loop_pump(c->fixture.loop, OL_NS_PER_S);
}

static void queued_destroy(struct queued_case *c)
{
    gate_open(&c->gate);
    assert_int_equal(ol_loop_run(c->fixture.loop), 0);
    assert_int_equal(c->blocker.n_done, 1);
    fixture_destroy(&c->fixture);
    gate_fini(&c->gate);
}

static void cancelled_while_queued_completes_once_and_never_runs(void **state)
{
    struct queued_case c;

    (void)state;
    queued_create(&c);
    assert_int_equal(ol_pool_submit(c.fixture.pool, &c.task.job), 0);
    ol_job_cancel(&c.task.job);
    ol_job_cancel(&c.task.job);
    assert_int_equal(c.task.n_done, 0); /* never inside the call */
    run_until_task_is_done(&c);         /* while the only thread is still held */
    task_assert(&c.task, OL_JOB_CANCELLED, 0);
    assert_int_equal(c.task.job.run_ns, 0);
    queued_destroy(&c);
    task_assert(&c.task, OL_JOB_CANCELLED, 0);
}

static void a_scope_that_ends_takes_its_queued_job_back(void **state)
{
    struct queued_case c;
    struct ol_scope    scope;

    (void)state;
    queued_create(&c);
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    c.task.job.scope = &scope;
    assert_int_equal(ol_pool_submit(c.fixture.pool, &c.task.job), 0);
    ol_scope_end(&scope, OL_ECANCELED);
    run_until_task_is_done(&c);
    task_assert(&c.task, OL_JOB_CANCELLED, 0);
    queued_destroy(&c);
    ol_scope_fini(&scope);
}

static void late_done(struct ol_job *job, enum ol_job_status status)
{
    task_done(job, status);
    ol_loop_stop(ol_pool_loop(job->arg));
}

static void a_deadline_ends_a_queued_job_while_every_thread_is_held(void **state)
{
    struct queued_case c;

    (void)state;
    queued_create(&c);
    c.task.job.timeout_s = 0.01;
    c.task.job.done = late_done;
    c.task.job.arg = c.fixture.pool;
    assert_int_equal(ol_pool_submit(c.fixture.pool, &c.task.job), 0);
    assert_int_equal(ol_loop_run(c.fixture.loop), 0); /* ends by late_done: the blocker is still there */
    task_assert(&c.task, OL_JOB_LATE, 0);
    assert_int_equal(c.blocker.n_done, 0);
    assert_true(c.task.job.queue_ns >= 10 * OL_NS_PER_MS);
    queued_destroy(&c);
}

static void cancelled_while_running_is_told_and_then_completes(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    task;

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, one_thread);
    task_init(&task, &gate);
    task.job.work = task_work_until_cancelled;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    gate_wait_for_n(&gate, 1);
    ol_job_cancel(&task.job);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&task, OL_JOB_CANCELLED_RUNNING, 1);
    assert_int_equal(task.reason, OL_ECANCELED);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void work_that_does_not_listen_is_still_reported_as_cancelled(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    task;

    (void)state;
    gate_init(&gate, "deaf");
    fixture_create(&fixture, one_thread);
    task_init(&task, &gate);
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    gate_wait_for_n(&gate, 1);
    ol_job_cancel(&task.job);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&task, OL_JOB_CANCELLED_RUNNING, 1);
    assert_int_equal(task.reason, OL_ECANCELED);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void a_deadline_tells_a_running_job(void **state)
{
    struct fixture fixture;
    struct task    task;

    (void)state;
    fixture_create(&fixture, one_thread);
    task_init(&task, NULL);
    task.job.work = task_work_until_cancelled;
    task.job.timeout_s = 0.02;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(task.n_done, 1);
    /* On a machine that slept for the 20 ms it was late before it ran: then it must not have run. */
    assert_int_equal(task.status, task.n_run ? OL_JOB_LATE_RUNNING : OL_JOB_LATE);
    if (task.n_run)
        assert_int_equal(task.reason, OL_ETIMEDOUT);
    fixture_destroy(&fixture);
}

static void the_nearest_of_many_deadlines_comes_first(void **state)
{
    enum { N = 200 };
    struct queued_case c;
    struct task        tasks[N];

    (void)state;
    queued_create(&c);
    for (unsigned i = 0; i < N; i++) {
        task_init(&tasks[i], NULL);
        tasks[i].job.timeout_s = 0.001 + (i * 7919 % N) * 0.0001;
        assert_int_equal(ol_pool_submit(c.fixture.pool, &tasks[i].job), 0);
    }
    task_init(&c.task, NULL);
    c.task.job.timeout_s = 0.05;
    assert_int_equal(ol_pool_submit(c.fixture.pool, &c.task.job), 0);
    gate_open(&c.gate); /* some may run, some are late; each completes once */
    assert_int_equal(ol_loop_run(c.fixture.loop), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(tasks[i].n_done, 1);
        assert_int_equal(tasks[i].n_run, tasks[i].status == OL_JOB_DONE || tasks[i].status == OL_JOB_LATE_RUNNING);
    }
    queued_destroy(&c);
}

static void times_are_those_of_the_queue_and_of_the_run(void **state)
{
    struct queued_case c;
    uint64_t           before_ns;

    (void)state;
    queued_create(&c);
    before_ns = ol_now_ns();
    assert_int_equal(ol_pool_submit(c.fixture.pool, &c.task.job), 0);
    while (ol_now_ns() < before_ns + 2 * OL_NS_PER_MS)
        ;
    gate_open(&c.gate);
    assert_int_equal(ol_loop_run(c.fixture.loop), 0);
    assert_true(c.task.job.queue_ns >= 2 * OL_NS_PER_MS - OL_NS_PER_US);
    assert_true(c.task.job.queue_ns + c.task.job.run_ns <= ol_now_ns() - before_ns);
    assert_true(c.blocker.job.run_ns >= 2 * OL_NS_PER_MS - OL_NS_PER_US);
    queued_destroy(&c);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < OL_JOB_STATUSES; i++) {
        const char *name = ol_job_status_name((enum ol_job_status)i);

        assert_string_not_equal(name, "unknown");
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, ol_job_status_name((enum ol_job_status)k));
    }
    assert_string_equal(ol_job_status_name(OL_JOB_STATUSES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_returns_is_done),
        cmocka_unit_test(cancelled_while_queued_completes_once_and_never_runs),
        cmocka_unit_test(a_scope_that_ends_takes_its_queued_job_back),
        cmocka_unit_test(a_deadline_ends_a_queued_job_while_every_thread_is_held),
        cmocka_unit_test(cancelled_while_running_is_told_and_then_completes),
        cmocka_unit_test(work_that_does_not_listen_is_still_reported_as_cancelled),
        cmocka_unit_test(a_deadline_tells_a_running_job),
        cmocka_unit_test(the_nearest_of_many_deadlines_comes_first),
        cmocka_unit_test(times_are_those_of_the_queue_and_of_the_run),
        cmocka_unit_test(every_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
