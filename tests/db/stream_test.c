/* Streams: any length in flat memory, at the taker's pace, and every way to end. */
#include "fixture.h"

#include <malloc.h>
#include <sched.h>
#include <string.h>

#include "support/crew.h"

#define COUNT_TO \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i, 'row ' || i FROM n"
#define COUNT_FOR_EVER "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"

enum { READERS = 3 };

static struct ol_db *db;

static int setup(void **state)
{
    (void)state;
    db = open_new(&(struct ol_db_config){ .readers = READERS, .stream_window = 16384 });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ol_db_close(db);
    return 0;
}

struct taken {
    int64_t         length;     /* asked for; 0: for ever */
    size_t          stop_after; /* batches; 0: at the end */
    size_t          n_rows, n_batches;
    int64_t         n_out_of_order;
    int             rc;
    struct ol_error error;
};

static int begin(struct ol_db_stream **ret_stream, const struct taken *taken)
{
    if (taken->length)
        return ol_db_stream_begin(ret_stream, db, COUNT_TO, OL_ARGS(OL_INT(taken->length)));
    return ol_db_stream_begin(ret_stream, db, COUNT_FOR_EVER, OL_NO_ARGS);
}

static void take(void *arg)
{
    struct taken        *taken = arg;
    struct ol_db_stream *stream;
    struct ol_rows      *rows;

    taken->rc = begin(&stream, taken);
    if (taken->rc < 0) {
        taken->error = *ol_last_error();
        return;
    }
    while ((taken->rc = ol_db_stream_next(&rows, stream)) == 0) {
        for (size_t i = 0; i < ol_rows_count(rows); i++)
            taken->n_out_of_order += ol_rows_int(rows, i, 0) != (int64_t)(taken->n_rows + i + 1);
        taken->n_rows += ol_rows_count(rows);
        ol_rows_free(rows);
        if (++taken->n_batches == taken->stop_after)
            break;
    }
    taken->error = *ol_last_error();
    ol_db_stream_end(stream);
}

static void take_from(unsigned index, void *arg)
{
    take((struct taken *)arg + index);
}

static void expect_whole(const struct taken *taken)
{
    assert_int_equal(taken->rc, OL_ENOENT);
    assert_int_equal(taken->n_rows, taken->length);
    assert_int_equal(taken->n_out_of_order, 0);
}

static void every_row_comes_in_order_on_a_thread_and_in_fibers(void **state)
{
    struct taken taken[6];

    (void)state;
    for (int i = 0; i < 6; i++)
        taken[i] = (struct taken){ .length = 5000 + i };
    take(&taken[0]);
    run_fibers(take, &taken[1], sizeof taken[0], 5); /* more than there are places: the others wait for theirs */
    for (int i = 0; i < 6; i++) {
        expect_whole(&taken[i]);
        assert_true(taken[i].n_batches > 4);
    }
}

static void an_empty_result_ends_at_once_and_may_be_asked_again(void **state)
{
    struct ol_db_stream *stream;
    struct ol_rows      *rows;

    (void)state;
    must(ol_db_stream_begin(&stream, db, "SELECT 1 WHERE 0", OL_NO_ARGS));
    assert_int_equal(ol_db_stream_next(&rows, stream), OL_ENOENT);
    assert_int_equal(ol_db_stream_next(&rows, stream), OL_ENOENT);
    ol_db_stream_end(stream);
    ol_db_stream_end(NULL);
}

static void memory_stays_flat_for_a_long_result(void **state)
{
    struct taken     warm = { .length = 50000 }, taken = { .length = 1000000 };
    struct mallinfo2 before, after;

    (void)state;
    take(&warm);
    before = mallinfo2();
    take(&taken);
    after = mallinfo2();
    expect_whole(&taken);
    assert_true(after.arena + after.hblkhd < before.arena + before.hblkhd + (4u << 20));
}

static void arguments_are_copied(void **state)
{
    char                 text[] = "original";
    struct ol_value      values[] = { OL_TEXT(text), OL_BLOB("", 0), OL_NULL };
    struct ol_db_stream *stream;
    struct ol_rows      *rows;

    (void)state;
    must(ol_db_stream_begin(&stream, db, "SELECT ?1, ?2, ?3 UNION ALL SELECT ?1, ?2, ?3", (struct ol_args){ values, 3 }));
    memset(text, 'x', sizeof text - 1);
    memset(values, 0xff, sizeof values);
    must(ol_db_stream_next(&rows, stream));
    assert_string_equal(ol_rows_bytes(rows, 1, 0, NULL), "original");
    assert_int_equal(ol_rows_type(rows, 1, 1), OL_TYPE_BLOB);
    assert_int_equal(ol_rows_type(rows, 1, 2), OL_TYPE_NULL);
    ol_rows_free(rows);
    ol_db_stream_end(stream);
}

static void a_row_larger_than_the_window_comes_alone(void **state)
{
    struct ol_db_stream *stream;
    struct ol_rows      *rows;
    size_t               size;

    (void)state;
    must(ol_db_stream_begin(&stream, db, "SELECT zeroblob(100000) UNION ALL SELECT zeroblob(100001)", OL_NO_ARGS));
    for (size_t i = 0; i < 2; i++) {
        must(ol_db_stream_next(&rows, stream));
        assert_int_equal(ol_rows_count(rows), 1);
        ol_rows_bytes(rows, 0, 0, &size);
        assert_int_equal(size, 100000 + i);
        ol_rows_free(rows);
    }
    ol_db_stream_end(stream);
}

/* ---- every way to end ---- */

static void one_that_is_ended_in_the_middle_gives_its_place_back(void **state)
{
    struct taken taken[4 * READERS];

    (void)state;
    for (int i = 0; i < 4 * READERS; i++)
        taken[i] = (struct taken){ .stop_after = 2 };
    run_fibers(take, taken, sizeof taken[0], 4 * READERS);
    for (int i = 0; i < 4 * READERS; i++) {
        assert_int_equal(taken[i].rc, 0);
        assert_int_equal(taken[i].n_batches, 2);
    }
    await_stat(db, streams, 0);
}

static void bad_sql_is_told_at_the_beginning(void **state)
{
    struct ol_db_stream *stream = NULL;

    (void)state;
    must_fail(ol_db_stream_begin(&stream, db, "SELEC 1", OL_NO_ARGS), OL_EINVAL, "syntax");
    must_fail(ol_db_stream_begin(&stream, db, "DELETE FROM t", OL_NO_ARGS), OL_EINVAL, NULL);
    must_fail(ol_db_stream_begin(&stream, db, "SELECT ?1", OL_NO_ARGS), OL_EINVAL, "1 parameters");
    must_fail(ol_db_stream_begin(&stream, db, NULL, OL_NO_ARGS), OL_EINVAL, NULL);
    assert_null(stream);
}

static void a_failure_in_the_middle_comes_after_the_rows(void **state)
{
    struct ol_db_stream *stream;
    struct ol_rows      *rows;
    size_t               n_rows = 0;
    int                  rc;

    (void)state;
    must(ol_db_stream_begin(&stream, db,
                            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
                            "SELECT CASE WHEN i < 3000 THEN i ELSE abs(-9223372036854775808) END FROM n",
                            OL_NO_ARGS));
    while ((rc = ol_db_stream_next(&rows, stream)) == 0) {
        n_rows += ol_rows_count(rows);
        ol_rows_free(rows);
    }
    assert_int_equal(rc, OL_EINVAL);
    assert_non_null(strstr(ol_last_error()->text, "overflow"));
    assert_true(n_rows > 0 && n_rows < 3000);
    ol_db_stream_end(stream);
}

static void a_taker_that_stands_still_is_given_up(void **state)
{
    struct ol_db        *before = db;
    struct ol_db_stream *stream;
    struct ol_rows      *rows;
    int                  rc;

    (void)state;
    db = open_new(&(struct ol_db_config){ .stall_timeout_s = 0.02, .stream_window = 4096 });
    must(ol_db_stream_begin(&stream, db, COUNT_FOR_EVER, OL_NO_ARGS));
    await_stat(db, oldest_reader_ns, 0); /* its read transaction is over, though nobody has taken anything */
    while ((rc = ol_db_stream_next(&rows, stream)) == 0)
        ol_rows_free(rows);
    assert_int_equal(rc, OL_ETIMEDOUT);
    assert_non_null(strstr(ol_last_error()->text, "stood still"));
    ol_db_stream_end(stream);
    ol_db_close(db);
    db = before;
}

static void take_under_a_deadline(void *arg)
{
    struct ol_scope scope;

    ol_scope_init(&scope, NULL, 0.03);
    ol_scope_enter(&scope);
    take(arg);
    ol_scope_enter(NULL);
    ol_scope_fini(&scope);
}

static void it_ends_with_its_scope(void **state)
{
    struct taken taken[2] = { { 0 } };

    (void)state;
    take_under_a_deadline(&taken[0]);
    run_fibers(take_under_a_deadline, &taken[1], 0, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(taken[i].rc, OL_ETIMEDOUT);
    await_stat(db, streams, 0);
    await_stat(db, oldest_reader_ns, 0);
}

static void point_reads_go_on_while_all_stream_places_are_taken(void **state)
{
    struct ol_db_stream *streams[READERS - 1];
    struct taken         waiting = { 0 };

    (void)state;
    for (int i = 0; i < READERS - 1; i++)
        must(ol_db_stream_begin(&streams[i], db, COUNT_FOR_EVER, OL_NO_ARGS));
    run_fibers(take_under_a_deadline, &waiting, 0, 1); /* no place for it: it waits, and ends at its deadline */
    assert_int_equal(waiting.rc, OL_ETIMEDOUT);
    assert_int_equal(waiting.n_batches, 0);
    assert_int_equal(query_int(db, "SELECT 7"), 7);
    for (int i = 0; i < READERS - 1; i++)
        ol_db_stream_end(streams[i]);
}

static void a_full_queue_of_streams_refuses(void **state)
{
    struct ol_db        *before = db;
    struct ol_db_stream *stream, *refused = NULL;
    struct taken         waiting = { .length = 10 };
    struct crew          crew;

    (void)state;
    db = open_new(&(struct ol_db_config){ .readers = 2, .queue_max = 1 });
    must(ol_db_stream_begin(&stream, db, COUNT_FOR_EVER, OL_NO_ARGS));
    crew_start(&crew, 1, take_from, &waiting);
    await_stat(db, reads_queued, 1);
    must_fail(ol_db_stream_begin(&refused, db, "SELECT 1", OL_NO_ARGS), OL_EBUSY, "streams");
    ol_db_stream_end(stream);
    crew_join(&crew);
    expect_whole(&waiting);
    assert_null(refused);
    ol_db_close(db);
    db = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_comes_in_order_on_a_thread_and_in_fibers, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_result_ends_at_once_and_may_be_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_stays_flat_for_a_long_result, setup, teardown),
        cmocka_unit_test_setup_teardown(arguments_are_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_larger_than_the_window_comes_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_ended_in_the_middle_gives_its_place_back, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_sql_is_told_at_the_beginning, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_in_the_middle_comes_after_the_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_taker_that_stands_still_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(it_ends_with_its_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(point_reads_go_on_while_all_stream_places_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_of_streams_refuses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
