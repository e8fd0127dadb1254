/*
 * loop/turn.h: what the rooms above may ask of a loop's turn.
 *
 *     epoll -> watchers' callbacks, inbox            (libev, driven by the kernel)
 *           -> ready list: fibers, blocking handlers (ours, before the next sleep; what is there at its start)
 *           -> turn-end list: batched hand-overs     (jobs staged during the turn go to their pools)
 *           -> "I may sleep", one more look into the inbox -> epoll
 *
 * Nothing of the user's runs inside a libev, llhttp or curl callback: they put a node on the ready list.
 * Thread: the owner, for everything here but what says "any".
 */
#ifndef OL_LOOP_TURN_H
#define OL_LOOP_TURN_H

#include <offloop/loop.h>
#include "base/list.h"

/**
 * Keep the ev_loop alive until the matching release. Thread: any; a release off the loop takes effect when the loop
 * next wakes.
 */
void ol__loop_hold(struct ol_loop *loop);
void ol__loop_release(struct ol_loop *loop);

/** Is this thread the loop's owner (inside its run or not)? Thread: any. */
bool ol__loop_is_owner(const struct ol_loop *loop);

/** Is this thread inside ol__loop's run? Thread: any. */
bool ol__loop_inside(const struct ol_loop *loop);

struct ol__ready;
typedef void ol__ready_cb(struct ol__ready *ready);

/** A node of the ready list or of the turn-end list, in the caller's memory. Zeroed: in neither. */
struct ol__ready {
    ol__ready_cb  *cb;
    struct ol_link link; /* the loop's own */
    bool           queued;
};

/** Run `ready->cb` in the ready phase of this turn or the next. Does nothing when it is queued already. */
void ol__loop_ready(struct ol_loop *loop, struct ol__ready *ready);

/**
 * Run `ready->cb` once at the end of this turn, after the ready list, before the sleep. Does nothing when it is
 * queued already.
 */
void ol__loop_at_turn_end(struct ol_loop *loop, struct ol__ready *ready);

/** Take a node off its list again. Harmless when it is on none. */
void ol__loop_unready(struct ol__ready *ready);

/**
 * Deliver what is in the inbox now, ready fibers included, when the loop is not running; waits up to `wait_ns` for
 * the first post when there is none. For destroy functions. Returns whether anything ran.
 */
bool ol__loop_pump(struct ol_loop *loop, uint64_t wait_ns);

/** Has anything been posted that is not delivered yet? Thread: loop. */
bool ol__loop_has_posts(const struct ol_loop *loop);

/** ol_now_ns() as the turn last asked for it, before or after its sleep: cheap inside the run. */
uint64_t ol__loop_now_ns(const struct ol_loop *loop);

/* ---- descriptors ---- */

struct ol__io;

enum { OL__READ = 1, OL__WRITE = 2 };

/** Thread: loop. `events`: OR of OL__READ, OL__WRITE. */
typedef void ol__io_cb(struct ol__io *io, int events);

/**
 * A descriptor that is watched, level-triggered, in the caller's memory. Zero it, then set `cb`. Keeps the ev_loop
 * alive while started.
 */
struct ol__io {
    ol__io_cb      *cb;
    struct ol_loop *loop;        /* NULL while stopped */
    int             events;      /* watched for */
    uint64_t        reserved[6]; /* libev's watcher */
};

/** Watch `fd` for `events`; on a started one, change what is watched for (0: stop). */
void ol__io_set(struct ol_loop *loop, struct ol__io *io, int fd, int events);
void ol__io_stop(struct ol__io *io);

#endif
