/*
 * http/server.h: the server's own structure, for the files of this room.
 */
#ifndef OL_HTTP_SERVER_H
#define OL_HTTP_SERVER_H

#include <offloop/http.h>
#include <time.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/parser.h"
#include "http/router.h"
#include "loop/turn.h"

enum { OL__READ_SIZE = 65536, OL__DATE_SIZE = 37 /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */ };

struct ol__listener;
struct ol__conn;

struct ol_server {
    /* set at create; routes before listen */
    struct ol_loop          *loop;
    struct ol_server_config  config; /* the defaults filled in */
    struct ol__parser_limits limits;
    struct ol__router        router;

    /* loop only */
    struct ol_link         connections;
    unsigned               n_connections; /* not closed */
    unsigned               n_exchanges;   /* not freed: also those whose client is gone */
    struct ol_server_stats stats;
    char                  *scratch;     /* one read at a time */
    struct ol_buffer       scratch_out; /* one connection's output at a time */
    char                   date[OL__DATE_SIZE + 1];
    time_t                 date_of;

    /* loop only: who listens (listener.c) */
    struct ol__listener *listeners;
    bool                 is_paused;
    struct ol_timer      resume;
    uint64_t             tell_paused_ns; /* not before this is another pause told of */

    /* loop only: who may hang up unseen (hangup.c) */
    int           hangup_fd; /* an epoll; -1 until it is needed */
    struct ol__io hangup_io;

    /* loop only: closing */
    bool                 is_closing;
    bool                 holds_loop; /* until all are gone */
    struct ol_timer      drain;
    double               last_words_s;
    struct ol__ready     all_gone;
    ol_server_closed_cb *closed;
    void                *closed_arg;
};

/** "Date: ...\r\n", OL__DATE_SIZE bytes, of this second. */
const char *ol__server_date(struct ol_server *server);

/** A connection or an exchange is gone. */
void ol__server_check_gone(struct ol_server *server);

/* ---- listener.c ---- */

/** Accept nothing more and close the sockets; what had come to a socket of our own is taken first. */
void ol__listeners_close(struct ol_server *server);

/** There is room for a connection again. */
void ol__listeners_resume(struct ol_server *server);

/* ---- hangup.c ---- */

/** Watch a connection of which nothing else is wanted, for its reset. Closes it when that comes. */
void ol__hangup_watch(struct ol__conn *connection);
void ol__hangup_unwatch(struct ol__conn *connection);
void ol__hangup_fini(struct ol_server *server);

#endif
