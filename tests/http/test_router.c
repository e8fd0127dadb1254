/*
 * The router alone: which pattern gets which path.
 */
#include <string.h>

#include "http/router.h"
#include "support/cmocka.h"

static int handle(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)res, (void)arg;
    return 0;
}

static int add(struct ol__router *router, const char *method, const char *pattern)
{
    return ol__router_add(router, &(struct ol_route){ .method = method, .pattern = pattern, .handler = handle });
}

static const char *pattern_of(const struct ol__router *router, const char *path, struct ol__match *match)
{
    assert_int_equal(ol__router_match(router, match, path, strlen(path)), 0);
    return match->routes ? match->routes->route.pattern : NULL;
}

static void expect(const struct ol__router *router, const char *path, const char *pattern)
{
    struct ol__match match;
    const char      *found = pattern_of(router, path, &match);

    if (pattern && !found)
        fail_msg("%s matched nothing", path);
    if (!pattern)
        assert_null(found);
    else
        assert_string_equal(found, pattern);
}

static void literals_win_over_names_and_names_over_the_rest_in_any_order(void **state)
{
    static const char *const patterns[] = { "/{rest...}", "/a/{x}", "/a/b", "/a/{x}/c", "/a/b/d", "/", "/f/{rest...}" };
    enum { N = sizeof patterns / sizeof patterns[0] };

    (void)state;
    for (unsigned first = 0; first < N; first++) {
        struct ol__router router = { 0 };

        for (unsigned i = 0; i < N; i++)
            assert_int_equal(add(&router, "GET", patterns[(first + i) % N]), 0);
        expect(&router, "/", "/");
        expect(&router, "/a/b", "/a/b");
        expect(&router, "/a/z", "/a/{x}");
        expect(&router, "/a/b/c", "/a/{x}/c");
        expect(&router, "/a/b/d", "/a/b/d");
        expect(&router, "/a/b/e", "/{rest...}");
        expect(&router, "/a/", "/{rest...}");
        expect(&router, "/f/", "/f/{rest...}");
        expect(&router, "/f/g//h", "/f/{rest...}");
        expect(&router, "/f", "/{rest...}");
        ol__router_fini(&router);
    }
}

static void segments_are_compared_decoded_and_slashes_in_them_are_no_borders(void **state)
{
    struct ol__router router = { 0 };
    struct ol__match  match;

    (void)state;
    assert_int_equal(add(&router, "GET", "/a b/{x}"), 0);
    assert_string_equal(pattern_of(&router, "/a%20b/c%2Fd", &match), "/a b/{x}");
    assert_int_equal(match.params[0].size, 5);
    expect(&router, "/a%20b%2Fc", NULL);
    assert_int_equal(ol__router_match(&router, &match, "/a%2", 4), OL_EINVAL);
    assert_int_equal(ol__router_match(&router, &match, "/a%00", 5), OL_EINVAL);
    ol__router_fini(&router);
}

static void names_of_one_place_may_differ_by_method(void **state)
{
    struct ol__router       router = { 0 };
    struct ol__match        match;
    const struct ol__route *route;

    (void)state;
    assert_int_equal(add(&router, "GET", "/i/{id}"), 0);
    assert_int_equal(add(&router, "PUT", "/i/{name}"), 0);
    pattern_of(&router, "/i/7", &match);
    route = ol__routes_for(match.routes, "GET");
    assert_string_equal(route->params[0], "id");
    route = ol__routes_for(match.routes, "PUT");
    assert_string_equal(route->params[0], "name");
    ol__router_fini(&router);
}

static void methods_fall_back_to_get_for_head_and_to_the_star(void **state)
{
    struct ol__router router = { 0 };
    struct ol__match  match;
    char              allow[64];

    (void)state;
    assert_int_equal(add(&router, "GET", "/a"), 0);
    pattern_of(&router, "/a", &match);
    assert_ptr_equal(ol__routes_for(match.routes, "HEAD"), ol__routes_for(match.routes, "GET"));
    assert_null(ol__routes_for(match.routes, "PUT"));
    ol__routes_allow(allow, sizeof allow, match.routes);
    assert_string_equal(allow, "GET, HEAD, OPTIONS");
    assert_int_equal(add(&router, "*", "/a"), 0);
    pattern_of(&router, "/a", &match);
    assert_string_equal(ol__routes_for(match.routes, "PUT")->route.method, "*");
    assert_string_equal(ol__routes_for(match.routes, "HEAD")->route.method, "GET");
    ol__router_fini(&router);
}

static void bad_routes_are_refused_and_leave_the_router_as_it_was(void **state)
{
    static const char *const bad[] = { "", "a", "/{}", "/{a", "/a}", "/x{a}", "/{a}x", "/{a...}/b", "/{a}/{a}", "/{a b}" };
    struct ol__router        router = { 0 };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(add(&router, "GET", bad[i]), OL_EINVAL);
    assert_int_equal(add(&router, "G T", "/"), OL_EINVAL);
    assert_int_equal(add(&router, "", "/"), OL_EINVAL);
    assert_int_equal(add(&router, "GET", "/a"), 0);
    assert_int_equal(add(&router, "GET", "/a"), OL_EBUSY);
    expect(&router, "/a", "/a");
    expect(&router, "/x", NULL);
    ol__router_fini(&router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_win_over_names_and_names_over_the_rest_in_any_order),
        cmocka_unit_test(segments_are_compared_decoded_and_slashes_in_them_are_no_borders),
        cmocka_unit_test(names_of_one_place_may_differ_by_method),
        cmocka_unit_test(methods_fall_back_to_get_for_head_and_to_the_star),
        cmocka_unit_test(bad_routes_are_refused_and_leave_the_router_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
