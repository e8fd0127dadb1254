/* What can be seen from outside: statistics add up, events come in order, and both while the pool works. */
#include "support/cmocka.h"

#include <stdlib.h>
#include <string.h>

#include <offloop/observe.h>
#include "fixture.h"
#include "loop/turn.h"

static struct ol_class_stats *class_stats_of(struct ol_pool *pool)
{
    static struct ol_class_stats stats;

    assert_int_equal(ol_pool_class_stats(pool, 0, &stats), 0);
    return &stats;
}

static void the_counts_and_histograms_add_up(void **state)
{
    enum { N = 500, CANCELLED = 20 };
    struct fixture fixture;
    struct gate    gate;
    struct task    blocker, *tasks = calloc(N, sizeof *tasks);

    (void)state;
    gate_init(&gate, "blocker");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_min = 2, .threads_max = 2, .queue_max = N });
    task_init(&blocker, &gate);
    struct task second = blocker;
    assert_int_equal(ol_pool_submit(fixture.pool, &blocker.job), 0);
    assert_int_equal(ol_pool_submit(fixture.pool, &second.job), 0);
    gate_wait_for_n(&gate, 2);
    for (unsigned i = 0; i < N; i++) {
        task_init(&tasks[i], NULL);
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    struct task refused;
    task_init(&refused, NULL);
    assert_int_equal(ol_pool_submit(fixture.pool, &refused.job), OL_EBUSY);
    for (unsigned i = 0; i < CANCELLED; i++)
        ol_job_cancel(&tasks[i].job);

    const struct ol_class_stats *stats = class_stats_of(fixture.pool); /* while everything is held */
    assert_int_equal(stats->queued, N - CANCELLED);
    assert_int_equal(stats->running, 2);
    assert_int_equal(stats->refused, 1);
    assert_int_equal(stats->submitted, N + 2);
    gate_open(&gate);
    assert_int_equal(ol_loop_run(fixture.loop), 0);

    stats = class_stats_of(fixture.pool);
    assert_string_equal(stats->name, "default");
    assert_int_equal(stats->queued, 0);
    assert_int_equal(stats->running, 0);
    assert_int_equal(stats->by_status[OL_JOB_DONE], N + 2 - CANCELLED);
    assert_int_equal(stats->by_status[OL_JOB_CANCELLED], CANCELLED);
    assert_int_equal(stats->queue.count, N + 2 - CANCELLED);
    assert_int_equal(stats->run.count, N + 2 - CANCELLED);
    assert_int_equal(stats->deliver.count, N + 2);
    uint64_t run_ns = blocker.job.run_ns + second.job.run_ns;
    for (unsigned i = CANCELLED; i < N; i++)
        run_ns += tasks[i].job.run_ns;
    assert_int_equal(stats->run.sum_ns, run_ns);
    assert_true(ol_histogram_percentile_ns(&stats->queue, 50) <= stats->queue.max_ns);

    struct ol_pool_stats pool_stats;
    assert_int_equal(ol_pool_stats(fixture.pool, &pool_stats), 0);
    assert_int_equal(pool_stats.threads, 2);
    assert_int_equal(pool_stats.threads_busy, 0);
    assert_int_equal(pool_stats.threads_started, 2);
    assert_int_equal(pool_stats.n_classes, 1);
    assert_int_equal(ol_pool_class_stats(fixture.pool, 1, class_stats_of(fixture.pool)), OL_EINVAL);
    assert_int_equal(ol_pool_stats(NULL, &pool_stats), OL_EINVAL);
    fixture_destroy(&fixture);
    gate_fini(&gate);
    free(tasks);
}

/* ---- events ---- */

struct seen {
    const void        *job;
    enum ol_event_kind kinds[8];
    int                codes[8];
    atomic_uint        n;
    unsigned           n_odd; /* not where or what they should be */
};

static void note_event(const struct ol_event *event, void *arg)
{
    struct seen *seen = arg;
    unsigned     n;

    if (event->subject != seen->job)
        return;
    n = atomic_fetch_add(&seen->n, 1);
    if (n >= 8)
        return;
    seen->kinds[n] = event->kind;
    seen->codes[n] = event->code;
    seen->n_odd += strcmp(event->name, "odd job") != 0 || strcmp(event->where, "test/default") != 0 || !event->at_ns;
}

static void a_jobs_events_come_in_the_order_of_its_life(void **state)
{
    static const enum ol_event_kind wanted[] = { OL_EVENT_JOB_QUEUED, OL_EVENT_JOB_STARTED, OL_EVENT_JOB_FINISHED,
                                                 OL_EVENT_JOB_DELIVERED };
    struct fixture                  fixture;
    struct task                     task;
    struct seen                     seen = { .job = &task.job };
    struct ol_subscriber            subscriber = {
                   .kinds = OL_EVENT_JOB_QUEUED | OL_EVENT_JOB_STARTED | OL_EVENT_JOB_FINISHED | OL_EVENT_JOB_DELIVERED,
                   .cb = note_event,
                   .arg = &seen,
    };

    (void)state;
    ol_events_subscribe(&subscriber);
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    task_init(&task, NULL);
    task.job.name = "odd job";
    assert_int_equal(ol_pool_submit(fixture.pool, &task.job), 0);
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    ol_events_unsubscribe(&subscriber);
    assert_int_equal(seen.n, 4);
    assert_int_equal(seen.n_odd, 0);
    assert_memory_equal(seen.kinds, wanted, sizeof wanted);
    assert_int_equal(seen.codes[3], OL_JOB_DONE);
    fixture_destroy(&fixture);
}

/* ---- overload ---- */

/* A job that takes a known time without needing a processor: what it costs does not depend on the machine's load. */
static void nap_work(struct ol_job *job)
{
    struct task *task = (struct task *)job;

    atomic_fetch_add(&task->n_run, 1);
    ol_sleep(0.002);
}

static void codel_sheds_a_standing_queue_and_what_runs_has_not_waited_long(void **state)
{
    enum { N = 600 };
    static const struct ol_pool_class class = { .name = "shed", .codel = true };
    struct fixture fixture;
    struct task   *tasks = calloc(N, sizeof *tasks);
    unsigned       by_status[OL_JOB_STATUSES] = { 0 };

    (void)state;
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1, .classes = &class, .n_classes = 1 });
    for (unsigned i = 0; i < N; i++) { /* 1.2 s of work for the one thread */
        task_init(&tasks[i], NULL);
        tasks[i].job.work = nap_work;
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(tasks[i].n_done, 1);
        assert_int_equal(tasks[i].n_run, tasks[i].status == OL_JOB_DONE);
        by_status[tasks[i].status]++;
    }
    /* About 50 pass before the first interval is over; then all that has waited far too long goes. */
    assert_int_equal(by_status[OL_JOB_DONE] + by_status[OL_JOB_SHED], N);
    assert_in_range(by_status[OL_JOB_DONE], 1, 100);
    fixture_destroy(&fixture);
    free(tasks);
}

static void jobs_whose_client_has_left_do_not_run(void **state)
{
    enum { N = 100 };
    struct fixture  fixture;
    struct gate     gate;
    struct ol_scope scope;
    struct task     blocker, *tasks = calloc(N, sizeof *tasks);

    (void)state;
    gate_init(&gate, "blocker");
    fixture_create(&fixture, (struct ol_pool_config){ .threads_max = 1 });
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    task_init(&blocker, &gate);
    assert_int_equal(ol_pool_submit(fixture.pool, &blocker.job), 0);
    gate_wait_for_n(&gate, 1);
    for (unsigned i = 0; i < N; i++) {
        task_init(&tasks[i], NULL);
        tasks[i].job.scope = i % 2 ? &scope : NULL;
        assert_int_equal(ol_pool_submit(fixture.pool, &tasks[i].job), 0);
    }
    ol_scope_end(&scope, OL_ECANCELED);
    gate_open(&gate); /* the worker drops them at the queue's head, or the loop does before */
    assert_int_equal(ol_loop_run(fixture.loop), 0);
    for (unsigned i = 0; i < N; i++)
        task_assert(&tasks[i], i % 2 ? OL_JOB_CANCELLED : OL_JOB_DONE, i % 2 == 0);
    ol_scope_fini(&scope);
    fixture_destroy(&fixture);
    gate_fini(&gate);
    free(tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counts_and_histograms_add_up),
        cmocka_unit_test(a_jobs_events_come_in_the_order_of_its_life),
        cmocka_unit_test(codel_sheds_a_standing_queue_and_what_runs_has_not_waited_long),
        cmocka_unit_test(jobs_whose_client_has_left_do_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
