/*
 * loop/attach.h: things of the rooms above that live as long as a loop.
 *
 * A room that needs one object for each loop (the fetch engine) hangs it here, under the address of a static of its
 * own as the key, and is told when the loop is destroyed. Thread: the loop's owner, for everything here.
 */
#ifndef OL_LOOP_ATTACH_H
#define OL_LOOP_ATTACH_H

#include <offloop/loop.h>

/** Called by ol_loop_destroy, the last attached first; the loop still works. */
typedef void ol__attachment_cb(void *data);

struct ol__attachment {
    const void            *key;
    void                  *data;
    ol__attachment_cb     *destroy;
    struct ol__attachment *next; /* the loop's own */
};

/** Owns: borrows `attachment` until its `destroy` was called, which may free it. */
void ol__loop_attach(struct ol_loop *loop, struct ol__attachment *attachment);

/** The data attached under `key`, or NULL. */
void *ol__loop_attached(const struct ol_loop *loop, const void *key);

#endif
