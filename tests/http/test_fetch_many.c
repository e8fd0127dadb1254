/*
 * Many fetches: connections are used again, nothing bounds them by host, a loop's total is bounded, and nothing is left
 * behind.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <offloop/fiber.h>
#include "http/fetch_case.h"
#include "http/fetch_runner.h"
#include "support/gate.h"
#include "support/service.h"

static void say_hello(struct exchange *exchange)
{
    service_answer(exchange, "hello");
}

static unsigned open_descriptors(void)
{
    DIR     *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- one after the other ---- */

struct series {
    const char *url;
    unsigned    n, n_ok;
};

static void fetch_series(void *arg)
{
    struct series *series = arg;

    for (unsigned i = 0; i < series->n; i++) {
        struct ol_fetch_result *result = NULL;

        if (ol_fetch(&result, &(struct ol_fetch_request){ .url = series->url }) == 0)
            series->n_ok += ol_fetch_status(result) == 200;
        ol_fetch_result_free(result);
    }
}

static void connection_is_used_again(void **state)
{
    struct service *service = service_start(say_hello, NULL);
    struct series   series = { .url = service_url(service, "/"), .n = 20 };

    in_place(*(enum place *)*state, NULL, fetch_series, &series);
    assert_int_equal(series.n_ok, 20);
    assert_int_equal(service_requests(service), 20);
    assert_int_equal(service_connections(service), 1);
    service_stop(service);
}

static void hello_then_close(struct exchange *exchange)
{
    service_answer(exchange, "hello");
    if (exchange->nth == 3)
        service_close(exchange); /* without a word: the client finds out when it next uses it */
}

static void connection_that_the_service_closed_is_replaced(void **state)
{
    struct service *service = service_start(hello_then_close, NULL);
    struct series   series = { .url = service_url(service, "/"), .n = 9 };

    in_place(*(enum place *)*state, NULL, fetch_series, &series);
    assert_int_equal(series.n_ok, 9);
    assert_int_equal(service_connections(service), 3);
    service_stop(service);
}

static void nothing_is_left_open_when_the_place_is_gone(void **state)
{
    enum place      place = *(enum place *)*state;
    struct service *service = service_start(say_hello, NULL);
    struct series   series = { .url = service_url(service, "/"), .n = 3 };

    in_place(place, NULL, fetch_series, &series); /* whatever a first use makes for good is made now */
    service_stop(service);
    service = service_start(say_hello, NULL);
    unsigned before = open_descriptors();
    series.url = service_url(service, "/");
    in_place(place, NULL, fetch_series, &series);
    service_stop(service);

    assert_int_equal(series.n_ok, 6);
    /*
     * Of ours nothing more is open, and the service's listener is gone; the service's side of connections went with it.
     */
    assert_int_equal(open_descriptors(), before - 1);
}

/* ---- all at once ---- */

enum { CROWD = 300 }; /* three shards of the loop's engine */

struct crowd {
    struct gate all_here;
    const char *url;
    unsigned    n_ok, n_busy, n_other;
};

static void answer_when_all_are_here(struct exchange *exchange)
{
    struct crowd *crowd = exchange->arg;

    gate_wait(&crowd->all_here);
    service_answer(exchange, "hello");
}

static void crowd_fiber(void *arg)
{
    struct crowd           *crowd = arg;
    struct ol_fetch_result *result = NULL;
    int                     rc = ol_fetch(&result, &(struct ol_fetch_request){ .url = crowd->url });

    if (rc == 0 && ol_fetch_status(result) == 200)
        crowd->n_ok++;
    else if (rc == OL_EBUSY)
        crowd->n_busy++;
    else
        crowd->n_other++;
    ol_fetch_result_free(result);
}

struct opener {
    struct crowd *crowd;
    unsigned      n;
};

static void *open_when_all_are_here(void *arg)
{
    struct opener *opener = arg;

    gate_wait_for_n(&opener->crowd->all_here, opener->n);
    gate_open(&opener->crowd->all_here);
    return NULL;
}

static void run_crowd(struct ol_loop *loop, struct crowd *crowd, unsigned n)
{
    struct ol_fiber_config fiber = { .run = crowd_fiber, .arg = crowd };

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(ol_fiber_start(loop, &fiber), 0);
    assert_int_equal(ol_loop_run(loop), 0);
}

static void requests_to_one_host_are_all_under_way_at_once(void **state)
{
    struct crowd    crowd = { 0 };
    struct service *service = service_start(answer_when_all_are_here, &crowd);
    struct ol_loop *loop;
    struct opener   opener = { &crowd, CROWD };
    pthread_t       thread;

    (void)state;
    gate_init(&crowd.all_here, "all here");
    crowd.url = service_url(service, "/");
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, open_when_all_are_here, &opener), 0);
    run_crowd(loop, &crowd, CROWD);
    pthread_join(thread, NULL);
    assert_int_equal(crowd.n_ok, CROWD);
    assert_int_equal(service_connections(service), CROWD);

    run_crowd(loop, &crowd, CROWD); /* the gate is open now */
    assert_int_equal(crowd.n_ok, 2 * CROWD);
    assert_true(service_connections(service) < 2 * CROWD); /* and connections are at hand */

    assert_int_equal(ol_loop_destroy(loop), 0);
    service_stop(service);
    gate_fini(&crowd.all_here);
}

static void fibers_cancelled_together_all_return_and_leave_nothing(void **state)
{
    struct crowd    crowd = { 0 };
    struct service *service = service_start(answer_when_all_are_here, &crowd);
    struct ol_scope scope;
    struct ol_loop *loop;

    (void)state;
    gate_init(&crowd.all_here, "all here");
    crowd.url = service_url(service, "/");
    assert_int_equal(ol_scope_init(&scope, NULL, 0.2), 0);
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    struct ol_fiber_config fiber = { .run = crowd_fiber, .arg = &crowd, .scope = &scope };
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(ol_fiber_start(loop, &fiber), 0);
    assert_int_equal(ol_loop_run(loop), 0);

    assert_int_equal(crowd.n_other, CROWD);
    gate_open(&crowd.all_here);
    assert_int_equal(ol_loop_destroy(loop), 0);
    ol_scope_fini(&scope);
    service_stop(service);
    gate_fini(&crowd.all_here);
}

/* ---- bounds ---- */

static void one_transfer_more_than_a_loop_may_have_is_busy(void **state)
{
    enum { ROOM = 128 }; /* one shard's */
    struct crowd    crowd = { 0 };
    struct service *service = service_start(answer_when_all_are_here, &crowd);
    struct ol_loop *loop;
    unsigned        before = ol__fetch_shards_max;

    (void)state;
    gate_init(&crowd.all_here, "all here");
    crowd.url = service_url(service, "/");
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    ol__fetch_shards_max = 1;
    struct opener opener = { &crowd, ROOM };
    pthread_t     thread;
    assert_int_equal(pthread_create(&thread, NULL, open_when_all_are_here, &opener), 0);
    run_crowd(loop, &crowd, ROOM + 1);
    pthread_join(thread, NULL);
    assert_int_equal(crowd.n_ok, ROOM);
    assert_int_equal(crowd.n_busy, 1);

    run_crowd(loop, &crowd, ROOM); /* and there is room again */
    assert_int_equal(crowd.n_ok, 2 * ROOM);

    ol__fetch_shards_max = before;
    assert_int_equal(ol_loop_destroy(loop), 0);
    service_stop(service);
    gate_fini(&crowd.all_here);
}

/* ---- fork ---- */

static void child_of_a_fork_leaves_its_parents_connections_alone(void **state)
{
    struct service *service = service_start(say_hello, NULL);
    struct series   series = { .url = service_url(service, "/"), .n = 1 };
    int             status = 0;

    (void)state;
    fetch_series(&series);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fetch_series(&series);
        _exit(series.n_ok == 2 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(service_connections(service), 2);

    fetch_series(&series);
    assert_int_equal(series.n_ok, 2);
    assert_int_equal(service_connections(service), 2); /* the parent's is as good as before */
    service_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EVERY_PLACE(connection_is_used_again),
        IN_EVERY_PLACE(connection_that_the_service_closed_is_replaced),
        /* the main thread's own connections stay for as long as it does */
        { "nothing_is_left_open_when_the_thread_is_gone", nothing_is_left_open_when_the_place_is_gone, NULL, NULL,
          &fetch_places[OTHER_THREAD] },
        { "nothing_is_left_open_when_the_loop_is_gone", nothing_is_left_open_when_the_place_is_gone, NULL, NULL,
          &fetch_places[FIBER] },
        cmocka_unit_test(requests_to_one_host_are_all_under_way_at_once),
        cmocka_unit_test(fibers_cancelled_together_all_return_and_leave_nothing),
        cmocka_unit_test(one_transfer_more_than_a_loop_may_have_is_busy),
        cmocka_unit_test(child_of_a_fork_leaves_its_parents_connections_alone),
    };
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
