/*
 * Any path against a set of routes that overlap as much as they can: no crash, and parameters that lie in the path.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/router.h"

static int handle(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)res, (void)arg;
    return 0;
}

static struct ol__router router;

static void add_routes(void)
{
    static const char *const patterns[] = { "/",
                                            "/{a}",
                                            "/a",
                                            "/a/{b}",
                                            "/{a}/b",
                                            "/a/b/{c}",
                                            "/{a}/{b}/c",
                                            "/{a}/b/{r...}",
                                            "/a b/{c}",
                                            "/items/{id}",
                                            "/items/{id}/x",
                                            "/files/{r...}",
                                            "/a/a/a/{r...}",
                                            "/{a}/{b}/{c}/{d}/e" };

    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        promise(ol__router_add(&router,
                               &(struct ol_route){ .method = "GET", .pattern = patterns[i], .handler = handle }) == 0,
                "these are routes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ol__match match;
    char            *path = malloc(size + 1);

    if (!router.root)
        add_routes();
    path[0] = '/';
    memcpy(path + 1, data, size);
    if (ol__router_match(&router, &match, path, size + 1) == 0 && match.routes)
        for (unsigned i = 0; i < match.routes->n_params; i++)
            promise(match.params[i].data >= path && match.params[i].data + match.params[i].size <= path + size + 1,
                    "a parameter lies in the path");
    free(path);
    return 0;
}
