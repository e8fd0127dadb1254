/*
 * app/fetch_urls.h: what `offloop fetch` is to fetch.
 */
#ifndef APP_FETCH_URLS_H
#define APP_FETCH_URLS_H

#include <stddef.h>

enum { FETCH_URLS_MAX = 1048576 };

/** Zeroed: none. */
struct url_list {
    char **urls;
    size_t n, capacity;
};

/**
 * Add one, with "http://" before it when it has no scheme; "-" adds the lines of standard input. Complains. Returns: 0
 * or -1.
 */
int url_list_add(struct url_list *list, const char *argument);

void url_list_fini(struct url_list *list);

#endif
