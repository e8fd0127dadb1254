/*
 * http/router.h: from a method and a path to a route.
 */
#ifndef OL_HTTP_ROUTER_H
#define OL_HTTP_ROUTER_H

#include <offloop/http.h>

enum { OL__PARAMS_MAX = 16 };

/** A route as it was added, with strings of its own. */
struct ol__route {
    struct ol_route   route;
    struct ol__route *next;                   /* of the same pattern */
    unsigned          n_params;               /* names in the pattern */
    const char       *params[OL__PARAMS_MAX]; /* in their order */
};

/** Where a {name} lies in the path that was matched, still percent-encoded. */
struct ol__span {
    const char *data;
    size_t      size;
};

/** What was found. Untouched but for `routes` when no pattern matched. */
struct ol__match {
    const struct ol__route *routes; /* of the pattern that matched; NULL: none did */
    struct ol__span         params[OL__PARAMS_MAX];
};

struct ol__router {
    struct ol__router_node *root; /* NULL: no route yet */
};

void ol__router_fini(struct ol__router *router);

/** As ol_server_route, but for what the server knows better (pools). */
int ol__router_add(struct ol__router *router, const struct ol_route *route);

/** Find the best pattern for a path, which begins with '/'. Returns: 0, or OL_EINVAL (a broken %XX). */
int ol__router_match(const struct ol__router *router, struct ol__match *ret_match, const char *path, size_t size);

/** The route of a pattern that answers `method`, or NULL. GET's answers HEAD, "*" what is left. */
const struct ol__route *ol__routes_for(const struct ol__route *routes, const char *method);

/** The value of an Allow field: "GET, HEAD, OPTIONS". Cut when it does not fit. */
void ol__routes_allow(char *out, size_t size, const struct ol__route *routes);

#endif
