/*
 * The items over HTTP, in every mode, on one server.
 */
#include "serve.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

static struct program serve;

static int start(void **state)
{
    serve_make_folder(state);
    serve_start(&serve, "http://127.0.0.1:9/", NULL);
    return 0;
}

static int stop(void **state)
{
    serve_stop(&serve);
    return serve_remove_folder(state);
}

/* The answer's JSON; the status must be as said. */
static json_t *call(int status, const char *method, const char *target, const char *body)
{
    struct answer answer;
    json_t       *json;

    client_call(&answer, serve.address, method, target, body);
    assert_int_equal(answer.status, status);
    assert_false(answer.cut);
    json = json_loadb(answer.body, answer.body_size, 0, NULL);
    answer_free(&answer);
    return json;
}

static void expect(int status, const char *method, const char *target, const char *body)
{
    json_decref(call(status, method, target, body));
}

static void expect_item(const char *target, const char *name, double price)
{
    json_t *item = call(200, "GET", target, NULL);

    assert_string_equal(json_string_value(json_object_get(item, "name")), name);
    assert_true(json_number_value(json_object_get(item, "price")) == price);
    json_decref(item);
}

static void the_first_items_are_the_same_everywhere(void **state)
{
    (void)state;
    for (int m = 0; m < SERVE_MODES; m++) {
        expect_item(serve_path(serve_modes[m], "/items/1"), "item 000001", 79.19);
        expect_item(serve_path(serve_modes[m], "/items/100000"), "item 100000", 0);
    }
}

static void an_item_is_created_replaced_and_deleted(void **state)
{
    (void)state;
    for (int m = 0; m < SERVE_MODES; m++) {
        struct answer answer;
        char          location[256];

        client_call(&answer, serve.address, "POST", serve_path(serve_modes[m], "/items"),
                    "{\"name\": \"t\\u00e9 \\\"x\\\"\", \"price\": 2.5}");
        assert_int_equal(answer.status, 201);
        assert_true(answer_field(&answer, "Location", location, sizeof location));
        answer_free(&answer);
        assert_ptr_equal(strstr(location, serve_path(serve_modes[m], "/items/")), location);

        expect_item(location, "t\xc3\xa9 \"x\"", 2.5);
        expect(204, "PUT", location, "{\"name\": \"coffee\", \"price\": 3}");
        expect_item(location, "coffee", 3);
        expect(204, "DELETE", location, NULL);
        expect(404, "GET", location, NULL);
        expect(404, "DELETE", location, NULL);
        expect(404, "PUT", location, "{\"name\": \"coffee\", \"price\": 3}");
    }
}

static int64_t last_id(void)
{
    json_t *items = call(200, "GET", "/async/items?after=99999&limit=1000", NULL);
    json_t *last = json_array_get(items, json_array_size(items) - 1);
    int64_t id = json_integer_value(json_object_get(last, "id"));

    json_decref(items);
    return id;
}

static void nonsense_is_400_and_nothing_is_written(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        "{\"name\": \"tea\"}",
        "{\"price\": 1}",
        "{\"name\": 1, \"price\": 1}",
        "{\"name\": \"tea\", \"price\": \"1\"}",
        "{\"name\": \"tea\", \"price\": -1}",
        "{\"name\": \"tea\", \"price\": 1e999}",
        "{\"name\": \"tea\", \"price\": NaN}",
        "{\"name\": \"tea\", \"price\": 1e12}",
        "{\"name\": \"\", \"price\": 1}",
        "{\"name\": \"a\\u0000b\", \"price\": 1}",
        "{\"name\": \"\xff\", \"price\": 1}",
        "{\"name\": \"tea\", \"price\": 1, \"id\": 7}",
        "{\"name\": \"tea\", \"name\": \"tea\", \"price\": 1}",
        "{\"name\": \"tea\", \"price\": 1} x",
    };
    int64_t before = last_id();

    (void)state;
    for (int m = 0; m < SERVE_MODES; m++)
        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
            expect(400, "POST", serve_path(serve_modes[m], "/items"), bodies[i]);
            expect(400, "PUT", serve_path(serve_modes[m], "/items/5"), bodies[i]);
        }
    expect_item("/async/items/5", "item 000005", 395.95);
    assert_int_equal(last_id(), before);
}

/* As many levels as jansson allows are more than a fiber's stack holds. */
static void a_body_of_brackets_is_400_and_the_server_goes_on(void **state)
{
    enum { DEPTH = 100000 };
    char *body = malloc(DEPTH + 1);

    (void)state;
    memset(body, '[', DEPTH);
    body[DEPTH] = '\0';
    for (int m = 0; m < SERVE_MODES; m++)
        expect(400, "POST", serve_path(serve_modes[m], "/items"), body);
    free(body);
    expect(200, "GET", "/async/items/1", NULL);
}

static void an_id_that_is_none_is_400_and_one_that_is_not_there_404(void **state)
{
    static const char *const bad[] = { "/items/x", "/items/0", "/items/-1", "/items/1.5", "/items/99999999999999999999" };

    (void)state;
    for (int m = 0; m < SERVE_MODES; m++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
            expect(400, "GET", serve_path(serve_modes[m], bad[i]), NULL);
        expect(404, "GET", serve_path(serve_modes[m], "/items/999999999"), NULL);
        expect(405, "PATCH", serve_path(serve_modes[m], "/items/1"), "{}");
    }
}

static void expect_list(const char *target, int64_t first, size_t count)
{
    json_t *items = call(200, "GET", target, NULL);

    assert_true(json_is_array(items));
    assert_int_equal(json_array_size(items), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(items, i), "id")), first + (int64_t)i);
    json_decref(items);
}

static void a_list_is_streamed_in_order(void **state)
{
    (void)state;
    for (int m = 0; m < SERVE_MODES; m++) {
        expect_list(serve_path(serve_modes[m], "/items"), 1, 100);
        expect_list(serve_path(serve_modes[m], "/items?after=41&limit=3"), 42, 3);
        expect_list(serve_path(serve_modes[m], "/items?after=9000000000&limit=3"), 0, 0);
        expect(400, "GET", serve_path(serve_modes[m], "/items?limit=0"), NULL);
        expect(400, "GET", serve_path(serve_modes[m], "/items?limit=1000001"), NULL);
        expect(400, "GET", serve_path(serve_modes[m], "/items?limit=1%00"), NULL);
        expect(400, "GET", serve_path(serve_modes[m], "/items?after=%zz"), NULL);
        expect(400, "GET", serve_path(serve_modes[m], "/items?after=x"), NULL);
    }
}

/* 4 MB pass through a window of 256 KiB. On the loop itself nothing can be sent meanwhile: a long list is refused. */
static void a_long_list_is_streamed_but_not_in_blocking(void **state)
{
    (void)state;
    expect_list("/offload/items?limit=90000", 1, 90000);
    expect_list("/async/items?limit=90000", 1, 90000);
    expect(400, "GET", "/blocking/items?limit=1001", NULL);
    expect_list("/blocking/items?limit=1000", 1, 1000);
}

/* Clients that take nothing hold every stream that the database gives; the kernel's buffers do not hold such a list. */
static void short_lists_are_answered_while_slow_readers_hold_every_stream(void **state)
{
    enum { READERS = 8 };
    struct pollfd slow[READERS];

    (void)state;
    for (int i = 0; i < READERS; i++) {
        slow[i] = (struct pollfd){ .fd = client_connect(serve.address), .events = POLLIN };
        client_request(slow[i].fd, "GET", "/async/items?limit=1000000", NULL);
    }
    assert_in_range(poll(slow, READERS, CLIENT_LIMIT_S * 1000), 1, READERS);
    for (int m = 0; m < SERVE_MODES; m++)
        expect_list(serve_path(serve_modes[m], "/items?limit=1000"), 1, 1000);
    for (int i = 0; i < READERS; i++)
        close(slow[i].fd);
}

static void the_report_counts_every_item(void **state)
{
    (void)state;
    for (int m = 0; m < SERVE_MODES; m++) {
        json_t *report = call(200, "GET", serve_path(serve_modes[m], "/report"), NULL);
        json_t *bands = json_object_get(report, "bands");
        int64_t sum = 0;

        assert_int_equal(json_array_size(bands), 10);
        for (size_t i = 0; i < json_array_size(bands); i++)
            sum += json_integer_value(json_object_get(json_array_get(bands, i), "items"));
        assert_true(sum >= 100000);
        assert_int_equal(json_integer_value(json_object_get(report, "items")), sum);
        json_decref(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_items_are_the_same_everywhere),
        cmocka_unit_test(an_item_is_created_replaced_and_deleted),
        cmocka_unit_test(nonsense_is_400_and_nothing_is_written),
        cmocka_unit_test(a_body_of_brackets_is_400_and_the_server_goes_on),
        cmocka_unit_test(an_id_that_is_none_is_400_and_one_that_is_not_there_404),
        cmocka_unit_test(a_list_is_streamed_in_order),
        cmocka_unit_test(a_long_list_is_streamed_but_not_in_blocking),
        cmocka_unit_test(short_lists_are_answered_while_slow_readers_hold_every_stream),
        cmocka_unit_test(the_report_counts_every_item),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
