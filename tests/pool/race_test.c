/* Cancel and scopes against start and finish: many rounds, each with one of the legal outcomes, exactly once. */
#include "support/cmocka.h"

#include <pthread.h>
#include <stdio.h>

#include "fixture.h"
#include "loop/turn.h"

enum { IN_FLIGHT = 64 };

struct racer {
    struct task     task; /* first: a job is its racer */
    struct race    *race;
    struct ol_scope scope;
    bool            has_scope;
    bool            in_flight;
};

struct race {
    struct fixture fixture;
    struct racer   racers[IN_FLIGHT];
    unsigned       n_left; /* to submit */
    unsigned       n_done, n_illegal;
    unsigned       by_status[OL_JOB_STATUSES];
    unsigned       random;
    bool           by_scope; /* end a scope above instead of ol_job_cancel */

    /* the other thread, which ends scopes */
    struct gate     ended, started;
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    struct racer   *victim; /* guarded by lock; NULL: take the next */
    bool            stop;
};

static unsigned next_random(struct race *race)
{
    race->random = race->random * 1664525 + 1013904223;
    return race->random >> 16;
}

static bool is_legal(const struct racer *racer, enum ol_job_status status)
{
    unsigned n_run = atomic_load(&racer->task.n_run);

    switch (status) {
    case OL_JOB_DONE:
    case OL_JOB_CANCELLED_RUNNING: return n_run == 1;
    case OL_JOB_CANCELLED: return n_run == 0;
    default: return false;
    }
}

static void launch(struct racer *racer);

static void race_done(struct ol_job *job, enum ol_job_status status)
{
    struct racer *racer = (struct racer *)job;
    struct race  *race = racer->race;

    race->n_illegal += !racer->in_flight || !is_legal(racer, status);
    racer->in_flight = false;
    race->n_done++;
    race->by_status[status]++;
    if (race->n_left > 0) {
        race->n_left--;
        launch(racer);
    }
}

static void race_work(struct ol_job *job)
{
    struct racer *racer = (struct racer *)job;

    atomic_fetch_add(&racer->task.n_run, 1);
}

static void launch(struct racer *racer)
{
    struct race *race = racer->race;

    atomic_store(&racer->task.n_run, 0);
    racer->in_flight = true;
    if (ol_pool_submit(race->fixture.pool, &racer->task.job) < 0) {
        race->n_illegal++;
        return;
    }
    /* Cancel a random one, sometimes this one while it is still staged; sometimes one that is long over. */
    if (next_random(race) % 2)
        ol_job_cancel(&race->racers[next_random(race) % IN_FLIGHT].task.job);
}

static void run_race(struct race *race, unsigned n_rounds, struct ol_pool_config config)
{
    fixture_create(&race->fixture, config);
    race->n_left = n_rounds - IN_FLIGHT;
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct racer *racer = &race->racers[i];

        racer->race = race;
        task_init(&racer->task, NULL);
        racer->task.job.work = race_work;
        racer->task.job.done = race_done;
        launch(racer);
    }
    assert_int_equal(ol_loop_run(race->fixture.loop), 0);
    assert_int_equal(race->n_done, n_rounds);
    assert_int_equal(race->n_illegal, 0);
    fixture_destroy(&race->fixture);
}

static void cancel_races_with_start_and_finish_on_one_thread(void **state)
{
    static struct race race;

    (void)state;
    run_race(&race, rounds(100000), (struct ol_pool_config){ .threads_max = 1 });
    assert_true(race.by_status[OL_JOB_DONE] > 0);
    assert_true(race.by_status[OL_JOB_CANCELLED] > 0);
}

static void cancel_races_with_start_and_finish_on_four_threads(void **state)
{
    static struct race race;

    (void)state;
    run_race(&race, rounds(100000), (struct ol_pool_config){ .threads_max = 4 });
}

/* ---- scopes, ended by another thread ---- */

static void *end_scopes(void *arg)
{
    struct race *race = arg;

    pthread_mutex_lock(&race->lock);
    for (;;) {
        while (!race->victim && !race->stop)
            pthread_cond_wait(&race->changed, &race->lock);
        if (!race->victim)
            break;
        struct racer *victim = race->victim;
        pthread_mutex_unlock(&race->lock);
        ol_scope_end(&victim->scope, OL_ECANCELED); /* races with the worker, and with the delivery */
        pthread_mutex_lock(&race->lock);
        race->victim = NULL;
        pthread_cond_broadcast(&race->changed);
    }
    pthread_mutex_unlock(&race->lock);
    return NULL;
}

static void scope_round(struct race *race)
{
    struct racer *racer = &race->racers[0];

    racer->race = race;
    task_init(&racer->task, NULL);
    racer->task.job.work = race_work;
    racer->task.job.done = race_done;
    racer->task.job.scope = &racer->scope;
    racer->in_flight = true;
    assert_int_equal(ol_scope_init(&racer->scope, NULL, 0), 0);
    assert_int_equal(ol_pool_submit(race->fixture.pool, &racer->task.job), 0);
    pthread_mutex_lock(&race->lock);
    race->victim = racer;
    pthread_cond_broadcast(&race->changed);
    pthread_mutex_unlock(&race->lock);
    ol_loop_run(race->fixture.loop);
    pthread_mutex_lock(&race->lock);
    while (race->victim) /* the scope is this round's */
        pthread_cond_wait(&race->changed, &race->lock);
    pthread_mutex_unlock(&race->lock);
    ol_scope_fini(&racer->scope);
}

static void a_scope_that_ends_on_another_thread_races_with_the_whole_life_of_its_job(void **state)
{
    static struct race race;
    pthread_t          thread;
    unsigned           n_rounds = rounds(100000);

    (void)state;
    fixture_create(&race.fixture, (struct ol_pool_config){ .threads_max = 1 });
    pthread_mutex_init(&race.lock, NULL);
    pthread_cond_init(&race.changed, NULL);
    assert_int_equal(pthread_create(&thread, NULL, end_scopes, &race), 0);
    for (unsigned i = 0; i < n_rounds; i++)
        scope_round(&race);
    pthread_mutex_lock(&race.lock);
    race.stop = true;
    pthread_cond_broadcast(&race.changed);
    pthread_mutex_unlock(&race.lock);
    pthread_join(thread, NULL);
    assert_int_equal(race.n_done, n_rounds);
    assert_int_equal(race.n_illegal, 0);
    fixture_destroy(&race.fixture);
    pthread_mutex_destroy(&race.lock);
    pthread_cond_destroy(&race.changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_races_with_start_and_finish_on_one_thread),
        cmocka_unit_test(cancel_races_with_start_and_finish_on_four_threads),
        cmocka_unit_test(a_scope_that_ends_on_another_thread_races_with_the_whole_life_of_its_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
