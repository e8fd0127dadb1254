/*
 * app/access_log.h: one line for each request, written off the loop.
 */
#ifndef APP_ACCESS_LOG_H
#define APP_ACCESS_LOG_H

#include <stdio.h>
#include <time.h>

#include <offloop/observe.h>

enum access_log_format { ACCESS_LOG_NONE, ACCESS_LOG_COMMON, ACCESS_LOG_JSON };

struct access_log_options {
    enum access_log_format format;
    const char            *path; /* NULL: standard output */
};

/** Write one line. Thread: the log's writer. */
void access_log_print(FILE *out, enum access_log_format format, const struct ol_event_request *request,
                      const struct timespec *at);

#endif
