/*
 * base/buffer.h: bytes that grow, up to a limit.
 *
 * Bytes are appended at the end and consumed at the front. Memory doubles; it never shrinks but for ol_buffer_fini.
 * Zeroed memory with a `limit` is an empty buffer.
 */
#ifndef OL_BASE_BUFFER_H
#define OL_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct ol_buffer {
    char  *memory;
    size_t start; /* first byte that was not consumed */
    size_t end;   /* one after the last */
    size_t capacity;
    size_t limit; /* most bytes held at once (start to end) */
};

static inline void ol_buffer_init(struct ol_buffer *buffer, size_t limit)
{
    *buffer = (struct ol_buffer){ .limit = limit };
}

/** Free the memory; the buffer is empty and may be used again. */
void ol_buffer_fini(struct ol_buffer *buffer);

static inline size_t ol_buffer_size(const struct ol_buffer *buffer)
{
    return buffer->end - buffer->start;
}

/** What is held; NULL before anything ever was. */
static inline char *ol_buffer_data(const struct ol_buffer *buffer)
{
    return buffer->memory ? buffer->memory + buffer->start : NULL; /* C has no NULL + 0 */
}

/**
 * Make room for `size` more bytes after `end`; what is held may move.
 * Returns: 0, OL_ELIMIT (more than `limit`), OL_ENOMEM.
 */
int ol_buffer_reserve(struct ol_buffer *buffer, size_t size);

/** Append a copy. Returns: as ol_buffer_reserve; on failure nothing was appended. */
int ol_buffer_append(struct ol_buffer *buffer, const void *data, size_t size);

/** Append a string without its NUL. */
int ol_buffer_puts(struct ol_buffer *buffer, const char *string);

/** Append as by printf. */
int ol_buffer_printf(struct ol_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ol_buffer_vprintf(struct ol_buffer *buffer, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

/** Drop `size` bytes (at most what is held) from the front. */
void ol_buffer_consume(struct ol_buffer *buffer, size_t size);

/** Drop everything, keep the memory. */
static inline void ol_buffer_clear(struct ol_buffer *buffer)
{
    buffer->start = buffer->end = 0;
}

#endif
