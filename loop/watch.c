/*
 * watch.c: libev's timers and descriptors behind our own structures, so that no other room sees ev.h.
 *
 * The watcher lives in the `reserved` words of the caller's structure.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "loop/internal.h"

_Static_assert(sizeof(ev_timer) <= sizeof(((struct ol_timer *)0)->reserved), "struct ol_timer is too small");
_Static_assert(sizeof(ev_io) <= sizeof(((struct ol__io *)0)->reserved), "struct ol__io is too small");

static ev_timer *timer_watcher(struct ol_timer *timer)
{
    return (ev_timer *)(void *)timer->reserved;
}

static void timer_cb(struct ev_loop *ev, ev_timer *watcher, int revents)
{
    struct ol_timer *timer = watcher->data;

    (void)ev, (void)revents;
    timer->loop->n_watchers--;
    timer->loop = NULL;
    timer->cb(timer);
}

void ol_timer_start(struct ol_loop *loop, struct ol_timer *timer, double delay_s)
{
    ev_timer *watcher = timer_watcher(timer);

    OL__ASSERT_LOOP(loop);
    ol_timer_stop(timer);
    memset(watcher, 0, sizeof *watcher);
    ev_timer_init(watcher, timer_cb, delay_s > 0 ? delay_s : 0, 0);
    watcher->data = timer;
    timer->loop = loop;
    loop->n_watchers++;
    ev_now_update(loop->ev); /* libev counts from the turn's start, which a long callback leaves behind */
    ev_timer_start(loop->ev, watcher);
}

void ol_timer_stop(struct ol_timer *timer)
{
    if (!timer->loop)
        return;
    OL__ASSERT_LOOP(timer->loop);
    ev_timer_stop(timer->loop->ev, timer_watcher(timer));
    timer->loop->n_watchers--;
    timer->loop = NULL;
}

static ev_io *io_watcher(struct ol__io *io)
{
    return (ev_io *)(void *)io->reserved;
}

static void io_cb(struct ev_loop *ev, ev_io *watcher, int revents)
{
    struct ol__io *io = watcher->data;

    (void)ev;
    io->cb(io, (revents & EV_READ ? OL__READ : 0) | (revents & EV_WRITE ? OL__WRITE : 0));
}

void ol__io_set(struct ol_loop *loop, struct ol__io *io, int fd, int events)
{
    ev_io *watcher = io_watcher(io);

    OL__ASSERT_LOOP(loop);
    if (io->loop) {
        if (io->events == events && watcher->fd == fd)
            return;
        ol__io_stop(io);
    }
    if (!events)
        return;
    memset(watcher, 0, sizeof *watcher);
    ev_io_init(watcher, io_cb, fd, (events & OL__READ ? EV_READ : 0) | (events & OL__WRITE ? EV_WRITE : 0));
    watcher->data = io;
    io->loop = loop;
    io->events = events;
    loop->n_watchers++;
    ev_io_start(loop->ev, watcher);
}

void ol__io_stop(struct ol__io *io)
{
    if (!io->loop)
        return;
    ev_io_stop(io->loop->ev, io_watcher(io));
    io->loop->n_watchers--;
    io->loop = NULL;
    io->events = 0;
}
