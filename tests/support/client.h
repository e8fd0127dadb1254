#ifndef OFFLOOP_TESTS_SUPPORT_CLIENT_H
#define OFFLOOP_TESTS_SUPPORT_CLIENT_H

/*
 * client.h: an HTTP client of a few lines over a bare socket, so that tests see what really went over it. Every wait
 * has a limit, after which the test aborts with a word.
 */

#include <stdbool.h>
#include <stddef.h>

enum { CLIENT_LIMIT_S = 30 };

struct answer {
    int    status;    /* 0: the connection was closed before a whole head */
    char  *head;      /* status line and fields, with a NUL */
    char  *body;      /* decoded when it was chunked; a NUL follows */
    size_t body_size; /* that NUL not counted */
    bool   cut;       /* closed before the end of the body */
};

/* Connect to "127.0.0.1:PORT" or "unix:/path". */
int client_connect(const char *address);

void client_send(int fd, const char *text);

/* Send one request; `body` may be NULL. */
void client_request(int fd, const char *method, const char *target, const char *body);

/* Read one answer. Free it by answer_free. */
void client_read(struct answer *ret_answer, int fd, bool is_head);

/* Connect, send, read, close. */
void client_call(struct answer *ret_answer, const char *address, const char *method, const char *target,
                 const char *body);

/* The same for the status alone, of a GET. */
int client_status(const char *address, const char *target);

/* Does nothing come for so long, neither a byte nor the end? */
bool client_is_silent(int fd, int ms);

/* A field's value, copied to `value`; false when there is none. */
bool answer_field(const struct answer *answer, const char *name, char *value, size_t size);

void answer_free(struct answer *answer);

#endif
