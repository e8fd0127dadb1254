/*
 * fetch_result.c: an answer while it arrives, and what the caller sees of it afterwards.
 *
 * The head is kept as "name NUL value NUL" pairs in one buffer, in their order; looking one up is a walk, since heads
 * are short and looked at rarely. There may be several heads in one transfer (100 Continue, redirects): each status
 * line begins anew, so that only the last answer's fields are seen. Fields after the body (trailers) are never merged
 * into the head: a service must not be able to add Content-Type or Location behind the reader's back.
 *
 * What is refused: a body over its limit, at once when the head already announces it; a head over 256 KiB; anything
 * before a status line, and lines in a head that are no fields. Obsolete line folding is joined by one space, as RFC
 * 9112 5.2 has it.
 *
 * The body has a NUL behind its last byte that is not counted, put there with every piece, so that no step after the
 * last one can fail.
 */
#include "http/fetch_result.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"

struct ol_fetch_result {
    int    status;
    double duration_s;

    struct ol_buffer head; /* pairs of strings */
    bool             head_ended;

    struct ol_buffer body;
    size_t           body_size; /* seen, kept or not */
    size_t           body_max;
};

int ol__fetch_result_create(struct ol_fetch_result **ret_result, size_t body_max)
{
    struct ol_fetch_result *result = calloc(1, sizeof *result);

    if (!result)
        return ol__fail(OL_ENOMEM, 0, "no memory for an answer");
    if (body_max == 0)
        body_max = OL__FETCH_BODY_MAX;
    result->body_max = body_max < SIZE_MAX ? body_max : SIZE_MAX - 1;
    result->head_ended = true;
    ol_buffer_init(&result->head, OL__FETCH_HEAD_MAX);
    ol_buffer_init(&result->body, result->body_max + 1);
    *ret_result = result;
    return 0;
}

void ol_fetch_result_free(struct ol_fetch_result *result)
{
    if (!result)
        return;
    ol_buffer_fini(&result->head);
    ol_buffer_fini(&result->body);
    free(result);
}

/* ---- the head ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The text between `from` and `to` without the blanks around it, as a string at the end of the buffer. */
static int append_trimmed(struct ol_buffer *buffer, const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (from < to && is_blank(to[-1]))
        to--;
    if (memchr(from, '\0', (size_t)(to - from)))
        return ol__fail(OL_EUPSTREAM, 0, "a NUL in the answer's head");
    int rc = ol_buffer_reserve(buffer, (size_t)(to - from) + 1);
    if (rc == OL_ELIMIT)
        return ol__fail(OL_EUPSTREAM, 0, "the answer's head is over %d bytes", OL__FETCH_HEAD_MAX);
    if (rc < 0)
        return ol__fail(rc, 0, "no memory for an answer's head");
    ol_buffer_append(buffer, from, (size_t)(to - from));
    return ol_buffer_append(buffer, "", 1);
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": the version is curl's affair. */
static int take_status_line(struct ol_fetch_result *result, const char *line, size_t size)
{
    const char *end = line + size, *p = memchr(line, ' ', size);
    int         status = 0, n_digits = 0;

    while (p && p < end && *p == ' ')
        p++;
    for (; p && p < end && *p >= '0' && *p <= '9' && n_digits < 4; p++, n_digits++)
        status = status * 10 + (*p - '0');
    if (n_digits != 3 || status < 100)
        return ol__fail(OL_EUPSTREAM, 0, "the answer has no status that can be read");
    result->status = status;
    result->head_ended = false;
    ol_buffer_clear(&result->head);
    return 0;
}

/* The last value goes on: its NUL becomes the space that joins the two. */
static int take_folded_line(struct ol_fetch_result *result, const char *line, size_t size)
{
    if (ol_buffer_size(&result->head) == 0)
        return ol__fail(OL_EUPSTREAM, 0, "the answer's head begins with a folded line");
    result->head.memory[result->head.end - 1] = ' ';
    int rc = append_trimmed(&result->head, line, line + size);
    if (rc < 0)
        result->head.memory[result->head.end - 1] = '\0';
    return rc;
}

static int take_field(struct ol_fetch_result *result, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    size_t      before = result->head.end;

    if (!colon || colon == line)
        return ol__fail(OL_EUPSTREAM, 0, "the answer's head has a line that is no field");
    int rc = append_trimmed(&result->head, line, colon);
    if (rc == 0)
        rc = append_trimmed(&result->head, colon + 1, line + size);
    if (rc < 0)
        result->head.end = before; /* never half a pair */
    return rc;
}

int ol__fetch_result_head(struct ol_fetch_result *result, const char *line, size_t size)
{
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0 && result->head_ended)
        return take_status_line(result, line, size);
    if (result->status == 0)
        return ol__fail(OL_EUPSTREAM, 0, "the answer does not begin with a status line");
    if (result->head_ended)
        return 0; /* a trailer */
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
        size--;
    if (size == 0) {
        result->head_ended = true;
        return 0;
    }
    if (*line == ' ' || *line == '\t')
        return take_folded_line(result, line, size);
    return take_field(result, line, size);
}

/* ---- the body ---- */

static bool is_announced_too_large(const struct ol_fetch_result *result)
{
    const char *length = ol_fetch_header(result, "Content-Length");

    return length && strtoull(length, NULL, 10) > result->body_max;
}

int ol__fetch_result_count(struct ol_fetch_result *result, size_t size)
{
    bool first = result->body_size == 0;

    if (size > result->body_max - result->body_size || (first && is_announced_too_large(result)))
        return ol__fail(OL_ELIMIT, 0, "the answer's body is over %zu bytes", result->body_max);
    result->body_size += size;
    return 0;
}

int ol__fetch_result_keep(struct ol_fetch_result *result, const void *data, size_t size)
{
    int rc = ol__fetch_result_count(result, size);

    if (rc < 0)
        return rc;
    rc = ol_buffer_reserve(&result->body, size + 1);
    if (rc < 0)
        return ol__fail(OL_ENOMEM, 0, "no memory for an answer of %zu bytes", result->body_size);
    ol_buffer_append(&result->body, data, size);
    result->body.memory[result->body.end] = '\0';
    return 0;
}

void ol__fetch_result_finish(struct ol_fetch_result *result, double duration_s)
{
    result->duration_s = duration_s;
}

/* ---- what the caller sees ---- */

int ol_fetch_status(const struct ol_fetch_result *result)
{
    return result->status;
}

const void *ol_fetch_body(const struct ol_fetch_result *result, size_t *ret_size)
{
    if (ret_size)
        *ret_size = ol_buffer_size(&result->body);
    return result->body.memory ? ol_buffer_data(&result->body) : "";
}

const char *ol_fetch_header(const struct ol_fetch_result *result, const char *name)
{
    const char *found = NULL, *p = result->head.memory;
    const char *end = p ? p + result->head.end : NULL;

    while (p != end) {
        const char *value = p + strlen(p) + 1;

        if (strcasecmp(p, name) == 0)
            found = value;
        p = value + strlen(value) + 1;
    }
    return found;
}

double ol_fetch_duration_s(const struct ol_fetch_result *result)
{
    return result->duration_s;
}
