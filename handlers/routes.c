/*
 * routes.c: which function answers which path.
 *
 * The first table is the point of it all: each of its rows becomes three routes, one for each mode, with the same
 * function behind them. The second table has what is the same in every mode.
 */
#include "handlers/endpoints.h"

#include <stdio.h>

static const struct {
    const char      *prefix;
    enum ol_run_mode mode;
} modes[] = {
    { "/blocking", OL_RUN_BLOCKING },
    { "/offload", OL_RUN_OFFLOAD },
    { "/async", OL_RUN_ASYNC },
};

static const struct {
    const char    *method;
    const char    *path; /* below the mode's prefix */
    ol_handler_cb *handler;
    enum lane      lane;
} three_ways[] = {
    { "GET", "", show_quote, LANE_FETCH },
    { "GET", "/sleep", sleep_for, LANE_FETCH },
    { "GET", "/noop", run_noop, LANE_QUERY },
    { "GET", "/items", list_items, LANE_FETCH },
    { "POST", "/items", create_item, LANE_QUERY },
    { "GET", "/items/{id}", get_item, LANE_QUERY },
    { "PUT", "/items/{id}", replace_item, LANE_QUERY },
    { "DELETE", "/items/{id}", delete_item, LANE_QUERY },
    { "GET", "/report", show_report, LANE_REPORT },
};

/* On the loop are those that never wait. */
static const struct {
    const char      *path;
    enum ol_run_mode mode;
    ol_handler_cb   *handler;
} one_way[] = {
    { "/", OL_RUN_BLOCKING, show_page },
    { "/hello", OL_RUN_BLOCKING, say_hello },
    { "/livez", OL_RUN_BLOCKING, show_live },
    { "/readyz", OL_RUN_BLOCKING, show_ready },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int add_three_ways(struct ol_server *server, struct site *site, size_t i)
{
    const struct lane_threads *threads = &site->lanes[three_ways[i].lane];
    char                       pattern[64];
    int                        rc = 0;

    for (size_t m = 0; m < COUNT(modes) && rc == 0; m++) {
        snprintf(pattern, sizeof pattern, "%s%s", modes[m].prefix, three_ways[i].path);
        rc = ol_server_route(server, &(struct ol_route){
                                         .method = three_ways[i].method,
                                         .pattern = pattern,
                                         .mode = modes[m].mode,
                                         .handler = three_ways[i].handler,
                                         .arg = site,
                                         .pool = threads->pool,
                                         .class_id = threads->class_id,
                                     });
    }
    return rc;
}

int site_add_routes(struct ol_server *server, struct site *site)
{
    int rc = 0;

    for (size_t i = 0; i < COUNT(three_ways) && rc == 0; i++)
        rc = add_three_ways(server, site, i);
    for (size_t i = 0; i < COUNT(one_way) && rc == 0; i++)
        rc = ol_server_route(server, &(struct ol_route){ .method = "GET",
                                                         .pattern = one_way[i].path,
                                                         .mode = one_way[i].mode,
                                                         .handler = one_way[i].handler,
                                                         .arg = site });
    if (rc < 0)
        return rc;
    return ol_server_route(server, &(struct ol_route){ .method = "GET",
                                                       .pattern = "/external-api",
                                                       .mode = OL_RUN_ASYNC,
                                                       .handler = answer_after_delay,
                                                       .arg = site,
                                                       .timeout_s = -1 });
}

int site_add_external_api(struct ol_server *server, struct site *site)
{
    static const char *const any_path[] = { "/", "/{path...}" };
    int                      rc = 0;

    for (size_t i = 0; i < COUNT(any_path) && rc == 0; i++)
        rc = ol_server_route(server, &(struct ol_route){ .method = "GET",
                                                         .pattern = any_path[i],
                                                         .mode = OL_RUN_ASYNC,
                                                         .handler = answer_after_delay,
                                                         .arg = site,
                                                         .timeout_s = -1 });
    return rc;
}
