#include "fixture.h"

#include "base/sanitize.h"
#include "support/cmocka.h"

void fixture_create(struct fixture *fixture, struct ol_pool_config config)
{
    if (!config.name)
        config.name = "test";
    assert_int_equal(ol_loop_create(&fixture->loop, NULL), 0);
    assert_int_equal(ol_pool_create(&fixture->pool, fixture->loop, &config), 0);
}

void fixture_destroy(struct fixture *fixture)
{
    assert_int_equal(ol_pool_destroy(fixture->pool, NULL, NULL), 0);
    assert_int_equal(ol_loop_destroy(fixture->loop), 0);
}

void task_work(struct ol_job *job)
{
    struct task *task = (struct task *)job;

    atomic_fetch_add(&task->n_run, 1);
    if (task->gate)
        gate_wait(task->gate);
    task->reason = ol_cancelled();
}

void task_work_until_cancelled(struct ol_job *job)
{
    struct task *task = (struct task *)job;

    atomic_fetch_add(&task->n_run, 1);
    if (task->gate)
        gate_arrive(task->gate);
    /* A wait of offloop ends with the scope: no spinning, and the limit is the test's own. */
    task->reason = ol_sleep(GATE_LIMIT_S);
}

void task_done(struct ol_job *job, enum ol_job_status status)
{
    struct task *task = (struct task *)job;

    task->n_done++;
    task->status = status;
}

void task_init(struct task *task, struct gate *gate)
{
    *task = (struct task){ .gate = gate };
    task->job.work = task_work;
    task->job.done = task_done;
}

void task_assert(const struct task *task, enum ol_job_status status, unsigned n_run)
{
    assert_int_equal(task->n_done, 1);
    assert_string_equal(ol_job_status_name(task->status), ol_job_status_name(status));
    assert_int_equal(atomic_load(&task->n_run), n_run);
}

unsigned rounds(unsigned plain)
{
    return OL_WITH_TSAN || OL_WITH_ASAN ? plain / 10 : plain;
}
