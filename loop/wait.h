/*
 * loop/wait.h: one caller waits for one thing that somebody else finishes.
 *
 * The same few calls in a fiber (suspends), on a thread and in a blocking route (a condition variable), so that a
 * room above writes each waiting call once:
 *
 *     struct ol__wait wait;
 *     ol__wait_init(&wait);
 *     ... hand out &wait together with the request ...
 *     rc = ol__wait_until(&wait);            // 0: signalled. < 0: the scope ended or its deadline passed
 *     if (rc < 0 && !withdraw(request))      // still queued: taken back, and no signal will come
 *         ol__wait_uninterrupted(&wait);     // somebody is at it: told to stop, and waited for
 *     ol__wait_fini(&wait);
 *
 * Everything lives in the caller's frame; after ol__wait_fini nobody else refers to it.
 */
#ifndef OL_LOOP_WAIT_H
#define OL_LOOP_WAIT_H

#include <offloop/loop.h>
#include <offloop/scope.h>
#include <pthread.h>

struct ol_fiber;

struct ol__wait {
    /* set at init */
    struct ol_fiber *fiber; /* NULL: a thread waits */
    struct ol_loop  *loop;  /* the fiber's */
    struct ol_scope *scope; /* the current one at init; or NULL */

    /* a fiber: loop only. A thread: guarded by lock */
    bool signalled;
    int  ended; /* why the scope ended, or 0 */
    bool parked;

    /* fiber */
    struct ol_post  signal_post, end_post;
    bool            hook_fired;    /* guarded by the scope's lock, read after the unhook */
    bool            end_delivered; /* loop only */
    struct ol_timer timer;         /* for a deadline that nobody else watches */

    /* thread */
    pthread_mutex_t lock;
    pthread_cond_t  cond;

    struct ol_scope_hook hook;
};

/**
 * Prepare to wait, in a fiber, on a thread or in a blocking route: the caller has asked ol__where(). Thread: the one
 * that will wait.
 */
void ol__wait_init(struct ol__wait *wait);

/**
 * The thing has happened. At most once; the memory may be gone when this returns.
 * Thread: any, with or without locks held.
 */
void ol__wait_signal(struct ol__wait *wait);

/**
 * Wait for the signal, or for the end of the scope. Returns: 0 when signalled (also when both happened), else the
 * scope's reason.
 */
int ol__wait_until(struct ol__wait *wait);

/**
 * The same with a limit of its own: OL_ETIMEDOUT also when `deadline_ns` (ol_now_ns's clock; 0: none) has passed; the
 * scope lives on.
 */
int ol__wait_until_deadline(struct ol__wait *wait, uint64_t deadline_ns);

/** Wait for the signal, whatever becomes of the scope. */
void ol__wait_uninterrupted(struct ol__wait *wait);

/** Must follow every init. In a fiber it may suspend for a moment, until a wake-up that is on its way has arrived. */
void ol__wait_fini(struct ol__wait *wait);

#endif
