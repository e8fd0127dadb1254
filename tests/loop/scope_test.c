/* Scopes end once, for the first reason, with all below them; hooks run at most once, and never once taken back. */
#include "support/cmocka.h"

#include <math.h>
#include <stdlib.h>

#include <offloop/scope.h>
#include "base/list.h"
#include "base/sanitize.h"
#include "loop/here.h"
#include "loop/scope.h"
#include "support/crew.h"
#include "support/gate.h"

struct counted {
    struct ol_scope_hook hook;
    unsigned             n_runs;
    int                  reason;
};

static void count_hook(struct ol_scope_hook *hook, int reason)
{
    struct counted *counted = OL_CONTAINER_OF(hook, struct counted, hook);

    counted->n_runs++;
    counted->reason = reason;
}

static void the_first_reason_wins(void **state)
{
    struct counted  counted = { .hook.cb = count_hook };
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    assert_int_equal(ol_scope_reason(&scope), 0);
    assert_int_equal(ol_scope_hook(&scope, &counted.hook), 0);
    ol_scope_end(&scope, OL_ECLOSED);
    ol_scope_end(&scope, OL_ECANCELED);
    assert_int_equal(ol_scope_reason(&scope), OL_ECLOSED);
    assert_int_equal(counted.n_runs, 1);
    assert_int_equal(counted.reason, OL_ECLOSED);
    ol_scope_unhook(&scope, &counted.hook); /* ran already: harmless, twice too */
    ol_scope_unhook(&scope, &counted.hook);
    ol_scope_fini(&scope);
}

static void a_hook_on_an_ended_scope_is_refused_with_the_reason_and_never_runs(void **state)
{
    struct counted  counted = { .hook.cb = count_hook };
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    ol_scope_end(&scope, OL_ECANCELED);
    assert_int_equal(ol_scope_hook(&scope, &counted.hook), OL_ECANCELED);
    ol_scope_unhook(&scope, &counted.hook);
    ol_scope_fini(&scope);
    assert_int_equal(counted.n_runs, 0);
}

static void only_the_hooks_that_are_left_run(void **state)
{
    struct counted  counted[5];
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    for (unsigned i = 0; i < 5; i++) {
        counted[i] = (struct counted){ .hook.cb = count_hook };
        assert_int_equal(ol_scope_hook(&scope, &counted[i].hook), 0);
    }
    ol_scope_unhook(&scope, &counted[0].hook); /* last in the list, middle, first */
    ol_scope_unhook(&scope, &counted[2].hook);
    ol_scope_unhook(&scope, &counted[4].hook);
    ol_scope_end(&scope, OL_ECANCELED);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(counted[i].n_runs, i % 2);
    ol_scope_fini(&scope);
}

/* ---- trees ---- */

static void children_end_with_their_parent_and_not_the_other_way(void **state)
{
    struct ol_scope parent, child, grandchild, stranger;
    struct counted  counted = { .hook.cb = count_hook };

    (void)state;
    assert_int_equal(ol_scope_init(&parent, NULL, 0), 0);
    assert_int_equal(ol_scope_init(&child, &parent, 0), 0);
    assert_int_equal(ol_scope_init(&grandchild, &child, 0), 0);
    assert_int_equal(ol_scope_init(&stranger, &parent, 0), 0);
    assert_int_equal(ol_scope_hook(&grandchild, &counted.hook), 0);

    ol_scope_end(&stranger, OL_ECLOSED);
    assert_int_equal(ol_scope_reason(&parent), 0);
    ol_scope_end(&parent, OL_ECANCELED);
    assert_int_equal(ol_scope_reason(&child), OL_ECANCELED);
    assert_int_equal(ol_scope_reason(&grandchild), OL_ECANCELED);
    assert_int_equal(ol_scope_reason(&stranger), OL_ECLOSED);
    assert_int_equal(counted.n_runs, 1);

    ol_scope_fini(&stranger);
    ol_scope_fini(&grandchild);
    ol_scope_fini(&child);
    ol_scope_fini(&parent);
}

static void below_an_ended_parent_a_scope_begins_ended(void **state)
{
    struct counted  counted = { .hook.cb = count_hook };
    struct ol_scope parent, child;

    (void)state;
    assert_int_equal(ol_scope_init(&parent, NULL, 0), 0);
    ol_scope_end(&parent, OL_ECLOSED);
    assert_int_equal(ol_scope_init(&child, &parent, 10), 0);
    assert_int_equal(ol_scope_reason(&child), OL_ECLOSED);
    ol_scope_fini(&child);

    /* The rooms' way in refuses instead. */
    assert_int_equal(ol__scope_begin(&child, &parent, 0, &counted.hook, false), OL_ECLOSED);
    assert_int_equal(counted.n_runs, 0);
    ol_scope_fini(&parent);
}

static void a_hook_given_to_begin_is_there_from_the_start(void **state)
{
    struct counted  counted = { .hook.cb = count_hook };
    struct ol_scope parent, child;

    (void)state;
    assert_int_equal(ol_scope_init(&parent, NULL, 0), 0);
    assert_int_equal(ol__scope_begin(&child, &parent, 0, &counted.hook, false), 0);
    ol_scope_end(&parent, OL_ECANCELED);
    assert_int_equal(counted.n_runs, 1);
    assert_int_equal(counted.reason, OL_ECANCELED);
    ol_scope_fini(&child);
    ol_scope_fini(&parent);
}

static void the_end_reaches_the_bottom_of_a_deep_tree(void **state)
{
    /* One lock is held for each level; ThreadSanitizer can follow 64. */
    enum { DEPTH = OL_WITH_TSAN ? 50 : 2000 };
    struct ol_scope *scopes = calloc(DEPTH, sizeof *scopes);

    (void)state;
    for (unsigned i = 0; i < DEPTH; i++)
        assert_int_equal(ol_scope_init(&scopes[i], i ? &scopes[i - 1] : NULL, 0), 0);
    ol_scope_end(&scopes[1], OL_ECANCELED);
    assert_int_equal(ol_scope_reason(&scopes[0]), 0);
    assert_int_equal(ol_scope_reason(&scopes[DEPTH - 1]), OL_ECANCELED);
    for (unsigned i = DEPTH; i-- > 0;)
        ol_scope_fini(&scopes[i]);
    free(scopes);
}

/* ---- deadlines ---- */

static void the_nearest_deadline_is_inherited(void **state)
{
    struct ol_scope parent, nearer, farther, none;

    (void)state;
    assert_int_equal(ol_scope_init(&parent, NULL, 1000), 0);
    assert_int_equal(ol_scope_init(&nearer, &parent, 10), 0);
    assert_int_equal(ol_scope_init(&farther, &parent, 100000), 0);
    assert_int_equal(ol_scope_init(&none, &parent, 0), 0);
    assert_true(nearer.deadline_ns < parent.deadline_ns);
    assert_true(farther.deadline_ns == parent.deadline_ns);
    assert_true(none.deadline_ns == parent.deadline_ns);
    ol_scope_fini(&none);
    ol_scope_fini(&farther);
    ol_scope_fini(&nearer);
    ol_scope_fini(&parent);
}

static void a_deadline_is_noticed_by_looking_and_stays_the_reason(void **state)
{
    struct ol_scope scope, child;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 1e-9), 0);
    assert_int_equal(ol_scope_init(&child, &scope, 0), 0);
    while (ol_now_ns() <= scope.deadline_ns)
        ;
    assert_int_equal(ol_scope_reason(&scope), OL_ETIMEDOUT);
    assert_int_equal(ol_scope_reason(&child), OL_ETIMEDOUT);
    ol_scope_end(&scope, OL_ECANCELED); /* too late: it has ended, and said so */
    assert_int_equal(ol_scope_reason(&scope), OL_ETIMEDOUT);
    assert_int_equal(ol_scope_reason(&child), OL_ETIMEDOUT);
    ol_scope_fini(&child);
    ol_scope_fini(&scope);
}

static void bad_timeouts_are_refused(void **state)
{
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, -1), OL_EINVAL);
    assert_int_equal(ol_scope_init(&scope, NULL, (double)NAN), OL_EINVAL);
    assert_int_equal(ol_scope_init(&scope, NULL, (double)INFINITY), OL_EINVAL);
    assert_int_equal(ol_scope_init(NULL, NULL, 0), OL_EINVAL);
}

/* Whose deadline rules, and whether somebody else watches it. */
static void the_promise_to_watch_goes_with_the_deadline_that_rules(void **state)
{
    static const struct {
        uint64_t parent_s, child_s;
        bool     parent_watched, child_watched;
        uint64_t expect_s;
        bool     expect_watched;
    } rows[] = {
        { 100, 0, true, false, 100, true },    { 100, 0, false, false, 100, false },
        { 100, 200, true, false, 100, true },  { 100, 200, false, true, 100, false },
        { 200, 100, true, false, 100, false }, { 200, 100, false, true, 100, true },
        { 0, 100, false, true, 100, true },    { 0, 100, false, false, 100, false },
        { 0, 0, false, false, 0, true },
    };
    uint64_t now_ns = ol_now_ns();

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_scope parent, child;
        uint64_t        parent_ns = rows[i].parent_s ? now_ns + rows[i].parent_s * OL_NS_PER_S : 0;
        uint64_t        child_ns = rows[i].child_s ? now_ns + rows[i].child_s * OL_NS_PER_S : 0;
        uint64_t        expect_ns = rows[i].expect_s ? now_ns + rows[i].expect_s * OL_NS_PER_S : 0;

        assert_int_equal(ol__scope_begin(&parent, NULL, parent_ns, NULL, rows[i].parent_watched), 0);
        assert_int_equal(ol__scope_begin(&child, &parent, child_ns, NULL, rows[i].child_watched), 0);
        assert_true(child.deadline_ns == expect_ns);
        assert_int_equal(child.watched, rows[i].expect_watched);
        ol_scope_fini(&child);
        ol_scope_fini(&parent);
    }
}

/* ---- the current scope ---- */

static void cancelled_asks_the_current_scope(void **state)
{
    struct ol_scope scope, passed, watched;

    (void)state;
    assert_null(ol_scope_current());
    assert_int_equal(ol_cancelled(), 0);
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    assert_int_equal(ol__scope_begin(&passed, NULL, 1, NULL, false), 0);
    assert_int_equal(ol__scope_begin(&watched, NULL, 1, NULL, true), 0);

    assert_null(ol_scope_enter(&scope));
    assert_int_equal(ol_cancelled(), 0);
    ol_scope_end(&scope, OL_ECLOSED);
    assert_int_equal(ol_cancelled(), OL_ECLOSED);
    assert_ptr_equal(ol_scope_enter(&passed), &scope);
    assert_int_equal(ol_cancelled(), OL_ETIMEDOUT);
    assert_ptr_equal(ol_scope_enter(&watched), &passed);
    assert_int_equal(ol_cancelled(), 0); /* its watcher has not ended it yet */

    struct ol__here before = ol__enter_blocking(&watched); /* no timer fires on a frozen loop */
    assert_int_equal(ol_cancelled(), OL_ETIMEDOUT);
    ol__leave_blocking(&before);
    assert_ptr_equal(ol_scope_enter(NULL), &watched);

    ol_scope_fini(&watched);
    ol_scope_fini(&passed);
    ol_scope_fini(&scope);
}

/* ---- races ---- */

enum { ROUNDS = 5000, N_ENDERS = 3 };

/* The members of a crew meet before each round. */
static pthread_barrier_t meeting;

struct race {
    struct ol_scope scope;
    struct counted  counted;
    bool            unhooked;
    unsigned        n_after_unhook, n_wrong_reason, n_twice;
};

static void hook_in_race(struct ol_scope_hook *hook, int reason)
{
    struct race *race = OL_CONTAINER_OF(hook, struct race, counted.hook);

    count_hook(hook, reason);
    if (race->unhooked)
        race->n_after_unhook++;
}

static void end_in_race(unsigned index, void *arg)
{
    static const int reasons[N_ENDERS] = { OL_ECANCELED, OL_ETIMEDOUT, OL_ECLOSED };
    struct race     *race = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&meeting);
        ol_scope_end(&race->scope, reasons[index]);
        pthread_barrier_wait(&meeting);
    }
}

static void of_racing_ends_one_wins_and_hooks_never_run_after_unhook(void **state)
{
    struct race race = { .counted.hook.cb = hook_in_race };
    struct crew crew;

    (void)state;
    pthread_barrier_init(&meeting, NULL, N_ENDERS + 1);
    crew_start(&crew, N_ENDERS, end_in_race, &race);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (ol_scope_init(&race.scope, NULL, 0) < 0)
            abort();
        race.counted.n_runs = 0;
        race.unhooked = false;
        pthread_barrier_wait(&meeting);
        int refused = ol_scope_hook(&race.scope, &race.counted.hook);
        ol_scope_unhook(&race.scope, &race.counted.hook);
        race.unhooked = true; /* unsynchronised on purpose: a hook that still runs is a data race, too */
        pthread_barrier_wait(&meeting);
        race.n_twice += race.counted.n_runs > (refused ? 0 : 1);
        race.n_wrong_reason += race.counted.n_runs && race.counted.reason != ol_scope_reason(&race.scope);
        race.n_wrong_reason += refused && refused != ol_scope_reason(&race.scope);
        ol_scope_fini(&race.scope);
    }
    crew_join(&crew);
    pthread_barrier_destroy(&meeting);
    assert_int_equal(race.n_twice, 0);
    assert_int_equal(race.n_after_unhook, 0);
    assert_int_equal(race.n_wrong_reason, 0);
}

struct family {
    struct ol_scope parent;
    unsigned        n_survivors; /* children that outlived their parent */
};

static void end_parent(unsigned index, void *arg)
{
    struct family *family = arg;

    (void)index;
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&meeting);
        ol_scope_end(&family->parent, OL_ECANCELED);
        pthread_barrier_wait(&meeting);
    }
}

static void children_that_come_and_go_while_the_parent_ends_all_end_or_are_gone(void **state)
{
    struct family family = { .n_survivors = 0 };
    struct crew   crew;

    (void)state;
    pthread_barrier_init(&meeting, NULL, 2);
    crew_start(&crew, 1, end_parent, &family);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct ol_scope gone, stays;

        if (ol_scope_init(&family.parent, NULL, 0) < 0)
            abort();
        pthread_barrier_wait(&meeting);
        if (ol_scope_init(&gone, &family.parent, 0) < 0 || ol_scope_init(&stays, &family.parent, 0) < 0)
            abort();
        ol_scope_fini(&gone);
        pthread_barrier_wait(&meeting);
        family.n_survivors += ol_scope_reason(&stays) != OL_ECANCELED;
        ol_scope_fini(&stays);
        ol_scope_fini(&family.parent);
    }
    crew_join(&crew);
    pthread_barrier_destroy(&meeting);
    assert_int_equal(family.n_survivors, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reason_wins),
        cmocka_unit_test(a_hook_on_an_ended_scope_is_refused_with_the_reason_and_never_runs),
        cmocka_unit_test(only_the_hooks_that_are_left_run),
        cmocka_unit_test(children_end_with_their_parent_and_not_the_other_way),
        cmocka_unit_test(below_an_ended_parent_a_scope_begins_ended),
        cmocka_unit_test(a_hook_given_to_begin_is_there_from_the_start),
        cmocka_unit_test(the_end_reaches_the_bottom_of_a_deep_tree),
        cmocka_unit_test(the_nearest_deadline_is_inherited),
        cmocka_unit_test(a_deadline_is_noticed_by_looking_and_stays_the_reason),
        cmocka_unit_test(bad_timeouts_are_refused),
        cmocka_unit_test(the_promise_to_watch_goes_with_the_deadline_that_rules),
        cmocka_unit_test(cancelled_asks_the_current_scope),
        cmocka_unit_test(of_racing_ends_one_wins_and_hooks_never_run_after_unhook),
        cmocka_unit_test(children_that_come_and_go_while_the_parent_ends_all_end_or_are_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
