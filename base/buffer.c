#include "base/buffer.h"

#include <offloop/base.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void ol_buffer_fini(struct ol_buffer *buffer)
{
    free(buffer->memory);
    ol_buffer_init(buffer, buffer->limit);
}

static bool within_limit(const struct ol_buffer *buffer, size_t size)
{
    return size <= buffer->limit && ol_buffer_size(buffer) <= buffer->limit - size;
}

static int make_room(struct ol_buffer *buffer, size_t size)
{
    size_t held = ol_buffer_size(buffer);

    if (buffer->capacity - buffer->end >= size)
        return 0;
    if (buffer->capacity - held >= size && buffer->start >= held) {
        /* The front was consumed: moving what is left is cheaper than growing, and cannot overlap. */
        memcpy(buffer->memory, buffer->memory + buffer->start, held);
        buffer->start = 0;
        buffer->end = held;
        return 0;
    }

    /* Doubled also when there is room at the front: else a nearly full buffer would move for each byte. */
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : FIRST_CAPACITY;
    if (size > PTRDIFF_MAX / 4 || held > PTRDIFF_MAX / 4)
        return OL_ENOMEM;
    while (capacity < held + size)
        capacity *= 2;
    char *memory = malloc(capacity);
    if (!memory)
        return OL_ENOMEM;
    if (held)
        memcpy(memory, buffer->memory + buffer->start, held);
    free(buffer->memory);
    buffer->memory = memory;
    buffer->start = 0;
    buffer->end = held;
    buffer->capacity = capacity;
    return 0;
}

int ol_buffer_reserve(struct ol_buffer *buffer, size_t size)
{
    return within_limit(buffer, size) ? make_room(buffer, size) : OL_ELIMIT;
}

int ol_buffer_append(struct ol_buffer *buffer, const void *data, size_t size)
{
    int rc = ol_buffer_reserve(buffer, size);

    if (rc < 0)
        return rc;
    if (size)
        memcpy(buffer->memory + buffer->end, data, size);
    buffer->end += size;
    return 0;
}

int ol_buffer_puts(struct ol_buffer *buffer, const char *string)
{
    return ol_buffer_append(buffer, string, strlen(string));
}

int ol_buffer_vprintf(struct ol_buffer *buffer, const char *format, va_list ap)
{
    va_list again;
    int     size, rc = OL_EINVAL;

    va_copy(again, ap);
    size = vsnprintf(NULL, 0, format, ap);
    if (size >= 0) /* vsnprintf's NUL needs room, but is not held */
        rc = within_limit(buffer, (size_t)size) ? make_room(buffer, (size_t)size + 1) : OL_ELIMIT;
    if (rc == 0) {
        vsnprintf(buffer->memory + buffer->end, (size_t)size + 1, format, again);
        buffer->end += (size_t)size;
    }
    va_end(again);
    return rc;
}

int ol_buffer_printf(struct ol_buffer *buffer, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int rc = ol_buffer_vprintf(buffer, format, ap);
    va_end(ap);
    return rc;
}

void ol_buffer_consume(struct ol_buffer *buffer, size_t size)
{
    if (size >= ol_buffer_size(buffer))
        ol_buffer_clear(buffer);
    else
        buffer->start += size;
}
