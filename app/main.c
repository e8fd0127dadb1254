/*
 * main.c: the `offloop` command: finds the subcommand and hands over.
 */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <string.h>

#include <offloop/offloop.h>

#include "app/bench.h"
#include "app/command.h"
#include "app/fetch.h"

static const struct {
    const char *name;
    const char *full_name; /* what its messages begin with */
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    { "serve", "offloop serve", app_serve, "serve the demonstration: every endpoint in three modes" },
    { "external-api", "offloop external-api", app_external_api, "serve the slow service that it calls" },
    { "bench", "offloop bench", app_bench, "measure the three modes side by side" },
    { "fetch", "offloop fetch", app_fetch, "fetch hundreds of URLs, without a server" },
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
    fputs("usage: offloop COMMAND [OPTION...]\n\nBlocking calls, off the loop.\n\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fputs("\n  --help         this text; `offloop COMMAND --help` has the options of a command\n"
          "  --version      the version\n",
          out);
}

/* What was printed may sit in a buffer that cannot be written: a full disk, a pipe that nobody reads. */
static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        error(0, errno, "cannot write to standard output");
        return status ? status : 1;
    }
    return status;
}

int main(int argc, char **argv)
{
    program_invocation_name = "offloop";
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return finish(0);
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("offloop " OL_VERSION);
        return finish(0);
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            program_invocation_name = argv[1] = (char *)commands[i].full_name;
            return finish(commands[i].run(argc - 1, argv + 1));
        }
    }
    error(EXIT_USAGE, 0, "unknown %s '%s'; see offloop --help", argv[1][0] == '-' ? "option" : "command", argv[1]);
    return EXIT_USAGE;
}
