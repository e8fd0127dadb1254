/*
 * app/logger.h: what the library tells of, written down by a thread of its own.
 */
#ifndef APP_LOGGER_H
#define APP_LOGGER_H

#include "app/access_log.h"

struct logger;

/**
 * Subscribe to the library's events: warnings go to stderr, requests to the access log if there is one. Complains.
 * Thread: main. Owns: logger_stop. Returns: 0, or -1.
 */
int logger_start(struct logger **ret_logger, const struct access_log_options *access_log);

/**
 * Write what is left, and say how many lines were dropped. NULL is fine.
 * Returns: 0, or -1: the log's reader takes nothing, and its thread still stands in a write; the process may then
 * _exit.
 */
int logger_stop(struct logger *logger);

#endif
