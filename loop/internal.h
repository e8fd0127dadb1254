/*
 * loop/internal.h: the loop's structure, for the files of this room alone.
 */
#ifndef OL_LOOP_INTERNAL_H
#define OL_LOOP_INTERNAL_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include <offloop/loop.h>
#include "base/list.h"
#include "loop/attach.h"
#include "loop/inbox.h"
#include "loop/turn.h"

struct ol_fiber;

struct ol_loop {
    /* set before the loop runs */
    struct ev_loop *ev;
    bool            owns_ev;
    pthread_t       owner;
    struct ol_loop *next_owned; /* the owner thread's other loops */

    /* loop thread only */
    struct ol_link         ready;      /* struct ol__ready: to run before the next sleep */
    struct ol_link         turn_end;   /* struct ol__ready: to run after those */
    bool                   kept_alive; /* our reference on the ev_loop is taken */
    bool                   pumping;    /* inside ol__loop_pump */
    bool                   running;    /* inside ol_loop_run */
    uint64_t               turn_ns;
    unsigned               n_watchers; /* timers and descriptors that are started */
    struct ol__attachment *attachments;

    ev_prepare before_sleep;
    ev_check   after_sleep;
    ev_io      wake;       /* the inbox's eventfd */
    ev_idle    stay_awake; /* active while there is something to do before the next sleep */

    /* loop thread only: fibers */
    struct ol_link idle_fibers; /* finished ones, with their stacks, to be used again */
    unsigned       n_fibers, n_idle_fibers, fibers_max;
    void          *stack_of_loop; /* fiber.c's: where a suspending fiber returns to */

    /* any thread */
    atomic_long      n_holds;
    atomic_bool      stop;
    struct ol__inbox inbox;
};

/** Returns: 0 or OL_ENOMEM. */
int  ol__loop_init_fibers(struct ol_loop *loop);
void ol__loop_fini_fibers(struct ol_loop *loop);

void ol__loop_destroy_attachments(struct ol_loop *loop);

/**
 * Thread: any; asserted where a function says "loop". The owner outside its run counts: nothing else can be running
 * then.
 */
#define OL__ASSERT_LOOP(loop) assert(ol__loop_is_owner(loop))

#endif
