/*
 * http/parser.h: an HTTP/1.x request from bytes, and nothing else: no socket, no loop, no memory of its own.
 *
 *     ol__parser_init(&parser, &limits);
 *     ol__parser_head(&parser, data, size)    until it says OL__PARSE_HEAD; `data` begins with the message each time
 *     ol__parser_index(&parser, copy, fields) cuts a copy of the head into strings
 *     ol__parser_body(&parser, ...)           until it says OL__PARSE_END
 *
 * and init again for the next message. What is refused, and why, stands in parser.c.
 */
#ifndef OL_HTTP_PARSER_H
#define OL_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/chunked.h"

struct ol__parser_limits {
    size_t   request_line_max; /* bytes without the line's end; more is 414 */
    size_t   head_max;         /* from the request line to the empty line, both included; more is 431 */
    unsigned headers_max;      /* fields; more is 431 */
};

/** A field of an indexed head: strings, a NUL after each. */
struct ol__field {
    const char *name, *value;
    uint32_t    name_size, value_size;
};

/** An indexed head's request line: strings. `query` is NULL when there was no '?'. */
struct ol__request_line {
    const char *method, *path, *query;
    size_t      method_size, path_size, query_size;
};

enum ol__parse {
    OL__PARSE_MORE,  /* everything was looked at; more bytes are needed */
    OL__PARSE_HEAD,  /* the head is whole: head_size bytes */
    OL__PARSE_BODY,  /* a piece of the body */
    OL__PARSE_END,   /* the message is whole */
    OL__PARSE_FAILED /* `status` and `why` */
};

struct ol__parser {
    const struct ol__parser_limits *limits;

    /* how far it is */
    bool     in_fields; /* the request line is read */
    unsigned n_empty;   /* lines before it */
    size_t   start;     /* offset of the request line */
    size_t   line;      /* offset of the line that is not whole yet */
    size_t   scanned;   /* bytes that hold no line's end after `line` */

    /* the head's result */
    size_t   head_size; /* with what stood before the request line */
    unsigned n_fields;
    unsigned minor;      /* HTTP/1.x */
    bool     keep_alive; /* by version and Connection */
    bool     has_body;
    bool     is_chunked;
    bool     expects_continue;
    uint64_t content_length;

    /* the request line and the fields that frame it, as offsets */
    size_t   method_size, target, target_size, path; /* path: where it begins; == target but for the absolute form */
    size_t   host, host_size;
    unsigned n_hosts, n_lengths, n_codings;
    bool     says_close, says_keep_alive, expects_other;

    /* the body */
    uint64_t           left; /* of content_length */
    struct ol__chunked chunked;

    /* why it failed */
    int         status;
    const char *why;

    /* llhttp's */
    bool     second_head, second_end;
    uint64_t second[16];
};

void ol__parser_init(struct ol__parser *parser, const struct ol__parser_limits *limits);

/** Has the message begun, be it by one byte? */
static inline bool ol__parser_begun(const struct ol__parser *parser)
{
    return parser->scanned > 0;
}

/** Look at `size` bytes from the message's start, of which earlier calls have seen a part. */
enum ol__parse ol__parser_head(struct ol__parser *parser, const char *data, size_t size);

/**
 * Cut `head`, a copy of the head_size bytes that the caller may keep, into strings. `fields` has room for n_fields.
 */
void ol__parser_index(const struct ol__parser *parser, char *head, struct ol__request_line *ret_line,
                      struct ol__field *fields);

/**
 * Read on in the body, up to its next piece or its end. *ret_used: how many bytes were taken. A piece lies within
 * `data`. Call it with what is left until it says MORE, END or FAILED; with size 0 for a message without a body.
 */
enum ol__parse ol__parser_body(struct ol__parser *parser, const char *data, size_t size, size_t *ret_used,
                               const char **ret_piece, size_t *ret_piece_size);

#endif
