/*
 * response.c: the answer, as its handler makes it and as it goes out.
 *
 * A handler collects: a status, fields (kept as the lines that will be sent), a body. Everything is checked when it is set, so
 * that no name or value can end a line, and nothing that frames the message can be said twice; what goes
 * out is then one copy into the connection's output. The head is put together by the loop, when the handler has
 * returned or begun to stream, since only then is known whether the connection will stay.
 *
 * Errors. A handler that returns a negative code gets the status of the table in <offloop/base.h> and a problem+json body
 * (RFC 9457). Its detail is ol_last_error()'s text when that belongs to the code, but for 500: what broke inside is not the
 * client's business (file names, SQL), and is in ol_last_error() for whoever wants to log it.
 */
#include "http/response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/chars.h"
#include "http/connection.h"
#include "http/server.h"

enum { FIELDS_MAX_SIZE = 65536, RETRY_AFTER_S = 1, LINE_ROOM = 320 };

static const char plain_text[] = "text/plain; charset=utf-8";

static const struct {
    int         status;
    const char *text;
} statuses[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 203, "Non-Authoritative Information" },
    { 204, "No Content" },
    { 205, "Reset Content" },
    { 206, "Partial Content" },
    { 300, "Multiple Choices" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 402, "Payment Required" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 407, "Proxy Authentication Required" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 426, "Upgrade Required" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
    { 511, "Network Authentication Required" },
};

const char *ol__status_text(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].status == status)
            return statuses[i].text;
    return "Unknown";
}

void ol__response_init(struct ol_response *response)
{
    response->status = 200;
    response->content_type = NULL;
    ol_buffer_init(&response->fields, FIELDS_MAX_SIZE);
    ol_buffer_init(&response->body, SIZE_MAX / 2);
}

static void forget_type(struct ol_response *response)
{
    if (response->content_type != plain_text && response->content_type != response->type_copy)
        free((char *)response->content_type);
    response->content_type = NULL;
}

void ol__response_fini(struct ol_response *response)
{
    forget_type(response);
    ol_buffer_fini(&response->fields);
    ol_buffer_fini(&response->body);
}

/* ---- what a handler sets ---- */

static int head_is_sent(void)
{
    return ol__fail(OL_EINVAL, 0, "the response's head was sent already");
}

int ol_response_status(struct ol_response *response, int status)
{
    if (response->begun)
        return head_is_sent();
    if (status < 200 || status > 599)
        return ol__fail(OL_EINVAL, 0, "%d is not the status of a final response", status);
    response->status = status;
    return 0;
}

/* What frames the message, and what the connection says by itself. */
static bool is_servers_own(const char *name, size_t size)
{
    static const char *const own[] = { "content-length", "transfer-encoding", "connection", "date",
                                       "keep-alive",     "upgrade",           "trailer" };

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (ol__equal_nocase(name, size, own[i], strlen(own[i])))
            return true;
    return false;
}

static int set_type(struct ol_response *response, const char *type, size_t size)
{
    char *copy = size < OL__TYPE_MAX ? response->type_copy : malloc(size + 1);

    if (!copy)
        return ol__fail(OL_ENOMEM, 0, "no memory for a response's type");
    if (copy != type)
        memmove(copy, type, size + 1);
    if (copy != response->type_copy || response->content_type != copy)
        forget_type(response);
    response->content_type = copy;
    return 0;
}

static int check_field(const char *name, size_t name_size, const char *value, size_t value_size)
{
    if (name_size == 0 || ol__span(name, name_size, OL__CHAR_TOKEN) != name_size)
        return ol__fail(OL_EINVAL, 0, "that is no name of a header field");
    if (ol__span(value, value_size, OL__CHAR_VALUE) != value_size)
        return ol__fail(OL_EINVAL, 0, "%s: a header field's value has a control byte", name);
    if (is_servers_own(name, name_size))
        return ol__fail(OL_EINVAL, 0, "%s is set by the server", name);
    return 0;
}

int ol_response_header(struct ol_response *response, const char *name, const char *value)
{
    size_t name_size = strlen(name), value_size = strlen(value);
    int    rc;

    if (response->begun)
        return head_is_sent();
    rc = check_field(name, name_size, value, value_size);
    if (rc < 0)
        return rc;
    if (ol__equal_nocase(name, name_size, "content-type", 12))
        return set_type(response, value, value_size);
    rc = ol_buffer_reserve(&response->fields, name_size + value_size + 4);
    if (rc < 0)
        return ol__fail(rc, 0, "the header fields of a response are too large");
    ol_buffer_append(&response->fields, name, name_size);
    ol_buffer_append(&response->fields, ": ", 2);
    ol_buffer_append(&response->fields, value, value_size);
    ol_buffer_append(&response->fields, "\r\n", 2);
    return 0;
}

/* Also a type that is asked for is checked: it goes into the head. */
static int begin_body(struct ol_response *response, const char *content_type)
{
    int rc;

    if (response->begun)
        return head_is_sent();
    if (content_type) {
        rc = ol_response_header(response, "Content-Type", content_type);
        if (rc < 0)
            return rc;
    } else {
        forget_type(response);
        response->content_type = plain_text;
    }
    ol_buffer_clear(&response->body);
    response->has_body = true;
    return 0;
}

int ol_response_body(struct ol_response *response, const char *content_type, const void *data, size_t size)
{
    int rc = begin_body(response, content_type);

    if (rc == 0 && ol_buffer_append(&response->body, data, size) < 0)
        rc = ol__fail(OL_ENOMEM, 0, "no memory for a response of %zu bytes", size);
    return rc;
}

int ol_response_printf(struct ol_response *response, const char *content_type, const char *format, ...)
{
    va_list ap;
    int     rc = begin_body(response, content_type);

    if (rc < 0)
        return rc;
    va_start(ap, format);
    rc = ol_buffer_vprintf(&response->body, format, ap);
    va_end(ap);
    return rc < 0 ? ol__fail(rc, 0, "a response cannot be formatted") : 0;
}

/* ---- problems ---- */

/* How many bytes of a valid UTF-8 sequence begin here; 0: none do. */
static size_t utf8_size(const unsigned char *at)
{
    size_t   n = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    uint32_t code = n == 1 ? at[0] : at[0] & (0x7fu >> n);

    if (at[0] > 0xf4 || (at[0] >= 0x80 && at[0] < 0xc2))
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) || (code & 0xfffff800) == 0xd800)
        return 0;
    return n;
}

/* A JSON string; bytes that are no UTF-8 become U+FFFD. */
static int append_json(struct ol_buffer *out, const char *text)
{
    int rc = ol_buffer_puts(out, "\"");

    while (*text && rc == 0) {
        size_t n = utf8_size((const unsigned char *)text);

        if (n == 0)
            rc = ol_buffer_puts(out, "\xef\xbf\xbd");
        else if (*text == '"' || *text == '\\')
            rc = ol_buffer_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            rc = ol_buffer_printf(out, "\\u%04x", (unsigned)*text);
        else
            rc = ol_buffer_append(out, text, n);
        text += n ? n : 1;
    }
    return rc < 0 ? rc : ol_buffer_puts(out, "\"");
}

static int append_problem(struct ol_buffer *out, int status, const char *detail)
{
    int rc = ol_buffer_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d", ol__status_text(status),
                              status);

    if (rc == 0 && detail && *detail) {
        rc = ol_buffer_puts(out, ",\"detail\":");
        if (rc == 0)
            rc = append_json(out, detail);
    }
    return rc < 0 ? rc : ol_buffer_puts(out, "}\n");
}

int ol_response_problem(struct ol_response *response, int status, const char *detail)
{
    int rc = ol_response_status(response, status);

    if (rc < 0)
        return rc;
    ol_buffer_clear(&response->fields);
    rc = begin_body(response, "application/problem+json");
    if (rc == 0 && append_problem(&response->body, status, detail) < 0)
        rc = ol__fail(OL_ENOMEM, 0, "no memory for a response");
    return rc;
}

void ol__response_refuse(struct ol_response *response, int status, const char *detail)
{
    char seconds[16];

    if (ol_response_problem(response, status, detail) < 0)
        ol_buffer_clear(&response->body); /* no memory: the status must do */
    if (status != 503)
        return;
    snprintf(seconds, sizeof seconds, "%d", RETRY_AFTER_S);
    ol_response_header(response, "Retry-After", seconds);
}

void ol__response_fail(struct ol_response *response, int code)
{
    const struct ol_error *error = ol_last_error();
    int                    status = ol_error_http_status(code);
    char                   detail[sizeof error->text];

    if (response->begun) {
        response->broken = true;
        return;
    }
    detail[0] = '\0';
    if (status != 500)
        snprintf(detail, sizeof detail, "%s", error->code == code ? error->text : ol_strerror(code));
    ol__response_refuse(response, status, detail);
}

/* ---- the head ---- */

bool ol__response_may_have_body(const struct ol__exchange *exchange)
{
    int status = exchange->response.status;

    return !exchange->is_head && status != 204 && status != 304;
}

static char *put(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

#define PUT_LITERAL(at, literal) put(at, literal, sizeof(literal) - 1)

static char *put_number(char *at, uint64_t number)
{
    char  digits[20];
    char *first = digits + sizeof digits;

    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    return put(at, first, (size_t)(digits + sizeof digits - first));
}

/* Milliseconds with three decimals. */
static char *put_ms(char *at, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / OL_NS_PER_US : 0;

    at = put_number(at, us / 1000);
    *at++ = '.';
    *at++ = (char)('0' + us / 100 % 10);
    *at++ = (char)('0' + us / 10 % 10);
    *at++ = (char)('0' + us % 10);
    return at;
}

/* In a streamed answer's head only the queue is known. */
static char *put_timing(char *at, const struct ol__exchange *exchange)
{
    at = PUT_LITERAL(at, "Server-Timing: queue;dur=");
    at = put_ms(at, exchange->head_ns, exchange->start_ns);
    if (exchange->state == OL__ANSWERED) {
        at = PUT_LITERAL(at, ", run;dur=");
        at = put_ms(at, exchange->start_ns, exchange->end_ns);
        at = PUT_LITERAL(at, ", deliver;dur=");
        at = put_ms(at, exchange->end_ns, ol_now_ns());
    }
    return PUT_LITERAL(at, "\r\n");
}

static char *put_status(char *at, int status)
{
    const char *text = ol__status_text(status);

    if (status == 200)
        return PUT_LITERAL(at, "HTTP/1.1 200 OK\r\n");
    at = PUT_LITERAL(at, "HTTP/1.1 ");
    at = put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, text, strlen(text));
    return PUT_LITERAL(at, "\r\n");
}

/* RFC 9110 section 8.6: HEAD says what GET would have; 204 says nothing. A stream in HTTP/1.0 ends with the connection. */
static char *put_framing(char *at, const struct ol__exchange *exchange)
{
    const struct ol_response *response = &exchange->response;

    if (response->status == 204 || response->status == 304)
        return at;
    if (response->begun && exchange->state != OL__ANSWERED)
        return exchange->request.minor == 1 ? PUT_LITERAL(at, "Transfer-Encoding: chunked\r\n") : at;
    at = PUT_LITERAL(at, "Content-Length: ");
    at = put_number(at, ol_buffer_size(&response->body));
    return PUT_LITERAL(at, "\r\n");
}

static char *put_connection(char *at, const struct ol__exchange *exchange, bool close)
{
    if (close)
        return PUT_LITERAL(at, "Connection: close\r\n");
    return exchange->request.minor == 0 ? PUT_LITERAL(at, "Connection: keep-alive\r\n") : at;
}

int ol__response_append_head(struct ol__exchange *exchange, struct ol_buffer *out, bool close)
{
    struct ol_server   *server = exchange->server;
    struct ol_response *response = &exchange->response;
    const char         *type = response->content_type, *name = server->config.server_name;
    size_t              type_size = type ? strlen(type) : 0, name_size = name ? strlen(name) : 0;
    size_t              fields_size = ol_buffer_size(&response->fields);
    char               *at;

    if (ol_buffer_reserve(out, LINE_ROOM + type_size + name_size + fields_size) < 0)
        return OL_ENOMEM;
    at = put_status(out->memory + out->end, response->status);
    at = put(at, ol__server_date(server), OL__DATE_SIZE);
    if (name) {
        at = PUT_LITERAL(at, "Server: ");
        at = put(at, name, name_size);
        at = PUT_LITERAL(at, "\r\n");
    }
    if (type && response->status != 204 && response->status != 304) {
        at = PUT_LITERAL(at, "Content-Type: ");
        at = put(at, type, type_size);
        at = PUT_LITERAL(at, "\r\n");
    }
    at = put_framing(at, exchange);
    at = put_connection(at, exchange, close);
    if (server->config.server_timing && exchange->start_ns)
        at = put_timing(at, exchange);
    if (fields_size)
        at = put(at, ol_buffer_data(&response->fields), fields_size);
    at = PUT_LITERAL(at, "\r\n");
    out->end = (size_t)(at - out->memory);
    return 0;
}
