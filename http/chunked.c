/*
 * chunked.c: a reader of the chunked coding that takes nothing but what the grammar of RFC 9112 says.
 *
 *     SIZE --;--> EXT_NAME --=--> EXT_VALUE --> EXT_TOKEN | EXT_QUOTED <-> EXT_ESCAPE, EXT_AFTER
 *      |             |                             |
 *      '-----CR------+------------CR---------------+--> SIZE_LF --> DATA --> DATA_CR --> DATA_LF --> SIZE
 *                                                          |
 *                                                      (size 0) --> TRAILER --CR--> END_LF --> END
 *                                                                   |   ^
 *                                                        FIELD_NAME --> FIELD_VALUE --> FIELD_LF
 *
 * White space around a size, an extension's '=' or its ';' is refused, though RFC 9112 lets a recipient take some of it: that is
 * what two servers have disagreed about. A line is bounded, and so is the sum of all lines with extensions, or a client could
 * send a thousand bytes for each one of the body. Extensions mean nothing here. Trailer fields are read and dropped: what
 * has been decided by the head (its length, its host, who sent it) cannot be decided again afterwards.
 */
#include "http/chunked.h"

#include <stdbool.h>

#include "http/chars.h"

enum { DIGITS_MAX = 15, LINE_MAX_SIZE = 256, OVERHEAD_MAX = 16384 };

enum state {
    SIZE,
    EXT_NAME_START,
    EXT_NAME,
    EXT_VALUE,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPE,
    EXT_AFTER,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    FIELD_NAME,
    FIELD_VALUE,
    FIELD_LF,
    END_LF,
    END,
    BAD
};

/* 15 digits are 60 bits: no sum of what we count overflows. Zeros in front count too. */
static enum state read_size(struct ol__chunked *chunked, char c)
{
    int digit = ol__hex_value(c);

    if (digit >= 0) {
        chunked->left = chunked->left * 16 + (unsigned)digit;
        return ++chunked->n_digits <= DIGITS_MAX ? SIZE : BAD;
    }
    if (chunked->n_digits == 0)
        return BAD;
    if (c == '\r')
        return SIZE_LF;
    return c == ';' ? EXT_NAME_START : BAD;
}

/* After a whole name or value. */
static enum state end_extension(char c)
{
    if (c == '\r')
        return SIZE_LF;
    return c == ';' ? EXT_NAME_START : BAD;
}

static enum state read_extension(enum state state, char c)
{
    bool is_token = ol__char_is(c, OL__CHAR_TOKEN);

    switch (state) {
    case EXT_NAME_START: return is_token ? EXT_NAME : BAD;
    case EXT_NAME:
        if (is_token)
            return EXT_NAME;
        return c == '=' ? EXT_VALUE : end_extension(c);
    case EXT_VALUE:
        if (is_token)
            return EXT_TOKEN;
        return c == '"' ? EXT_QUOTED : BAD;
    case EXT_TOKEN: return is_token ? EXT_TOKEN : end_extension(c);
    case EXT_QUOTED:
        if (c == '"')
            return EXT_AFTER;
        if (c == '\\')
            return EXT_ESCAPE;
        return ol__char_is(c, OL__CHAR_VALUE) ? EXT_QUOTED : BAD;
    case EXT_ESCAPE: return ol__char_is(c, OL__CHAR_VALUE) ? EXT_QUOTED : BAD;
    case EXT_AFTER: return end_extension(c);
    default: return BAD;
    }
}

static enum state read_trailer(enum state state, char c)
{
    switch (state) {
    case TRAILER:
        if (c == '\r')
            return END_LF;
        return ol__char_is(c, OL__CHAR_TOKEN) ? FIELD_NAME : BAD;
    case FIELD_NAME:
        if (c == ':')
            return FIELD_VALUE;
        return ol__char_is(c, OL__CHAR_TOKEN) ? FIELD_NAME : BAD;
    case FIELD_VALUE:
        if (c == '\r')
            return FIELD_LF;
        return ol__char_is(c, OL__CHAR_VALUE) ? FIELD_VALUE : BAD;
    case FIELD_LF: return c == '\n' ? TRAILER : BAD;
    default: return c == '\n' ? END : BAD; /* END_LF */
    }
}

static enum state end_line(struct ol__chunked *chunked, char c)
{
    if (c != '\n')
        return BAD;
    if (chunked->line_size > chunked->n_digits + 2)
        chunked->overhead_size += chunked->line_size;
    if (chunked->overhead_size > OVERHEAD_MAX)
        return BAD;
    return chunked->left ? DATA : TRAILER;
}

static enum state begin_chunk(struct ol__chunked *chunked, char c)
{
    chunked->left = 0;
    chunked->n_digits = chunked->line_size = 0;
    return c == '\n' ? SIZE : BAD;
}

static enum state read_byte(struct ol__chunked *chunked, char c)
{
    enum state state = (enum state)chunked->state;

    if (state <= SIZE_LF && ++chunked->line_size > LINE_MAX_SIZE)
        return BAD;
    if (state >= TRAILER)
        chunked->trailer_size++;
    switch (state) {
    case SIZE: return read_size(chunked, c);
    case SIZE_LF: return end_line(chunked, c);
    case DATA_CR: return c == '\r' ? DATA_LF : BAD;
    case DATA_LF: return begin_chunk(chunked, c);
    case DATA:
    case END:
    case BAD: return BAD;
    default: return state < TRAILER ? read_extension(state, c) : read_trailer(state, c);
    }
}

static void take_data(struct ol__chunked *chunked, size_t size, size_t *ret_data_size)
{
    *ret_data_size = size < chunked->left ? size : (size_t)chunked->left;
    chunked->left -= *ret_data_size;
    if (!chunked->left)
        chunked->state = DATA_CR;
}

enum ol__chunked_result ol__chunked_read(struct ol__chunked *chunked, const char *data, size_t size, size_t trailer_max,
                                         size_t *ret_used, const char **ret_data, size_t *ret_data_size)
{
    size_t at = 0;

    while (at < size) {
        if (chunked->state == DATA) {
            *ret_data = data + at;
            take_data(chunked, size - at, ret_data_size);
            *ret_used = at + *ret_data_size;
            return OL__CHUNKED_DATA;
        }
        chunked->state = (int)read_byte(chunked, data[at++]);
        if (chunked->state == BAD || chunked->state == END)
            break;
        if (chunked->trailer_size > trailer_max) {
            *ret_used = at;
            return OL__CHUNKED_TOO_LONG;
        }
    }
    *ret_used = at;
    if (chunked->state == BAD)
        return OL__CHUNKED_BAD;
    return chunked->state == END ? OL__CHUNKED_END : OL__CHUNKED_MORE;
}
