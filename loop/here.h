/*
 * loop/here.h: where am I?
 *
 * The calls that wait look here to know whether to suspend, to wait, or to refuse (the "called from" table in
 * docs/DESIGN.md). The context is the thread's; a fiber brings its own and the switch swaps them, so there is always
 * one truth about the code that runs right now.
 */
#ifndef OL_LOOP_HERE_H
#define OL_LOOP_HERE_H

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include <offloop/scope.h>

struct ol_fiber;

enum ol__where {
    OL__AT_THREAD,   /* a worker, a plain thread, or a loop's owner outside its run: waits where it is */
    OL__AT_FIBER,    /* suspends */
    OL__AT_BLOCKING, /* the loop's thread inside a blocking route: waits where it is, and the loop with it */
    OL__AT_LOOP      /* the loop's thread anywhere else in its run: refuses */
};

struct ol__here {
    struct ol_scope *scope;    /* the current one, or NULL */
    struct ol_fiber *fiber;    /* NULL outside fibers */
    struct ol_pool  *pool;     /* the worker's pool; NULL on other threads */
    void            *worker;   /* the pool room's, with `pool` */
    bool             blocking; /* inside a blocking route */
};

/* initial-exec: one instruction instead of a call, also in the shared library. */
extern _Thread_local struct ol__here ol__here __attribute__((tls_model("initial-exec")));

/** Thread: any. */
enum ol__where ol__where(void);

/** Enter a blocking route under `scope`; ol__leave_blocking with what this returned ends it. Thread: loop. */
struct ol__here ol__enter_blocking(struct ol_scope *scope);
void            ol__leave_blocking(const struct ol__here *before);

#endif
