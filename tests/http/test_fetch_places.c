/*
 * The column "ol_fetch" of the "called from" table: in each place an answer comes back, a cancel and a deadline end the
 * wait, a refused connection is the service's failure, and the bare loop is never blocked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/fetch_case.h"
#include "support/gate.h"
#include "support/service.h"

/* ---- services ---- */

static void say_hello(struct exchange *exchange)
{
    service_answer(exchange, "hello");
}

struct silence {
    struct gate asked, hung_up;
};

static void say_nothing(struct exchange *exchange)
{
    struct silence *silence = exchange->arg;

    gate_arrive(&silence->asked);
    service_await_hangup(exchange);
    gate_arrive(&silence->hung_up);
}

static struct service *start_silent_service(struct silence *silence)
{
    gate_init(&silence->asked, "asked");
    gate_init(&silence->hung_up, "hung up");
    return service_start(say_nothing, silence);
}

static void stop_silent_service(struct service *service, struct silence *silence)
{
    service_stop(service);
    gate_fini(&silence->asked);
    gate_fini(&silence->hung_up);
}

/* ---- tests ---- */

static void answer_comes_back(void **state)
{
    enum place      place = *(enum place *)*state;
    struct service *service = service_start(say_hello, NULL);
    struct fetched  fetched = fetch_in(place, NULL, &(struct ol_fetch_request){ .url = service_url(service, "/") });

    assert_int_equal(fetched.rc, 0);
    assert_true(is_answer(&fetched, "hello"));
    assert_true(ol_fetch_duration_s(fetched.result) > 0);
    ol_fetch_result_free(fetched.result);
    service_stop(service);
}

struct canceller {
    struct gate     *when;
    struct ol_scope *scope;
};

static void *cancel_when_asked(void *arg)
{
    struct canceller *canceller = arg;

    gate_wait_for_n(canceller->when, 1);
    ol_scope_end(canceller->scope, OL_ECANCELED);
    return NULL;
}

static void cancelled_while_waiting_returns_and_hangs_up(void **state)
{
    enum place       place = *(enum place *)*state;
    struct silence   silence;
    struct service  *service = start_silent_service(&silence);
    struct ol_scope  scope;
    struct canceller canceller = { &silence.asked, &scope };
    pthread_t        thread;

    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_asked, &canceller), 0);
    struct fetched fetched = fetch_in(place, &scope, &(struct ol_fetch_request){ .url = service_url(service, "/") });
    gate_wait_for_n(&silence.hung_up, 1); /* the transfer was ended, not forgotten */

    assert_int_equal(fetched.rc, OL_ECANCELED);
    assert_int_equal(fetched.error.code, OL_ECANCELED);
    pthread_join(thread, NULL);
    ol_scope_fini(&scope);
    stop_silent_service(service, &silence);
}

static void deadline_of_the_scope_ends_the_wait(void **state)
{
    enum place      place = *(enum place *)*state;
    struct silence  silence;
    struct service *service = start_silent_service(&silence);
    struct ol_scope scope;

    assert_int_equal(ol_scope_init(&scope, NULL, 0.05), 0);
    struct fetched fetched = fetch_in(place, &scope, &(struct ol_fetch_request){ .url = service_url(service, "/") });

    assert_int_equal(fetched.rc, OL_ETIMEDOUT);
    assert_int_equal(ol_scope_reason(&scope), OL_ETIMEDOUT);
    ol_scope_fini(&scope);
    stop_silent_service(service, &silence);
}

static void timeout_of_the_request_is_the_upstreams(void **state)
{
    enum place              place = *(enum place *)*state;
    struct silence          silence;
    struct service         *service = start_silent_service(&silence);
    struct ol_fetch_request request = { .url = service_url(service, "/"), .timeout_s = 0.05 };
    struct fetched          fetched = fetch_in(place, NULL, &request);

    assert_int_equal(fetched.rc, OL_EUPTIMEOUT);
    assert_int_not_equal(fetched.error.detail, 0);
    stop_silent_service(service, &silence);
}

static void refused_connection_is_the_upstreams_failure(void **state)
{
    enum place     place = *(enum place *)*state;
    char           url[64];
    struct fetched fetched = fetch_in(place, NULL,
                                      &(struct ol_fetch_request){ .url = service_refusing_url(url, sizeof url) });

    assert_int_equal(fetched.rc, OL_EUPSTREAM);
    assert_int_not_equal(fetched.error.detail, 0);
    assert_string_not_equal(fetched.error.text, "");
}

static void scope_that_has_ended_sends_nothing(void **state)
{
    enum place      place = *(enum place *)*state;
    struct service *service = service_start(say_hello, NULL);
    struct ol_scope scope;

    assert_int_equal(ol_scope_init(&scope, NULL, 0), 0);
    ol_scope_end(&scope, OL_ECLOSED);
    struct fetched fetched = fetch_in(place, &scope, &(struct ol_fetch_request){ .url = service_url(service, "/") });

    assert_int_equal(fetched.rc, OL_ECLOSED);
    assert_int_equal(service_requests(service), 0);
    ol_scope_fini(&scope);
    service_stop(service);
}

static void bare_loop_is_refused(void **state)
{
    struct service *service = service_start(say_hello, NULL);
    struct fetched  fetched = fetch_in(BARE_LOOP, NULL, &(struct ol_fetch_request){ .url = service_url(service, "/") });

    (void)state;
    assert_int_equal(fetched.rc, OL_EONLOOP);
    assert_int_equal(service_requests(service), 0);
    service_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EVERY_PLACE(answer_comes_back),
        IN_EVERY_PLACE(cancelled_while_waiting_returns_and_hangs_up),
        IN_EVERY_PLACE(deadline_of_the_scope_ends_the_wait),
        IN_EVERY_PLACE(timeout_of_the_request_is_the_upstreams),
        IN_EVERY_PLACE(refused_connection_is_the_upstreams_failure),
        IN_EVERY_PLACE(scope_that_has_ended_sends_nothing),
        cmocka_unit_test(bare_loop_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
