/* Stopping in two steps: what close lets finish, what T1 ends, and what destroy does at T2. */
#include "support/cmocka.h"

#include <string.h>

#include "fixture.h"
#include "loop/turn.h"
#include "support/crew.h"

static void close_takes_nothing_new_and_finishes_what_is_there(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    running, queued, late;

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&running, &gate);
    task_init(&queued, NULL);
    task_init(&late, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), 0);
    assert_int_equal(ol_pool_submit(fixture.pool, &queued.job), 0);
    gate_wait_for_n(&gate, 1);
    assert_int_equal(ol_pool_close(fixture.pool, 30, 30), 0);
    assert_int_equal(ol_pool_submit(fixture.pool, &late.job), OL_ECLOSED);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0); /* T1's timer does not keep the loop for 30 s */
    task_assert(&running, OL_JOB_DONE, 1);
    task_assert(&queued, OL_JOB_DONE, 1);
    assert_int_equal(late.n_done, 0);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void at_t1_the_queued_never_run_and_the_running_are_told(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    running, queued;

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&running, &gate);
    running.job.work = task_work_until_cancelled;
    task_init(&queued, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), 0);
    assert_int_equal(ol_pool_submit(fixture.pool, &queued.job), 0);
    gate_wait_for_n(&gate, 1);
    assert_int_equal(ol_pool_close(fixture.pool, 30, 30), 0);
    assert_int_equal(ol_pool_close(fixture.pool, 0.01, 30), 0); /* nearer: by a timer of the loop */
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&running, OL_JOB_CANCELLED_RUNNING, 1);
    assert_int_equal(running.reason, OL_ECLOSED);
    task_assert(&queued, OL_JOB_CLOSED, 0);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void destroy_alone_closes_cancels_delivers_and_joins(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    running, queued[10];

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&running, &gate);
    running.job.work = task_work_until_cancelled;
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), 0);
    gate_wait_for_n(&gate, 1);
    for (unsigned i = 0; i < 10; i++) {
        task_init(&queued[i], NULL);
        assert_int_equal(ol_pool_submit(fixture.pool, &queued[i].job), 0);
    }
    assert_int_equal(ol_pool_destroy(fixture.pool, NULL, NULL), 0);
    task_assert(&running, OL_JOB_CANCELLED_RUNNING, 1);
    for (unsigned i = 0; i < 10; i++)
        task_assert(&queued[i], OL_JOB_CLOSED, 0);
    assert_int_equal(ol_loop_destroy(fixture.loop), 0);
    gate_fini(&gate);
}

static void destroy_waits_for_t1_and_honours_deadlines_without_a_running_loop(void **state)
{
    struct fixture fixture;
    struct task    timed;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&timed, NULL);
    timed.job.work = task_work_until_cancelled;
    timed.job.timeout_s = 0.02;
    assert_int_equal(ol_pool_submit(fixture.pool, &timed.job), 0);
    assert_int_equal(ol_pool_close(fixture.pool, 30, 60), 0);
    assert_int_equal(ol_pool_destroy(fixture.pool, NULL, NULL), 0);
    assert_int_equal(timed.n_done, 1);
    assert_int_equal(timed.status, timed.n_run ? OL_JOB_LATE_RUNNING : OL_JOB_LATE);
    assert_int_equal(ol_loop_destroy(fixture.loop), 0);
}

/* ---- a job that never returns ---- */

struct stuck_report {
    unsigned n;
    char     name[32];
};

static void note_stuck(const char *job_name, uint64_t running_ns, void *arg)
{
    struct stuck_report *report = arg;

    report->n += running_ns < 3600 * OL_NS_PER_S;
    strncpy(report->name, job_name, sizeof report->name - 1);
}

static void a_job_that_does_not_return_is_reported_and_a_later_destroy_succeeds(void **state)
{
    struct stuck_report report = { 0 };
    struct fixture      fixture;
    struct gate         gate;
    struct task         deaf, other;

    (void)state;
    gate_init(&gate, "deaf");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 2 });
    task_init(&deaf, &gate);
    deaf.job.name = "deaf one";
    task_init(&other, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &deaf.job), 0);
    gate_wait_for_n(&gate, 1);
    assert_int_equal(ol_pool_submit(fixture.pool, &other.job), 0);
    assert_int_equal(ol_pool_close(fixture.pool, 0.001, 0.01), 0);
    assert_int_equal(ol_pool_destroy(fixture.pool, note_stuck, &report), OL_EBUSY);
    assert_int_equal(report.n, 1);
    assert_string_equal(report.name, "deaf one");
    assert_int_equal(deaf.n_done, 0);
    assert_int_equal(other.n_done, 1); /* what could be delivered was */
    assert_int_equal(ol_loop_destroy(fixture.loop), OL_EBUSY);

    gate_open(&gate);
    while (ol_pool_destroy(fixture.pool, NULL, NULL) == OL_EBUSY)
        ol_sleep(0.0005);
    task_assert(&deaf, OL_JOB_CANCELLED_RUNNING, 1);
    assert_int_equal(ol_loop_destroy(fixture.loop), 0);
    gate_fini(&gate);
}

/* ---- submit and cancel during close ---- */

enum { SUBMITTERS = 4, EACH = 200 };

struct closing {
    struct fixture fixture;
    struct task    tasks[SUBMITTERS][EACH];
    bool           accepted[SUBMITTERS][EACH];
    atomic_uint    n_odd;
    struct gate    go;
};

static void submit_until_closed(unsigned index, void *arg)
{
    struct closing *closing = arg;

    gate_wait(&closing->go);
    for (unsigned i = 0; i < EACH; i++) {
        task_init(&closing->tasks[index][i], NULL);
        int rc = ol_pool_submit(closing->fixture.pool, &closing->tasks[index][i].job);

        closing->accepted[index][i] = rc == 0;
        if (rc != 0 && rc != OL_ECLOSED)
            atomic_fetch_add(&closing->n_odd, 1);
    }
}

static void check_closing(struct closing *closing)
{
    for (unsigned t = 0; t < SUBMITTERS; t++) {
        for (unsigned i = 0; i < EACH; i++) {
            const struct task *task = &closing->tasks[t][i];

            assert_int_equal(task->n_done, closing->accepted[t][i]);
            if (task->n_done)
                assert_true(task->status == OL_JOB_CLOSED ? task->n_run == 0 : task->n_run == 1);
        }
    }
}

static void submits_that_race_with_close_are_refused_or_completed(void **state)
{
    static struct closing closing;

    (void)state;
    for (unsigned round = 0; round < rounds(100); round++) {
        struct crew crew;

        fixture_create(&closing.fixture, (struct ol_pool_config){ .threads_max = 2 });
        gate_init(&closing.go, "go");
        crew_start(&crew, SUBMITTERS, submit_until_closed, &closing);
        gate_wait_for_n(&closing.go, SUBMITTERS);
        gate_open(&closing.go);
        ol__loop_pump(closing.fixture.loop, OL_NS_PER_US * 50);
        for (unsigned i = 0; i < EACH; i += 10)
            ol_pool_close(closing.fixture.pool, 0, 30);
        crew_join(&crew); /* destroyed only now: a pool that is gone cannot refuse */
        assert_int_equal(ol_pool_destroy(closing.fixture.pool, NULL, NULL), 0);
        assert_int_equal(ol_loop_destroy(closing.fixture.loop), 0);
        assert_int_equal(closing.n_odd, 0);
        check_closing(&closing);
        gate_fini(&closing.go);
    }
}

static void cancel_after_close_still_works(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    running, queued;

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&running, &gate);
    running.job.work = task_work_until_cancelled;
    task_init(&queued, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), 0);
    gate_wait_for_n(&gate, 1);
    assert_int_equal(ol_pool_submit(fixture.pool, &queued.job), 0);
    assert_int_equal(ol_pool_close(fixture.pool, 30, 60), 0);
    ol_job_cancel(&queued.job);
    ol_job_cancel(&running.job);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&running, OL_JOB_CANCELLED_RUNNING, 1);
    task_assert(&queued, OL_JOB_CANCELLED, 0);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static int rc_in_done;

static void destroy_in_done(struct ol_job *job, enum ol_job_status status)
{
    task_done(job, status);
    rc_in_done = ol_pool_destroy(job->arg, NULL, NULL);
}

static void misuse_of_close_and_destroy_gets_codes(void **state)
{
    struct fixture fixture;
    struct task    task;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    assert_int_equal(ol_pool_close(NULL, 0, 0), OL_EINVAL);
    assert_int_equal(ol_pool_close(fixture.pool, -1, 0), OL_EINVAL);
    task_init(&task, NULL);
    task.job.done = destroy_in_done;
    task.job.arg = fixture.pool;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(rc_in_done, OL_EBUSY);
    fixture_destroy(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_takes_nothing_new_and_finishes_what_is_there),
        cmocka_unit_test(at_t1_the_queued_never_run_and_the_running_are_told),
        cmocka_unit_test(destroy_alone_closes_cancels_delivers_and_joins),
        cmocka_unit_test(destroy_waits_for_t1_and_honours_deadlines_without_a_running_loop),
        cmocka_unit_test(a_job_that_does_not_return_is_reported_and_a_later_destroy_succeeds),
        cmocka_unit_test(submits_that_race_with_close_are_refused_or_completed),
        cmocka_unit_test(cancel_after_close_still_works),
        cmocka_unit_test(misuse_of_close_and_destroy_gets_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
