#include "serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

char *serve_folder;

int serve_make_folder(void **state)
{
    (void)state;
    serve_folder = folder_make();
    return 0;
}

int serve_remove_folder(void **state)
{
    (void)state;
    folder_remove(serve_folder);
    return 0;
}

void serve_start_with(struct program *program, const char *external_api, const char *const args[])
{
    const char *all[PROGRAM_ARGS_MAX + 1] = { "serve", "--listen", "127.0.0.1:0", "--db", "items.db" };
    int         n = 5;

    if (external_api) {
        all[n++] = "--external-api";
        all[n++] = external_api;
    }
    while (n < PROGRAM_ARGS_MAX && *args)
        all[n++] = *args++;
    program_start_server(program, &(struct program_setup){ .folder = serve_folder }, all);
}

void serve_stop(struct program *program)
{
    assert_int_equal(program_stop(program), 0);
}

void serve_answer_after_gate(struct exchange *exchange)
{
    gate_wait(exchange->arg);
    service_answer(exchange, "{\"answer\": 42}");
}

const char *serve_path(const char *mode, const char *rest)
{
    static char     paths[8][512];
    static unsigned next;
    char           *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s%s", mode, rest);
    return path;
}
