/* ol_offload: every row of the "called from" table, and what a scope that ends does to it. */
#include "support/cmocka.h"

#include <pthread.h>
#include <stdio.h>

#include <offloop/fiber.h>
#include "base/error.h"
#include "fixture.h"
#include "loop/here.h"
#include "loop/turn.h"

struct errand {
    struct gate *gate; /* fn waits here, or NULL */
    int          result;
    pthread_t    ran_on;
    unsigned     n_run;
    int          reason; /* ol_cancelled at fn's end */

    struct ol_pool *pool;
    int             rc; /* ol_offload's */
    bool            returned;
    char            text[64]; /* ol_last_error afterwards */
};

static int errand_fn(void *arg)
{
    struct errand *errand = arg;

    errand->n_run++;
    errand->ran_on = pthread_self();
    if (errand->gate)
        gate_wait(errand->gate);
    errand->reason = ol_cancelled();
    return errand->result < 0 ? ol__fail(errand->result, 7, "what fn knows") : errand->result;
}

static void offload_it(void *arg)
{
    struct errand *errand = arg;

    errand->rc = ol_offload(errand_fn, errand);
    snprintf(errand->text, sizeof errand->text, "%.60s", ol_last_error()->text);
    errand->returned = true;
}

static void start_fiber(struct fixture *fixture, struct errand *errand, struct ol_scope *scope)
{
    assert_int_equal(ol_fiber_start(fixture->loop,
                                    &(struct ol_fiber_config){
                                        .run = offload_it, .arg = errand, .scope = scope, .pool = errand->pool }),
                     0);
}

static void from_a_fiber_it_runs_on_a_worker_and_its_value_comes_back(void **state)
{
    struct fixture fixture;
    struct errand  errand = { .result = 42 };

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    errand.pool = fixture.pool;
    start_fiber(&fixture, &errand, NULL);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(errand.rc, 42);
    assert_int_equal(errand.n_run, 1);
    assert_false(pthread_equal(errand.ran_on, pthread_self()));
    fixture_destroy(&fixture);
}

static void a_failure_brings_its_detail_into_the_fiber(void **state)
{
    struct fixture fixture;
    struct errand  errand = { .result = OL_EIO };

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    errand.pool = fixture.pool;
    start_fiber(&fixture, &errand, NULL);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(errand.rc, OL_EIO);
    assert_string_equal(errand.text, "what fn knows");
    fixture_destroy(&fixture);
}

static void a_fiber_without_a_pool_uses_the_loops_default_or_is_refused(void **state)
{
    struct fixture fixture;
    struct errand  without = { .result = 1 }, with = { .result = 2 }, after = { .result = 3 };

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    start_fiber(&fixture, &without, NULL);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(without.rc, OL_EINVAL);
    assert_int_equal(without.n_run, 0);
    ol_loop_set_default_pool(fixture.loop, fixture.pool);
    start_fiber(&fixture, &with, NULL);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(with.rc, 2);
    assert_int_equal(ol_pool_destroy(fixture.pool, NULL, NULL), 0);
    start_fiber(&fixture, &after, NULL); /* a pool that is gone is no default */
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(after.rc, OL_EINVAL);
    assert_int_equal(ol_loop_destroy(fixture.loop), 0);
}

struct nested {
    struct ol_job job; /* first */
    struct errand errand;
    pthread_t     worker;
};

static void offload_from_work(struct ol_job *job)
{
    struct nested *nested = (struct nested *)job;

    nested->worker = pthread_self();
    offload_it(&nested->errand);
}

static void nested_done(struct ol_job *job, enum ol_job_status status)
{
    (void)job, (void)status;
}

static void from_a_worker_it_runs_there_also_when_the_pool_has_one_thread(void **state)
{
    struct fixture fixture;
    struct nested  nested = { .job.work = offload_from_work, .job.done = nested_done, .errand.result = 5 };

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    assert_int_equal(ol_pool_submit(fixture.pool, &nested.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(nested.errand.rc, 5);
    assert_true(pthread_equal(nested.errand.ran_on, nested.worker));
    fixture_destroy(&fixture);
}

struct on_loop {
    struct ol_post  post;
    struct errand   bare, blocking;
    struct ol_loop *loop;
};

static void offload_on_loop(struct ol_post *post)
{
    struct on_loop *on_loop = OL_CONTAINER_OF(post, struct on_loop, post);

    offload_it(&on_loop->bare);
    struct ol__here before = ol__enter_blocking(NULL);
    offload_it(&on_loop->blocking);
    ol__leave_blocking(&before);
    ol__loop_release(on_loop->loop);
}

static void the_bare_loop_is_refused_and_a_blocking_route_runs_it_there(void **state)
{
    struct fixture fixture;
    struct on_loop on_loop = { .post.cb = offload_on_loop, .bare.result = 1, .blocking.result = 2 };
    struct errand  plain = { .result = 3 };

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    ol_loop_set_default_pool(fixture.loop, fixture.pool);
    on_loop.loop = fixture.loop;
    ol__loop_hold(fixture.loop);
    ol_loop_post(fixture.loop, &on_loop.post);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_int_equal(on_loop.bare.rc, OL_EONLOOP);
    assert_int_equal(on_loop.bare.n_run, 0);
    assert_int_equal(on_loop.blocking.rc, 2);
    assert_true(pthread_equal(on_loop.blocking.ran_on, pthread_self()));
    offload_it(&plain); /* the owner outside its run */
    assert_int_equal(plain.rc, 3);
    assert_int_equal(ol_offload(NULL, NULL), OL_EINVAL);
    fixture_destroy(&fixture);
}

/* ---- a scope that ends ---- */

static void a_fiber_whose_job_is_queued_goes_on_at_once(void **state)
{
    struct fixture  fixture;
    struct gate     gate;
    struct ol_scope scope;
    struct task     blocker;
    struct errand   errand = { .result = 1 };

    (void)state;
    gate_init(&gate, "blocker");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    task_init(&blocker, &gate);
    assert_int_equal(ol_pool_submit(fixture.pool, &blocker.job), 0);
    gate_wait_for_n(&gate, 1);
    errand.pool = fixture.pool;
    start_fiber(&fixture, &errand, &scope);
    for (unsigned i = 0; i < 3; i++)
        ol__loop_pump(fixture.loop, 0);
    assert_false(errand.returned);
    ol_scope_end(&scope, OL_ECANCELED);
    while (!errand.returned)
        ol__loop_pump(fixture.loop, OL_NS_PER_S);
    assert_int_equal(errand.rc, OL_ECANCELED);
    assert_int_equal(errand.n_run, 0);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    ol_scope_fini(&scope);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

static void a_fiber_whose_job_runs_waits_until_it_has_returned(void **state)
{
    struct fixture  fixture;
    struct gate     gate;
    struct ol_scope scope;
    struct errand   errand = { .gate = &gate, .result = 6 };

    (void)state;
    gate_init(&gate, "fn");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    errand.pool = fixture.pool;
    start_fiber(&fixture, &errand, &scope);
    while (gate_arrived(&gate) == 0)
        ol__loop_pump(fixture.loop, OL_NS_PER_MS);
    ol_scope_end(&scope, OL_ECANCELED);
    for (unsigned i = 0; i < 5; i++)
        ol__loop_pump(fixture.loop, OL_NS_PER_MS);
    assert_false(errand.returned); /* fn still has its frame */
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    assert_true(errand.returned);
    assert_int_equal(errand.rc, 6); /* it ran to its end, and said so */
    assert_int_equal(errand.reason, OL_ECANCELED);
    ol_scope_fini(&scope);
    fixture_destroy(&fixture);
    gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_a_fiber_it_runs_on_a_worker_and_its_value_comes_back),
        cmocka_unit_test(a_failure_brings_its_detail_into_the_fiber),
        cmocka_unit_test(a_fiber_without_a_pool_uses_the_loops_default_or_is_refused),
        cmocka_unit_test(from_a_worker_it_runs_there_also_when_the_pool_has_one_thread),
        cmocka_unit_test(the_bare_loop_is_refused_and_a_blocking_route_runs_it_there),
        cmocka_unit_test(a_fiber_whose_job_is_queued_goes_on_at_once),
        cmocka_unit_test(a_fiber_whose_job_runs_waits_until_it_has_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
