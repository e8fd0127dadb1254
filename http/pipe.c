/*
 * pipe.c: bytes on their way between a handler and the loop.
 *
 * A buffer under a lock. The handler's side waits, for room or for bytes, by leaving its struct ol__wait in `waiter`; the loop's
 * side takes that out under the lock and signals it, once. A wait that ends by the scope takes it back under
 * the same lock; when it is gone already, a signal is coming, and is waited for. Locks are never held over a wait.
 *
 * The loop is told by one post at a time: `posted` says that it is on its way, so that a thousand small writes wake the
 * loop once. Whoever frees the pipe must wait for that post (exchange.c holds a reference).
 */
#include "http/pipe.h"

#include <string.h>

void ol__pipe_init(struct ol__pipe *pipe, struct ol_loop *loop, size_t window, ol_post_cb *post)
{
    *pipe = (struct ol__pipe){ .loop = loop, .window = window, .post.cb = post };
    pthread_mutex_init(&pipe->lock, NULL);
    ol_buffer_init(&pipe->data, SIZE_MAX / 2);
}

void ol__pipe_fini(struct ol__pipe *pipe)
{
    ol_buffer_fini(&pipe->data);
    pthread_mutex_destroy(&pipe->lock);
}

/* ---- waking each other ---- */

static void signal_locked(struct ol__pipe *pipe)
{
    struct ol__wait *waiter = pipe->waiter;

    pipe->waiter = NULL;
    if (waiter)
        ol__wait_signal(waiter);
}

static void post_locked(struct ol__pipe *pipe)
{
    if (pipe->posted)
        return;
    pipe->posted = true;
    ol_loop_post(pipe->loop, &pipe->post);
}

/* Gives the lock up while it waits. */
static int wait_locked(struct ol__pipe *pipe)
{
    struct ol__wait wait;
    bool            withdrawn;
    int             rc;

    ol__wait_init(&wait);
    pipe->waiter = &wait; // cppcheck-suppress autoVariables ; taken out again below, by whoever is first
    pthread_mutex_unlock(&pipe->lock);
    rc = ol__wait_until(&wait);
    pthread_mutex_lock(&pipe->lock);
    withdrawn = pipe->waiter == &wait;
    if (withdrawn)
        pipe->waiter = NULL;
    pthread_mutex_unlock(&pipe->lock);
    if (rc < 0 && !withdrawn)
        ol__wait_uninterrupted(&wait);
    ol__wait_fini(&wait);
    pthread_mutex_lock(&pipe->lock);
    return rc;
}

/* ---- the handler's side ---- */

static size_t room_locked(const struct ol__pipe *pipe)
{
    size_t held = ol_buffer_size(&pipe->data);

    return held < pipe->window ? pipe->window - held : 0;
}

int ol__pipe_write(struct ol__pipe *pipe, const void *data, size_t size)
{
    const char *at = data;
    int         rc = 0;

    pthread_mutex_lock(&pipe->lock);
    while (size && rc == 0) {
        size_t room = room_locked(pipe), n = size < room ? size : room;

        if (room == 0) {
            rc = wait_locked(pipe);
            continue;
        }
        rc = ol_buffer_append(&pipe->data, at, n);
        if (rc < 0)
            break;
        at += n;
        size -= n;
        post_locked(pipe);
    }
    pthread_mutex_unlock(&pipe->lock);
    return rc;
}

int ol__pipe_try_write(struct ol__pipe *pipe, const void *data, size_t size)
{
    int rc = OL_EBUSY;

    pthread_mutex_lock(&pipe->lock);
    if (size <= room_locked(pipe))
        rc = ol_buffer_append(&pipe->data, data, size);
    if (rc == 0)
        post_locked(pipe);
    pthread_mutex_unlock(&pipe->lock);
    return rc;
}

static size_t take_locked(struct ol__pipe *pipe, void *buffer, size_t size)
{
    size_t held = ol_buffer_size(&pipe->data), n = held < size ? held : size;

    if (n)
        memcpy(buffer, ol_buffer_data(&pipe->data), n);
    ol_buffer_consume(&pipe->data, n);
    if (held >= pipe->window && held - n < pipe->window)
        post_locked(pipe); /* there is room again */
    return n;
}

int ol__pipe_read(struct ol__pipe *pipe, void *buffer, size_t size, size_t *ret_size)
{
    int rc = 0;

    pthread_mutex_lock(&pipe->lock);
    while (rc == 0 && ol_buffer_size(&pipe->data) == 0 && !pipe->ended)
        rc = wait_locked(pipe);
    if (rc == 0 && ol_buffer_size(&pipe->data) == 0)
        rc = pipe->failed;
    if (rc == 0)
        *ret_size = take_locked(pipe, buffer, size);
    pthread_mutex_unlock(&pipe->lock);
    return rc;
}

/* ---- the loop's side ---- */

int64_t ol__pipe_take(struct ol__pipe *pipe, struct ol_buffer *out, size_t max)
{
    size_t n;
    int    rc = 0;

    pthread_mutex_lock(&pipe->lock);
    n = ol_buffer_size(&pipe->data) < max ? ol_buffer_size(&pipe->data) : max;
    if (n)
        rc = ol_buffer_append(out, ol_buffer_data(&pipe->data), n);
    if (rc == 0 && n) {
        ol_buffer_consume(&pipe->data, n);
        signal_locked(pipe);
    }
    pthread_mutex_unlock(&pipe->lock);
    return rc < 0 ? rc : (int64_t)n;
}

size_t ol__pipe_size(struct ol__pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    size_t size = ol_buffer_size(&pipe->data);
    pthread_mutex_unlock(&pipe->lock);
    return size;
}

int ol__pipe_put(struct ol__pipe *pipe, const void *data, size_t size)
{
    pthread_mutex_lock(&pipe->lock);
    int rc = ol_buffer_append(&pipe->data, data, size);
    if (rc == 0)
        signal_locked(pipe);
    pthread_mutex_unlock(&pipe->lock);
    return rc;
}

bool ol__pipe_is_full(struct ol__pipe *pipe)
{
    return ol__pipe_size(pipe) >= pipe->window;
}

void ol__pipe_end(struct ol__pipe *pipe, int failed)
{
    pthread_mutex_lock(&pipe->lock);
    if (!pipe->ended)
        pipe->failed = failed;
    pipe->ended = true;
    signal_locked(pipe);
    pthread_mutex_unlock(&pipe->lock);
}

void ol__pipe_delivered(struct ol__pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->posted = false;
    pthread_mutex_unlock(&pipe->lock);
}

bool ol__pipe_posted(struct ol__pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    bool posted = pipe->posted;
    pthread_mutex_unlock(&pipe->lock);
    return posted;
}
