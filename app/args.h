/*
 * app/args.h: reading a command line. A bad value ends the program: one line that names the option and the value, exit
 * 2.
 */
#ifndef APP_ARGS_H
#define APP_ARGS_H

#include <argp.h>

/**
 * Parse all of argv by `argp`, which gets `input`; ends the program, with one line, on anything that it does not know.
 */
void args_parse(const struct argp *argp, int argc, char **argv, void *input);

/** A whole decimal number from min to max. `option` is named in the complaint. */
unsigned args_count(const char *option, const char *text, unsigned min, unsigned max);

/** Seconds, fractions allowed, from 0 to max. */
double args_seconds(const char *option, const char *text, double max);

/** "4:64", with 1 <= min <= max. */
void args_range(unsigned *ret_min, unsigned *ret_max, const char *option, const char *text, unsigned max);

/** Is it "HOST:PORT" or "unix:/path"? Returns `text`. */
const char *args_address(const char *option, const char *text);

/** Does it begin with http:// or https://, with something after it? Returns `text`. */
const char *args_url(const char *option, const char *text);

#endif
