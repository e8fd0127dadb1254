#ifndef OFFLOOP_TESTS_SUPPORT_PROGRAM_H
#define OFFLOOP_TESTS_SUPPORT_PROGRAM_H

/*
 * program.h: the real program as a process, for tests of the whole. Every wait has a limit, after which the test aborts
 * with a word; the program is killed with the test, however that ends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROGRAM_LIMIT_S = 30, PROGRAM_ARGS_MAX = 32 };

struct program {
    pid_t pid; /* 0: has been waited for */
    int   pidfd;
    int   out, err;    /* what it prints, to be read */
    char  address[64]; /* of a server: "127.0.0.1:40123" */
};

/* What a start may set beside the arguments; zeroes: nothing. */
struct program_setup {
    const char *folder;      /* to work in */
    const char *environment; /* one "NAME=value" */
    int         listener;    /* handed over by LISTEN_FDS; 0: none */
};

/* A folder of its own below $TMPDIR, and its end with all that is in it. Returns a string to free by folder_remove. */
char *folder_make(void);
void  folder_remove(char *folder);

/* Start $OFFLOOP_PROGRAM with the arguments, a NULL last. */
void program_start(struct program *program, const struct program_setup *setup, const char *const args[]);

/* Start a server and wait until it listens: its first line "listening on http://..." fills in the address. */
void program_start_server(struct program *program, const struct program_setup *setup, const char *const args[]);

/* Read a line, without its end. Returns false at the end of the output. */
bool program_read_line(char *line, size_t size, int fd);

/* Read until the end of the output; what does not fit is dropped. */
void program_read_all(char *text, size_t size, int fd);

void program_signal(const struct program *program, int number);

/* Wait until it has ended. Returns its exit status, or -(the signal that ended it). */
int program_wait(struct program *program);

/* SIGTERM, then as program_wait. */
int program_stop(struct program *program);

/* Wait until a process, not necessarily a child, is gone. */
void process_wait_gone(int pidfd);

/* The first child of a process. */
pid_t process_child(pid_t parent);

#endif
