/*
 * listener.c: the sockets that take clients.
 *
 * A bounded number is accepted each time, so that a flood of new clients does not starve the others. When descriptors run out
 * (EMFILE, ENFILE), or connections_max is reached, all listeners pause: a listening socket with somebody in its queue is
 * readable for ever, and would spin. They go on when a connection of ours closes, or after RETRY_S, because a descriptor
 * may come free elsewhere. Clients meanwhile wait in the kernel's queue. Each client that leaves then ends a pause and
 * begins the next: the event is for the first one, and for one each TELL_S.
 *
 * Closing. A socket of our own resets whoever is in its queue when it closes, so the queue is emptied first. An inherited one
 * stays open with whoever passed it on: its queue is left to the next process. For the same reason each socket is watched
 * through an epoll of its own: libev does not take descriptors out of its epoll but relies on close() for that, and a socket
 * that somebody else has open too would go on waking it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"
#include "http/connection.h"
#include "http/server.h"

enum { ACCEPTS_MAX = 64, DRAIN_ACCEPTS_MAX = 4096, BACKLOG = 4096, ADDRESS_MAX = 128 };

static const double RETRY_S = 0.5, TELL_S = 10;

struct ol__listener {
    struct ol_server    *server;
    struct ol__listener *next; /* in the order of their addresses */
    struct ol__io        io;
    int                  fd;
    int                  epoll_fd; /* has `fd` alone in it; what libev watches */
    bool                 is_inherited;
    bool                 unlinks; /* the unix socket's path is ours */
    char                 address[ADDRESS_MAX];
};

/* ---- pausing ---- */

static void watch_all(struct ol_server *server, int events)
{
    for (struct ol__listener *listener = server->listeners; listener; listener = listener->next)
        ol__io_set(server->loop, &listener->io, listener->epoll_fd, events);
}

static void resume_timed(struct ol_timer *timer)
{
    ol__listeners_resume(OL_CONTAINER_OF(timer, struct ol_server, resume));
}

static void tell_paused(struct ol_server *server, const char *why)
{
    uint64_t now_ns = ol__loop_now_ns(server->loop);
    char     text[128];

    if (!ol__event_wanted(OL_EVENT_HTTP) || now_ns < server->tell_paused_ns)
        return;
    server->tell_paused_ns = now_ns + ol__seconds_to_ns(TELL_S);
    snprintf(text, sizeof text, "no more clients are accepted for now: %s", why);
    ol__event_emit(&(struct ol_event){
        .kind = OL_EVENT_HTTP, .code = OL_ELIMIT, .subject = server, .name = "accept", .text = text });
}

static void pause_all(struct ol_server *server, const char *why)
{
    if (server->is_paused)
        return;
    server->is_paused = true;
    server->stats.accept_paused++;
    watch_all(server, 0);
    server->resume.cb = resume_timed;
    ol_timer_start(server->loop, &server->resume, RETRY_S);
    tell_paused(server, why);
}

void ol__listeners_resume(struct ol_server *server)
{
    if (!server->is_paused || server->is_closing)
        return;
    if (server->n_connections >= server->config.connections_max) {
        ol_timer_start(server->loop, &server->resume, RETRY_S);
        return;
    }
    server->is_paused = false;
    ol_timer_stop(&server->resume);
    watch_all(server, OL__READ);
}

/* ---- accepting ---- */

static void print_peer(char out[OL__PEER_MAX], const struct sockaddr_storage *peer)
{
    const struct sockaddr_in  *in = (const struct sockaddr_in *)(const void *)peer;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
    char                       host[INET6_ADDRSTRLEN];

    if (peer->ss_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, host, sizeof host))
        snprintf(out, OL__PEER_MAX, "%s:%u", host, ntohs(in->sin_port));
    else if (peer->ss_family == AF_INET6 && inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host))
        snprintf(out, OL__PEER_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    else
        snprintf(out, OL__PEER_MAX, "unix");
}

static bool is_shortage(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* Returns whether there may be another. */
static bool accept_one(struct ol__listener *listener)
{
    struct ol_server       *server = listener->server;
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t               size = sizeof address;
    char                    peer[OL__PEER_MAX];
    int                     fd;

    if (server->n_connections >= server->config.connections_max) {
        pause_all(server, "connections_max are there");
        return false;
    }
    fd = accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (is_shortage(errno))
            pause_all(server, strerrordesc_np(errno));
        return errno == EINTR || errno == ECONNABORTED;
    }
    print_peer(peer, &address);
    return ol__conn_create(server, fd, peer) == 0;
}

static void accept_some(struct ol__io *io, int events)
{
    struct ol__listener *listener = OL_CONTAINER_OF(io, struct ol__listener, io);

    (void)events;
    for (int i = 0; i < ACCEPTS_MAX && accept_one(listener); i++)
        ;
}

/* ---- opening ---- */

static struct ol__listener *listener_create(struct ol_server *server, int fd)
{
    struct ol__listener *listener = calloc(1, sizeof *listener), **place = &server->listeners;
    int                  epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (!listener || epoll_fd < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN }) < 0) {
        if (epoll_fd >= 0)
            close(epoll_fd);
        free(listener);
        return NULL;
    }
    listener->server = server;
    listener->fd = fd;
    listener->epoll_fd = epoll_fd;
    listener->io.cb = accept_some;
    while (*place)
        place = &(*place)->next;
    *place = listener;
    return listener;
}

/* Where it really listens: port 0 became one. */
static void print_address(struct ol__listener *listener)
{
    struct sockaddr_storage   address = { .ss_family = AF_UNSPEC };
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)&address;
    socklen_t                 size = sizeof address;

    getsockname(listener->fd, (struct sockaddr *)&address, &size);
    if (address.ss_family == AF_UNIX)
        snprintf(listener->address, sizeof listener->address, "unix:%.*s", (int)sizeof local->sun_path, local->sun_path);
    else
        print_peer(listener->address, &address);
}

/* Clients inherit TCP_NODELAY from here: answers are put together before they are written. */
static int begin(struct ol_server *server, int fd, bool is_inherited, const char *what)
{
    struct ol__listener *listener = listener_create(server, fd);
    int                  on = 1;

    if (!listener)
        return ol__fail(OL_ENOMEM, 0, "no memory or no descriptor to listen on %s", what);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    listener->is_inherited = is_inherited;
    print_address(listener);
    listener->unlinks = !is_inherited && strncmp(listener->address, "unix:/", 6) == 0;
    if (!server->is_paused)
        ol__io_set(server->loop, &listener->io, listener->epoll_fd, OL__READ);
    return 0;
}

static int open_socket(int *ret_fd, const struct sockaddr *address, socklen_t size, const char *what)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return ol__fail_errno(OL_ESYS, errno, "cannot make a socket for %s", what);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0) {
        int rc = ol__fail_errno(OL_ESYS, errno, "cannot listen on %s", what);

        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

/* A path that is left over from a process that is gone. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int         fd, rc;

    if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? 0 : connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool refused = rc < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

static int open_unix(int *ret_fd, const char *path, const char *what)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t             size = strlen(path) + 1;

    if (path[0] != '/' || size > sizeof address.sun_path)
        return ol__fail(OL_EINVAL, 0, "%s: a unix socket's path begins with '/' and has at most %zu bytes", what,
                        sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, size);
    if (is_stale(&address))
        unlink(path);
    return open_socket(ret_fd, (const struct sockaddr *)&address, sizeof address, what);
}

/* "HOST:PORT" or "[HOST]:PORT". */
static int split_host(char *host, size_t size, const char **ret_port, const char *address)
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *end = colon;

    if (colon && address[0] == '[' && colon > address && colon[-1] == ']') {
        from++;
        end--;
    } else if (colon && memchr(address, ':', (size_t)(colon - address))) {
        colon = NULL; /* an IPv6 address needs its brackets */
    }
    if (!colon || end <= from || (size_t)(end - from) >= size || !colon[1])
        return ol__fail(OL_EINVAL, 0, "%s is not HOST:PORT", address);
    memcpy(host, from, (size_t)(end - from));
    host[end - from] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int open_inet(int *ret_fd, const char *address)
{
    struct addrinfo  hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found;
    char             host[256];
    const char      *port = NULL;
    int              rc = split_host(host, sizeof host, &port, address);

    if (rc < 0)
        return rc;
    int err = getaddrinfo(host, port, &hints, &found);
    if (err)
        return ol__fail(err == EAI_NONAME || err == EAI_SERVICE ? OL_EINVAL : OL_ESYS, err, "%s: %s", address,
                        gai_strerror(err));
    rc = OL_ESYS;
    for (const struct addrinfo *at = found; at && rc < 0; at = at->ai_next)
        rc = open_socket(ret_fd, at->ai_addr, at->ai_addrlen, address);
    freeaddrinfo(found);
    return rc;
}

int ol_server_listen(struct ol_server *server, const char *address)
{
    int fd = -1, rc;

    if (!address)
        return ol__fail(OL_EINVAL, 0, "where to listen?");
    if (server->is_closing)
        return ol__fail(OL_EINVAL, 0, "the server is closing");
    rc = strncmp(address, "unix:", 5) == 0 ? open_unix(&fd, address + 5, address) : open_inet(&fd, address);
    if (rc < 0)
        return rc;
    rc = begin(server, fd, false, address);
    if (rc < 0)
        close(fd);
    return rc;
}

int ol_server_listen_fd(struct ol_server *server, int fd)
{
    int       listens = 0, type = 0;
    socklen_t size = sizeof listens, type_size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 || !listens || type != SOCK_STREAM)
        return ol__fail(OL_EINVAL, 0, "descriptor %d is no listening stream socket", fd);
    if (server->is_closing)
        return ol__fail(OL_EINVAL, 0, "the server is closing");
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return begin(server, fd, true, "an inherited socket");
}

const char *ol_server_address(const struct ol_server *server, unsigned i)
{
    const struct ol__listener *listener = server->listeners;

    while (listener && i--)
        listener = listener->next;
    return listener ? listener->address : NULL;
}

/* ---- closing ---- */

static void listener_close(struct ol__listener *listener)
{
    ol__io_stop(&listener->io);
    for (int i = 0; !listener->is_inherited && !listener->server->is_paused && i < DRAIN_ACCEPTS_MAX; i++)
        if (!accept_one(listener))
            break;
    close(listener->epoll_fd);
    close(listener->fd);
    if (listener->unlinks)
        unlink(listener->address + 5);
}

void ol__listeners_close(struct ol_server *server)
{
    ol_timer_stop(&server->resume);
    while (server->listeners) {
        struct ol__listener *listener = server->listeners;

        server->listeners = listener->next;
        listener_close(listener);
        free(listener);
    }
    ol_timer_stop(&server->resume);
}
