/*
 * app/stop.h: SIGTERM and SIGINT.
 */
#ifndef APP_STOP_H
#define APP_STOP_H

#include <offloop/loop.h>

/**
 * From now on the first SIGTERM or SIGINT stops `loop`'s run, this one or the next; a second ends the process at once
 * with status 1. SIGPIPE is ignored: a client that left is an error of a write. Thread: the loop's owner, before any
 * run, once.
 */
void stop_on_signals(struct ol_loop *loop);

/** Leave SIGTERM and SIGINT to somebody else: whoever started this process will end it in another way. */
void stop_ignore_signals(void);

/** The signal that came, or 0. */
int stop_signal(void);

#endif
