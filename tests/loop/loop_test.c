/* A loop's life: attached or owned, kept alive by work alone, stopped, pumped, destroyed; and the order of its turn. */
#include "support/cmocka.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include "base/list.h"
#include "loop/attach.h"
#include "loop/fiber.h"
#include "loop/turn.h"
#include "support/crew.h"
#include "support/gate.h"
#include "loop/with_loop.h"

/* ---- keeping the ev_loop alive ---- */

static void count_ev_timer(struct ev_loop *ev, ev_timer *watcher, int revents)
{
    (void)ev, (void)revents;
    ++*(unsigned *)watcher->data;
}

static void an_attached_ev_loop_ends_when_only_our_watchers_are_left(void **state)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
    unsigned        n_fired = 0;
    ev_timer        timer;

    (void)state;
    assert_int_equal(ol_loop_create(&loop, ev), 0);
    assert_ptr_equal(ol_loop_ev(loop), ev);
    assert_int_equal(ev_run(ev, 0), 0);
    ev_timer_init(&timer, count_ev_timer, 0.001, 0);
    timer.data = &n_fired;
    ev_timer_start(ev, &timer);
    assert_int_equal(ev_run(ev, 0), 0);
    assert_int_equal(n_fired, 1);

    /* What we leave behind is as we found it. */
    assert_int_equal(ol_loop_destroy(loop), 0);
    ev_timer_set(&timer, 0.001, 0);
    ev_timer_start(ev, &timer);
    assert_int_equal(ev_run(ev, 0), 0);
    assert_int_equal(n_fired, 2);
    ev_loop_destroy(ev);
}

static void a_loop_of_its_own_ends_at_once_without_work(void **state)
{
    (void)state;
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(ol_loop_run(loop), 0);
}

struct release_post {
    struct ol_post post;
    struct gate   *gate;
    unsigned       n_runs;
};

static void release_when_delivered(struct ol_post *post)
{
    struct release_post *release = OL_CONTAINER_OF(post, struct release_post, post);

    release->n_runs++;
    if (release->gate)
        gate_open(release->gate);
    ol__loop_release(loop);
}

static struct gate first_release;

/* Takes a hold of its own, lets the owner drop the first one, and is then what keeps the loop alive. */
static void hold_and_release_elsewhere(unsigned index, void *arg)
{
    static struct release_post first, last;

    (void)index, (void)arg;
    ol__loop_hold(loop);
    first = (struct release_post){ .post.cb = release_when_delivered, .gate = &first_release };
    ol_loop_post(loop, &first.post);
    gate_wait(&first_release);
    last = (struct release_post){ .post.cb = release_when_delivered };
    ol_loop_post(loop, &last.post);
}

static void a_hold_of_another_thread_keeps_the_loop_alive(void **state)
{
    struct crew crew;

    (void)state;
    gate_init(&first_release, "the owner's hold is released");
    ol__loop_hold(loop);
    crew_start(&crew, 1, hold_and_release_elsewhere, NULL);
    assert_int_equal(ol_loop_run(loop), 0);
    crew_join(&crew);
    assert_int_equal(gate_arrived(&first_release), 1);
    gate_fini(&first_release);
}

static void hold_and_release_often(unsigned index, void *arg)
{
    (void)index, (void)arg;
    for (unsigned i = 0; i < 10000; i++) {
        ol__loop_hold(loop);
        ol__loop_release(loop);
    }
}

static void holds_and_releases_of_many_threads_add_up(void **state)
{
    struct release_post last = { .post.cb = release_when_delivered };
    struct crew         crew;

    (void)state;
    ol__loop_hold(loop);
    crew_start(&crew, 4, hold_and_release_often, NULL);
    crew_join(&crew);
    assert_int_equal(ol_loop_destroy(loop), OL_EBUSY);
    ol_loop_post(loop, &last.post);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(last.n_runs, 1);
}

/* ---- stopping ---- */

static struct gate running;

static void open_running(struct ol_post *post)
{
    (void)post;
    gate_open(&running);
}

static void stop_when_running(unsigned index, void *arg)
{
    (void)index, (void)arg;
    gate_wait(&running);
    ol_loop_stop(loop);
}

static void another_thread_stops_a_loop_that_sleeps(void **state)
{
    struct ol_post post = { .cb = open_running };
    struct crew    crew;

    (void)state;
    gate_init(&running, "the loop runs");
    ol__loop_hold(loop);
    crew_start(&crew, 1, stop_when_running, NULL);
    ol_loop_post(loop, &post);
    assert_int_equal(ol_loop_run(loop), 0);
    crew_join(&crew);
    ol__loop_release(loop);
    gate_fini(&running);
}

static void a_stop_before_the_run_ends_the_next_run_and_only_that(void **state)
{
    struct release_post release = { .post.cb = release_when_delivered };

    (void)state;
    ol__loop_hold(loop);
    ol_loop_post(loop, &release.post);
    ol_loop_stop(loop);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(release.n_runs, 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(release.n_runs, 1);
}

static void break_off(struct ol_post *post)
{
    (void)post;
    ev_break(ol_loop_ev(loop), EVBREAK_ONE);
}

static void libevs_own_break_ends_the_run_too(void **state)
{
    struct ol_post post = { .cb = break_off };

    (void)state;
    ol__loop_hold(loop);
    ol_loop_post(loop, &post);
    assert_int_equal(ol_loop_run(loop), 0);
    ol__loop_release(loop);
}

static void stop_on_signal(int signal)
{
    (void)signal;
    ol_loop_stop(loop);
}

static int errno_after_signal;

static void raise_signal(struct ol_post *post)
{
    (void)post;
    errno = ENOENT;
    raise(SIGUSR1);
    errno_after_signal = errno;
}

static void a_signal_handler_may_stop_the_loop(void **state)
{
    struct sigaction action = { .sa_handler = stop_on_signal }, before;
    struct ol_post   post = { .cb = raise_signal };

    (void)state;
    sigaction(SIGUSR1, &action, &before);
    ol__loop_hold(loop);
    ol_loop_post(loop, &post);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(errno_after_signal, ENOENT);
    ol__loop_release(loop);
    sigaction(SIGUSR1, &before, NULL);
}

/* ---- where ---- */

struct look {
    struct ol_post post;
    bool           on_loop_in_post, on_loop_in_fiber, on_loop_elsewhere;
    int            run_in_run, destroy_in_run;
};

static void look_elsewhere(unsigned index, void *arg)
{
    (void)index;
    ((struct look *)arg)->on_loop_elsewhere = ol_on_loop();
}

static void look_in_fiber(void *arg)
{
    struct look *look = arg;

    look->on_loop_in_fiber = ol_on_loop() && ol_in_fiber();
}

static void look_in_post(struct ol_post *post)
{
    struct look *look = OL_CONTAINER_OF(post, struct look, post);
    struct crew  crew;

    look->on_loop_in_post = ol_on_loop() && !ol_in_fiber();
    crew_start(&crew, 1, look_elsewhere, look);
    crew_join(&crew);
    look->run_in_run = ol_loop_run(loop);
    look->destroy_in_run = ol_loop_destroy(loop);
}

static void on_the_loop_is_the_owner_inside_its_run_and_nobody_else(void **state)
{
    struct look look = { .post.cb = look_in_post, .on_loop_elsewhere = true };

    (void)state;
    assert_false(ol_on_loop());
    ol_loop_post(loop, &look.post);
    assert_int_equal(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = look_in_fiber, .arg = &look }), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_true(look.on_loop_in_post);
    assert_true(look.on_loop_in_fiber);
    assert_false(look.on_loop_elsewhere);
    assert_false(ol_on_loop());
    assert_int_equal(look.run_in_run, OL_EINVAL);
    assert_int_equal(look.destroy_in_run, OL_EBUSY);
}

static void deliveries_of_destroy_are_inside_the_loop_too(void **state)
{
    struct look look = { .post.cb = look_in_post, .on_loop_elsewhere = true };

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    ol_loop_post(loop, &look.post);
    assert_int_equal(ol_loop_destroy(loop), 0);
    assert_true(look.on_loop_in_post);
    assert_false(look.on_loop_elsewhere);
    assert_int_equal(look.run_in_run, OL_EINVAL);
    assert_int_equal(look.destroy_in_run, OL_EBUSY);
}

static void run_inner(struct ol_post *post)
{
    struct ol_loop *inner;

    (void)post;
    if (ol_loop_create(&inner, NULL) == 0 && ol_loop_run(inner) == 0 && ol_loop_destroy(inner) == 0 && ol_on_loop())
        ol_loop_stop(loop);
}

static void a_thread_may_own_two_loops(void **state)
{
    struct ol_post post = { .cb = run_inner };

    (void)state;
    ol__loop_hold(loop);
    ol_loop_post(loop, &post);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_false(ol_on_loop());
    ol__loop_release(loop);
}

/* ---- destroy ---- */

static void a_post_alone_does_not_keep_the_loop_alive_and_is_run_by_destroy(void **state)
{
    enum { N = 3000 }; /* more than one turn's budget */
    static struct release_post posts[N];
    unsigned                   n_runs = 0;

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    for (unsigned i = 0; i < N; i++) {
        posts[i] = (struct release_post){ .post.cb = release_when_delivered };
        ol__loop_hold(loop);
        ol_loop_post(loop, &posts[i].post);
    }
    assert_int_equal(ol_loop_destroy(loop), 0);
    for (unsigned i = 0; i < N; i++)
        n_runs += posts[i].n_runs;
    assert_int_equal(n_runs, N);
}

static bool may_end;

static void yield_until_told(void *arg)
{
    (void)arg;
    while (!may_end)
        ol_fiber_yield();
}

static void never(struct ol_timer *timer)
{
    (void)timer;
    assert_false("this timer must not fire");
}

static struct ol_fiber *suspended;

static void suspend_once(void *arg)
{
    (void)arg;
    suspended = ol__fiber_self();
    ol__fiber_suspend();
}

static void destroy_refuses_while_something_lives(void **state)
{
    struct ol_timer timer = { .cb = never };

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);

    ol__loop_hold(loop);
    assert_int_equal(ol_loop_destroy(loop), OL_EBUSY);
    ol__loop_release(loop);

    assert_int_equal(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = suspend_once }), 0);
    assert_int_equal(ol_loop_destroy(loop), OL_EBUSY);
    ol__fiber_resume(suspended);
    assert_int_equal(ol_loop_run(loop), 0);

    may_end = false;
    assert_int_equal(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = yield_until_told }), 0);
    assert_int_equal(ol_loop_destroy(loop), OL_EBUSY);
    may_end = true;
    assert_int_equal(ol_loop_run(loop), 0);

    ol_timer_start(loop, &timer, 1000);
    assert_int_equal(ol_loop_destroy(loop), OL_EBUSY);
    ol_timer_stop(&timer);

    assert_int_equal(ol_loop_destroy(loop), 0);
    assert_int_equal(ol_loop_destroy(NULL), 0);
}

struct attached {
    struct ol__attachment attachment;
    unsigned             *counter;
    unsigned              destroyed_as;
};

static void note_destroy(void *data)
{
    struct attached *attached = data;

    attached->destroyed_as = ++*attached->counter;
}

static void attachments_are_found_by_key_and_destroyed_last_first(void **state)
{
    static const char first_key, second_key, third_key;
    unsigned          counter = 0;
    struct attached   first = { .attachment = { &first_key, &first, note_destroy, NULL }, .counter = &counter };
    struct attached   second = { .attachment = { &second_key, &second, note_destroy, NULL }, .counter = &counter };

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    ol__loop_attach(loop, &first.attachment);
    ol__loop_attach(loop, &second.attachment);
    assert_ptr_equal(ol__loop_attached(loop, &first_key), &first);
    assert_ptr_equal(ol__loop_attached(loop, &second_key), &second);
    assert_null(ol__loop_attached(loop, &third_key));
    assert_int_equal(ol_loop_destroy(loop), 0);
    assert_int_equal(second.destroyed_as, 1);
    assert_int_equal(first.destroyed_as, 2);
}

/* ---- the turn ---- */

struct step {
    struct ol__ready ready;
    char             name;
    struct step     *makes_ready; /* in its callback */
    struct step     *takes_off;
};

static char     trace[32];
static unsigned n_trace;

static void note_step(struct ol__ready *ready)
{
    struct step *step = OL_CONTAINER_OF(ready, struct step, ready);

    trace[n_trace++] = step->name;
    if (step->makes_ready)
        ol__loop_ready(loop, &step->makes_ready->ready);
    if (step->takes_off)
        ol__loop_unready(&step->takes_off->ready);
}

static void note_turn(struct ol_post *post)
{
    (void)post;
    trace[n_trace++] = '|';
}

static void ready_runs_before_turn_end_and_what_comes_meanwhile_in_the_next_turn(void **state)
{
    struct step    late = { .ready.cb = note_step, .name = 'c' };
    struct step    never_run = { .ready.cb = note_step, .name = 'x' };
    struct step    first = { .ready.cb = note_step, .name = 'a', .makes_ready = &late, .takes_off = &never_run };
    struct step    second = { .ready.cb = note_step, .name = 'b' };
    struct step    end = { .ready.cb = note_step, .name = 'e' };
    struct ol_post turn = { .cb = note_turn };

    (void)state;
    n_trace = 0;
    ol__loop_hold(loop);
    ol__loop_at_turn_end(loop, &end.ready);
    ol__loop_ready(loop, &first.ready);
    ol__loop_ready(loop, &second.ready);
    ol__loop_ready(loop, &first.ready); /* is queued already */
    ol__loop_ready(loop, &never_run.ready);
    ol_loop_post(loop, &turn);
    ev_run(ol_loop_ev(loop), EVRUN_NOWAIT);
    ev_run(ol_loop_ev(loop), EVRUN_NOWAIT);
    ol__loop_release(loop);
    trace[n_trace] = '\0';
    assert_string_equal(trace, "abe|c");
    ol__loop_unready(&late.ready); /* on no list: harmless */
}

struct clock {
    struct ol__ready ready;
    uint64_t         turn_ns;
};

static void note_time(struct ol__ready *ready)
{
    OL_CONTAINER_OF(ready, struct clock, ready)->turn_ns = ol__loop_now_ns(loop);
}

static void the_turns_time_is_no_older_than_the_run(void **state)
{
    struct clock clock = { .ready.cb = note_time };

    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        uint64_t before_ns = ol_now_ns();

        ol__loop_ready(loop, &clock.ready);
        assert_true(ol__loop_now_ns(loop) >= before_ns);
        assert_int_equal(ol_loop_run(loop), 0);
        assert_true(clock.turn_ns >= before_ns);
        assert_true(clock.turn_ns <= ol_now_ns());
    }
}

static void post_from_elsewhere(unsigned index, void *arg)
{
    (void)index;
    gate_wait(&running);
    ol_loop_post(loop, arg);
}

static void pumping_delivers_without_a_run_and_waits_for_the_first_post(void **state)
{
    struct release_post release = { .post.cb = release_when_delivered };
    struct crew         crew;

    (void)state;
    gate_init(&running, "about to pump");
    assert_false(ol__loop_pump(loop, 0));
    ol__loop_hold(loop);
    crew_start(&crew, 1, post_from_elsewhere, &release.post);
    gate_open(&running);
    while (!ol__loop_pump(loop, GATE_LIMIT_S * OL_NS_PER_S))
        ;
    assert_int_equal(release.n_runs, 1);
    crew_join(&crew);
    gate_fini(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attached_ev_loop_ends_when_only_our_watchers_are_left),
        WITH_LOOP(a_loop_of_its_own_ends_at_once_without_work),
        WITH_LOOP(a_hold_of_another_thread_keeps_the_loop_alive),
        WITH_LOOP(holds_and_releases_of_many_threads_add_up),
        WITH_LOOP(another_thread_stops_a_loop_that_sleeps),
        WITH_LOOP(a_stop_before_the_run_ends_the_next_run_and_only_that),
        WITH_LOOP(libevs_own_break_ends_the_run_too),
        WITH_LOOP(a_signal_handler_may_stop_the_loop),
        WITH_LOOP(on_the_loop_is_the_owner_inside_its_run_and_nobody_else),
        cmocka_unit_test(deliveries_of_destroy_are_inside_the_loop_too),
        WITH_LOOP(a_thread_may_own_two_loops),
        cmocka_unit_test(a_post_alone_does_not_keep_the_loop_alive_and_is_run_by_destroy),
        cmocka_unit_test(destroy_refuses_while_something_lives),
        cmocka_unit_test(attachments_are_found_by_key_and_destroyed_last_first),
        WITH_LOOP(ready_runs_before_turn_end_and_what_comes_meanwhile_in_the_next_turn),
        WITH_LOOP(the_turns_time_is_no_older_than_the_run),
        WITH_LOOP(pumping_delivers_without_a_run_and_waits_for_the_first_post),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
