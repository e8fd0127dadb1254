#include "http/authority.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <offloop/base.h>
#include <string.h>

#include "http/chars.h"

enum { PORT_DIGITS_MAX = 5 };

/* "[...]" with an IPv6 address in it. Zones and future forms are refused: nothing that is sent over a wire has them. */
static bool literal_valid(const char *data, size_t size)
{
    char            text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (size < 2 || data[size - 1] != ']' || size - 2 >= sizeof text)
        return false;
    memcpy(text, data + 1, size - 2);
    text[size - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool name_valid(const char *data, size_t size)
{
    if (size == 0 || ol__span(data, size, OL__CHAR_HOST) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (data[i] == '%' &&
            (i + 2 >= size || !ol__char_is(data[i + 1], OL__CHAR_HEX) || !ol__char_is(data[i + 2], OL__CHAR_HEX)))
            return false;
    return true;
}

static bool port_valid(const char *data, size_t size)
{
    unsigned port = 0;

    if (size > PORT_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (data[i] < '0' || data[i] > '9')
            return false;
        port = port * 10 + (unsigned)(data[i] - '0');
    }
    return port <= 65535;
}

/* Where the host ends: at the colon before the port, or at the end. */
static size_t host_size(const char *data, size_t size)
{
    const char *from = size && data[0] == '[' ? memchr(data, ']', size) : data;
    const char *colon = from ? memchr(from, ':', size - (size_t)(from - data)) : NULL;

    return colon ? (size_t)(colon - data) : size;
}

bool ol__authority_valid(const char *data, size_t size)
{
    size_t host = host_size(data, size);
    bool   good = size && data[0] == '[' ? literal_valid(data, host) : name_valid(data, host);

    return good && (host == size || port_valid(data + host + 1, size - host - 1));
}

/* An empty port ("example.org:") is the default one. Leading zeros do not count. */
static void port_of(const char **ret_port, size_t *ret_size, const char *data, size_t size, size_t host,
                    const char *default_port)
{
    const char *port = data + host + 1;
    size_t      digits = size > host + 1 ? size - host - 1 : 0;

    while (digits > 1 && *port == '0') {
        port++;
        digits--;
    }
    *ret_port = digits ? port : default_port;
    *ret_size = digits ? digits : strlen(default_port);
}

bool ol__authority_equal(const char *a, size_t a_size, const char *b, size_t b_size, const char *default_port)
{
    size_t      a_host = host_size(a, a_size), b_host = host_size(b, b_size), a_digits, b_digits;
    const char *a_port, *b_port;

    port_of(&a_port, &a_digits, a, a_size, a_host, default_port);
    port_of(&b_port, &b_digits, b, b_size, b_host, default_port);
    return ol__equal_nocase(a, a_host, b, b_host) && ol__equal_nocase(a_port, a_digits, b_port, b_digits);
}

int ol__absolute_parse(struct ol__absolute *ret_absolute, const char *target, size_t size)
{
    static const struct {
        const char *prefix, *port;
    } schemes[] = { { "http://", "80" }, { "https://", "443" } };

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t at = strlen(schemes[i].prefix), end = at;

        if (size < at || !ol__equal_nocase(target, at, schemes[i].prefix, at))
            continue;
        while (end < size && target[end] != '/' && target[end] != '?')
            end++;
        if (!ol__authority_valid(target + at, end - at))
            return OL_EINVAL;
        *ret_absolute = (struct ol__absolute){ target + at, end - at, end, schemes[i].port };
        return 0;
    }
    return OL_EINVAL;
}
