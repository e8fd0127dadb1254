#include "http/chars.h"

#include <offloop/base.h>
#include <string.h>

#define T OL__CHAR_TOKEN
#define V OL__CHAR_VALUE
#define U OL__CHAR_TARGET
#define H OL__CHAR_HOST
#define X OL__CHAR_HEX

const uint8_t ol__char_table[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | U | H,
    ['"'] = V | U,
    ['#'] = T | V,
    ['$' ... '\''] = T | V | U | H,
    ['(' ... ')'] = V | U | H,
    ['*' ... '+'] = T | V | U | H,
    [','] = V | U | H,
    ['-' ... '.'] = T | V | U | H,
    ['/'] = V | U,
    ['0' ... '9'] = T | V | U | H | X,
    [':'] = V | U,
    [';'] = V | U | H,
    ['<'] = V | U,
    ['='] = V | U | H,
    ['>' ... '@'] = V | U,
    ['A' ... 'F'] = T | V | U | H | X,
    ['G' ... 'Z'] = T | V | U | H,
    ['[' ... ']'] = V | U,
    ['^'] = T | V | U,
    ['_'] = T | V | U | H,
    ['`'] = T | V | U,
    ['a' ... 'f'] = T | V | U | H | X,
    ['g' ... 'z'] = T | V | U | H,
    ['{'] = V | U,
    ['|'] = T | V | U,
    ['}'] = V | U,
    ['~'] = T | V | U | H,
    [0x80 ... 0xff] = V,
};

bool ol__equal_nocase(const char *a, size_t a_size, const char *b, size_t b_size)
{
    if (a_size != b_size)
        return false;
    for (size_t i = 0; i < a_size; i++)
        if (ol__lower(a[i]) != ol__lower(b[i]))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool ol__list_has(const char *list, size_t size, const char *token)
{
    const char *end = list + size;

    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *next = comma ? comma + 1 : end, *last = comma ? comma : end;

        while (list < last && is_blank(*list))
            list++;
        while (last > list && is_blank(last[-1]))
            last--;
        if (ol__equal_nocase(list, (size_t)(last - list), token, strlen(token)))
            return true;
        list = next;
    }
    return false;
}

int64_t ol__percent_decode(char *out, const char *data, size_t size, bool plus)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        char c = data[i];

        if (c == '%') {
            int high = i + 2 < size ? ol__hex_value(data[i + 1]) : -1;
            int low = i + 2 < size ? ol__hex_value(data[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return OL_EINVAL;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[used++] = c;
    }
    return (int64_t)used;
}
