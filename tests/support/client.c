#include "support/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "client: %s\n", what);
    abort();
}

/* ---- connecting and sending ---- */

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, address, size) < 0) {
        fprintf(stderr, "client: cannot connect: %s\n", strerror(errno));
        abort();
    }
    return fd;
}

int client_connect(const char *address)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET };
    char               host[64];
    unsigned           port;

    if (strncmp(address, "unix:", 5) == 0) {
        snprintf(local.sun_path, sizeof local.sun_path, "%s", address + 5);
        return connect_to((const struct sockaddr *)&local, sizeof local);
    }
    if (sscanf(address, "%63[^:]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &in.sin_addr) != 1)
        give_up("not an address");
    in.sin_port = htons((in_port_t)port);
    return connect_to((const struct sockaddr *)&in, sizeof in);
}

void client_send(int fd, const char *text)
{
    for (size_t size = strlen(text); size > 0;) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

        if (n < 0)
            give_up("cannot send");
        text += n;
        size -= (size_t)n;
    }
}

void client_request(int fd, const char *method, const char *target, const char *body)
{
    char *text;
    int   rc;

    if (body)
        rc = asprintf(&text, "%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n\r\n%s", method, target,
                      strlen(body), body);
    else
        rc = asprintf(&text, "%s %s HTTP/1.1\r\nHost: test\r\n\r\n", method, target);
    if (rc < 0)
        give_up("no memory");
    client_send(fd, text);
    free(text);
}

/* ---- reading ---- */

struct text {
    char  *data;
    size_t size;
};

static void append(struct text *text, const char *data, size_t size)
{
    char *grown = realloc(text->data, text->size + size + 1);

    if (!grown)
        give_up("no memory");
    memcpy(grown + text->size, data, size);
    text->data = grown;
    text->size += size;
    text->data[text->size] = '\0';
}

static ssize_t read_some(int fd, char *data, size_t size)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    ssize_t       n;

    do {
        if (poll(&pfd, 1, CLIENT_LIMIT_S * 1000) == 0)
            give_up("no answer came");
        n = read(fd, data, size);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Byte by byte, so that nothing of a next answer is taken. Returns whether `end` came. */
static bool read_until(struct text *text, int fd, const char *end)
{
    size_t length = strlen(end);
    char   byte;

    while (text->size < length || memcmp(text->data + text->size - length, end, length) != 0) {
        if (read_some(fd, &byte, 1) <= 0)
            return false;
        append(text, &byte, 1);
    }
    return true;
}

static bool read_exactly(struct text *text, int fd, size_t size)
{
    char piece[16384];

    while (size > 0) {
        ssize_t n = read_some(fd, piece, size < sizeof piece ? size : sizeof piece);

        if (n <= 0)
            return false;
        append(text, piece, (size_t)n);
        size -= (size_t)n;
    }
    return true;
}

static bool read_chunks(struct text *body, int fd)
{
    for (;;) {
        struct text line = { 0 }, end = { 0 };
        size_t      size;
        bool        good = read_until(&line, fd, "\r\n");

        size = good ? strtoul(line.data, NULL, 16) : 0;
        free(line.data);
        good = good && read_exactly(body, fd, size) && read_until(&end, fd, "\r\n");
        free(end.data);
        if (!good || size == 0)
            return good;
    }
}

void client_read(struct answer *ret_answer, int fd, bool is_head)
{
    struct text head = { 0 }, body = { 0 };
    char        value[32];

    *ret_answer = (struct answer){ 0 };
    append(&head, "", 0);
    append(&body, "", 0);
    ret_answer->cut = !read_until(&head, fd, "\r\n\r\n");
    ret_answer->head = head.data;
    if (!ret_answer->cut && sscanf(head.data, "HTTP/1.1 %d ", &ret_answer->status) != 1)
        give_up("not an answer");
    if (ret_answer->cut || is_head || ret_answer->status == 204 || ret_answer->status == 304)
        ;
    else if (answer_field(ret_answer, "Transfer-Encoding", value, sizeof value))
        ret_answer->cut = !read_chunks(&body, fd);
    else if (answer_field(ret_answer, "Content-Length", value, sizeof value))
        ret_answer->cut = !read_exactly(&body, fd, strtoul(value, NULL, 10));
    else
        give_up("an answer without a length");
    ret_answer->body = body.data;
    ret_answer->body_size = body.size;
}

bool answer_field(const struct answer *answer, const char *name, char *value, size_t size)
{
    size_t      length = strlen(name);
    const char *line = answer->head;

    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            line += strspn(line, " ");
            snprintf(value, size, "%.*s", (int)strcspn(line, "\r"), line);
            return true;
        }
    }
    return false;
}

void answer_free(struct answer *answer)
{
    free(answer->head);
    free(answer->body);
    *answer = (struct answer){ 0 };
}

/* ---- in one ---- */

void client_call(struct answer *ret_answer, const char *address, const char *method, const char *target, const char *body)
{
    int fd = client_connect(address);

    client_request(fd, method, target, body);
    client_read(ret_answer, fd, strcmp(method, "HEAD") == 0);
    close(fd);
}

int client_status(const char *address, const char *target)
{
    struct answer answer;
    int           status;

    client_call(&answer, address, "GET", target, NULL);
    status = answer.status;
    answer_free(&answer);
    return status;
}

bool client_is_silent(int fd, int ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, ms) == 0;
}
