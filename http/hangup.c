/*
 * hangup.c: seeing a reset on a connection of which nothing else is wanted.
 *
 * libev watches for bytes and for room. A connection whose client has shut its side, or whose pipeline is full, wants neither for
 * a while, and level-triggered it would report the one or the other all the time. So it leaves libev and joins an epoll of the
 * server's own with no event asked for: the kernel then reports errors and hang-ups only. That epoll is itself a
 * descriptor that libev watches. It is made when it is first needed; if that fails, such resets are seen when an answer is
 * written.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "http/connection.h"
#include "http/server.h"

enum { EVENTS_MAX = 64 };

static void hangup_ready(struct ol__io *io, int events)
{
    struct ol_server  *server = OL_CONTAINER_OF(io, struct ol_server, hangup_io);
    struct epoll_event found[EVENTS_MAX];
    int                n = epoll_wait(server->hangup_fd, found, EVENTS_MAX, 0);

    (void)events;
    for (int i = 0; i < n; i++)
        ol__conn_close(found[i].data.ptr, OL_ECANCELED);
}

static bool prepare(struct ol_server *server)
{
    if (server->hangup_fd < 0)
        server->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->hangup_fd < 0)
        return false;
    server->hangup_io.cb = hangup_ready;
    ol__io_set(server->loop, &server->hangup_io, server->hangup_fd, OL__READ);
    return true;
}

void ol__hangup_watch(struct ol__conn *connection)
{
    struct ol_server  *server = connection->server;
    struct epoll_event event = { .data.ptr = connection };

    if (connection->watched || !prepare(server))
        return;
    connection->watched = epoll_ctl(server->hangup_fd, EPOLL_CTL_ADD, connection->fd, &event) == 0;
}

void ol__hangup_unwatch(struct ol__conn *connection)
{
    if (!connection->watched)
        return;
    connection->watched = false;
    epoll_ctl(connection->server->hangup_fd, EPOLL_CTL_DEL, connection->fd, NULL);
}

void ol__hangup_fini(struct ol_server *server)
{
    ol__io_stop(&server->hangup_io);
    if (server->hangup_fd >= 0)
        close(server->hangup_fd);
    server->hangup_fd = -1;
}
