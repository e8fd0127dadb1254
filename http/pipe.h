/*
 * http/pipe.h: bytes on their way between a handler and the loop, bounded. How it waits: pipe.c.
 *
 * One side is the running handler's (a worker or a fiber, which waits), the other the loop's (which never does).
 */
#ifndef OL_HTTP_PIPE_H
#define OL_HTTP_PIPE_H

#include <offloop/loop.h>
#include <pthread.h>

#include "base/buffer.h"
#include "loop/wait.h"

struct ol__pipe {
    /* set at init */
    struct ol_loop *loop;
    size_t          window; /* most bytes held */

    pthread_mutex_t lock;

    /* guarded by lock */
    struct ol_buffer data;
    struct ol__wait *waiter; /* the handler, waiting for room or for bytes */
    bool             ended;  /* nothing more will be put */
    int              failed; /* the code for a reader who has taken what there was; 0: none */
    bool             posted; /* `post` is in the inbox */
    struct ol_post   post;   /* to the loop: look at me */
};

/** `post` tells the loop that the handler's side put or took something. */
void ol__pipe_init(struct ol__pipe *pipe, struct ol_loop *loop, size_t window, ol_post_cb *post);

/** Nobody waits, nothing is posted. */
void ol__pipe_fini(struct ol__pipe *pipe);

/* ---- the handler's side. Thread: the handler's ---- */

/** Put all of it; waits for room while there is none. Returns: 0, OL_ENOMEM, the scope's reason. */
int ol__pipe_write(struct ol__pipe *pipe, const void *data, size_t size);

/** Put all of it at once, or nothing. Returns: 0, OL_EBUSY (no room), OL_ENOMEM. */
int ol__pipe_try_write(struct ol__pipe *pipe, const void *data, size_t size);

/** Take up to `size` bytes; waits for the first. *ret_size 0: the end. Returns: 0, `failed`, the scope's reason. */
int ol__pipe_read(struct ol__pipe *pipe, void *buffer, size_t size, size_t *ret_size);

/* ---- the loop's side. Thread: loop ---- */

/** Move up to `max` bytes to `out`. Returns: the number, or OL_ENOMEM. */
int64_t ol__pipe_take(struct ol__pipe *pipe, struct ol_buffer *out, size_t max);

/** How much is waiting to be taken. */
size_t ol__pipe_size(struct ol__pipe *pipe);

/** Put bytes, also beyond the window. Returns: 0, or OL_ENOMEM. */
int ol__pipe_put(struct ol__pipe *pipe, const void *data, size_t size);

/** Is the window full? */
bool ol__pipe_is_full(struct ol__pipe *pipe);

/** Nothing more will come: an end, or a failure. */
void ol__pipe_end(struct ol__pipe *pipe, int failed);

/** In `post`'s callback: it may be posted again from now on. */
void ol__pipe_delivered(struct ol__pipe *pipe);

/** Is `post` on its way? */
bool ol__pipe_posted(struct ol__pipe *pipe);

#endif
