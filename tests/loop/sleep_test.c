/* ol_sleep in every row of the "called from" table: it elapses, and cancel and deadline end it. */
#include "support/cmocka.h"

#include <math.h>

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include "base/list.h"
#include "loop/places.h"
#include "loop/scope.h"
#include "loop/turn.h"
#include "support/crew.h"

static const double FOR_EVER = 100000;

struct nap {
    double   seconds;
    int      rc;
    uint64_t took_ns;
};

static void take_nap(void *arg)
{
    struct nap *nap = arg;
    uint64_t    began_ns = ol_now_ns();

    nap->rc = ol_sleep(nap->seconds);
    nap->took_ns = ol_now_ns() - began_ns;
}

static void it_takes_no_less_than_the_time_asked_for(void **state)
{
    struct ol_scope scope;

    (void)state;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    for (enum place place = 0; place < N_PLACES; place++) {
        for (unsigned with_scope = 0; with_scope < 2; with_scope++) {
            struct nap nap = { .seconds = 0.005, .rc = 1 };

            run_at(place, take_nap, &nap, with_scope ? &scope : NULL);
            assert_int_equal(nap.rc, 0);
            assert_true(nap.took_ns >= 5 * OL_NS_PER_MS);
        }
    }
    ol_scope_fini(&scope);
}

static void no_time_is_fine_and_a_bad_one_refused(void **state)
{
    (void)state;
    for (enum place place = 0; place < N_PLACES; place++) {
        struct nap none = { .seconds = 0, .rc = 1 }, negative = { .seconds = -1 }, not_a_number = { .seconds = NAN };

        run_at(place, take_nap, &none, NULL);
        run_at(place, take_nap, &negative, NULL);
        run_at(place, take_nap, &not_a_number, NULL);
        assert_int_equal(none.rc, 0);
        assert_int_equal(negative.rc, OL_EINVAL);
        assert_int_equal(not_a_number.rc, OL_EINVAL);
    }
}

static void cancel_waiter(unsigned index, void *arg)
{
    (void)index;
    until_somebody_waits(arg);
    ol_scope_end(arg, OL_ECANCELED);
}

static void a_cancel_from_another_thread_ends_it(void **state)
{
    (void)state;
    for (enum place place = 0; place < N_PLACES; place++) {
        struct nap      nap = { .seconds = FOR_EVER };
        struct ol_scope scope;
        struct crew     crew;

        assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
        crew_start(&crew, 1, cancel_waiter, &scope);
        run_at(place, take_nap, &nap, &scope);
        crew_join(&crew);
        assert_int_equal(nap.rc, OL_ECANCELED);
        ol_scope_fini(&scope);
    }
}

static void a_scope_that_has_ended_ends_it_at_once(void **state)
{
    (void)state;
    for (enum place place = 0; place < N_PLACES; place++) {
        struct nap      nap = { .seconds = FOR_EVER }, no_nap = { .seconds = 0 };
        struct ol_scope scope;

        assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
        ol_scope_end(&scope, OL_ECLOSED);
        run_at(place, take_nap, &nap, &scope);
        run_at(place, take_nap, &no_nap, &scope);
        assert_int_equal(nap.rc, OL_ECLOSED);
        assert_int_equal(no_nap.rc, OL_ECLOSED);
        ol_scope_fini(&scope);
    }
}

static void the_deadline_of_its_scope_ends_it(void **state)
{
    (void)state;
    for (enum place place = 0; place < N_PLACES; place++) {
        struct nap      nap = { .seconds = FOR_EVER };
        struct ol_scope parent, scope;

        assert_int_equal(ol_scope_init(&parent, NULL, 0.005), 0);
        assert_int_equal(ol_scope_init(&scope, &parent, 0), 0);
        run_at(place, take_nap, &nap, &scope);
        assert_int_equal(nap.rc, OL_ETIMEDOUT);
        assert_int_equal(ol_scope_reason(&scope), OL_ETIMEDOUT);
        ol_scope_fini(&scope);
        ol_scope_fini(&parent);
    }
}

/* A blocking route freezes the loop, and with it the timer of whoever promised to watch the deadline. */
static void a_watched_deadline_ends_it_too_where_no_timer_can_fire(void **state)
{
    static const enum place places[] = { AT_THREAD, AT_BLOCKING_ROUTE, AT_OWNER_OUTSIDE_RUN };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct nap      nap = { .seconds = FOR_EVER };
        struct ol_scope scope;

        assert_int_equal(ol__scope_begin(&scope, NULL, ol_now_ns() + 5 * OL_NS_PER_MS, NULL, true), 0);
        run_at(places[i], take_nap, &nap, &scope);
        assert_int_equal(nap.rc, OL_ETIMEDOUT);
        ol_scope_fini(&scope);
    }
}

/* ---- the bare loop ---- */

struct bare {
    struct ol_post   post;
    struct ol_timer  timer;
    struct ol__ready ready;
    int              rc_in_post, rc_in_timer, rc_in_ready;
};

static void nap_in_post(struct ol_post *post)
{
    OL_CONTAINER_OF(post, struct bare, post)->rc_in_post = ol_sleep(0);
}

static void nap_in_timer(struct ol_timer *timer)
{
    OL_CONTAINER_OF(timer, struct bare, timer)->rc_in_timer = ol_sleep(0);
}

static void nap_in_ready(struct ol__ready *ready)
{
    OL_CONTAINER_OF(ready, struct bare, ready)->rc_in_ready = ol_sleep(0);
}

static void the_bare_loop_refuses(void **state)
{
    struct bare     bare = { .post.cb = nap_in_post, .timer.cb = nap_in_timer, .ready.cb = nap_in_ready };
    struct ol_loop *loop;

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    ol_loop_post(loop, &bare.post);
    ol__loop_ready(loop, &bare.ready);
    ol_timer_start(loop, &bare.timer, 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(bare.rc_in_post, OL_EONLOOP);
    assert_int_equal(bare.rc_in_timer, OL_EONLOOP);
    assert_int_equal(bare.rc_in_ready, OL_EONLOOP);
    ol_loop_post(loop, &bare.post);
    bare.rc_in_post = 0;
    assert_int_equal(ol_loop_destroy(loop), 0); /* its deliveries are the loop, too */
    assert_int_equal(bare.rc_in_post, OL_EONLOOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_no_less_than_the_time_asked_for),
        cmocka_unit_test(no_time_is_fine_and_a_bad_one_refused),
        cmocka_unit_test(a_cancel_from_another_thread_ends_it),
        cmocka_unit_test(a_scope_that_has_ended_ends_it_at_once),
        cmocka_unit_test(the_deadline_of_its_scope_ends_it),
        cmocka_unit_test(a_watched_deadline_ends_it_too_where_no_timer_can_fire),
        cmocka_unit_test(the_bare_loop_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
