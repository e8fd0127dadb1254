/*
 * parser.c: the one file that decides what a request says.
 *
 * Two readers that understand one message differently are how requests are smuggled, so this one takes the narrowest reading
 * and refuses the rest: a bare CR or LF, white space before a colon, folded lines, control bytes, two spaces or no version in the
 * request line, a target with a fragment, a Host that is missing, doubled, empty or not a host, a Content-Length that is not one
 * number, a Transfer-Encoding that is not exactly "chunked", both of them at once, or chunked in HTTP/1.0.
 *
 * How. The caller buffers the head. Each line is checked when it is whole, so that the work is linear however the bytes
 * come, and the verdict does not depend on that: a limit is looked at before the line that breaks it. Nothing is stored
 * but offsets of what frames the message; when the head is whole, the caller copies it to where it shall live and has the copy
 * indexed. Then the same bytes go through llhttp, built strict, as a second opinion: it must find the same length and the
 * same end, or the request is refused. llhttp is asked second because it takes more than we do (folded lines, double spaces,
 * HTTP/0.9), and because its list of methods is closed while HTTP's is not: it sees a stand-in for a method that it
 * does not know.
 */
#include "http/parser.h"

#include <llhttp.h>
#include <string.h>

#include "http/authority.h"
#include "http/chars.h"

_Static_assert(sizeof(llhttp_t) <= sizeof(((struct ol__parser *)0)->second), "struct ol__parser is too small");

enum { EMPTY_LINES_MAX = 2, LENGTH_DIGITS_MAX = 18 };

static enum ol__parse refuse(struct ol__parser *parser, int status, const char *why)
{
    parser->status = status;
    parser->why = why;
    return OL__PARSE_FAILED;
}

/* ---- llhttp, the second reader ---- */

static int second_head_complete(llhttp_t *second)
{
    struct ol__parser *parser = second->data;

    parser->second_head = true;
    second->upgrade = 0; /* we switch to no other protocol: what follows is HTTP */
    return 0;
}

static int second_message_complete(llhttp_t *second)
{
    struct ol__parser *parser = second->data;

    parser->second_end = true;
    return 0;
}

static const llhttp_settings_t second_settings = {
    .on_headers_complete = second_head_complete,
    .on_message_complete = second_message_complete,
};

static llhttp_t *second_of(struct ol__parser *parser)
{
    return (llhttp_t *)(void *)parser->second;
}

/* Does it know the method, for HTTP? (Its list has RTSP's too, which it refuses in HTTP.) */
static bool second_knows(const char *method, size_t size)
{
    static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH" };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == size && memcmp(known[i], method, size) == 0)
            return true;
    return false;
}

static bool second_agrees(struct ol__parser *parser, const char *data)
{
    llhttp_t   *second = second_of(parser);
    const char *from = data + parser->start;
    int         err = HPE_OK;

    llhttp_init(second, HTTP_REQUEST, &second_settings);
    second->data = parser;
    if (!second_knows(from, parser->method_size)) {
        err = (int)llhttp_execute(second, "PUT", 3);
        from += parser->method_size;
    }
    if (err == HPE_OK)
        err = (int)llhttp_execute(second, from, (size_t)(data + parser->head_size - from));
    return err == HPE_OK && parser->second_head && parser->second_end == !parser->has_body &&
           ((second->flags & F_CHUNKED) != 0) == parser->is_chunked &&
           (parser->is_chunked || second->content_length == parser->content_length);
}

static bool second_agrees_on_body(struct ol__parser *parser, const char *data, size_t size, bool at_end)
{
    return llhttp_execute(second_of(parser), data, size) == HPE_OK && parser->second_end == at_end;
}

/* ---- the request line ---- */

static bool is_method(const char *data, size_t size, const char *method)
{
    return strlen(method) == size && memcmp(data, method, size) == 0;
}

static enum ol__parse read_target(struct ol__parser *parser, const char *line, const char *target)
{
    struct ol__absolute absolute;
    size_t              size = parser->target_size;

    if (ol__span(target, size, OL__CHAR_TARGET) != size)
        return refuse(parser, 400, "the request target has a byte that may not stand there");
    if (is_method(line, parser->method_size, "CONNECT") || is_method(line, parser->method_size, "TRACE"))
        return refuse(parser, 501, "this server does not do CONNECT and TRACE");
    parser->path = parser->target;
    if (target[0] == '/')
        return OL__PARSE_MORE;
    if (size == 1 && target[0] == '*' && is_method(line, parser->method_size, "OPTIONS"))
        return OL__PARSE_MORE;
    if (ol__absolute_parse(&absolute, target, size) < 0)
        return refuse(parser, 400, "the request target is neither a path nor a valid absolute URI");
    parser->path = parser->target + absolute.path_at;
    return OL__PARSE_MORE;
}

static enum ol__parse read_version(struct ol__parser *parser, const char *version, size_t size)
{
    if (size != 8 || memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' || version[6] != '.' ||
        version[7] < '0' || version[7] > '9')
        return refuse(parser, 400, "the request line does not end in an HTTP version");
    if (version[5] != '1' || version[7] > '1')
        return refuse(parser, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    parser->minor = (unsigned)(version[7] - '0');
    return OL__PARSE_MORE;
}

static enum ol__parse read_request_line(struct ol__parser *parser, const char *line, size_t size)
{
    size_t      method_size = ol__span(line, size, OL__CHAR_TOKEN);
    const char *target = line + method_size + 1, *end = line + size;

    if (method_size == 0 || method_size == size || line[method_size] != ' ')
        return refuse(parser, 400, "the request line does not begin with a method and a space");
    const char *space = memchr(target, ' ', (size_t)(end - target));
    if (!space || space == target)
        return refuse(parser, 400, "the request line is not: method, space, target, space, version");
    parser->start = parser->line;
    parser->method_size = method_size;
    parser->target = parser->line + method_size + 1;
    parser->target_size = (size_t)(space - target);
    enum ol__parse result = read_version(parser, space + 1, (size_t)(end - space - 1));
    if (result == OL__PARSE_MORE)
        result = read_target(parser, line, target);
    parser->in_fields = true;
    return result;
}

/* ---- fields ---- */

static enum ol__parse read_length(struct ol__parser *parser, const char *value, size_t size)
{
    uint64_t length = 0;
    size_t   at = 0;

    if (++parser->n_lengths > 1)
        return refuse(parser, 400, "more than one Content-Length");
    for (; at < size && value[at] >= '0' && value[at] <= '9'; at++)
        length = at < LENGTH_DIGITS_MAX ? length * 10 + (unsigned)(value[at] - '0') : 0;
    if (size == 0 || at != size || size > LENGTH_DIGITS_MAX)
        return refuse(parser, 400, "Content-Length is not one decimal number");
    parser->content_length = length;
    return OL__PARSE_MORE;
}

static enum ol__parse read_coding(struct ol__parser *parser, const char *value, size_t size)
{
    if (++parser->n_codings > 1 || !ol__equal_nocase(value, size, "chunked", 7))
        return refuse(parser, 400, "the only Transfer-Encoding taken is chunked");
    if (parser->minor == 0)
        return refuse(parser, 400, "Transfer-Encoding in HTTP/1.0");
    parser->is_chunked = true;
    return OL__PARSE_MORE;
}

static enum ol__parse read_host(struct ol__parser *parser, const char *data, const char *value, size_t size)
{
    if (++parser->n_hosts > 1)
        return refuse(parser, 400, "more than one Host");
    if (!ol__authority_valid(value, size))
        return refuse(parser, 400, "Host is not a host");
    parser->host = (size_t)(value - data);
    parser->host_size = size;
    return OL__PARSE_MORE;
}

/* The few fields that frame the message. */
static enum ol__parse read_known_field(struct ol__parser *parser, const char *data, const char *name, size_t name_size,
                                       const char *value, size_t size)
{
    switch (name_size) {
    case 4:
        if (ol__equal_nocase(name, 4, "host", 4))
            return read_host(parser, data, value, size);
        break;
    case 6:
        if (ol__equal_nocase(name, 6, "expect", 6)) {
            parser->expects_continue = ol__equal_nocase(value, size, "100-continue", 12);
            parser->expects_other |= !parser->expects_continue;
        }
        break;
    case 10:
        if (ol__equal_nocase(name, 10, "connection", 10)) {
            parser->says_close |= ol__list_has(value, size, "close");
            parser->says_keep_alive |= ol__list_has(value, size, "keep-alive");
        }
        break;
    case 14:
        if (ol__equal_nocase(name, 14, "content-length", 14))
            return read_length(parser, value, size);
        break;
    case 17:
        if (ol__equal_nocase(name, 17, "transfer-encoding", 17))
            return read_coding(parser, value, size);
        break;
    default: break;
    }
    return OL__PARSE_MORE;
}

/* Without the blanks around it. */
static const char *trim(const char *value, size_t *size)
{
    while (*size && (value[0] == ' ' || value[0] == '\t')) {
        value++;
        --*size;
    }
    while (*size && (value[*size - 1] == ' ' || value[*size - 1] == '\t'))
        --*size;
    return value;
}

static enum ol__parse read_field(struct ol__parser *parser, const char *data, const char *line, size_t size)
{
    size_t name_size = ol__span(line, size, OL__CHAR_TOKEN);

    if (++parser->n_fields > parser->limits->headers_max)
        return refuse(parser, 431, "too many header fields");
    if (name_size == 0 || name_size == size || line[name_size] != ':')
        return refuse(parser, 400, "a header field does not begin with a name and a colon");
    size_t      value_size = size - name_size - 1;
    const char *value = line + name_size + 1;
    if (ol__span(value, value_size, OL__CHAR_VALUE) != value_size)
        return refuse(parser, 400, "a header field has a control byte");
    value = trim(value, &value_size);
    return read_known_field(parser, data, line, name_size, value, value_size);
}

/* ---- the end of the head ---- */

static bool host_agrees(const struct ol__parser *parser, const char *data)
{
    struct ol__absolute absolute;

    if (parser->path == parser->target || parser->n_hosts == 0)
        return true;
    return ol__absolute_parse(&absolute, data + parser->target, parser->target_size) == 0 &&
           ol__authority_equal(absolute.authority, absolute.authority_size, data + parser->host, parser->host_size,
                               absolute.default_port);
}

static enum ol__parse end_head(struct ol__parser *parser, const char *data)
{
    if (parser->minor == 1 && parser->n_hosts == 0)
        return refuse(parser, 400, "no Host");
    if (!host_agrees(parser, data))
        return refuse(parser, 400, "Host differs from the request target");
    if (parser->is_chunked && parser->n_lengths)
        return refuse(parser, 400, "both Content-Length and Transfer-Encoding");
    if (parser->minor == 1 && parser->expects_other)
        return refuse(parser, 417, "the only expectation met is 100-continue");
    parser->keep_alive = !parser->says_close && (parser->minor == 1 || parser->says_keep_alive);
    parser->has_body = parser->is_chunked || parser->content_length > 0;
    parser->expects_continue = parser->expects_continue && parser->minor == 1 && parser->has_body;
    parser->left = parser->content_length;
    parser->head_size = parser->line;
    if (!second_agrees(parser, data))
        return refuse(parser, 400, "the request can be read in two ways");
    return OL__PARSE_HEAD;
}

static enum ol__parse read_line(struct ol__parser *parser, const char *data, size_t size)
{
    const char *line = data + parser->line;

    if (size == 0 && !parser->in_fields) /* RFC 9112 section 2.2: an empty line may stand before a request */
        return ++parser->n_empty <= EMPTY_LINES_MAX ? OL__PARSE_MORE : refuse(parser, 400, "empty lines");
    if (!parser->in_fields)
        return read_request_line(parser, line, size);
    return size == 0 ? OL__PARSE_HEAD : read_field(parser, data, line, size);
}

/* `size` bytes of the line that begins at parser->line are there: is it too long already? */
static enum ol__parse check_limits(struct ol__parser *parser, size_t size)
{
    if (!parser->in_fields)
        return size > parser->limits->request_line_max ? refuse(parser, 414, "the request line is too long")
                                                       : OL__PARSE_MORE;
    if (parser->line + size - parser->start > parser->limits->head_max)
        return refuse(parser, 431, "the head is too large");
    return OL__PARSE_MORE;
}

void ol__parser_init(struct ol__parser *parser, const struct ol__parser_limits *limits)
{
    *parser = (struct ol__parser){ .limits = limits };
}

enum ol__parse ol__parser_head(struct ol__parser *parser, const char *data, size_t size)
{
    const char *newline;

    while ((newline = memchr(data + parser->scanned, '\n', size - parser->scanned)) != NULL) {
        size_t line_size = (size_t)(newline - data) - parser->line;

        if (line_size == 0 || newline[-1] != '\r')
            return refuse(parser, 400, "a line ends in a bare LF");
        bool           counts_end = parser->in_fields; /* a head's size counts the ends of its lines */
        enum ol__parse result = check_limits(parser, counts_end ? line_size + 1 : line_size - 1);
        if (result == OL__PARSE_MORE)
            result = read_line(parser, data, line_size - 1);
        parser->line = parser->scanned = (size_t)(newline - data) + 1;
        if (result == OL__PARSE_HEAD)
            return end_head(parser, data);
        if (result != OL__PARSE_MORE)
            return result;
    }
    parser->scanned = size;
    size_t waiting = size - parser->line;
    if (waiting && !parser->in_fields && data[size - 1] == '\r')
        waiting--;
    return check_limits(parser, waiting);
}

/* ---- the index ---- */

static void index_line(const struct ol__parser *parser, char *head, struct ol__request_line *line)
{
    static const char root[] = "/";
    char             *path = head + parser->path, *end = head + parser->target + parser->target_size;
    char             *query = memchr(path, '?', (size_t)(end - path));

    *line = (struct ol__request_line){ .method = head + parser->start, .method_size = parser->method_size };
    head[parser->start + parser->method_size] = '\0';
    *end = '\0';
    if (query) {
        *query = '\0';
        line->query = query + 1;
        line->query_size = (size_t)(end - query - 1);
        end = query;
    }
    line->path = path == end ? root : path; /* "http://example.org" asks for its root */
    line->path_size = path == end ? 1 : (size_t)(end - path);
}

void ol__parser_index(const struct ol__parser *parser, char *head, struct ol__request_line *ret_line,
                      struct ol__field *fields)
{
    char *at = head + parser->target + parser->target_size + sizeof " HTTP/1.1\r\n" - 1;

    index_line(parser, head, ret_line);
    for (unsigned i = 0; i < parser->n_fields; i++) {
        char  *newline = memchr(at, '\n', parser->head_size - (size_t)(at - head));
        char  *colon = memchr(at, ':', (size_t)(newline - at));
        size_t value_size = (size_t)(newline - colon) - 2;
        char  *value = (char *)trim(colon + 1, &value_size);

        fields[i] = (struct ol__field){ at, value, (uint32_t)(colon - at), (uint32_t)value_size };
        *colon = '\0';
        value[value_size] = '\0';
        at = newline + 1;
    }
}

/* ---- the body ---- */

static enum ol__parse read_sized(struct ol__parser *parser, const char *data, size_t size, size_t *ret_used,
                                 const char **ret_piece, size_t *ret_piece_size)
{
    size_t n = size < parser->left ? size : (size_t)parser->left;

    *ret_used = n;
    if (n == 0)
        return parser->left ? OL__PARSE_MORE : OL__PARSE_END;
    parser->left -= n;
    if (!second_agrees_on_body(parser, data, n, parser->left == 0))
        return refuse(parser, 400, "the body can be read in two ways");
    *ret_piece = data;
    *ret_piece_size = n;
    return OL__PARSE_BODY;
}

static enum ol__parse read_chunked(struct ol__parser *parser, const char *data, size_t size, size_t *ret_used,
                                   const char **ret_piece, size_t *ret_piece_size)
{
    enum ol__chunked_result result;

    *ret_used = 0;
    if (parser->second_end)
        return OL__PARSE_END;
    if (size == 0)
        return OL__PARSE_MORE;
    result = ol__chunked_read(&parser->chunked, data, size, parser->limits->head_max, ret_used, ret_piece,
                              ret_piece_size);
    /* What precedes the byte that we refuse is the other's to refuse first: so the answer does not depend on the cuts. */
    bool   is_refused = result == OL__CHUNKED_BAD || result == OL__CHUNKED_TOO_LONG;
    size_t n = is_refused ? *ret_used - 1 : *ret_used;
    if (n > 0 && !second_agrees_on_body(parser, data, n, result == OL__CHUNKED_END))
        return refuse(parser, 400, "the body can be read in two ways");
    if (result == OL__CHUNKED_BAD)
        return refuse(parser, 400, "the chunked body is malformed");
    if (result == OL__CHUNKED_TOO_LONG)
        return refuse(parser, 431, "the trailer is too large");
    if (result == OL__CHUNKED_DATA)
        return OL__PARSE_BODY;
    return result == OL__CHUNKED_END ? OL__PARSE_END : OL__PARSE_MORE;
}

enum ol__parse ol__parser_body(struct ol__parser *parser, const char *data, size_t size, size_t *ret_used,
                               const char **ret_piece, size_t *ret_piece_size)
{
    if (parser->is_chunked)
        return read_chunked(parser, data, size, ret_used, ret_piece, ret_piece_size);
    return read_sized(parser, data, size, ret_used, ret_piece, ret_piece_size);
}
