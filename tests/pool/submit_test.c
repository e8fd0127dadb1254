/* What submit takes and what it refuses, from where, and that the queue's bound holds. */
#include "support/cmocka.h"

#include <math.h>
#include <stdlib.h>

#include <offloop/fiber.h>
#include "fixture.h"
#include "loop/turn.h"
#include "support/crew.h"

static void misuse_gets_codes_and_no_done(void **state)
{
    struct fixture fixture;
    struct task    task;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&task, NULL);
    assert_int_equal(ol_pool_submit(NULL, &task.job), OL_EINVAL);
    assert_int_equal(ol_pool_submit(fixture.pool, NULL), OL_EINVAL);
    task.job.work = NULL;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), OL_EINVAL);
    task_init(&task, NULL);
    task.job.done = NULL;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), OL_EINVAL);
    task_init(&task, NULL);
    task.job.class_id = 1;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), OL_EINVAL);
    task_init(&task, NULL);
    task.job.timeout_s = -1;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), OL_EINVAL);
    task.job.timeout_s = NAN;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), OL_EINVAL);
    task_init(&task, NULL);
    ol_job_cancel(&task.job); /* not in flight: left alone */
    ol_job_cancel(NULL);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(task.n_done, 0);
    fixture_destroy(&fixture);
}

static void a_job_in_flight_is_refused_and_undisturbed(void **state)
{
    struct fixture fixture;
    struct gate    gate;
    struct task    running, queued;

    (void)state;
    gate_init(&gate, "running");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&running, &gate);
    task_init(&queued, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), 0);
    gate_wait_for_n(&gate, 1);
    assert_int_equal(ol_pool_submit(fixture.pool, &queued.job), 0);
    assert_int_equal(ol_pool_submit(fixture.pool, &running.job), OL_EBUSY);
    assert_int_equal(ol_pool_submit(fixture.pool, &queued.job), OL_EBUSY);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&running, OL_JOB_DONE, 1);
    task_assert(&queued, OL_JOB_DONE, 1);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void an_ended_scope_refuses_with_its_reason(void **state)
{
    struct fixture  fixture;
    struct ol_scope scope;
    struct task     task;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&task, NULL);
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    ol_scope_end(&scope, OL_ETIMEDOUT);
    task.job.scope = &scope;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), OL_ETIMEDOUT);
    task.job.scope = NULL; /* the job is the caller's again */
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    task_assert(&task, OL_JOB_DONE, 1);
    ol_scope_fini(&scope);
    fixture_destroy(&fixture);
}

/* ---- the bound ---- */

enum { BOUND = 5 };

struct bound_case {
    struct ol_post post;
    struct fixture fixture;
    struct task    tasks[BOUND + 3];
    unsigned       n_taken, n_refused;
};

static void fill_queue(struct bound_case *c)
{
    c->n_taken = c->n_refused = 0;
    for (unsigned i = 0; i < BOUND + 3; i++) {
        task_init(&c->tasks[i], NULL);
        int rc = ol_pool_submit(c->fixture.pool, &c->tasks[i].job);

        c->n_taken += rc == 0;
        c->n_refused += rc == OL_EBUSY;
    }
}

static void fill_queue_on_loop(struct ol_post *post)
{
    fill_queue(OL_CONTAINER_OF(post, struct bound_case, post));
    ol_loop_stop(OL_CONTAINER_OF(post, struct bound_case, post)->fixture.loop);
}

static void fill_queue_in_fiber(void *arg)
{
    fill_queue_on_loop(arg);
}

/* Both ways in, one after the other, many times: places that were freed must come back, and no more of them. */
static void a_full_queue_refuses_at_once_from_every_side(void **state)
{
    struct bound_case c = { .n_taken = 0 };

    (void)state;
    fixture_create(&c.fixture, (struct ol_pool_config){ .threads_max = 1, .queue_max = BOUND });
    for (unsigned round = 0; round < 20; round++) {
        struct gate gate;
        struct task blocker;

        gate_init(&gate, "blocker");
        task_init(&blocker, &gate);
        assert_int_equal(ol_pool_submit(c.fixture.pool, &blocker.job), 0);
        gate_wait_for_n(&gate, 1);
        if (round % 2) {
            fill_queue(&c);
        } else {
            assert_int_equal(ol_fiber_start(c.fixture.loop,
                                            &(struct ol_fiber_config){ .run = fill_queue_in_fiber, .arg = &c.post }),
                             0);
            assert_int_equal(ol_loop_run(c.fixture.loop), 0);
        }
        assert_int_equal(c.n_taken, BOUND);
        assert_int_equal(c.n_refused, 3);
        if (round % 3 == 0) /* a place freed by cancel is a place */
            for (unsigned i = 0; i < BOUND; i++)
                ol_job_cancel(&c.tasks[i].job);
        gate_open(&gate);
        assert_int_equal(ol_loop_run(c.fixture.loop), 0);
        for (unsigned i = 0; i < BOUND + 3; i++)
            assert_int_equal(c.tasks[i].n_done, i < BOUND);
        gate_fini(&gate);
    }
    fixture_destroy(&c.fixture);
}

/* ---- from `done`, and from many threads ---- */

static unsigned n_again;

static void submit_again_done(struct ol_job *job, enum ol_job_status status)
{
    task_done(job, status);
    if (n_again > 0 && n_again--)
        ((struct task *)job)->status = ol_pool_submit(job->arg, job) == 0 ? status : OL_JOB_SHED;
}

static void a_job_may_be_submitted_again_from_its_own_done(void **state)
{
    struct fixture fixture;
    struct task    task;

    (void)state;
    n_again = 1000;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&task, NULL);
    task.job.done = submit_again_done;
    task.job.arg = fixture.pool;
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(task.n_done, 1001);
    assert_int_equal(task.n_run, 1001);
    assert_int_equal(task.status, OL_JOB_DONE);
    fixture_destroy(&fixture);
}

static void free_done(struct ol_job *job, enum ol_job_status status)
{
    unsigned *n_done = job->arg;

    *n_done += status == OL_JOB_DONE;
    free(job); /* the job is ours: the sanitizers watch that nobody looks at it again */
}

static void a_done_may_free_its_job(void **state)
{
    enum { N = 1000 };
    struct fixture fixture;
    unsigned       n_done = 0;

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 2 });
    for (unsigned i = 0; i < N; i++) {
        struct task *task = calloc(1, sizeof *task);

        task_init(task, NULL);
        task->job.done = free_done;
        task->job.arg = &n_done;
        assert_int_equal(ol_pool_submit(fixture.pool, &task->job), 0);
    }
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(n_done, N);
    fixture_destroy(&fixture);
}

enum { SUBMITTERS = 8, EACH = 2000 };

struct crowd {
    struct fixture fixture;
    struct task    tasks[SUBMITTERS][EACH];
    atomic_uint    n_failed;
};

static void submit_each(unsigned index, void *arg)
{
    struct crowd *crowd = arg;

    for (unsigned i = 0; i < EACH; i++) {
        task_init(&crowd->tasks[index][i], NULL);
        if (ol_pool_submit(crowd->fixture.pool, &crowd->tasks[index][i].job) < 0)
            atomic_fetch_add(&crowd->n_failed, 1);
    }
}

static void jobs_of_eight_submitting_threads_all_complete_once(void **state)
{
    static struct crowd crowd;
    struct crew         crew;

    (void)state;
    fixture_create(&crowd.fixture, (struct ol_pool_config){ .threads_max = 3 });
    ol__loop_hold(crowd.fixture.loop);
    crew_start(&crew, SUBMITTERS, submit_each, &crowd);
    for (unsigned i = 0; i < 100; i++) /* the loop works while they submit */
        ol__loop_pump(crowd.fixture.loop, OL_NS_PER_MS);
    crew_join(&crew);
    ol__loop_release(crowd.fixture.loop);
    assert_int_equal(ol_loop_run(crowd.fixture.loop), 0);
    assert_int_equal(crowd.n_failed, 0);
    for (unsigned t = 0; t < SUBMITTERS; t++)
        for (unsigned i = 0; i < EACH; i++)
            task_assert(&crowd.tasks[t][i], OL_JOB_DONE, 1);
    fixture_destroy(&crowd.fixture);
}

static void post_loop_release(struct ol_job *job, enum ol_job_status status)
{
    task_done(job, status);
    ol_loop_stop(ol_pool_loop(job->arg));
}

static void submit_one(unsigned index, void *arg)
{
    (void)index;
    struct task *task = arg;

    if (ol_pool_submit(task->job.arg, &task->job) < 0)
        abort();
}

/* The submitter may still be inside the call when its job is over and the pool goes. */
static void a_pool_may_go_as_soon_as_the_last_job_is_done(void **state)
{
    (void)state;
    for (unsigned round = 0; round < rounds(1000); round++) {
        struct fixture fixture;
        struct crew    crew;
        struct task    task;

        fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
        task_init(&task, NULL);
        task.job.arg = fixture.pool;
        task.job.done = post_loop_release;
        ol__loop_hold(fixture.loop);
        crew_start(&crew, 1, submit_one, &task);
        assert_int_equal(ol_loop_run(fixture.loop), 0);
        assert_int_equal(task.n_done, 1);
        assert_int_equal(ol_pool_destroy(fixture.pool, NULL, NULL), 0);
        crew_join(&crew);
        ol__loop_release(fixture.loop);
        assert_int_equal(ol_loop_destroy(fixture.loop), 0);
    }
}

static void bad_configurations_are_refused_by_name(void **state)
{
    static const struct ol_pool_class twice[] = { { .name = "a" }, { .name = "a" } };
    static const struct ol_pool_class greedy[] = { { .name = "a", .threads_reserved = 2 },
                                                   { .name = "b", .threads_reserved = 2 } };
    static const struct ol_pool_class odd[] = { { .name = "a", .threads_max = 1, .threads_reserved = 2 } };
    const struct ol_pool_config       bad[] = {
              { .name = NULL },
              { .name = "" },
              { .name = "x", .threads_min = 5, .threads_max = 4 },
              { .name = "x", .idle_timeout_s = -1 },
              { .name = "x", .nice = -1 },
              { .name = "x", .nice = 20 },
              { .name = "x", .classes = twice, .n_classes = 2 },
              { .name = "x", .classes = twice, .n_classes = 0 },
              { .name = "x", .classes = twice, .n_classes = 17 },
              { .name = "x", .classes = greedy, .n_classes = 2 },
              { .name = "x", .classes = odd, .n_classes = 1 },
    };
    struct ol_loop *loop;
    struct ol_pool *pool = (struct ol_pool *)(void *)&loop;

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ol_pool_create(&pool, loop, &bad[i]), OL_EINVAL);
        assert_ptr_equal(pool, &loop); /* untouched */
        assert_int_equal(ol_last_error()->code, OL_EINVAL);
    }
    assert_int_equal(ol_pool_create(&pool, NULL, &bad[0]), OL_EINVAL);
    assert_int_equal(ol_loop_destroy(loop), 0);
    assert_int_equal(ol_pool_destroy(NULL, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_gets_codes_and_no_done),
        cmocka_unit_test(a_job_in_flight_is_refused_and_undisturbed),
        cmocka_unit_test(an_ended_scope_refuses_with_its_reason),
        cmocka_unit_test(a_full_queue_refuses_at_once_from_every_side),
        cmocka_unit_test(a_job_may_be_submitted_again_from_its_own_done),
        cmocka_unit_test(a_done_may_free_its_job),
        cmocka_unit_test(jobs_of_eight_submitting_threads_all_complete_once),
        cmocka_unit_test(a_pool_may_go_as_soon_as_the_last_job_is_done),
        cmocka_unit_test(bad_configurations_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
