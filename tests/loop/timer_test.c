/* One-shot timers and watched descriptors. Only orders and lower bounds are expected, whatever the machine. */
#include "support/cmocka.h"

#include <sys/socket.h>
#include <unistd.h>

#include <offloop/loop.h>
#include "base/list.h"
#include "loop/turn.h"
#include "loop/with_loop.h"

struct counting {
    struct ol_timer  timer;
    struct counting *starts, *stops; /* in its callback */
    unsigned         n_fired;
    unsigned         n_again;
    uint64_t         fired_ns;
    bool             was_stopped; /* when the callback began */
};

static void fire(struct ol_timer *timer)
{
    struct counting *counting = OL_CONTAINER_OF(timer, struct counting, timer);

    counting->n_fired++;
    counting->fired_ns = ol_now_ns();
    counting->was_stopped = !timer->loop;
    if (counting->starts)
        ol_timer_start(loop, &counting->starts->timer, 0);
    if (counting->stops)
        ol_timer_stop(&counting->stops->timer);
    if (counting->n_again > 0) {
        counting->n_again--;
        ol_timer_start(loop, timer, 0);
    }
}

static void a_timer_fires_once_keeps_the_loop_alive_and_not_too_early(void **state)
{
    struct counting counting = { .timer.cb = fire };
    uint64_t        started_ns = ol_now_ns();

    (void)state;
    ol_timer_start(loop, &counting.timer, 0.01);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(counting.n_fired, 1);
    assert_true(counting.was_stopped);
    assert_true(counting.fired_ns - started_ns >= 10 * OL_NS_PER_MS);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(counting.n_fired, 1);
}

static void restarting_a_running_timer_forgets_the_first_start(void **state)
{
    struct counting counting = { .timer.cb = fire };

    (void)state;
    ol_timer_start(loop, &counting.timer, 100000);
    ol_timer_start(loop, &counting.timer, 0.001);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(counting.n_fired, 1);
}

static void a_stopped_timer_does_not_fire_and_may_be_stopped_again(void **state)
{
    struct counting counting = { .timer.cb = fire };

    (void)state;
    ol_timer_stop(&counting.timer); /* never started */
    ol_timer_start(loop, &counting.timer, 100000);
    ol_timer_stop(&counting.timer);
    ol_timer_stop(&counting.timer);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(counting.n_fired, 0);
}

static void a_timer_may_start_itself_again_in_its_callback(void **state)
{
    struct counting counting = { .timer.cb = fire, .n_again = 4 };

    (void)state;
    ol_timer_start(loop, &counting.timer, 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(counting.n_fired, 5);
}

static void of_two_due_timers_the_first_may_stop_the_other(void **state)
{
    struct counting second = { .timer.cb = fire };
    struct counting first = { .timer.cb = fire, .stops = &second };

    (void)state;
    second.stops = &first;
    ol_timer_start(loop, &first.timer, 0);
    ol_timer_start(loop, &second.timer, 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(first.n_fired + second.n_fired, 1);
}

static void a_callback_may_start_another_timer(void **state)
{
    struct counting second = { .timer.cb = fire };
    struct counting first = { .timer.cb = fire, .starts = &second };

    (void)state;
    ol_timer_start(loop, &first.timer, -5); /* in the past: at once */
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(second.n_fired, 1);
}

struct dawdling {
    struct ol_post  post;
    struct counting counting;
    uint64_t        started_ns;
};

static void dawdle_then_start(struct ol_post *post)
{
    struct dawdling *dawdling = OL_CONTAINER_OF(post, struct dawdling, post);
    uint64_t         until_ns = ol_now_ns() + 20 * OL_NS_PER_MS;

    while (ol_now_ns() < until_ns)
        ;
    dawdling->started_ns = ol_now_ns();
    ol_timer_start(loop, &dawdling->counting.timer, 0.01);
    ol__loop_release(loop);
}

static void a_delay_counts_from_now_not_from_the_turns_start(void **state)
{
    struct dawdling dawdling = { .post.cb = dawdle_then_start, .counting.timer.cb = fire };

    (void)state;
    ol__loop_hold(loop);
    ol_loop_post(loop, &dawdling.post);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(dawdling.counting.n_fired, 1);
    assert_true(dawdling.counting.fired_ns - dawdling.started_ns >= 10 * OL_NS_PER_MS);
}

/* ---- descriptors ---- */

struct seen {
    struct ol__io io;
    int           fd, next_events; /* what to watch for after the first */
    int           events[4];
    unsigned      n;
};

static void note_events(struct ol__io *io, int events)
{
    struct seen *seen = OL_CONTAINER_OF(io, struct seen, io);

    seen->events[seen->n++ % 4] = events;
    ol__io_set(loop, io, seen->fd, seen->n == 1 ? seen->next_events : 0);
}

static void a_descriptor_reports_what_it_is_watched_for_and_no_more(void **state)
{
    struct seen seen = { .io.cb = note_events, .next_events = OL__READ };
    int         fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    seen.fd = fds[0];
    ol__io_set(loop, &seen.io, fds[0], OL__WRITE);
    ol__io_set(loop, &seen.io, fds[0], OL__WRITE); /* as it is */
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.events[0], OL__WRITE);
    assert_int_equal(seen.events[1], OL__READ);
    assert_null(seen.io.loop);
    ol__io_stop(&seen.io);

    seen = (struct seen){ .io.cb = note_events, .fd = fds[0] };
    ol__io_set(loop, &seen.io, fds[0], OL__READ | OL__WRITE);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.events[0], OL__READ | OL__WRITE);
    close(fds[0]);
    close(fds[1]);
}

static void a_watched_descriptor_refuses_the_loops_end(void **state)
{
    struct seen seen = { .io.cb = note_events };
    int         fds[2];

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ol__io_set(loop, &seen.io, fds[0], OL__READ);
    assert_int_equal(ol_loop_destroy(loop), OL_EBUSY);
    ol__io_stop(&seen.io);
    assert_int_equal(ol_loop_destroy(loop), 0);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(a_timer_fires_once_keeps_the_loop_alive_and_not_too_early),
        WITH_LOOP(restarting_a_running_timer_forgets_the_first_start),
        WITH_LOOP(a_stopped_timer_does_not_fire_and_may_be_stopped_again),
        WITH_LOOP(a_timer_may_start_itself_again_in_its_callback),
        WITH_LOOP(of_two_due_timers_the_first_may_stop_the_other),
        WITH_LOOP(a_callback_may_start_another_timer),
        WITH_LOOP(a_delay_counts_from_now_not_from_the_turns_start),
        WITH_LOOP(a_descriptor_reports_what_it_is_watched_for_and_no_more),
        cmocka_unit_test(a_watched_descriptor_refuses_the_loops_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
