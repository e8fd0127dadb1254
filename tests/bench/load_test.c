/*
 * The load generator against a service that does as it is told: what is counted, and from when.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

#include "app/bench/load.h"
#include "support/gate.h"
#include "support/service.h"

/* How many requests are at the service at once, and the most there were. */
struct crowd {
    struct gate full; /* counts arrivals; open from the start, or opened by the test */
    atomic_uint now, most;
};

static void answer_crowd(struct exchange *exchange)
{
    struct crowd *crowd = exchange->arg;
    unsigned      now = atomic_fetch_add(&crowd->now, 1) + 1, most = atomic_load(&crowd->most);

    while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
        ;
    gate_wait(&crowd->full);
    atomic_fetch_sub(&crowd->now, 1);
    service_answer(exchange, "{}");
}

static void *open_when_three_have_come(void *arg)
{
    struct crowd *crowd = arg;

    gate_wait_for_n(&crowd->full, 3);
    gate_open(&crowd->full);
    return NULL;
}

static void a_closed_loop_has_as_many_under_way_as_it_has_clients(void **state)
{
    struct crowd       crowd = { .now = 0 };
    struct service    *service;
    struct load_result result;
    pthread_t          opener;

    (void)state;
    gate_init(&crowd.full, "full");
    service = service_start(answer_crowd, &crowd);
    assert_int_equal(pthread_create(&opener, NULL, open_when_three_have_come, &crowd), 0);
    assert_int_equal(load_run(&result, &(struct load_spec){ .concurrency = 3,
                                                            .requests = 12,
                                                            .next = load_same_url,
                                                            .arg = (void *)service_url(service, "/") }),
                     0);
    pthread_join(opener, NULL);
    assert_int_equal(atomic_load(&crowd.most),
                     3); /* the gate opened only when there were three, and never were there four */
    assert_int_equal(result.started, 12);
    assert_int_equal(result.latency.count, 12);
    assert_int_equal(result.failed, 0);
    assert_true(result.seconds > 0);
    assert_true(result.rate > 0);
    load_result_fini(&result);
    service_stop(service);
    gate_fini(&crowd.full);
}

static void answer_by_path(struct exchange *exchange)
{
    if (strcmp(exchange->path, "/bad") == 0)
        service_send(exchange, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(exchange->path, "/gone") == 0)
        service_reset(exchange);
    else
        service_answer(exchange, "{}");
}

struct paths {
    char        url[3][LOAD_URL_MAX];
    const char *body;
};

static void next_path(struct load_request *request, uint64_t number, void *arg)
{
    struct paths *paths = arg;

    snprintf(request->url, sizeof request->url, "%s", paths->url[number % 3]);
    request->body = paths->body;
}

static void only_good_answers_have_a_latency(void **state)
{
    struct service    *service = service_start(answer_by_path, NULL);
    struct paths       paths = { .body = NULL };
    struct load_result result;

    (void)state;
    snprintf(paths.url[0], LOAD_URL_MAX, "%s", service_url(service, "/bad"));
    snprintf(paths.url[1], LOAD_URL_MAX, "%s", service_url(service, "/good"));
    snprintf(paths.url[2], LOAD_URL_MAX, "%s", service_url(service, "/gone"));
    assert_int_equal(load_run(&result,
                              &(struct load_spec){ .concurrency = 1, .requests = 9, .next = next_path, .arg = &paths }),
                     0);
    assert_int_equal(result.started, 9);
    assert_int_equal(result.latency.count, 3);
    assert_int_equal(result.failed, 6);
    assert_int_equal(result.unfinished, 0);
    assert_string_equal(result.why, "status 503");
    load_result_fini(&result);
    service_stop(service);
}

static void never_answer(struct exchange *exchange)
{
    service_await_hangup(exchange);
    service_close(exchange);
}

static void what_a_cut_leaves_behind_is_unfinished_and_did_not_fail(void **state)
{
    struct service    *service = service_start(never_answer, NULL);
    struct load_result result;

    (void)state;
    assert_int_equal(load_run(&result, &(struct load_spec){ .concurrency = 4,
                                                            .window_s = 0.05,
                                                            .cut = true,
                                                            .next = load_same_url,
                                                            .arg = (void *)service_url(service, "/") }),
                     0);
    assert_int_equal(result.unfinished, 4);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.latency.count, 0);
    assert_true(result.rate == 0);
    load_result_fini(&result);
    service_stop(service);
}

/* A service that holds every answer until the last planned request has come to it. */
struct late {
    struct gate      all;
    _Atomic uint64_t first_came_ns;
};

static void answer_late(struct exchange *exchange)
{
    struct late *late = exchange->arg;
    uint64_t     nobody = 0;

    atomic_compare_exchange_strong(&late->first_came_ns, &nobody, ol_now_ns());
    gate_wait(&late->all);
    service_answer(exchange, "{}");
}

enum { PLANNED = 10, PLANNED_RATE = 500 };

struct opening {
    struct late *late;
    uint64_t     opened_ns; /* read after the join */
};

static void *open_when_all_have_come(void *arg)
{
    struct opening *opening = arg;

    gate_wait_for_n(&opening->late->all, PLANNED);
    opening->opened_ns = ol_now_ns();
    gate_open(&opening->late->all);
    return NULL;
}

static void an_open_loop_asks_on_time_and_counts_from_the_plan(void **state)
{
    struct late        late = { .first_came_ns = 0 };
    struct opening     opening = { .late = &late };
    struct service    *service;
    struct load_result result;
    pthread_t          opener;

    (void)state;
    gate_init(&late.all, "all");
    service = service_start(answer_late, &late);
    assert_int_equal(pthread_create(&opener, NULL, open_when_all_have_come, &opening), 0);
    assert_int_equal(load_run(&result, &(struct load_spec){ .concurrency = 100,
                                                            .rate = PLANNED_RATE,
                                                            .requests = PLANNED,
                                                            .next = load_same_url,
                                                            .arg = (void *)service_url(service, "/") }),
                     0);
    pthread_join(opener, NULL);
    /*
     * That it returned shows that nobody waited for an answer before asking. Each answer came after the opening, and the
     * k-th was planned k / rate after a beginning that lay before the first arrival.
     */
    assert_int_equal(result.latency.count, PLANNED);
    for (uint64_t k = 0; k < PLANNED; k++) {
        uint64_t held = opening.opened_ns - atomic_load(&late.first_came_ns), planned = k * OL_NS_PER_S / PLANNED_RATE;

        assert_true(samples_percentile_ns(&result.latency, 100.0 - (double)k * 100 / PLANNED) + planned >= held);
    }
    load_result_fini(&result);
    service_stop(service);
    gate_fini(&late.all);
}

static void an_open_loop_drops_what_is_beyond_its_bound_and_says_so(void **state)
{
    struct late        late = { .first_came_ns = 0 };
    struct service    *service;
    struct load_result result;

    (void)state;
    gate_init(&late.all, "all");
    service = service_start(answer_late, &late);
    assert_int_equal(load_run(&result, &(struct load_spec){ .concurrency = 2,
                                                            .rate = 1000,
                                                            .requests = 20,
                                                            .window_s = 1,
                                                            .cut = true,
                                                            .next = load_same_url,
                                                            .arg = (void *)service_url(service, "/") }),
                     0);
    assert_int_equal(result.latency.count, 0);
    assert_int_equal(result.dropped + result.unfinished, result.started);
    assert_in_range(result.unfinished, 1, 2);
    gate_open(&late.all);
    load_result_fini(&result);
    service_stop(service);
    gate_fini(&late.all);
}

static void a_load_without_clients_is_refused(void **state)
{
    struct load_result result;

    (void)state;
    assert_int_equal(load_run(&result, &(struct load_spec){ .requests = 1, .next = load_same_url, .arg = (void *)"" }),
                     OL_EINVAL);
    load_result_fini(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop_has_as_many_under_way_as_it_has_clients),
        cmocka_unit_test(only_good_answers_have_a_latency),
        cmocka_unit_test(what_a_cut_leaves_behind_is_unfinished_and_did_not_fail),
        cmocka_unit_test(an_open_loop_asks_on_time_and_counts_from_the_plan),
        cmocka_unit_test(an_open_loop_drops_what_is_beyond_its_bound_and_says_so),
        cmocka_unit_test(a_load_without_clients_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
