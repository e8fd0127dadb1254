/*
 * wait.c: one caller waits for one thing, in a fiber or on a thread.
 *
 * A thread waits on a condition variable. The signal and the scope's hook both take the wait's lock, which is the
 * innermost of all, and the waiter never takes another lock while it holds it.
 *
 * A fiber suspends. Whatever ends its wait comes through the loop: the signal and the hook post a node each, the
 * timer is the loop's. All flags are then the loop's own and need no lock. Two wake-ups may be under way at once, and
 * a node that is in the inbox must not lose its memory: the signal's is always waited for, or was never sent (the
 * caller withdrew the request); the hook's is waited for in ol__wait_fini.
 *
 * Deadlines. A thread looks at the scope's deadline by itself, since no timer may be left to fire (a blocking route
 * freezes the loop). A fiber relies on the loop's timer when the scope is `watched`, and starts its own when it is not.
 */
#include "loop/wait.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "loop/fiber.h"
#include "loop/here.h"
#include "loop/turn.h"

static void init_thread(struct ol__wait *wait)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&wait->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&wait->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void ol__wait_init(struct ol__wait *wait)
{
    wait->fiber = ol__here.fiber;
    wait->loop = wait->fiber ? ol__fiber_loop(wait->fiber) : NULL;
    wait->scope = ol__here.scope;
    wait->signalled = wait->parked = wait->hook_fired = wait->end_delivered = false;
    wait->ended = 0;
    wait->timer = (struct ol_timer){ 0 };
    if (!wait->fiber)
        init_thread(wait);
}

/* ---- fiber ---- */

static void unpark(struct ol__wait *wait)
{
    if (!wait->parked)
        return;
    wait->parked = false;
    ol__fiber_resume(wait->fiber);
}

static void park(struct ol__wait *wait)
{
    wait->parked = true;
    ol__fiber_suspend();
}

static void signal_delivered(struct ol_post *post)
{
    struct ol__wait *wait = OL_CONTAINER_OF(post, struct ol__wait, signal_post);

    wait->signalled = true;
    unpark(wait);
}

static void end_delivered(struct ol_post *post)
{
    struct ol__wait *wait = OL_CONTAINER_OF(post, struct ol__wait, end_post);

    wait->ended = ol_scope_reason(wait->scope);
    wait->end_delivered = true;
    unpark(wait);
}

static void scope_ended_fiber(struct ol_scope_hook *hook, int reason)
{
    struct ol__wait *wait = OL_CONTAINER_OF(hook, struct ol__wait, hook);

    (void)reason;
    wait->hook_fired = true;
    wait->end_post.cb = end_delivered;
    ol_loop_post(wait->loop, &wait->end_post);
}

static void timer_fired(struct ol_timer *timer)
{
    unpark(OL_CONTAINER_OF(timer, struct ol__wait, timer));
}

/* The first moment at which somebody must look at the clock: 0 for never. */
static uint64_t nearest(uint64_t a_ns, uint64_t b_ns)
{
    if (!a_ns || !b_ns)
        return a_ns + b_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

static void park_until(struct ol__wait *wait, uint64_t limit_ns)
{
    while (!wait->signalled && !wait->ended) {
        uint64_t now_ns = limit_ns ? ol_now_ns() : 0;

        if (limit_ns && now_ns >= limit_ns)
            return;
        if (limit_ns) {
            wait->timer.cb = timer_fired;
            ol_timer_start(wait->loop, &wait->timer, ol__ns_to_seconds(limit_ns - now_ns));
        }
        park(wait);
        ol_timer_stop(&wait->timer);
    }
}

/* ---- thread ---- */

static void scope_ended_thread(struct ol_scope_hook *hook, int reason)
{
    struct ol__wait *wait = OL_CONTAINER_OF(hook, struct ol__wait, hook);

    pthread_mutex_lock(&wait->lock);
    wait->ended = reason;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

static void stand_until(struct ol__wait *wait, uint64_t limit_ns)
{
    struct timespec limit = ol__ns_to_timespec(limit_ns);
    int             err = 0;

    pthread_mutex_lock(&wait->lock);
    while (!wait->signalled && !wait->ended && err != ETIMEDOUT) {
        if (limit_ns)
            err = pthread_cond_timedwait(&wait->cond, &wait->lock, &limit);
        else
            pthread_cond_wait(&wait->cond, &wait->lock);
    }
    pthread_mutex_unlock(&wait->lock);
}

/* ---- both ---- */

static void signal_fiber(struct ol__wait *wait)
{
    if (ol__loop_inside(wait->loop)) { /* nothing to cross: no way through the inbox */
        wait->signalled = true;
        unpark(wait);
        return;
    }
    wait->signal_post.cb = signal_delivered;
    ol_loop_post(wait->loop, &wait->signal_post);
}

void ol__wait_signal(struct ol__wait *wait)
{
    if (wait->fiber) {
        signal_fiber(wait);
        return;
    }
    pthread_mutex_lock(&wait->lock);
    wait->signalled = true;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

static bool is_signalled(struct ol__wait *wait)
{
    if (wait->fiber)
        return wait->signalled;
    pthread_mutex_lock(&wait->lock);
    bool signalled = wait->signalled;
    pthread_mutex_unlock(&wait->lock);
    return signalled;
}

static int verdict(struct ol__wait *wait, uint64_t limit_ns)
{
    if (is_signalled(wait))
        return 0;
    if (wait->ended)
        return wait->ended;
    /* Time is up. When it was the scope's, whoever notices first ends it, for all who are under it. */
    if (wait->scope && wait->scope->deadline_ns && wait->scope->deadline_ns <= limit_ns) {
        ol_scope_end(wait->scope, OL_ETIMEDOUT);
        return ol_scope_reason(wait->scope);
    }
    return OL_ETIMEDOUT;
}

int ol__wait_until_deadline(struct ol__wait *wait, uint64_t deadline_ns)
{
    struct ol_scope *scope = wait->scope;
    uint64_t         limit_ns = deadline_ns;
    bool             hooked = false;

    if (scope) {
        wait->hook.cb = wait->fiber ? scope_ended_fiber : scope_ended_thread;
        int reason = ol_scope_hook(scope, &wait->hook);
        hooked = reason == 0;
        if (!hooked)
            wait->ended = reason; /* ended before: no hook will ever run beside this store */
        if (!wait->fiber || !scope->watched)
            limit_ns = nearest(deadline_ns, scope->deadline_ns);
    }
    if (wait->fiber)
        park_until(wait, limit_ns);
    else
        stand_until(wait, limit_ns);
    if (hooked)
        ol_scope_unhook(scope, &wait->hook);
    return verdict(wait, limit_ns);
}

int ol__wait_until(struct ol__wait *wait)
{
    return ol__wait_until_deadline(wait, 0);
}

void ol__wait_uninterrupted(struct ol__wait *wait)
{
    if (wait->fiber) {
        while (!wait->signalled)
            park(wait);
        return;
    }
    pthread_mutex_lock(&wait->lock);
    while (!wait->signalled)
        pthread_cond_wait(&wait->cond, &wait->lock);
    pthread_mutex_unlock(&wait->lock);
}

void ol__wait_fini(struct ol__wait *wait)
{
    if (wait->fiber) {
        while (wait->hook_fired && !wait->end_delivered)
            park(wait);
        return;
    }
    pthread_cond_destroy(&wait->cond);
    pthread_mutex_destroy(&wait->lock);
}
