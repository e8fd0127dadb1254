/*
 * app/child.h: the pretend service as a process of its own, since a blocked loop could not answer itself.
 */
#ifndef APP_CHILD_H
#define APP_CHILD_H

#include <sys/types.h>

struct child {
    pid_t pid;      /* 0: none */
    int   lifeline; /* the end whose closing, by us or by the kernel, ends the child */
    char  url[64];  /* where it answers */
};

/**
 * Start `offloop external-api` on a free port of 127.0.0.1, and wait until it has told which. Complains.
 * Returns: 0, or -1 with nothing left behind. Thread: any.
 */
int child_start(struct child *ret_child, double delay_s);

/** End it, and wait until it is gone. Zeroed is fine. */
void child_stop(struct child *child);

#endif
