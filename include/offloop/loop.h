/*
 * offloop/loop.h: offloop's place in a libev loop.
 *
 * An ol_loop attaches to a `struct ev_loop` that the program runs, or owns one. It belongs to the thread that created
 * it, and that thread must be the one that runs it. It keeps the ev_loop alive only while work is outstanding (jobs
 * in flight, live fibers); its own watchers do not count.
 *
 * "On the loop" means: on the owner's thread, inside ev_run. Before and after, the owner is a thread like any other.
 */
#ifndef OFFLOOP_LOOP_H
#define OFFLOOP_LOOP_H

#include <offloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ev_loop; /* libev's */
struct ol_loop;

/**
 * Attach to `ev`, or make a loop of its own when `ev` is NULL.
 *
 * Thread:  the thread that will run the loop; it becomes the owner.
 * Owns:    borrows `ev` until ol_loop_destroy; the caller frees the loop with ol_loop_destroy.
 * Returns: 0, OL_ENOMEM or OL_ESYS (no eventfd).
 */
OL_API int ol_loop_create(struct ol_loop **ret_loop, struct ev_loop *ev);

/**
 * Detach, and free. NULL is fine. Pools, servers and fibers of the loop must be gone, and its timers stopped. What was
 * posted, and what is ready, is run first. An ol_loop_post whose callback has begun may still be on its way back.
 *
 * Thread:  the owner, outside ev_run.
 * Returns: 0, or OL_EBUSY (something of the loop still lives: nothing was freed).
 */
OL_API int ol_loop_destroy(struct ol_loop *loop);

/**
 * Run until nothing is outstanding, or ol_loop_stop or ev_break was called. A program with its own ev_loop calls ev_run
 * instead.
 *
 * Thread:  the owner.
 * Returns: 0, or OL_EINVAL (already running, or called in a fiber).
 */
OL_API int ol_loop_run(struct ol_loop *loop);

/**
 * Make ol_loop_run return after this turn; without one, the next returns at once. An ev_run of the program's own goes
 * on.
 *
 * Thread:  any; also from a signal handler. The loop must live until this returns.
 */
OL_API void ol_loop_stop(struct ol_loop *loop);

/** The ev_loop below. Thread: any. */
OL_API struct ev_loop *ol_loop_ev(struct ol_loop *loop);

/** Is this thread inside the run of a loop that it owns (fibers and handlers included)? Thread: any. */
OL_API bool ol_on_loop(void);

struct ol_post;

/**
 * A posted callback. Thread: loop, with no lock held, once for each post. The node is the caller's again when it
 * begins.
 */
typedef void ol_post_cb(struct ol_post *post);

/** A message to a loop, in the caller's memory. Set `cb` (and anything around it), then post. */
struct ol_post {
    ol_post_cb     *cb;
    struct ol_post *next; /* the inbox's own */
};

/**
 * Run `post->cb` on the loop, soon. The one door into a loop for other threads.
 *
 * Posts of one thread arrive in their order; between threads nothing is promised. Cannot fail. A post does not keep the
 * ev_loop alive by itself: what is still in the inbox when the loop stops is run by ol_loop_destroy.
 *
 * Thread:  any, also inside a scope's hook.
 * Owns:    borrows `post` until its callback begins.
 */
OL_API void ol_loop_post(struct ol_loop *loop, struct ol_post *post);

struct ol_timer;

/**
 * A timer's callback. Thread: loop, once for each start; the timer is stopped when it begins and may be started
 * again.
 */
typedef void ol_timer_cb(struct ol_timer *timer);

/** A one-shot timer in the caller's memory. Set `cb`; zero the rest. A running timer keeps the ev_loop alive. */
struct ol_timer {
    ol_timer_cb    *cb;
    void           *arg;         /* the caller's */
    struct ol_loop *loop;        /* NULL while stopped */
    uint64_t        reserved[6]; /* libev's watcher */
};

/**
 * Call `timer->cb` once, `delay_s` seconds from now (the real now, not the turn's). Restarts a running timer. Thread:
 * loop, or its owner before the run.
 */
OL_API void ol_timer_start(struct ol_loop *loop, struct ol_timer *timer, double delay_s);

/** Stop. Harmless on a stopped timer. Thread: as ol_timer_start. */
OL_API void ol_timer_stop(struct ol_timer *timer);

/**
 * Wait `seconds`, or until the current scope ends. A fiber suspends; any other thread, or a blocking route, waits
 * where it is.
 *
 * Thread:  any but the bare loop.
 * Returns: 0, OL_EONLOOP, OL_EINVAL (negative or not a number), or the scope's reason (OL_ECANCELED, OL_ETIMEDOUT,
 *          OL_ECLOSED).
 */
OL_API int ol_sleep(double seconds);

#ifdef __cplusplus
}
#endif
#endif
