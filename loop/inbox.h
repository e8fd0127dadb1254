/*
 * loop/inbox.h: the one door into a loop. The protocol and its race are explained in inbox.c.
 */
#ifndef OL_LOOP_INBOX_H
#define OL_LOOP_INBOX_H

#include <offloop/loop.h>
#include <stdatomic.h>

struct ol__inbox {
    /* any thread */
    _Atomic(struct ol_post *) head; /* newest first; the bottom says whether the loop was asleep */

    /* set at init */
    int fd; /* eventfd, non-blocking */

    /* loop only */
    struct ol_post *backlog;  /* taken, oldest first, waiting for the next turn's budget */
    int64_t         n_on_way; /* wake-ups that posters owe and the loop has not read yet */
};

/** Returns: 0 or OL_ESYS. */
int ol__inbox_init(struct ol__inbox *inbox);

/** Waits for posters whose wake-up is still on its way. The inbox must be empty. Thread: loop. */
void ol__inbox_fini(struct ol__inbox *inbox);

/** Thread: any. Touches the inbox after the post may have been delivered only to wake a loop that waits for that. */
void ol__inbox_post(struct ol__inbox *inbox, struct ol_post *post);

/** Make the loop look round, post or none. Thread: any; also from a signal handler. */
void ol__inbox_wake(struct ol__inbox *inbox);

/** Is there anything to deliver? Thread: any for a hint, loop for the truth. */
bool ol__inbox_pending(const struct ol__inbox *inbox);

/** Deliver, within the budget of a turn that began at `turn_ns`. Returns how many callbacks ran. Thread: loop. */
unsigned ol__inbox_deliver(struct ol__inbox *inbox, uint64_t turn_ns);

/** Declare that the loop is about to sleep. Returns false when it must not: something has come. Thread: loop. */
bool ol__inbox_may_sleep(struct ol__inbox *inbox);

/** The loop is awake again: posts need no wake-up. Thread: loop. */
void ol__inbox_awake(struct ol__inbox *inbox);

/** Take down the eventfd's counter. Thread: loop. */
void ol__inbox_read_wakes(struct ol__inbox *inbox);

#endif
