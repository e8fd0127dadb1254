/*
 * loop/inbox.h: the one door into a loop. The protocol and its race are explained in inbox.c.
 */
#ifndef OL_LOOP_INBOX_H
#define OL_LOOP_INBOX_H

#include <offloop/loop.h>
#include <stdatomic.h>

struct ol__inbox {
    /* any thread */
    _Atomic(struct ol_post *) head;      /* newest first */
    atomic_bool               may_sleep; /* the loop looks at the list no more before it waits for the eventfd */

    /* set at init */
    int fd; /* eventfd, non-blocking */

    /* loop only */
    struct ol_post *backlog; /* taken, oldest first, waiting for the next turn's budget */
};

/** Returns: 0 or OL_ESYS. */
int  ol__inbox_init(struct ol__inbox *inbox);
void ol__inbox_fini(struct ol__inbox *inbox);

/** Thread: any. */
void ol__inbox_post(struct ol__inbox *inbox, struct ol_post *post);

/** Make the loop look round, post or none. Thread: any; also from a signal handler. */
void ol__inbox_wake(struct ol__inbox *inbox);

/** Is there anything to deliver? Thread: any for a hint, loop for the truth. */
bool ol__inbox_pending(const struct ol__inbox *inbox);

/** Deliver, within the budget of one turn. Returns how many callbacks ran. Thread: loop. */
unsigned ol__inbox_deliver(struct ol__inbox *inbox);

/** Declare that the loop is about to sleep. Returns false when it must not: something has come. Thread: loop. */
bool ol__inbox_may_sleep(struct ol__inbox *inbox);

/** The loop is awake again. Thread: loop. */
void ol__inbox_awake(struct ol__inbox *inbox);

#endif
