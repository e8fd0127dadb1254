/* Values and rows: what goes in comes out, byte for byte, in a fiber and on a thread. */
#include "fixture.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ol_db *db;

static int setup(void **state)
{
    (void)state;
    db = open_new(NULL);
    exec(db, "CREATE TABLE v (id INTEGER PRIMARY KEY, x)");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ol_db_close(db);
    return 0;
}

/* ---- round trips ---- */

static bool same(struct ol_value a, struct ol_value b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case OL_TYPE_NULL: return true;
    case OL_TYPE_INT: return a.as.integer == b.as.integer;
    case OL_TYPE_REAL: return memcmp(&a.as.real, &b.as.real, sizeof(double)) == 0;
    case OL_TYPE_TEXT:
    case OL_TYPE_BLOB:
        return a.as.bytes.size == b.as.bytes.size && memcmp(a.as.bytes.data, b.as.bytes.data, a.as.bytes.size) == 0;
    }
    return false;
}

static void expect_back(struct ol_value in, struct ol_value out)
{
    struct ol_db_result result;
    struct ol_rows     *rows;

    must(ol_db_exec(&result, db, "INSERT INTO v (x) VALUES (?1)", OL_ARGS(in)));
    assert_int_equal(result.changes, 1);
    must(ol_db_query(&rows, db, "SELECT x FROM v WHERE id = ?1", OL_ARGS(OL_INT(result.last_insert_id))));
    assert_int_equal(ol_rows_count(rows), 1);
    assert_true(same(ol_rows_value(rows, 0, 0), out));
    if (out.type == OL_TYPE_TEXT || out.type == OL_TYPE_BLOB)
        assert_int_equal(ol_rows_bytes(rows, 0, 0, NULL)[out.as.bytes.size], '\0');
    ol_rows_free(rows);
}

static void all_values(void *arg)
{
    size_t size = 10 * 1000 * 1000;
    char  *large = malloc(size);

    (void)arg;
    for (size_t i = 0; i < size; i++)
        large[i] = (char)(i * 31);
    expect_back(OL_NULL, OL_NULL);
    expect_back(OL_INT(0), OL_INT(0));
    expect_back(OL_INT(INT64_MAX), OL_INT(INT64_MAX));
    expect_back(OL_INT(INT64_MIN), OL_INT(INT64_MIN));
    expect_back(OL_REAL(1.5), OL_REAL(1.5));
    expect_back(OL_REAL(-0.0), OL_REAL(-0.0));
    expect_back(OL_REAL((double)INFINITY), OL_REAL((double)INFINITY));
    expect_back(OL_REAL((double)NAN), OL_NULL); /* SQLite keeps no NaN */
    expect_back(OL_TEXT(""), OL_TEXT(""));
    expect_back(OL_TEXT("na\xc3\xafve \xf0\x9f\x90\x9f"), OL_TEXT("na\xc3\xafve \xf0\x9f\x90\x9f"));
    expect_back(OL_TEXT_N("a\0b\0", 4), OL_TEXT_N("a\0b\0", 4));
    expect_back(OL_TEXT_N("\xff\xfe\xc3", 3), OL_TEXT_N("\xff\xfe\xc3", 3)); /* no UTF-8, kept all the same */
    expect_back(OL_BLOB("", 0), OL_BLOB("", 0));
    expect_back(OL_BLOB("\0\1\2", 3), OL_BLOB("\0\1\2", 3));
    expect_back(OL_BLOB(large, size), OL_BLOB(large, size));
    expect_back(OL_TEXT_N(large, size), OL_TEXT_N(large, size));
    free(large);
}

static void every_value_comes_back_on_a_thread(void **state)
{
    (void)state;
    all_values(NULL);
}

static void every_value_comes_back_in_a_fiber(void **state)
{
    (void)state;
    run_fibers(all_values, NULL, 0, 1);
}

/* ---- rows ---- */

static void null_is_told_apart_from_nothing_and_zero(void **state)
{
    struct ol_rows *rows;
    size_t          size = 99;

    (void)state;
    must(ol_db_query(&rows, db, "SELECT NULL, 0, '', x'' UNION ALL SELECT 1, 2.75, 'x', x'00'", OL_NO_ARGS));
    assert_int_equal(ol_rows_count(rows), 2);
    assert_int_equal(ol_rows_columns(rows), 4);
    assert_int_equal(ol_rows_type(rows, 0, 0), OL_TYPE_NULL);
    assert_int_equal(ol_rows_type(rows, 0, 1), OL_TYPE_INT);
    assert_int_equal(ol_rows_type(rows, 0, 2), OL_TYPE_TEXT);
    assert_int_equal(ol_rows_type(rows, 0, 3), OL_TYPE_BLOB);
    assert_null(ol_rows_bytes(rows, 0, 0, &size));
    assert_int_equal(size, 0);
    assert_non_null(ol_rows_bytes(rows, 0, 3, &size));
    assert_int_equal(size, 0);
    assert_int_equal(ol_rows_int(rows, 1, 1), 2);
    assert_true(ol_rows_real(rows, 1, 0) == 1.0);
    assert_int_equal(ol_rows_int(rows, 1, 2), 0);
    ol_rows_free(rows);
}

static void outside_the_rows_there_is_nothing(void **state)
{
    struct ol_rows *rows;

    (void)state;
    must(ol_db_query(&rows, db, "SELECT 7 AS seven WHERE 0", OL_NO_ARGS));
    assert_int_equal(ol_rows_count(rows), 0);
    assert_int_equal(ol_rows_columns(rows), 1);
    assert_string_equal(ol_rows_column_name(rows, 0), "seven");
    assert_null(ol_rows_column_name(rows, 1));
    assert_int_equal(ol_rows_type(rows, 0, 0), OL_TYPE_NULL);
    assert_int_equal(ol_rows_int(rows, 5, 5), 0);
    assert_null(ol_rows_bytes(rows, 0, 0, NULL));
    ol_rows_free(rows);
    ol_rows_free(NULL);
}

static void a_real_is_cut_to_the_nearest_integer_that_there_is(void **state)
{
    struct ol_rows *rows;

    (void)state;
    must(ol_db_query(&rows, db, "SELECT 1e300, -1e300, -1.9", OL_NO_ARGS));
    assert_true(ol_rows_int(rows, 0, 0) == INT64_MAX);
    assert_true(ol_rows_int(rows, 0, 1) == INT64_MIN);
    assert_int_equal(ol_rows_int(rows, 0, 2), -1);
    ol_rows_free(rows);
}

static void text_of_a_utf16_file_comes_as_utf8(void **state)
{
    static const char *const schema[] = { "CREATE TABLE t (x)" };
    struct ol_db_config      config = { .migrations = schema, .n_migrations = 1 };
    const char              *path = scratch("utf16.sqlite");
    char                     command[1024];
    struct ol_rows          *rows;
    struct ol_db            *wide;

    (void)state;
    snprintf(command, sizeof command, "sqlite3 %s \"PRAGMA encoding = 'UTF-16'; CREATE TABLE u (y)\" 2>/dev/null", path);
    if (system(command) != 0)
        skip();
    wide = open_at(path, &config);
    must(ol_db_exec(NULL, wide, "INSERT INTO t VALUES (?1)", OL_ARGS(OL_TEXT("f\xc3\xbcr"))));
    must(ol_db_query(&rows, wide, "SELECT x FROM t", OL_NO_ARGS));
    assert_string_equal(ol_rows_bytes(rows, 0, 0, NULL), "f\xc3\xbcr");
    ol_rows_free(rows);
    ol_db_close(wide);
}

static void columns_that_a_migration_added_are_seen_by_a_cached_statement(void **state)
{
    struct ol_rows *rows;

    (void)state;
    exec(db, "INSERT INTO v (x) VALUES (1)");
    must(ol_db_query(&rows, db, "SELECT * FROM v", OL_NO_ARGS));
    assert_int_equal(ol_rows_columns(rows), 2);
    ol_rows_free(rows);
    exec(db, "ALTER TABLE v ADD COLUMN y DEFAULT 'new'");
    must(ol_db_query(&rows, db, "SELECT * FROM v", OL_NO_ARGS));
    assert_int_equal(ol_rows_columns(rows), 3);
    assert_string_equal(ol_rows_column_name(rows, 2), "y");
    assert_string_equal(ol_rows_bytes(rows, 0, 2, NULL), "new");
    ol_rows_free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_value_comes_back_on_a_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(every_value_comes_back_in_a_fiber, setup, teardown),
        cmocka_unit_test_setup_teardown(null_is_told_apart_from_nothing_and_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(outside_the_rows_there_is_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_real_is_cut_to_the_nearest_integer_that_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(text_of_a_utf16_file_comes_as_utf8, setup, teardown),
        cmocka_unit_test_setup_teardown(columns_that_a_migration_added_are_seen_by_a_cached_statement, setup, teardown),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
