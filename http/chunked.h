/*
 * http/chunked.h: reading the chunked coding (RFC 9112 section 7.1), byte by byte if need be.
 */
#ifndef OL_HTTP_CHUNKED_H
#define OL_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

/** Zeroed: at the first byte. */
struct ol__chunked {
    int      state;
    unsigned n_digits;      /* of the size that is being read */
    unsigned line_size;     /* of the chunk's line so far */
    uint64_t left;          /* bytes of the chunk that are to come */
    size_t   overhead_size; /* of all lines that held more than a size */
    size_t   trailer_size;
};

enum ol__chunked_result {
    OL__CHUNKED_MORE,    /* all bytes are used */
    OL__CHUNKED_DATA,    /* *ret_data, *ret_data_size: a piece of the body, within the input */
    OL__CHUNKED_END,     /* the last byte of the coding is used */
    OL__CHUNKED_BAD,     /* not what the grammar says */
    OL__CHUNKED_TOO_LONG /* the trailer is larger than trailer_max */
};

/** Read on, up to the next thing to say. *ret_used: how many bytes were taken. */
enum ol__chunked_result ol__chunked_read(struct ol__chunked *chunked, const char *data, size_t size, size_t trailer_max,
                                         size_t *ret_used, const char **ret_data, size_t *ret_data_size);

#endif
