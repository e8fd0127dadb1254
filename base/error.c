#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct ol_error  thread_slot;
static _Thread_local struct ol_error *slot; /* NULL: thread_slot */

static const struct {
    int         code;
    int         http_status;
    const char *name, *text;
} table[] = {
#define ROW(code, value, status, text) { value, status, #code, text },
    OL_ERROR_TABLE(ROW)
#undef ROW
};

enum { TABLE_SIZE = sizeof table / sizeof table[0] };

/* Codes are -1, -2, ... in the table's order; tests/base/test_error.c holds that. */
static int index_of(int code)
{
    return code < 0 && code >= -TABLE_SIZE ? -code - 1 : -1;
}

const char *ol_strerror(int code)
{
    int i = index_of(code);

    if (code >= 0)
        return "ok";
    return i < 0 ? "unknown error" : table[i].text;
}

const char *ol_error_name(int code)
{
    int i = index_of(code);

    if (code >= 0)
        return "OL_OK";
    return i < 0 ? "OL_E?" : table[i].name;
}

int ol_error_http_status(int code)
{
    int i = index_of(code);

    return i < 0 ? 500 : table[i].http_status;
}

static struct ol_error *here(void)
{
    return slot ? slot : &thread_slot;
}

const struct ol_error *ol_last_error(void)
{
    return here();
}

struct ol_error *ol__error_slot_set(struct ol_error *to)
{
    struct ol_error *before = slot;

    slot = to;
    return before;
}

/*
 * vsnprintf into `size` bytes with `text[size]` to spare: the byte that shows whether the cut of an over-long text
 * would split a UTF-8 sequence. Then the whole sequence goes, so that a cut text is still text.
 */
static void format_text(char *text, size_t size, const char *format, va_list ap)
{
    int n = vsnprintf(text, size + 1, format, ap);

    if (n < 0)
        text[0] = '\0';
    if (n < (int)size)
        return;
    size_t cut = size - 1;
    while (cut > size - 4 && ((unsigned char)text[cut] & 0xC0) == 0x80)
        cut--;
    text[cut] = '\0';
}

static void write_text(struct ol_error *error, const char *format, va_list ap)
{
    char text[sizeof error->text + 1]; /* not in place: the arguments may be the last error's text */

    format_text(text, sizeof error->text, format, ap);
    memcpy(error->text, text, strlen(text) + 1);
    for (char *c = error->text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

int ol__fail(int code, int detail, const char *format, ...)
{
    struct ol_error *error = here();
    va_list          ap;

    error->code = code;
    error->detail = detail;
    error->offset = -1;
    va_start(ap, format);
    write_text(error, format, ap);
    va_end(ap);
    return code;
}

int ol__fail_errno(int code, int sys, const char *format, ...)
{
    char    what[192 + 1], why[64];
    va_list ap;

    va_start(ap, format);
    format_text(what, sizeof what - 1, format, ap);
    va_end(ap);
    return ol__fail(code, sys, "%s: %s", what, strerror_r(sys, why, sizeof why));
}

int ol__fail_with(const struct ol_error *error)
{
    *here() = *error;
    return error->code;
}
