#include "http/server_case.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LIMIT_MS = 30000 };

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "server_case: %s\n", what);
    abort();
}

static void must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "server_case: %s: %s\n", what, ol_last_error()->text);
    abort();
}

int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int  n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- the server's thread ---- */

static void bring_up(struct server_case *sc)
{
    struct ol_pool_config pool = { .name = "test",
                                   .threads_max = sc->threads ? sc->threads : 2,
                                   .queue_max = sc->queue_max };

    must(ol_loop_create(&sc->loop, NULL), "ol_loop_create");
    must(ol_pool_create(&sc->pool, sc->loop, &pool), "ol_pool_create");
    sc->config.pool = sc->pool;
    must(ol_server_create(&sc->server, sc->loop, &sc->config), "ol_server_create");
    sc->add_routes(sc->server, sc->arg);
    if (sc->listen_fd > 0)
        must(ol_server_listen_fd(sc->server, sc->listen_fd), "ol_server_listen_fd");
    else
        must(ol_server_listen(sc->server, sc->listen ? sc->listen : "127.0.0.1:0"), "ol_server_listen");
    snprintf(sc->address, sizeof sc->address, "%s", ol_server_address(sc->server, 0));
}

static void *serve(void *arg)
{
    struct server_case *sc = arg;

    bring_up(sc);
    gate_arrive(&sc->ready);
    must(ol_loop_run(sc->loop), "ol_loop_run");
    must(ol_server_destroy(sc->server), "ol_server_destroy");
    must(ol_pool_destroy(sc->pool, NULL, NULL), "ol_pool_destroy");
    must(ol_loop_destroy(sc->loop), "ol_loop_destroy");
    return NULL;
}

void server_case_start(struct server_case *sc)
{
    sc->n_fds = count_fds();
    gate_init(&sc->ready, "the server is ready");
    gate_init(&sc->closed, "the server is closed");
    if (pthread_create(&sc->thread, NULL, serve, sc) != 0)
        give_up("cannot start a thread");
    gate_wait_for_n(&sc->ready, 1);
}

/* ---- calls on the loop ---- */

struct call {
    struct ol_post      post;
    struct server_case *sc;
    void (*fn)(struct server_case *sc, void *arg);
    void       *arg;
    struct gate done;
};

static void call_delivered(struct ol_post *post)
{
    struct call *call = (struct call *)(void *)post;

    call->fn(call->sc, call->arg);
    gate_arrive(&call->done);
}

void server_case_call(struct server_case *sc, void (*fn)(struct server_case *sc, void *arg), void *arg)
{
    struct call call = { .post.cb = call_delivered, .sc = sc, .fn = fn, .arg = arg };

    gate_init(&call.done, "a call on the loop");
    ol_loop_post(sc->loop, &call.post);
    gate_wait_for_n(&call.done, 1);
    gate_fini(&call.done);
}

static void closed(struct ol_server *server, void *arg)
{
    struct server_case *sc = arg;

    (void)server;
    gate_arrive(&sc->closed);
    ol_loop_stop(sc->loop);
}

static void begin_close(struct server_case *sc, void *arg)
{
    ol_server_close(sc->server, *(double *)arg, closed, sc);
}

void server_case_close(struct server_case *sc, double drain_s)
{
    server_case_call(sc, begin_close, &drain_s);
}

void server_case_stop(struct server_case *sc, double drain_s)
{
    if (drain_s >= 0)
        server_case_close(sc, drain_s);
    gate_wait_for_n(&sc->closed, 1);
    pthread_join(sc->thread, NULL);
    gate_fini(&sc->ready);
    gate_fini(&sc->closed);
    if (count_fds() != sc->n_fds - (sc->listen_fd > 0))
        give_up("descriptors are left");
}

static void get_stats(struct server_case *sc, void *arg)
{
    ol_server_stats(sc->server, arg);
}

struct ol_server_stats server_case_stats(struct server_case *sc)
{
    struct ol_server_stats stats;

    server_case_call(sc, get_stats, &stats);
    return stats;
}

void server_case_until(struct server_case *sc, bool (*is_so)(const struct ol_server_stats *stats))
{
    for (uint64_t limit_ns = ol_now_ns() + LIMIT_MS * OL_NS_PER_MS; ol_now_ns() < limit_ns; sched_yield()) {
        struct ol_server_stats stats = server_case_stats(sc);

        if (is_so(&stats))
            return;
    }
    give_up("the server's statistics never became what was waited for");
}

bool none_running(const struct ol_server_stats *stats)
{
    return stats->requests_running == 0;
}

bool one_running(const struct ol_server_stats *stats)
{
    return stats->requests_running == 1;
}

bool no_connection(const struct ol_server_stats *stats)
{
    return stats->connections == 0 && stats->requests_running == 0;
}

void add_route(struct ol_server *server, const char *method, const char *pattern, enum ol_run_mode mode,
               ol_handler_cb *handler, void *arg)
{
    must(ol_server_route(server, &(struct ol_route){ method, pattern, mode, handler, .arg = arg }), "ol_server_route");
}

/* ---- the client ---- */

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, address, size) < 0)
        give_up(strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int wire_connect(const struct server_case *sc)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET };

    if (strncmp(sc->address, "unix:", 5) == 0) {
        snprintf(local.sun_path, sizeof local.sun_path, "%.100s", sc->address + 5);
        return connect_to((const struct sockaddr *)&local, sizeof local);
    }
    in.sin_port = htons((in_port_t)atoi(strrchr(sc->address, ':') + 1));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect_to((const struct sockaddr *)&in, sizeof in);
}

bool wire_try_send(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

void wire_send(int fd, const void *data, size_t size)
{
    if (!wire_try_send(fd, data, size))
        give_up("the server closed while it was sent something");
}

void wire_puts(int fd, const char *text)
{
    wire_send(fd, text, strlen(text));
}

/* Like read, with a limit. */
static ssize_t read_some(int fd, char *data, size_t size)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    int           n;

    do
        n = poll(&pfd, 1, LIMIT_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        give_up("no answer came");
    return read(fd, data, size);
}

char *wire_read_all(int fd, bool *ret_reset)
{
    size_t  size = 0, capacity = 65536;
    char   *text = malloc(capacity);
    ssize_t n;

    while ((n = read_some(fd, text + size, capacity - size - 1)) > 0) {
        size += (size_t)n;
        if (capacity - size < 4096) {
            char *larger = realloc(text, capacity *= 2);

            if (!larger)
                give_up("no memory");
            text = larger;
        }
    }
    text[size] = '\0';
    if (ret_reset)
        *ret_reset = n < 0;
    return text;
}

bool wire_read(int fd, char *data, size_t size)
{
    while (size) {
        ssize_t n = read_some(fd, data, size);

        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

char *wire_call(const struct server_case *sc, const char *text, bool shut)
{
    int fd = wire_connect(sc);

    wire_try_send(fd, text, strlen(text));
    if (shut)
        shutdown(fd, SHUT_WR);
    char *answer = wire_read_all(fd, NULL);
    close(fd);
    return answer;
}

void wire_reset(int fd)
{
    struct linger linger = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

/* ---- answers ---- */

/* The end of the answer that begins here, or NULL. Interim ones have no body. */
static const char *answer_end(const char *at)
{
    const char *end = strstr(at, "\r\n\r\n"), *length;
    size_t      size = 0;

    if (strncmp(at, "HTTP/1.1 ", 9) != 0 || !end)
        return NULL;
    length = strcasestr(at, "\r\nContent-Length:");
    if (length && length < end)
        size = strtoul(length + 17, NULL, 10);
    end += 4;
    return strlen(end) < size ? NULL : end + size;
}

int answer_status(const char *text, unsigned n)
{
    for (const char *end; *text && (end = answer_end(text)) != NULL; text = end) {
        int status = atoi(text + 9);

        if (status >= 200 && n-- == 0)
            return status;
    }
    return 0;
}

int count_answers(const char *text)
{
    int n = 0;

    while (*text) {
        const char *end = answer_end(text);

        if (!end)
            return -1;
        n += atoi(text + 9) >= 200;
        text = end;
    }
    return n;
}
