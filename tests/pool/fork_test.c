/* After a fork the child is refused everywhere, and the parent notices nothing. */
#include "support/cmocka.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <offloop/observe.h>
#include "fixture.h"

/* In the child: 0 when every call refuses. It must not wait for anything, and must not run the parent's test on. */
static int child_verdict(struct ol_pool *pool, struct task *in_flight)
{
    static struct ol_class_stats class_stats;
    struct ol_pool_stats         stats;
    struct task                  task;

    task_init(&task, NULL);
    if (ol_pool_submit(pool, &task.job) != OL_EFORKED)
        return 1;
    if (ol_pool_close(pool, 0, 0) != OL_EFORKED)
        return 2;
    if (ol_pool_stats(pool, &stats) != OL_EFORKED || ol_pool_class_stats(pool, 0, &class_stats) != OL_EFORKED)
        return 3;
    if (ol_pool_class_find(pool, "default") != OL_EFORKED)
        return 4;
    ol_job_cancel(&in_flight->job); /* harmless */
    if (ol_pool_destroy(pool, NULL, NULL) != OL_EFORKED)
        return 5;
    return 0;
}

static void in_the_child_every_call_refuses_and_the_parent_goes_on(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    running, queued;
    int            status;

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&running, &gate);
    task_init(&queued, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), 0);
    gate_wait_for_n(&gate, 1);
    assert_int_equal(ol_pool_submit(fixture.pool, &queued.job), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child_verdict(fixture.pool, &queued));
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&running, OL_JOB_DONE, 1);
    task_assert(&queued, OL_JOB_DONE, 1);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static int use_a_new_pool(void)
{
    struct fixture fixture;
    struct task    task;

    if (ol_loop_create(&fixture.loop, NULL) < 0 ||
        ol_pool_create(&fixture.pool, fixture.loop, &(struct ol_pool_config){ .name = "child" }) < 0)
        return 1;
    task_init(&task, NULL);
    if (ol_pool_submit(fixture.pool, &task.job) < 0 || ol_loop_run(fixture.loop) < 0 || task.n_done != 1)
        return 2;
    return ol_pool_destroy(fixture.pool, NULL, NULL) < 0 || ol_loop_destroy(fixture.loop) < 0;
}

static void a_child_may_make_a_pool_of_its_own(void **state)
{
    int status;

    (void)state;
    pid_t pid = fork(); /* after the test above, whose pool is gone: this process has one thread */
    if (pid == 0)
        _exit(use_a_new_pool());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_child_every_call_refuses_and_the_parent_goes_on),
        cmocka_unit_test(a_child_may_make_a_pool_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
