/*
 * bench/process.h: servers as processes of their own, and what they cost.
 */
#ifndef APP_BENCH_PROCESS_H
#define APP_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_URL_MAX = 64 };

struct process {
    pid_t pid;                  /* 0: none */
    int   out;                  /* the end of its standard output that we read */
    char  url[PROCESS_URL_MAX]; /* "http://127.0.0.1:PORT" */
};

/**
 * Start this program again with other arguments (argv[0] included, NULL last), and wait until it says "listening on
 * URL". Its messages go to `log_fd`. It ends with the thread that started it.
 *
 * Returns: 0, OL_ESYS, or OL_EIO (it ended, or said nothing for 60 s). On failure nothing is left running.
 */
int process_start(struct process *process, char *const argv[], int log_fd);

/** Kill it and wait until it is gone. Nothing of it is worth a drain: the load is over. Harmless when there is none. */
void process_stop(struct process *process);

/** Does it still run? Thread: the one that started it. */
bool process_is_alive(const struct process *process);

/**
 * Kill every process there is, wait until they are gone, and let no other begin; for the end by a signal. Thread:
 * any.
 */
void process_kill_all(void);

struct process_cost {
    double   rss_kb, pss_kb; /* 0: cannot be read here */
    unsigned threads;
    uint64_t cpu_ns; /* of all its threads, so far */
};

void process_cost(const struct process *process, struct process_cost *ret_cost);

#endif
