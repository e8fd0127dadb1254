/*
 * Bodies: limits, large ones, and those that the caller takes as they come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <offloop/fiber.h>
#include "http/fetch_case.h"
#include "support/service.h"

enum { LARGE = 8 * 1024 * 1024 };

static char pattern_at(size_t i)
{
    return (char)('a' + (i * 31 + (i >> 12)) % 26);
}

static void send_pattern(struct exchange *exchange, size_t size)
{
    static _Thread_local char block[64 * 1024];

    for (size_t sent = 0; sent < size; sent += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = pattern_at(sent + i);
        service_send_bytes(exchange, block, size - sent < sizeof block ? size - sent : sizeof block);
    }
}

/* /counted/N and /chunked/N: a body of N bytes; /endless: one that announces nothing and never ends. */
static void send_body(struct exchange *exchange)
{
    char   head[96] = "";
    size_t size = strtoul(strrchr(exchange->path, '/') + 1, NULL, 10);

    if (strncmp(exchange->path, "/counted/", 9) == 0) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
        service_send(exchange, head);
        send_pattern(exchange, size);
    } else if (strncmp(exchange->path, "/chunked/", 9) == 0) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
        service_send(exchange, head);
        send_pattern(exchange, size);
        service_send(exchange, "\r\n0\r\n\r\n");
    } else {
        service_send(exchange, "HTTP/1.1 200 OK\r\n\r\n");
        while (send(exchange->fd, head, sizeof head, MSG_NOSIGNAL) > 0)
            ;
        service_close(exchange);
    }
}

static struct service *service;

static int start(void **state)
{
    (void)state;
    service = service_start(send_body, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    service_stop(service);
    return 0;
}

static int rc_of(enum place place, const char *path, size_t size_max)
{
    struct ol_fetch_request request = { .url = service_url(service, path), .size_max = size_max };
    struct fetched          fetched = fetch_in(place, NULL, &request);

    ol_fetch_result_free(fetched.result);
    return fetched.rc;
}

static void body_at_its_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    enum place place = *(enum place *)*state;

    assert_int_equal(rc_of(place, "/counted/999", 1000), 0);
    assert_int_equal(rc_of(place, "/counted/1000", 1000), 0);
    assert_int_equal(rc_of(place, "/counted/1001", 1000), OL_ELIMIT);
    assert_int_equal(rc_of(place, "/chunked/1000", 1000), 0);
    assert_int_equal(rc_of(place, "/chunked/1001", 1000), OL_ELIMIT);
    assert_int_equal(rc_of(place, "/endless", 1000000), OL_ELIMIT);
    assert_int_equal(rc_of(place, "/counted/16777216", 0), 0);
    assert_int_equal(rc_of(place, "/counted/16777217", 0), OL_ELIMIT);
    assert_int_equal(rc_of(place, "/counted/5", SIZE_MAX), 0);
}

static void large_body_arrives_whole(void **state)
{
    enum place              place = *(enum place *)*state;
    struct ol_fetch_request request = { .url = service_url(service, "/counted/8388608") };
    struct fetched          fetched = fetch_in(place, NULL, &request);
    size_t                  size;

    assert_int_equal(fetched.rc, 0);
    const char *body = ol_fetch_body(fetched.result, &size);
    assert_int_equal(size, LARGE);
    size_t n_wrong = 0;
    for (size_t i = 0; i < size; i++)
        n_wrong += body[i] != pattern_at(i);
    assert_int_equal(n_wrong, 0);
    assert_int_equal(body[size], '\0');
    ol_fetch_result_free(fetched.result);
}

/* ---- taken as it comes ---- */

struct taker {
    size_t n_taken, n_wrong, largest;
    bool   waits;      /* sleeps for a moment with each piece, as a slow client would make it */
    size_t give_up_at; /* 0: never */
};

static int take(const void *data, size_t size, void *arg)
{
    struct taker *taker = arg;

    for (size_t i = 0; i < size; i++)
        taker->n_wrong += ((const char *)data)[i] != pattern_at(taker->n_taken + i);
    taker->n_taken += size;
    taker->largest = size > taker->largest ? size : taker->largest;
    if (taker->waits)
        ol_sleep(0.0001);
    return taker->give_up_at && taker->n_taken >= taker->give_up_at ? OL_EFULL : 0;
}

static void taken_body_comes_whole_in_order_and_in_bounded_pieces(void **state)
{
    enum place              place = *(enum place *)*state;
    struct taker            taker = { 0 };
    struct ol_fetch_request request = { .url = service_url(service, "/counted/8388608"),
                                        .on_body = take,
                                        .on_body_arg = &taker };
    struct fetched          fetched = fetch_in(place, NULL, &request);
    size_t                  size;

    assert_int_equal(fetched.rc, 0);
    assert_int_equal(taker.n_taken, LARGE);
    assert_int_equal(taker.n_wrong, 0);
    assert_true(taker.largest <= 128 * 1024);
    assert_string_equal(ol_fetch_body(fetched.result, &size), "");
    ol_fetch_result_free(fetched.result);
}

static void taker_may_wait(void **state)
{
    enum place              place = *(enum place *)*state;
    struct taker            taker = { .waits = true };
    struct ol_fetch_request request = { .url = service_url(service, "/chunked/2097152"),
                                        .on_body = take,
                                        .on_body_arg = &taker };
    struct fetched          fetched = fetch_in(place, NULL, &request);

    assert_int_equal(fetched.rc, 0);
    assert_int_equal(taker.n_taken, 2097152);
    assert_int_equal(taker.n_wrong, 0);
    assert_true(taker.largest <= 128 * 1024);
    ol_fetch_result_free(fetched.result);
}

static void what_the_taker_returns_ends_the_transfer(void **state)
{
    enum place              place = *(enum place *)*state;
    struct taker            taker = { .give_up_at = 1 };
    struct ol_fetch_request request = { .url = service_url(service, "/endless"), .on_body = take, .on_body_arg = &taker };
    struct fetched          fetched = fetch_in(place, NULL, &request);

    assert_int_equal(fetched.rc, OL_EFULL);
    assert_true(taker.n_taken <= 128 * 1024);
}

static void taken_body_has_a_limit_too(void **state)
{
    enum place              place = *(enum place *)*state;
    struct taker            taker = { 0 };
    struct ol_fetch_request request = {
        .url = service_url(service, "/endless"), .on_body = take, .on_body_arg = &taker, .size_max = 300000
    };
    struct fetched fetched = fetch_in(place, NULL, &request);

    assert_int_equal(fetched.rc, OL_ELIMIT);
    assert_true(taker.n_taken <= 300000);
}

/* A fetch for each piece of another one: on a thread the two share a multi handle. */
static int fetch_inside(const void *data, size_t size, void *arg)
{
    struct ol_fetch_result *result;
    unsigned               *n_ok = arg;
    int rc = ol_fetch(&result, &(struct ol_fetch_request){ .url = service_url(service, "/counted/7") });

    (void)data, (void)size;
    if (rc < 0)
        return rc;
    *n_ok += 1;
    ol_fetch_result_free(result);
    return 0;
}

static void taker_may_fetch(void **state)
{
    enum place              place = *(enum place *)*state;
    unsigned                n_ok = 0;
    struct ol_fetch_request request = { .url = service_url(service, "/counted/1048576"),
                                        .on_body = fetch_inside,
                                        .on_body_arg = &n_ok };
    struct fetched          fetched = fetch_in(place, NULL, &request);

    assert_int_equal(fetched.rc, 0);
    assert_true(n_ok > 0);
    ol_fetch_result_free(fetched.result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EVERY_PLACE(body_at_its_limit_is_taken_and_one_byte_more_is_not),
        IN_EVERY_PLACE(large_body_arrives_whole),
        IN_EVERY_PLACE(taken_body_comes_whole_in_order_and_in_bounded_pieces),
        IN_EVERY_PLACE(taker_may_wait),
        IN_EVERY_PLACE(what_the_taker_returns_ends_the_transfer),
        IN_EVERY_PLACE(taken_body_has_a_limit_too),
        IN_EVERY_PLACE(taker_may_fetch),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
