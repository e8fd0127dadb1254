/*
 * args.c: reading a command line with GNU argp, complaining in one line.
 *
 * argp follows an error by a second line ("Try ... --help") and has an exit status of its own. Taking its error stream
 * away silences that line; getopt's, which names the option, stays. Complaints go through error(3), which puts the
 * command's name in front, since main has set program_invocation_name to it.
 */
#include "app/args.h"

#include <errno.h>
#include <error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/command.h"

struct parse {
    const struct argp *argp;
    void              *input;
};

/* Stands above the command's own parser only to take the error stream away before anything can go wrong. */
static error_t parse_quietly(int key, char *arg, struct argp_state *state)
{
    const struct parse *parse = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL;
        state->child_inputs[0] = parse->input;
        return 0;
    case ARGP_KEY_ARG:
        if (parse->argp->args_doc)
            return ARGP_ERR_UNKNOWN; /* the command's own parser takes it */
        error(EXIT_USAGE, 0, "unexpected argument '%s'", arg);
        return EINVAL;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void args_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    struct parse            parse = { argp, input };
    const struct argp_child children[] = { { .argp = argp }, { 0 } };
    const struct argp       root = { .parser = parse_quietly, .doc = argp->doc, .children = children };

    if (argp_parse(&root, argc, argv, 0, NULL, &parse) != 0)
        exit(EXIT_USAGE);
}

static _Noreturn void complain(const char *option, const char *text, const char *wanted)
{
    error(EXIT_USAGE, 0, "%s: '%s' is not %s", option, text, wanted);
    abort(); /* error() does not return with a status */
}

/* strtoul takes signs, blanks and the empty text; this takes digits and nothing else. Returns 0, or -1. */
static int read_number(unsigned *ret_value, const char *text, size_t size)
{
    unsigned long value = 0;

    if (size == 0 || size > 9)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (unsigned long)(text[i] - '0');
    }
    *ret_value = (unsigned)value;
    return 0;
}

unsigned args_count(const char *option, const char *text, unsigned min, unsigned max)
{
    unsigned value;

    if (read_number(&value, text, strlen(text)) < 0 || value < min || value > max)
        error(EXIT_USAGE, 0, "%s: '%s' is not a number from %u to %u", option, text, min, max);
    return value;
}

double args_seconds(const char *option, const char *text, double max)
{
    char  *end;
    double value;

    /* Digits first: no sign, no blank, no "inf", no hexadecimal. */
    if (text[strspn(text, "0123456789.")] != '\0' || text[0] == '\0' || strcmp(text, ".") == 0)
        complain(option, text, "a number of seconds");
    value = strtod(text, &end);
    if (*end != '\0')
        complain(option, text, "a number of seconds");
    if (value > max)
        error(EXIT_USAGE, 0, "%s: '%s' is more than %.0f seconds", option, text, max);
    return value;
}

void args_range(unsigned *ret_min, unsigned *ret_max, const char *option, const char *text, unsigned max)
{
    const char *colon = strchr(text, ':');
    unsigned    low, high;

    if (!colon || read_number(&low, text, (size_t)(colon - text)) < 0 ||
        read_number(&high, colon + 1, strlen(colon + 1)) < 0)
        complain(option, text, "MIN:MAX");
    if (low < 1 || high < low || high > max)
        error(EXIT_USAGE, 0, "%s: '%s' does not hold 1 <= MIN <= MAX <= %u", option, text, max);
    *ret_min = low;
    *ret_max = high;
}

const char *args_address(const char *option, const char *text)
{
    const char *colon = strrchr(text, ':');
    unsigned    port;

    if (strncmp(text, "unix:", 5) == 0) {
        if (text[5] == '\0')
            complain(option, text, "unix:/path");
        return text;
    }
    if (!colon || colon == text || read_number(&port, colon + 1, strlen(colon + 1)) < 0 || port > 65535)
        complain(option, text, "HOST:PORT or unix:/path");
    return text;
}

const char *args_url(const char *option, const char *text)
{
    size_t scheme = strncasecmp(text, "http://", 7) == 0 ? 7 : strncasecmp(text, "https://", 8) == 0 ? 8 : 0;

    if (scheme == 0 || text[scheme] == '\0' || strpbrk(text, " \t\r\n"))
        complain(option, text, "a URL that begins with http:// or https://");
    return text;
}
