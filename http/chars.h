/*
 * http/chars.h: which bytes may stand where in HTTP/1.1 (RFC 9110 section 5.6, RFC 9112 section 3, RFC 3986).
 */
#ifndef OL_HTTP_CHARS_H
#define OL_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OL__CHAR_TOKEN = 1,  /* tchar: methods, field names */
    OL__CHAR_VALUE = 2,  /* a field's value: visible, space, tab, and bytes above 127 */
    OL__CHAR_TARGET = 4, /* a request target: visible ASCII without '#' (more than RFC 3986 has: browsers send it) */
    OL__CHAR_HOST = 8,   /* reg-name: unreserved, sub-delims, '%' */
    OL__CHAR_HEX = 16
};

extern const uint8_t ol__char_table[256];

static inline bool ol__char_is(char c, unsigned which)
{
    return (ol__char_table[(unsigned char)c] & which) != 0;
}

/** How many bytes at the start are of that kind. */
static inline size_t ol__span(const char *data, size_t size, unsigned which)
{
    size_t n = 0;

    while (n < size && ol__char_is(data[n], which))
        n++;
    return n;
}

static inline char ol__lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/** The value of a hexadecimal digit, or -1. */
static inline int ol__hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ol__lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** ASCII only, whatever the locale. */
bool ol__equal_nocase(const char *a, size_t a_size, const char *b, size_t b_size);

/** Is `token` an element of the comma-separated list? Case is ignored. */
bool ol__list_has(const char *list, size_t size, const char *token);

/**
 * Decode %XX (and '+' as a space when `plus`) from `data` to `out`, which may be the same memory and needs `size` bytes.
 * Returns: the decoded size, or OL_EINVAL (a broken escape, or an escaped NUL).
 */
int64_t ol__percent_decode(char *out, const char *data, size_t size, bool plus);

#endif
