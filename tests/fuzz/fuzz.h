#ifndef OFFLOOP_TESTS_FUZZ_H
#define OFFLOOP_TESTS_FUZZ_H

/* fuzz.h: what each fuzz target has. A broken promise aborts. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's name for it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void promise(int kept, const char *what)
{
    if (kept)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

#endif
