/*
 * bench/world.h: what stands around a measurement: a folder, the pretend service, and a server to be measured.
 */
#ifndef APP_BENCH_WORLD_H
#define APP_BENCH_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "app/bench/process.h"

enum { PATH_SIZE = 256 };

struct world {
    char           folder[PATH_SIZE]; /* made here, and deleted at the end */
    char           db_path[PATH_SIZE + 16];
    int            log_fd;
    pthread_t      signals;
    bool           has_signals;
    atomic_bool    is_interrupted; /* set by the thread of the signals */
    struct process external_api;
    struct process server;
    unsigned       server_threads; /* of the running server's pool; 0: its default */
};

/** Make a folder below `parent` (NULL: $TMPDIR, or /tmp). Returns: 0, or -1 after saying why. Thread: main. */
int world_open(struct world *world, const char *parent);

/** Stop what runs, and delete the folder. Zeroed is fine. */
void world_close(struct world *world);

/** Start the pretend service, which answers after `delay_s`. As world_open. */
int world_start_external_api(struct world *world, double delay_s);

/**
 * Start a new server, with so many pool threads (0: as many as it has by default), in place of the one that runs:
 * what was left over from the load before cannot weigh on the next one. As world_open.
 */
int world_start_server(struct world *world, unsigned threads);

#endif
