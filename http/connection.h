/*
 * http/connection.h: a client. How it lives: connection.c; how it is answered: send.c; how it is timed: deadline.c.
 *
 * Thread: loop, for everything here.
 */
#ifndef OL_HTTP_CONNECTION_H
#define OL_HTTP_CONNECTION_H

#include "http/exchange.h"
#include "http/parser.h"
#include "loop/turn.h"

enum { OL__PEER_MAX = 64 };

enum ol__phase {
    OL__OPEN,      /* takes requests */
    OL__LAST,      /* takes no more; what was taken is answered */
    OL__LINGERING, /* all is answered and our side is shut; what the client still sends is thrown away */
    OL__CLOSED     /* to be freed at the end of the turn */
};

struct ol__conn {
    struct ol_server *server;
    struct ol_link    link; /* the server's */
    int               fd;
    enum ol__phase    phase;
    struct ol__io     io;
    struct ol__ready  turn_end; /* send what is there; or free, when closed */

    /* reading */
    struct ol__parser    parser;
    struct ol_buffer     in;      /* the beginning of a head, or what there was no room to take */
    bool                 in_body; /* the parser is past the head */
    struct ol__exchange *reading; /* whose body comes */
    bool                 stalled; /* there was no room for all of `in` */
    bool                 eof;     /* the client sends no more */
    size_t               dropped; /* bytes that came after the last request */
    bool                 watched; /* for a reset, by the server's hang-up epoll */

    /* answering */
    struct ol_link   exchanges; /* in order of arrival */
    unsigned         n_exchanges;
    uint64_t         n_requests;
    struct ol_buffer out;        /* what the kernel did not take */
    uint64_t         put;        /* bytes that were ever put out, ... */
    uint64_t         written;    /* ... and taken by the kernel */
    bool             said_close; /* the answer that says so is put out: the last one */
    bool             broken;     /* that answer broke off: no orderly end */

    /* deadlines on ol_now_ns()'s clock; 0: none */
    struct ol_timer timer;
    uint64_t        timer_ns;
    uint64_t        head_ns, idle_ns, write_ns, linger_ns, probe_ns;
    uint64_t        write_mark;                    /* `written` must get there by write_ns */
    uint64_t        body_began_ns, body_paused_ns; /* paused: since when, while the handler does not read */
    uint64_t        body_size;                     /* so far */

    char peer[OL__PEER_MAX];
};

/** Take an accepted socket. Returns: 0, or OL_ENOMEM (the socket is closed). */
int ol__conn_create(struct ol_server *server, int fd, const char *peer);

/** Close, with what runs for it cancelled for `reason`. Freed at the end of the turn. */
void ol__conn_close(struct ol__conn *connection, int reason);

/** The same, with a reset: the client learns that what it got is not all, and the kernel throws away what it did not take. */
void ol__conn_reset(struct ol__conn *connection);

/** Answer what could not be read, and take no more. */
void ol__conn_refuse(struct ol__conn *connection, int status, const char *why);

/** Something can be sent: at the end of this turn it will be. */
void ol__conn_wake(struct ol__conn *connection);

/** What was to be done at the end of this turn, now. The connection may be gone afterwards. */
void ol__conn_flush(struct ol__conn *connection);

/** There is room again: take what waits in `in`, and read on. */
void ol__conn_resume(struct ol__conn *connection);

/** Take no new request; close when idle. */
void ol__conn_drain(struct ol__conn *connection);

/** The client's side is shut: when is it asked whether it is there at all? */
void ol__conn_expect_probe(struct ol__conn *connection);

/** The body that comes will not become whole: answer `status`, or tell the handler that reads it. */
void ol__conn_fail_body(struct ol__conn *connection, int status, const char *why);

/** Watch for what is wanted now. */
void ol__conn_watch(struct ol__conn *connection);

/** Nothing is running, waiting or half read? */
bool ol__conn_is_idle(const struct ol__conn *connection);

/* ---- send.c ---- */

/** Put out what is answered, in order, and write as much as the kernel takes. */
void ol__conn_send(struct ol__conn *connection);

/* ---- deadline.c ---- */

/** There is a deadline at `at_ns`: let the timer be early enough. */
void ol__conn_arm(struct ol__conn *connection, uint64_t at_ns);

/** The timer's callback: see what has come. */
void ol__conn_timed(struct ol_timer *timer);

/** The server stops: what no handler has is answered 503, what runs is told that it closed. */
void ol__conn_give_up(struct ol__conn *connection);

/** Bytes are waiting for the client: by when must it have taken how many? */
void ol__conn_expect_write(struct ol__conn *connection);

/** A body begins. */
void ol__conn_expect_body(struct ol__conn *connection);

/** The handler does not take its body, or takes it again. */
void ol__conn_pause_body(struct ol__conn *connection, bool pause);

#endif
