/*
 * fetch_answer.c: the whole way of an answer, from a socket through curl to the caller: a service answers with the
 * input's bytes and closes. Whatever it says, the fetch ends, with an answer or as the service's failure.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <offloop/fetch.h>
#include "fuzz/fuzz.h"

enum { BODY_MAX = 4096 };

static struct {
    int             listener;
    char            url[64];
    pthread_mutex_t lock;
    const uint8_t  *data; /* guarded by lock: a fetch may give up while it is still being sent */
    size_t          size; /* guarded by lock */
} service = { .listener = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static void set_answer(const uint8_t *data, size_t size)
{
    pthread_mutex_lock(&service.lock);
    service.data = data;
    service.size = size;
    pthread_mutex_unlock(&service.lock);
}

static void send_answer(int fd)
{
    pthread_mutex_lock(&service.lock);
    for (size_t sent = 0; sent < service.size;) {
        ssize_t n = send(fd, service.data + sent, service.size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    pthread_mutex_unlock(&service.lock);
}

static void answer(int fd)
{
    char   request[4096];
    size_t n = 0;

    while (n < sizeof request && !memmem(request, n, "\r\n\r\n", 4)) {
        ssize_t more = recv(fd, request + n, sizeof request - n, 0);
        if (more <= 0)
            return;
        n += (size_t)more;
    }
    send_answer(fd);
    shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof request, 0) > 0)
        ; /* the client closes first, and has the port to wait for */
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept4(service.listener, NULL, NULL, SOCK_CLOEXEC);

        promise(fd >= 0, "accept");
        answer(fd);
        close(fd);
    }
    return NULL;
}

static void start_service(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof at;
    pthread_t          thread;

    service.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    promise(bind(service.listener, (struct sockaddr *)&at, size) == 0 && listen(service.listener, 64) == 0, "listen");
    promise(getsockname(service.listener, (struct sockaddr *)&at, &size) == 0, "getsockname");
    snprintf(service.url, sizeof service.url, "http://127.0.0.1:%u/", (unsigned)ntohs(at.sin_port));
    promise(pthread_create(&thread, NULL, serve, NULL) == 0, "thread");
    pthread_detach(thread);
}

static void check(const struct ol_fetch_result *result)
{
    size_t      size;
    const char *body = ol_fetch_body(result, &size);
    const char *length = ol_fetch_header(result, "Content-Length");

    promise(ol_fetch_status(result) >= 100 && ol_fetch_status(result) <= 999, "a status has three digits");
    promise(size <= BODY_MAX && body[size] == '\0', "a body below its limit, with a NUL behind it");
    promise(!length || strlen(length) < 262144, "a header is a string");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ol_fetch_result *result = NULL;
    struct ol_fetch_header  close_it = { "Connection", "close" };

    if (service.listener < 0)
        start_service();
    set_answer(data, size);
    int rc = ol_fetch(&result, &(struct ol_fetch_request){
                                   .url = service.url, .headers = &close_it, .n_headers = 1, .size_max = BODY_MAX });
    set_answer(NULL, 0);
    promise(rc == 0 || rc == OL_EUPSTREAM || rc == OL_ELIMIT, "an answer, the service's failure, or too large");
    promise((rc == 0) == (result != NULL), "a result for a success alone");
    if (rc == 0)
        check(result);
    ol_fetch_result_free(result);
    return 0;
}
