#include "support/service.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 2048, REQUEST_MAX = 4 * 1024 * 1024, URLS_MAX = 4096 };

struct connection {
    struct service *service;
    pthread_t       thread;
    int             fd; /* guarded by the service's lock; -1: closed */
    char           *in; /* the thread's own: received, not yet used */
    size_t          n_in;
};

struct service {
    service_cb *script;
    void       *arg;
    int         fd;
    unsigned    port;
    pthread_t   acceptor;

    pthread_mutex_t    lock;
    bool               stopping;
    unsigned           n_connections, n_requests, n_urls;
    struct connection *connections[CONNECTIONS_MAX];
    char              *urls[URLS_MAX];
};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

/* ---- sockets ---- */

static int listen_somewhere(unsigned *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof at;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check(fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 1024) == 0, "fake service: listen");
    check(getsockname(fd, (struct sockaddr *)&at, &size) == 0, "fake service: getsockname");
    *ret_port = ntohs(at.sin_port);
    return fd;
}

const char *service_refusing_url(char *buffer, size_t size)
{
    unsigned port;

    close(listen_somewhere(&port));
    snprintf(buffer, size, "http://127.0.0.1:%u/", port);
    return buffer;
}

void service_send_bytes(struct exchange *exchange, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = send(exchange->fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        size -= (size_t)n;
    }
}

void service_send(struct exchange *exchange, const char *text)
{
    service_send_bytes(exchange, text, strlen(text));
}

void service_answer(struct exchange *exchange, const char *body)
{
    char head[96];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(body));
    service_send(exchange, head);
    service_send(exchange, body);
}

void service_close(struct exchange *exchange)
{
    exchange->closing = true;
}

void service_reset(struct exchange *exchange)
{
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    exchange->closing = true;
}

void service_await_hangup(struct exchange *exchange)
{
    char rest[256];

    while (recv(exchange->fd, rest, sizeof rest, 0) > 0)
        ;
    exchange->closing = true;
}

/* ---- a connection ---- */

static bool receive_more(struct connection *connection)
{
    size_t  room = REQUEST_MAX - connection->n_in;
    ssize_t n = room ? recv(connection->fd, connection->in + connection->n_in, room, 0) : 0;

    if (n <= 0)
        return false;
    connection->n_in += (size_t)n;
    connection->in[connection->n_in] = '\0';
    return true;
}

static size_t content_length(const char *head)
{
    const char *p = strcasestr(head, "\r\nContent-Length:");

    return p ? strtoul(p + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static char *copy_bytes(const char *from, size_t size)
{
    char *copy = malloc(size + 1);

    check(copy != NULL, "fake service: malloc");
    memcpy(copy, from, size);
    copy[size] = '\0';
    return copy;
}

static char *path_of(const char *head)
{
    const char *from = strchr(head, ' ');

    return from ? copy_bytes(from + 1, strcspn(from + 1, " \r")) : copy_bytes("", 0);
}

static void count_request(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    service->n_requests++;
    pthread_mutex_unlock(&service->lock);
}

/* One request and its script. Returns whether the connection goes on. */
static bool serve_one(struct connection *connection, unsigned nth)
{
    struct service *service = connection->service;
    char           *end;

    while (!(end = strstr(connection->in, "\r\n\r\n")))
        if (!receive_more(connection))
            return false;
    char  *head = copy_bytes(connection->in, (size_t)(end - connection->in) + 2);
    size_t head_size = strlen(head) + 2, body_size = content_length(head);
    while (connection->n_in < head_size + body_size) {
        if (!receive_more(connection)) {
            free(head);
            return false;
        }
    }
    char           *path = path_of(head), *body = copy_bytes(connection->in + head_size, body_size);
    struct exchange exchange = { service->arg, head, path, body, body_size, nth, connection->fd, false };

    connection->n_in -= head_size + body_size;
    memmove(connection->in, connection->in + head_size + body_size, connection->n_in + 1);
    count_request(service);
    service->script(&exchange);
    free(head);
    free(path);
    free(body);
    return !exchange.closing;
}

static void *connection_main(void *arg)
{
    struct connection *connection = arg;
    struct service    *service = connection->service;

    for (unsigned nth = 1; serve_one(connection, nth); nth++)
        ;
    pthread_mutex_lock(&service->lock);
    close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&service->lock);
    return NULL;
}

static void connection_start(struct service *service, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);

    check(connection && (connection->in = calloc(1, REQUEST_MAX + 1)), "fake service: malloc");
    connection->service = service;
    connection->fd = fd;
    pthread_mutex_lock(&service->lock);
    if (service->stopping || service->n_connections == CONNECTIONS_MAX) {
        close(fd);
        free(connection->in);
        free(connection);
    } else {
        service->connections[service->n_connections++] = connection;
        check(pthread_create(&connection->thread, NULL, connection_main, connection) == 0, "fake service: thread");
    }
    pthread_mutex_unlock(&service->lock);
}

/* ---- the service ---- */

static void *acceptor_main(void *arg)
{
    struct service *service = arg;
    int             fd;

    while ((fd = accept4(service->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)); /* each send is a packet, at once */
        connection_start(service, fd);
    }
    return NULL;
}

struct service *service_start(service_cb *script, void *arg)
{
    struct service *service = calloc(1, sizeof *service);

    check(service != NULL, "fake service: malloc");
    service->script = script;
    service->arg = arg;
    service->fd = listen_somewhere(&service->port);
    pthread_mutex_init(&service->lock, NULL);
    check(pthread_create(&service->acceptor, NULL, acceptor_main, service) == 0, "fake service: thread");
    return service;
}

void service_stop(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    service->stopping = true;
    shutdown(service->fd, SHUT_RDWR); /* the acceptor's accept4 fails */
    for (unsigned i = 0; i < service->n_connections; i++)
        if (service->connections[i]->fd >= 0)
            shutdown(service->connections[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&service->lock);

    pthread_join(service->acceptor, NULL);
    for (unsigned i = 0; i < service->n_connections; i++) {
        pthread_join(service->connections[i]->thread, NULL);
        free(service->connections[i]->in);
        free(service->connections[i]);
    }
    for (unsigned i = 0; i < service->n_urls; i++)
        free(service->urls[i]);
    close(service->fd);
    pthread_mutex_destroy(&service->lock);
    free(service);
}

const char *service_url(struct service *service, const char *path)
{
    char *url = NULL;

    check(asprintf(&url, "http://127.0.0.1:%u%s", service->port, path) > 0, "fake service: url");
    pthread_mutex_lock(&service->lock);
    check(service->n_urls < URLS_MAX, "fake service: too many urls");
    service->urls[service->n_urls++] = url;
    pthread_mutex_unlock(&service->lock);
    return url;
}

unsigned service_port(const struct service *service)
{
    return service->port;
}

unsigned service_connections(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    unsigned n = service->n_connections;
    pthread_mutex_unlock(&service->lock);
    return n;
}

unsigned service_requests(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    unsigned n = service->n_requests;
    pthread_mutex_unlock(&service->lock);
    return n;
}
