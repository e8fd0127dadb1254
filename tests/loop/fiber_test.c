/* Fibers: many at once, their order, their stacks, and what each has to itself. */
#include "support/cmocka.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include "base/error.h"
#include "base/sanitize.h"
#include "loop/fiber.h"
#include "loop/with_loop.h"

static int start(ol_fiber_cb *run, void *arg, struct ol_scope *scope)
{
    return ol_fiber_start(loop, &(struct ol_fiber_config){ .run = run, .arg = arg, .scope = scope });
}

static unsigned n_ended;

/* ---- starting ---- */

static bool started_inside;

static void end(void *arg)
{
    (void)arg;
    n_ended++;
}

static void start_another(void *arg)
{
    unsigned before = n_ended;

    (void)arg;
    if (start(end, NULL, NULL) < 0)
        abort();
    started_inside = n_ended != before;
    end(NULL);
}

static void a_fiber_never_runs_inside_its_start(void **state)
{
    (void)state;
    n_ended = 0;
    started_inside = true;
    assert_int_equal(start(start_another, NULL, NULL), 0);
    assert_int_equal(n_ended, 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(n_ended, 2);
    assert_false(started_inside);
}

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    assert_int_equal(start(NULL, NULL, NULL), OL_EINVAL);
    assert_int_equal(ol_fiber_start(loop, NULL), OL_EINVAL);
    assert_int_equal(ol_fiber_start(NULL, &(struct ol_fiber_config){ .run = end }), OL_EINVAL);
    assert_int_equal(ol_fiber_yield(), OL_EINVAL);
    assert_false(ol_in_fiber());
}

static void one_more_than_the_limit_is_refused_until_one_has_ended(void **state)
{
    (void)state;
    n_ended = 0;
    ol_loop_set_fibers_max(loop, 2);
    assert_int_equal(start(end, NULL, NULL), 0);
    assert_int_equal(start(end, NULL, NULL), 0);
    assert_int_equal(start(end, NULL, NULL), OL_EBUSY);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(start(end, NULL, NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(n_ended, 3);
}

/* ---- order ---- */

static char     trace[16];
static unsigned n_trace;

static void trace_twice(void *arg)
{
    const char *name = arg;

    trace[n_trace++] = name[0];
    ol_fiber_yield();
    trace[n_trace++] = name[0];
}

static void yielding_lets_all_that_are_ready_run_first(void **state)
{
    static char a[] = "a", b[] = "b", c[] = "c";

    (void)state;
    n_trace = 0;
    assert_int_equal(start(trace_twice, a, NULL), 0);
    assert_int_equal(start(trace_twice, b, NULL), 0);
    assert_int_equal(start(trace_twice, c, NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    trace[n_trace] = '\0';
    assert_string_equal(trace, "abcabc");
}

/* ---- many ---- */

enum { MANY = 10000 };

static struct ol_fiber *waiting[MANY];
static unsigned         n_waiting;

static void resume_all(void *arg)
{
    (void)arg;
    while (n_waiting < MANY)
        ol_fiber_yield();
    for (unsigned i = 0; i < MANY; i++)
        ol__fiber_resume(waiting[i]);
}

static void wait_for_all(void *arg)
{
    (void)arg;
    waiting[n_waiting++] = ol__fiber_self();
    ol__fiber_suspend();
    n_ended++;
}

static void ten_thousand_live_at_once(void **state)
{
    (void)state;
    n_ended = n_waiting = 0;
    assert_int_equal(start(resume_all, NULL, NULL), 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(start(wait_for_all, NULL, NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(n_waiting, MANY);
    assert_int_equal(n_ended, MANY);
}

static unsigned n_cancelled;

static void sleep_long(void *arg)
{
    (void)arg;
    n_waiting++;
    n_cancelled += ol_sleep(100000) == OL_ECANCELED;
}

static void cancel_when_all_wait(void *arg)
{
    while (n_waiting < MANY / 10)
        ol_fiber_yield();
    ol_scope_end(arg, OL_ECANCELED);
}

static void one_cancel_ends_the_waits_of_a_thousand(void **state)
{
    struct ol_scope scope;

    (void)state;
    n_cancelled = n_waiting = 0;
    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    assert_int_equal(start(cancel_when_all_wait, &scope, NULL), 0);
    for (unsigned i = 0; i < MANY / 10; i++)
        assert_int_equal(start(sleep_long, NULL, &scope), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(n_cancelled, MANY / 10);
    ol_scope_fini(&scope);
}

/* ---- stacks ---- */

static unsigned use_stack(unsigned depth)
{
    volatile char frame[1024];

    memset((char *)frame, (int)depth, sizeof frame);
    return (unsigned char)frame[depth] + (depth ? use_stack(depth - 1) : 0);
}

static void use_48_kib(void *arg)
{
    enum { DEPTH = 45 }; /* of a little over 1 KiB each */

    for (unsigned i = 0; i < 2; i++) {
        *(unsigned *)arg += use_stack(DEPTH);
        ol_fiber_yield(); /* what lies on the stack must survive the others */
    }
}

static void a_stack_holds_48_kib(void **state)
{
    unsigned sums[4] = { 0 };

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(start(use_48_kib, &sums[i], NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sums[i], 2 * 45 * 46 / 2);
}

#if !OL_WITH_ASAN && !OL_WITH_TSAN
static void overflow(void *arg)
{
    *(unsigned *)arg = use_stack(255);
}

static void use_one_large_frame(void *arg)
{
    volatile char frame[96 * 1024];

    frame[0] = 1; /* the end that is farthest away, and nothing between */
    *(unsigned *)arg = (unsigned char)frame[0];
}

/* The signal that ends a process in which a fiber runs `run`, or 0. */
static int signal_that_ends(ol_fiber_cb *run)
{
    int   status;
    pid_t child = fork();

    if (child == 0) {
        unsigned sum;

        signal(SIGSEGV, SIG_DFL);         /* cmocka's would print a report */
        for (unsigned i = 0; i < 16; i++) /* a new mapping lies below the last: the others are under it */
            if (start(i == 0 ? run : end, &sum, NULL) < 0)
                _exit(1);
        ol_loop_run(loop);
        _exit(0);
    }
    assert_true(child > 0);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void an_overflow_hits_the_guard(void **state)
{
    (void)state;
    assert_int_equal(signal_that_ends(overflow), SIGSEGV);
}

static void a_large_frame_does_not_step_over_the_guard(void **state)
{
    (void)state;
    assert_int_equal(signal_that_ends(use_one_large_frame), SIGSEGV);
}
#endif

static void note_frame(void *arg)
{
    *(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0);
}

static void a_finished_fibers_stack_is_used_again(void **state)
{
    uintptr_t first = 0, second = 1;

    (void)state;
    assert_int_equal(start(note_frame, &first, NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(start(note_frame, &second, NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_true(first == second);
}

static unsigned n_generations;

static void start_next_generation(void *arg)
{
    (void)arg;
    if (--n_generations > 0 && start(start_next_generation, NULL, NULL) < 0)
        abort();
}

static void a_hundred_thousand_fibers_one_after_the_other(void **state)
{
    (void)state;
    n_generations = 100000;
    ol_loop_set_fibers_max(loop, 2);
    assert_int_equal(start(start_next_generation, NULL, NULL), 0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(n_generations, 0);
}

/* ---- what each has to itself ---- */

struct own {
    int             fails_with;
    struct ol_scope scope;
    bool            is_right;
};

static void fail_and_compare(void *arg)
{
    struct own *own = arg;

    own->is_right = ol_last_error()->code == 0 && ol_scope_current() == &own->scope;
    ol__fail(own->fails_with, 0, "%s", ol_error_name(own->fails_with));
    ol_fiber_yield();
    own->is_right &= ol_last_error()->code == own->fails_with;
    own->is_right &= strcmp(ol_last_error()->text, ol_error_name(own->fails_with)) == 0;
    own->is_right &= ol_scope_current() == &own->scope;
    ol_scope_enter(NULL); /* and leaves it so: nobody else must notice */
    ol_fiber_yield();
    own->is_right &= ol_scope_current() == NULL;
}

static void each_fiber_has_its_own_last_error_and_scope(void **state)
{
    struct own      own[3] = { { .fails_with = OL_EDB }, { .fails_with = OL_EIO }, { .fails_with = OL_EPERM } };
    struct ol_scope outside;

    (void)state;
    assert_int_equal(ol_scope_init(&outside, NULL, 0), 0);
    assert_null(ol_scope_enter(&outside));
    ol__fail(OL_ELIMIT, 0, "the thread's own");
    for (unsigned round = 0; round < 2; round++) { /* the second on used stacks */
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(ol_scope_init(&own[i].scope, NULL, 0), 0);
            assert_int_equal(start(fail_and_compare, &own[i], &own[i].scope), 0);
        }
        assert_int_equal(ol_loop_run(loop), 0);
        for (unsigned i = 0; i < 3; i++) {
            assert_true(own[i].is_right);
            ol_scope_fini(&own[i].scope);
        }
    }
    assert_int_equal(ol_last_error()->code, OL_ELIMIT);
    assert_ptr_equal(ol_scope_enter(NULL), &outside);
    ol_scope_fini(&outside);
}

static void note_config(void *arg)
{
    const struct ol_fiber *self = ol__fiber_self();

    *(bool *)arg = ol__fiber_loop(self) == loop && ol__fiber_pool(self) == (struct ol_pool *)arg &&
                   ol__fiber_class(self) == 7 && ol_in_fiber();
}

static void a_fiber_knows_its_loop_pool_and_class(void **state)
{
    bool is_right = false;

    (void)state;
    assert_int_equal(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = note_config,
                                                                     .arg = &is_right,
                                                                     .pool = (struct ol_pool *)(void *)&is_right,
                                                                     .class_id = 7 }),
                     0);
    assert_int_equal(ol_loop_run(loop), 0);
    assert_true(is_right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(a_fiber_never_runs_inside_its_start),
        WITH_LOOP(bad_configurations_are_refused),
        WITH_LOOP(one_more_than_the_limit_is_refused_until_one_has_ended),
        WITH_LOOP(yielding_lets_all_that_are_ready_run_first),
        WITH_LOOP(ten_thousand_live_at_once),
        WITH_LOOP(one_cancel_ends_the_waits_of_a_thousand),
        WITH_LOOP(a_stack_holds_48_kib),
#if !OL_WITH_ASAN && !OL_WITH_TSAN
        WITH_LOOP(an_overflow_hits_the_guard),
        WITH_LOOP(a_large_frame_does_not_step_over_the_guard),
#endif
        WITH_LOOP(a_finished_fibers_stack_is_used_again),
        WITH_LOOP(a_hundred_thousand_fibers_one_after_the_other),
        WITH_LOOP(each_fiber_has_its_own_last_error_and_scope),
        WITH_LOOP(a_fiber_knows_its_loop_pool_and_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
