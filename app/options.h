/*
 * app/options.h: what `offloop serve` can be told.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "app/access_log.h"

enum { LISTEN_MAX = 8 };

struct serve_options {
    const char *listen[LISTEN_MAX]; /* n_listen of them; none: the default, unless sockets were inherited */
    unsigned    n_listen;
    const char *db_path;
    unsigned    threads_min, threads_max;
    size_t      queue_max; /* of each class of jobs */
    bool        codel;
    unsigned    connections_max; /* 0: as many as the limit on open files allows for */
    const char *external_api;    /* NULL: start one */
    double      delay_s;         /* of the one that is started, and of /external-api */
    double      timeout_s;       /* for the external API's answer */
    double      drain_s;
    double      drain_delay_s;
    struct access_log_options access_log;
};

/** Fill in the defaults, then what argv says; ends the program when argv is wrong, or asks for help. */
void serve_options_parse(struct serve_options *ret_options, int argc, char **argv);

#endif
