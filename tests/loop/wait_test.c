/* One caller waits for one thing: no signal lost, no wake-up after the end, whoever wins the race. In every place. */
#include "support/cmocka.h"

#include <stdatomic.h>

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include "base/list.h"
#include "loop/places.h"
#include "loop/scope.h"
#include "loop/wait.h"
#include "support/crew.h"
#include "support/gate.h"

struct errand {
    struct ol_scope *scope;
    uint64_t         limit_ns;
    struct gate     *interrupted;
    atomic_bool      has_returned; /* what was waited for */
    struct ol__wait *wait;         /* for a signaller on another thread */
    int              rc, again_rc;
    bool             is_right;
};

static void signal_then_wait(void *arg)
{
    struct errand  *errand = arg;
    struct ol__wait wait;

    ol__wait_init(&wait);
    ol__wait_signal(&wait);
    errand->rc = ol__wait_until(&wait);
    ol__wait_fini(&wait);
}

static void a_signal_before_the_wait_is_not_lost(void **state)
{
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    for (enum place place = 0; place < N_PLACES; place++) {
        struct errand bare = { .rc = 1 }, scoped = { .rc = 1 };

        run_at(place, signal_then_wait, &bare, NULL);
        run_at(place, signal_then_wait, &scoped, &scope);
        assert_int_equal(bare.rc, 0);
        assert_int_equal(scoped.rc, 0);
    }
    ol_scope_fini(&scope);
}

static void wait_until_limit(void *arg)
{
    struct errand  *errand = arg;
    struct ol__wait wait;

    ol__wait_init(&wait);
    errand->rc = ol__wait_until_deadline(&wait, errand->limit_ns);
    ol__wait_signal(&wait);
    errand->again_rc = ol__wait_until(&wait);
    ol__wait_fini(&wait);
}

static void a_limit_of_its_own_ends_the_wait_and_not_the_scope(void **state)
{
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 100000), 0);
    for (enum place place = 0; place < N_PLACES; place++) {
        struct errand passed = { .limit_ns = 1 }, soon = { .limit_ns = ol_now_ns() + 2 * OL_NS_PER_MS };

        run_at(place, wait_until_limit, &passed, NULL);
        run_at(place, wait_until_limit, &soon, &scope);
        assert_int_equal(passed.rc, OL_ETIMEDOUT);
        assert_int_equal(soon.rc, OL_ETIMEDOUT);
        assert_int_equal(soon.again_rc, 0);
        assert_int_equal(ol_scope_reason(&scope), 0);
    }
    ol_scope_fini(&scope);
}

static void wait_for_nothing(void *arg)
{
    struct errand  *errand = arg;
    struct ol__wait wait;

    ol__wait_init(&wait);
    errand->rc = ol__wait_until(&wait);
    ol__wait_fini(&wait);
}

/* Whoever notices first ends the scope for all. */
static void a_deadline_that_nobody_watches_wakes_the_waiter_and_ends_the_scope(void **state)
{
    (void)state;
    for (enum place place = 0; place < N_PLACES; place++) {
        struct errand   errand = { .rc = 1 };
        struct ol_scope scope, child;

        assert_int_equal(ol_scope_init(&scope, NULL, 0.005), 0);
        assert_int_equal(ol_scope_init(&child, &scope, 0), 0);
        run_at(place, wait_for_nothing, &errand, &child);
        assert_int_equal(errand.rc, OL_ETIMEDOUT);
        assert_int_equal(child.reason, OL_ETIMEDOUT);
        ol_scope_fini(&child);
        ol_scope_fini(&scope);
    }
}

static void look_and_end(unsigned index, void *arg)
{
    struct errand *errand = arg;

    (void)index;
    until_somebody_waits(errand->scope);
    ol_scope_end(errand->scope, OL_ETIMEDOUT);
}

static void wait_watched(void *arg)
{
    struct errand  *errand = arg;
    struct ol__wait wait;

    ol__wait_init(&wait);
    errand->rc = ol__wait_until(&wait);
    errand->is_right = !wait.timer.cb; /* its memory has never been a timer */
    ol__wait_fini(&wait);
}

static void a_watched_deadline_costs_a_fiber_no_timer(void **state)
{
    struct ol_scope scope;
    struct errand   errand = { .scope = &scope };
    struct crew     crew;

    (void)state;
    assert_int_equal(ol__scope_begin(&scope, NULL, ol_now_ns() + 100000 * OL_NS_PER_S, NULL, true), 0);
    crew_start(&crew, 1, look_and_end, &errand);
    run_at(AT_FIBER, wait_watched, &errand, &scope);
    crew_join(&crew);
    assert_int_equal(errand.rc, OL_ETIMEDOUT);
    assert_true(errand.is_right);
    ol_scope_fini(&scope);
}

/* ---- two wake-ups at once ---- */

static void end_scope(void *arg)
{
    struct errand *errand = arg;

    ol_scope_end(errand->scope, OL_ECANCELED);
}

static void signal_and_let_end(void *arg)
{
    struct errand *errand = arg;

    while (!errand->wait)
        ol_fiber_yield();
    /* In the next turn the one who ends the scope is ready before the waiter, and the inbox was looked at before both. */
    errand->rc = ol_fiber_start(errand->wait->loop, &(struct ol_fiber_config){ .run = end_scope, .arg = errand });
    ol__wait_signal(errand->wait);
}

static void wait_for_both(void *arg)
{
    struct errand  *errand = arg;
    struct ol__wait wait;

    ol__wait_init(&wait);
    if (ol_fiber_start(wait.loop, &(struct ol_fiber_config){ .run = signal_and_let_end, .arg = errand }) < 0)
        return;
    errand->wait = &wait;
    errand->rc = ol__wait_until(&wait);
    bool end_was_on_its_way = wait.hook_fired && !wait.end_delivered;
    ol__wait_fini(&wait);
    errand->is_right = end_was_on_its_way && wait.end_delivered;
}

static void a_fibers_wait_is_not_over_before_the_scopes_wake_up_has_arrived(void **state)
{
    struct ol_scope scope;
    struct errand   errand = { .rc = 1, .scope = &scope };

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    run_at(AT_FIBER, wait_for_both, &errand, &scope);
    assert_int_equal(errand.rc, 0);
    assert_true(errand.is_right);
    ol_scope_fini(&scope);
}

/* ---- what runs elsewhere is waited for ---- */

static void wait_for_what_runs(void *arg)
{
    struct errand  *errand = arg;
    struct ol__wait wait;

    ol__wait_init(&wait);
    errand->wait = &wait;
    ol_scope_end(errand->scope, OL_ECANCELED);
    errand->rc = ol__wait_until(&wait);
    gate_arrive(errand->interrupted);
    ol__wait_uninterrupted(&wait);
    errand->is_right = atomic_load(&errand->has_returned);
    ol__wait_fini(&wait);
}

static void return_after_interruption(unsigned index, void *arg)
{
    struct errand *errand = arg;

    (void)index;
    gate_wait_for_n(errand->interrupted, 1);
    atomic_store(&errand->has_returned, true);
    ol__wait_signal(errand->wait);
}

static void an_uninterrupted_wait_ends_only_with_the_signal(void **state)
{
    (void)state;
    for (enum place place = 0; place < N_PLACES; place++) {
        struct ol_scope scope;
        struct gate     interrupted;
        struct errand   errand = { .scope = &scope, .interrupted = &interrupted };
        struct crew     crew;

        gate_init(&interrupted, "the waiter was told to stop");
        assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
        crew_start(&crew, 1, return_after_interruption, &errand);
        run_at(place, wait_for_what_runs, &errand, &scope);
        crew_join(&crew);
        assert_int_equal(errand.rc, OL_ECANCELED);
        assert_true(errand.is_right);
        ol_scope_fini(&scope);
        gate_fini(&interrupted);
    }
}

/* ---- the race of signal, end and deadline ---- */

enum { ROUNDS = 2000, QUEUED = 0, TAKEN, WITHDRAWN };

struct race {
    pthread_barrier_t meeting; /* before and after each round: the waiter, the signaller, the ender */
    struct ol_scope   scope;
    struct ol__wait  *wait;
    atomic_int        request;
    unsigned          n_signalled, n_withdrawn, n_waited_for;
    unsigned          n_wrong_rc, n_not_taken;
};

static void race_to_signal(struct race *race)
{
    if (atomic_exchange(&race->request, TAKEN) == QUEUED)
        ol__wait_signal(race->wait);
}

static void race_against_waiter(unsigned index, void *arg)
{
    struct race *race = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&race->meeting);
        if (index == 0)
            race_to_signal(race);
        else
            ol_scope_end(&race->scope, OL_ECANCELED);
        pthread_barrier_wait(&race->meeting);
    }
}

static void judge(struct race *race, int rc, bool withdrawn)
{
    race->n_signalled += rc == 0;
    race->n_withdrawn += withdrawn;
    race->n_waited_for += rc < 0 && !withdrawn;
    race->n_wrong_rc += rc != 0 && rc != OL_ECANCELED && rc != OL_ETIMEDOUT;
    race->n_not_taken += rc == 0 && atomic_load(&race->request) != TAKEN;
}

/* As in wait.h: wait, withdraw what is still queued, wait for what is not. */
static void race_round(struct race *race, double timeout_s)
{
    struct ol__wait wait;
    bool            withdrawn = false;

    ol_scope_init(&race->scope, NULL, timeout_s);
    struct ol_scope *before = ol_scope_enter(&race->scope);
    atomic_store(&race->request, QUEUED);
    ol__wait_init(&wait);
    race->wait = &wait; /* cppcheck-suppress autoVariables */
    pthread_barrier_wait(&race->meeting);
    int rc = ol__wait_until(&wait);
    if (rc < 0) {
        int expected = QUEUED;

        withdrawn = atomic_compare_exchange_strong(&race->request, &expected, WITHDRAWN);
        if (!withdrawn)
            ol__wait_uninterrupted(&wait);
    }
    ol__wait_fini(&wait);
    pthread_barrier_wait(&race->meeting);
    judge(race, rc, withdrawn);
    ol_scope_enter(before);
    ol_scope_fini(&race->scope);
}

static void race_often(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        race_round(arg, i % 4 * 5e-6); /* no deadline, or one amid the others */
}

static void signal_end_and_deadline_race_and_each_round_has_one_outcome(void **state)
{
    static const enum place places[] = { AT_FIBER, AT_THREAD };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct race race = { .n_wrong_rc = 0 };
        struct crew crew;

        pthread_barrier_init(&race.meeting, NULL, 3);
        crew_start(&crew, 2, race_against_waiter, &race);
        run_at(places[i], race_often, &race, NULL);
        crew_join(&crew);
        pthread_barrier_destroy(&race.meeting);
        assert_int_equal(race.n_signalled + race.n_withdrawn + race.n_waited_for, ROUNDS);
        assert_int_equal(race.n_wrong_rc, 0);
        assert_int_equal(race.n_not_taken, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_before_the_wait_is_not_lost),
        cmocka_unit_test(a_limit_of_its_own_ends_the_wait_and_not_the_scope),
        cmocka_unit_test(a_deadline_that_nobody_watches_wakes_the_waiter_and_ends_the_scope),
        cmocka_unit_test(a_watched_deadline_costs_a_fiber_no_timer),
        cmocka_unit_test(a_fibers_wait_is_not_over_before_the_scopes_wake_up_has_arrived),
        cmocka_unit_test(an_uninterrupted_wait_ends_only_with_the_signal),
        cmocka_unit_test(signal_end_and_deadline_race_and_each_round_has_one_outcome),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
