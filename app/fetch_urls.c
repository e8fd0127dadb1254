/*
 * fetch_urls.c: URLs from the command line and from standard input, one a line; blank lines and lines with a # in front
 * are left out. All are read before the first is fetched, at most a million.
 */
#include "app/fetch_urls.h"

#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct url_list *list)
{
    size_t capacity = list->capacity ? list->capacity * 2 : 64;

    if (list->n < list->capacity)
        return 0;
    if (list->n >= FETCH_URLS_MAX) {
        error(0, 0, "more than %d URLs", FETCH_URLS_MAX);
        return -1;
    }
    char **urls = reallocarray(list->urls, capacity, sizeof *urls);
    if (!urls) {
        error(0, errno, "cannot keep %zu URLs", capacity);
        return -1;
    }
    list->urls = urls;
    list->capacity = capacity;
    return 0;
}

static int add_url(struct url_list *list, const char *url)
{
    const char *scheme = strstr(url, "://") ? "" : "http://";

    if (make_room(list) < 0)
        return -1;
    if (asprintf(&list->urls[list->n], "%s%s", scheme, url) < 0) {
        error(0, errno, "cannot keep %zu URLs", list->n + 1);
        return -1;
    }
    list->n++;
    return 0;
}

static int add_line(struct url_list *list, char *line)
{
    char *url = line + strspn(line, " \t\r\n");

    if (*url == '\0' || *url == '#')
        return 0;
    for (char *end = url + strlen(url); end > url && strchr(" \t\r\n", end[-1]); end--)
        end[-1] = '\0';
    return add_url(list, url);
}

static int add_standard_input(struct url_list *list)
{
    char  *line = NULL;
    size_t size = 0;
    int    rc = 0;

    while (rc == 0 && getline(&line, &size, stdin) >= 0)
        rc = add_line(list, line);
    free(line);
    if (rc == 0 && ferror(stdin)) {
        error(0, errno, "cannot read standard input");
        rc = -1;
    }
    return rc;
}

int url_list_add(struct url_list *list, const char *argument)
{
    return strcmp(argument, "-") == 0 ? add_standard_input(list) : add_url(list, argument);
}

void url_list_fini(struct url_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->urls[i]);
    free(list->urls);
    *list = (struct url_list){ 0 };
}
