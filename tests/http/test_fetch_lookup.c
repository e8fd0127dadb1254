/*
 * A name lookup that hangs: getaddrinfo of this program waits at a gate for names under ".slow.test". A fetch that is
 * given up meanwhile returns at once, in every place; the lookup's thread is left to end by itself.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/fetch_case.h"
#include "support/gate.h"
#include "support/service.h"

static struct gate lookups, finished;

/* In the place of the C library's, also for libcurl. Thread: one of curl's own. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
                                                       struct addrinfo **ret_list)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (name && strstr(name, ".slow.test")) {
        gate_wait(&lookups);
        gate_arrive(&finished);
        return EAI_NONAME;
    }
    if (name && strstr(name, ".here.test"))
        name = "127.0.0.1";
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &found, sizeof real);
    return real(name, port, hints, ret_list);
}

static int make_gates(void **state)
{
    (void)state;
    gate_init(&lookups, "lookups");
    gate_init(&finished, "finished lookups");
    return 0;
}

/* The lookup's thread still runs: it must be gone from our gates before they are. */
static int free_gates(void **state)
{
    (void)state;
    gate_open(&lookups);
    gate_wait_for_n(&finished, gate_arrived(&lookups));
    gate_fini(&lookups);
    gate_fini(&finished);
    return 0;
}

static void *cancel_when_looked_up(void *arg)
{
    gate_wait_for_n(&lookups, 1);
    ol_scope_end(arg, OL_ECANCELED);
    return NULL;
}

static void cancelled_in_a_name_lookup_returns_while_it_hangs(void **state)
{
    enum place      place = *(enum place *)*state;
    struct ol_scope scope;
    pthread_t       thread;

    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_looked_up, &scope), 0);
    struct fetched fetched = fetch_in(place, &scope, &(struct ol_fetch_request){ .url = "http://cancel.slow.test/" });

    assert_int_equal(fetched.rc, OL_ECANCELED);
    assert_int_equal(gate_arrived(&finished), 0); /* it hangs still */
    pthread_join(thread, NULL);
    ol_scope_fini(&scope);
}

static void timed_out_in_a_name_lookup_returns_while_it_hangs(void **state)
{
    enum place              place = *(enum place *)*state;
    struct ol_fetch_request request = { .url = "http://timeout.slow.test/", .connect_timeout_s = 0.05 };
    struct fetched          fetched = fetch_in(place, NULL, &request);

    assert_int_equal(fetched.rc, OL_EUPTIMEOUT);
    gate_wait_for_n(&lookups, 1); /* its thread may be slow to start */
    assert_int_equal(gate_arrived(&finished), 0);
}

static void say_hello(struct exchange *exchange)
{
    service_answer(exchange, "hello");
}

static void name_that_is_found_is_fetched(void **state)
{
    enum place      place = *(enum place *)*state;
    struct service *service = service_start(say_hello, NULL);
    char            url[64];

    snprintf(url, sizeof url, "http://service.here.test:%u/", service_port(service));
    struct fetched fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = url });
    assert_int_equal(fetched.rc, 0);
    assert_true(is_answer(&fetched, "hello"));
    ol_fetch_result_free(fetched.result);
    service_stop(service);
}

static void name_that_is_not_found_is_the_upstreams_failure(void **state)
{
    enum place place = *(enum place *)*state;

    gate_open(&lookups);
    struct fetched fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = "http://nowhere.slow.test/" });
    assert_int_equal(fetched.rc, OL_EUPSTREAM);
}

#define WITH_GATES(test) IN_EVERY_PLACE_WITH(test, make_gates, free_gates)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GATES(cancelled_in_a_name_lookup_returns_while_it_hangs),
        WITH_GATES(timed_out_in_a_name_lookup_returns_while_it_hangs),
        WITH_GATES(name_that_is_found_is_fetched),
        WITH_GATES(name_that_is_not_found_is_the_upstreams_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
