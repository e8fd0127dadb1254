/*
 * router.c: a tree of path segments.
 *
 *     /items           root -> "items"            routes: GET, POST
 *     /items/{id}              "items" -> {}      routes: GET, DELETE
 *     /files/{rest...}         "files" -> {...}   routes: GET
 *
 * At each node a literal segment is tried before {name}, and that before {rest...}; when a choice leads nowhere the
 * next one is tried. So "/a/b" wins over "/a/{x}" whatever came first, and the pattern alone decides: a method that
 * its routes do not have is 405, not another pattern's business. Which of a pattern's {names} is which stands with the route, so
 * that "/items/{id}" and "/items/{name}" are one node.
 *
 * Segments are compared decoded, one by one, so that "%2F" is never a border. A {name} takes at least one byte; {rest...}
 * takes any number of segments, none included ("/files/" but not "/files").
 *
 * Trying again could take long for patterns made for it: the number of steps is bounded, and a path that passes the
 * bound has no route.
 */
#include "http/router.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "http/chars.h"

enum { SEGMENTS_MAX = 64, STEPS_MAX = 4096 };

struct ol__router_node {
    struct ol__router_node *literals; /* a list by `next` */
    struct ol__router_node *next;
    struct ol__router_node *name, *rest; /* {name}, {rest...}; or NULL */
    struct ol__route       *routes;
    size_t                  size; /* of a literal's text */
    char                    text[];
};

/* ---- building ---- */

static struct ol__router_node *node_create(const char *text, size_t size)
{
    struct ol__router_node *node = calloc(1, sizeof *node + size + 1);

    if (!node)
        return NULL;
    node->size = size;
    memcpy(node->text, text, size);
    return node;
}

static void route_free(struct ol__route *route)
{
    for (unsigned i = 0; i < route->n_params; i++)
        free((char *)route->params[i]);
    free((char *)route->route.method);
    free((char *)route->route.pattern);
    free(route);
}

static void node_free(struct ol__router_node *node)
{
    while (node) {
        struct ol__router_node *next = node->next;

        for (struct ol__route *route = node->routes, *after; route; route = after) {
            after = route->next;
            route_free(route);
        }
        node_free(node->literals);
        node_free(node->name);
        node_free(node->rest);
        free(node);
        node = next;
    }
}

void ol__router_fini(struct ol__router *router)
{
    node_free(router->root);
    router->root = NULL;
}

static struct ol__router_node *find_literal(const struct ol__router_node *node, const char *text, size_t size)
{
    for (struct ol__router_node *child = node->literals; child; child = child->next)
        if (child->size == size && memcmp(child->text, text, size) == 0)
            return child;
    return NULL;
}

enum segment { LITERAL, NAME, REST, BAD_SEGMENT };

/* Which kind is it? Of the last three *ret_size is the name's, which begins one byte in. */
static enum segment segment_kind(const char *text, size_t size, bool is_last, size_t *ret_size)
{
    bool rest = size > 5 && memcmp(text + size - 4, "...}", 4) == 0;

    *ret_size = size;
    if (size == 0 || (text[0] != '{' && !memchr(text, '{', size) && !memchr(text, '}', size)))
        return LITERAL;
    if (size < 3 || text[0] != '{' || text[size - 1] != '}')
        return BAD_SEGMENT;
    *ret_size = size - (rest ? 5 : 2);
    if (ol__span(text + 1, *ret_size, OL__CHAR_TOKEN) != *ret_size || memchr(text + 1, '.', *ret_size))
        return BAD_SEGMENT;
    if (rest)
        return is_last ? REST : BAD_SEGMENT;
    return NAME;
}

static int add_param(struct ol__route *route, const char *name, size_t size)
{
    if (route->n_params == OL__PARAMS_MAX)
        return ol__fail(OL_EINVAL, 0, "%s: more than %d names", route->route.pattern, OL__PARAMS_MAX);
    for (unsigned i = 0; i < route->n_params; i++)
        if (strlen(route->params[i]) == size && memcmp(route->params[i], name, size) == 0)
            return ol__fail(OL_EINVAL, 0, "%s: a name stands there twice", route->route.pattern);
    char *copy = strndup(name, size);
    if (!copy)
        return ol__fail(OL_ENOMEM, 0, "no memory for a route");
    route->params[route->n_params++] = copy;
    return 0;
}

/* What is at `place`, or a new node put there; NULL: no memory. */
static struct ol__router_node *grow(struct ol__router_node **place, const char *text, size_t size)
{
    if (!*place)
        *place = node_create(text, size);
    if (!*place)
        ol__fail(OL_ENOMEM, 0, "no memory for a route");
    return *place;
}

static struct ol__router_node *grow_literal(struct ol__router_node *node, const char *text, size_t size)
{
    struct ol__router_node *found = find_literal(node, text, size), *fresh = NULL;

    if (found || !grow(&fresh, text, size))
        return found;
    fresh->next = node->literals;
    node->literals = fresh;
    return fresh;
}

/* The child for the segment of the route's pattern that begins at `text`; NULL: ol_last_error() says why not. */
static struct ol__router_node *descend(struct ol__router_node *node, struct ol__route *route, const char *text,
                                       size_t size, bool is_last)
{
    size_t       name_size;
    enum segment kind = segment_kind(text, size, is_last, &name_size);

    if (kind == LITERAL)
        return grow_literal(node, text, size);
    if (kind == BAD_SEGMENT) {
        ol__fail(OL_EINVAL, 0, "%s: \"%.*s\" is no segment", route->route.pattern, (int)size, text);
        return NULL;
    }
    if (add_param(route, text + 1, name_size) < 0)
        return NULL;
    return grow(kind == NAME ? &node->name : &node->rest, "", 0);
}

/* The node of the route's pattern; NULL: as descend. */
static struct ol__router_node *find_place(struct ol__router *router, struct ol__route *route)
{
    const char             *at = route->route.pattern;
    struct ol__router_node *node = grow(&router->root, "", 0);
    unsigned                n = 0;

    while (node && *at == '/') {
        size_t size = strcspn(++at, "/");

        if (++n > SEGMENTS_MAX) {
            ol__fail(OL_EINVAL, 0, "%s: more than %d segments", route->route.pattern, SEGMENTS_MAX);
            return NULL;
        }
        node = descend(node, route, at, size, at[size] == '\0');
        at += size;
    }
    return node;
}

static int check(const struct ol_route *route)
{
    size_t method_size = route->method ? strlen(route->method) : 0;

    if (method_size == 0 || ol__span(route->method, method_size, OL__CHAR_TOKEN) != method_size)
        return ol__fail(OL_EINVAL, 0, "a route needs a method");
    if (!route->pattern || route->pattern[0] != '/')
        return ol__fail(OL_EINVAL, 0, "a route's pattern begins with '/'");
    if (!route->handler)
        return ol__fail(OL_EINVAL, 0, "%s: a route needs a handler", route->pattern);
    return 0;
}

static struct ol__route *route_create(const struct ol_route *route)
{
    struct ol__route *copy = calloc(1, sizeof *copy);

    if (!copy)
        return NULL;
    copy->route = *route;
    copy->route.method = strdup(route->method);
    copy->route.pattern = strdup(route->pattern);
    if (copy->route.method && copy->route.pattern)
        return copy;
    route_free(copy);
    return NULL;
}

static const struct ol__route *exactly(const struct ol__route *routes, const char *method)
{
    while (routes && strcmp(routes->route.method, method) != 0)
        routes = routes->next;
    return routes;
}

int ol__router_add(struct ol__router *router, const struct ol_route *route)
{
    int rc = check(route);

    if (rc < 0)
        return rc;
    struct ol__route *copy = route_create(route);
    if (!copy)
        return ol__fail(OL_ENOMEM, 0, "no memory for a route");
    struct ol__router_node *node = find_place(router, copy);
    if (!node || exactly(node->routes, route->method)) {
        rc = node ? ol__fail(OL_EBUSY, 0, "%s %s: that route exists", route->method, route->pattern)
                  : ol_last_error()->code;
        route_free(copy);
        return rc;
    }
    copy->next = node->routes;
    node->routes = copy;
    return 0;
}

/* ---- matching ---- */

struct search {
    struct ol__match *match;
    const char       *end;
    unsigned          steps;
    unsigned          n_params;
    int               rc;
};

/* A segment with an escape is decoded to be compared. */
static const struct ol__router_node *match_literal(struct search *search, const struct ol__router_node *node,
                                                   const char *text, size_t size)
{
    char    decoded[256];
    int64_t n;

    if (!memchr(text, '%', size))
        return find_literal(node, text, size);
    if (size > sizeof decoded)
        return NULL;
    n = ol__percent_decode(decoded, text, size, false);
    if (n < 0)
        search->rc = OL_EINVAL;
    return n < 0 ? NULL : find_literal(node, decoded, (size_t)n);
}

static const struct ol__router_node *found(const struct ol__router_node *node)
{
    return node && node->routes ? node : NULL;
}

static void set_param(struct search *search, const char *text, size_t size)
{
    search->match->params[search->n_params] = (struct ol__span){ text, size };
}

/* `at` stands on the '/' before the next segment, or at the end. The depth is at most that of the tree. */
static const struct ol__router_node *match_below(struct search *search, const struct ol__router_node *node, const char *at)
{
    const struct ol__router_node *result = NULL, *child;

    if (at == search->end)
        return found(node);
    if (++search->steps > STEPS_MAX)
        return NULL;
    const char *text = at + 1, *slash = memchr(text, '/', (size_t)(search->end - text));
    const char *next = slash ? slash : search->end;
    size_t      size = (size_t)(next - text);

    child = match_literal(search, node, text, size);
    if (child)
        result = match_below(search, child, next);
    if (!result && node->name && size) {
        set_param(search, text, size);
        search->n_params++;
        result = match_below(search, node->name, next);
        search->n_params--;
    }
    if (!result && found(node->rest)) {
        set_param(search, text, (size_t)(search->end - text));
        result = node->rest;
    }
    return result;
}

int ol__router_match(const struct ol__router *router, struct ol__match *ret_match, const char *path, size_t size)
{
    struct search                 search = { .match = ret_match, .end = path + size };
    const struct ol__router_node *node = router->root ? match_below(&search, router->root, path) : NULL;

    ret_match->routes = node ? node->routes : NULL;
    return search.rc;
}

/* ---- methods ---- */

const struct ol__route *ol__routes_for(const struct ol__route *routes, const char *method)
{
    const struct ol__route *route = exactly(routes, method);

    if (!route && strcmp(method, "HEAD") == 0)
        route = exactly(routes, "GET");
    return route ? route : exactly(routes, "*");
}

void ol__routes_allow(char *out, size_t size, const struct ol__route *routes)
{
    size_t used = 0;
    bool   head = exactly(routes, "GET") && !exactly(routes, "HEAD");

    out[0] = '\0';
    for (; routes && used < size; routes = routes->next)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", routes->route.method);
    if (head && used < size)
        used += (size_t)snprintf(out + used, size - used, ", HEAD");
    if (used < size && !strstr(out, "OPTIONS"))
        snprintf(out + used, size - used, "%sOPTIONS", used ? ", " : "");
}
