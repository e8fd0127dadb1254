/*
 * request.c: what a handler may ask of its request. What has to be made (a decoded query value, fields joined) is kept with the
 * request, by the one thread that runs the handler.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/chars.h"
#include "http/exchange.h"

const char *ol_request_method(const struct ol_request *request)
{
    return request->line.method;
}

const char *ol_request_path(const struct ol_request *request)
{
    return request->line.path;
}

struct ol_text ol_request_param(const struct ol_request *request, const char *name)
{
    const struct ol__route *route = request->route;

    for (unsigned i = 0; i < route->n_params; i++)
        if (strcmp(route->params[i], name) == 0)
            return request->params[i];
    return (struct ol_text){ 0 };
}

static char *make_room(struct ol_request *request, size_t size)
{
    struct ol__extra *extra = malloc(sizeof *extra + size + 1);

    if (!extra)
        return NULL;
    extra->next = request->extras;
    request->extras = extra;
    return extra->data;
}

/* A value with a broken escape is given as it came: "none" would let a default stand in for what the client wrote. */
static struct ol_text decode_query(struct ol_request *request, const char *data, size_t size)
{
    char   *out = make_room(request, size);
    int64_t n = out ? ol__percent_decode(out, data, size, true) : OL_ENOMEM;

    if (!out)
        return (struct ol_text){ 0 };
    if (n < 0) {
        memcpy(out, data, size);
        n = (int64_t)size;
    }
    out[n] = '\0';
    return (struct ol_text){ out, (size_t)n };
}

/* Is `text`, as it stands in a query, the name? */
static bool is_name(const char *text, size_t size, const char *name)
{
    size_t name_size = strlen(name), at = 0;

    for (size_t i = 0; i < size; i++, at++) {
        char    c;
        size_t  step = text[i] == '%' && i + 2 < size ? 3 : 1;
        int64_t n = ol__percent_decode(&c, text + i, 1, true);

        if (step == 3) {
            char decoded[3];

            n = ol__percent_decode(decoded, text + i, 3, true);
            c = decoded[0];
        }
        if (n < 0 || at >= name_size || c != name[at])
            return false;
        i += step - 1;
    }
    return at == name_size;
}

struct ol_text ol_request_query(struct ol_request *request, const char *name)
{
    const char *at = request->line.query, *end = at ? at + request->line.query_size : NULL;

    while (at && at <= end) {
        const char *amp = memchr(at, '&', (size_t)(end - at)), *last = amp ? amp : end;
        const char *equals = memchr(at, '=', (size_t)(last - at)), *name_end = equals ? equals : last;

        if (is_name(at, (size_t)(name_end - at), name) && name_end > at)
            return equals ? decode_query(request, equals + 1, (size_t)(last - equals - 1)) : (struct ol_text){ "", 0 };
        at = amp ? amp + 1 : NULL;
    }
    return (struct ol_text){ 0 };
}

static bool is_field(const struct ol__field *field, const char *name, size_t size)
{
    return ol__equal_nocase(field->name, field->name_size, name, size);
}

static struct ol_text join_fields(struct ol_request *request, unsigned first, const char *name, size_t joined_size)
{
    size_t used = 0, name_size = strlen(name);
    char  *out = make_room(request, joined_size);

    if (!out)
        return (struct ol_text){ 0 };
    for (unsigned i = first; i < request->n_fields; i++) {
        const struct ol__field *field = &request->fields[i];

        if (!is_field(field, name, name_size))
            continue;
        if (i > first) {
            memcpy(out + used, ", ", 2);
            used += 2;
        }
        memcpy(out + used, field->value, field->value_size);
        used += field->value_size;
    }
    out[used] = '\0';
    return (struct ol_text){ out, used };
}

struct ol_text ol_request_header(struct ol_request *request, const char *name)
{
    size_t   size = strlen(name), joined_size = 0;
    unsigned first = 0, n = 0;

    for (unsigned i = 0; i < request->n_fields; i++) {
        if (!is_field(&request->fields[i], name, size))
            continue;
        if (n++ == 0)
            first = i;
        joined_size += request->fields[i].value_size + 2;
    }
    if (n > 1)
        return join_fields(request, first, name, joined_size);
    if (n == 0)
        return (struct ol_text){ 0 };
    return (struct ol_text){ request->fields[first].value, request->fields[first].value_size };
}

struct ol_text ol_request_body(const struct ol_request *request)
{
    return request->body;
}

const char *ol_request_peer(const struct ol_request *request)
{
    return request->peer;
}

struct ol_scope *ol_request_scope(struct ol_request *request)
{
    return &ol__exchange_of_request(request)->scope;
}

int ol_text_int(int64_t *ret_value, struct ol_text text, int64_t min, int64_t max)
{
    bool    negative = text.data && text.size && text.data[0] == '-';
    size_t  at = negative;
    int64_t value = 0;

    if (!text.data)
        return ol__fail(OL_ENOENT, 0, "there is no number");
    if (at == text.size)
        return ol__fail(OL_EINVAL, 0, "not a whole number");
    for (; at < text.size; at++) {
        int digit = text.data[at] - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) /* counted down: the least number has no positive one */
            return ol__fail(OL_EINVAL, 0, "not a whole number");
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return ol__fail(OL_EINVAL, 0, "not a whole number");
    if (value < min || value > max)
        return ol__fail(OL_EINVAL, 0, "not between %lld and %lld", (long long)min, (long long)max);
    *ret_value = value;
    return 0;
}

int ol_request_read(struct ol_request *request, void *buffer, size_t size, size_t *ret_size)
{
    int reason = ol_scope_reason(&ol__exchange_of_request(request)->scope);

    if (!request->upload || size == 0)
        return ol__fail(OL_EINVAL, 0, "only a streamed body is read piece by piece");
    if (reason)
        return ol__fail(reason, 0, "%s", ol_strerror(reason));
    int rc = ol__pipe_read(request->upload, buffer, size, ret_size);
    return rc < 0 ? ol__fail(rc, 0, "the body was broken off: %s", ol_strerror(rc)) : 0;
}
