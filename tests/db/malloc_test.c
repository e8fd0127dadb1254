/*
 * No memory: the N-th allocation fails, SQLite's and our own counted together, for N = 1, 2, ... until a round meets
 * none.
 *
 * SQLite's go through a wrapper that this test installs with sqlite3_config; our own through the linker's --wrap.
 */
#include "fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const schema[] = { "CREATE TABLE t (id INTEGER PRIMARY KEY, x)" };

static const struct ol_db_config config = { .readers = 2, .migrations = schema, .n_migrations = 1, .statements_max = 3 };

/* ---- the knob ---- */

static _Atomic(int) countdown; /* 0: disarmed */
static atomic_bool  has_fired;

static bool refuse(void)
{
    int left = atomic_load(&countdown);

    while (left > 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left != 1)
        return false;
    atomic_store(&has_fired, true);
    return true;
}

static void arm(int nth)
{
    atomic_store(&has_fired, false);
    atomic_store(&countdown, nth);
}

static bool disarm(void)
{
    atomic_store(&countdown, 0);
    return atomic_load(&has_fired);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return refuse() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return refuse() ? NULL : __real_strdup(text);
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int size)
{
    return refuse() ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *memory, int size)
{
    return refuse() ? NULL : sqlite_memory.xRealloc(memory, size);
}

static int group_setup(void **state)
{
    sqlite3_mem_methods wrapped;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
    wrapped = sqlite_memory;
    wrapped.xMalloc = sqlite_malloc;
    wrapped.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &wrapped) != SQLITE_OK)
        return -1;
    return scratch_setup(state);
}

/* ---- rounds ---- */

static struct ol_db *db;

static int give_up_after_two(struct ol_tx *tx, void *arg)
{
    int rc;

    (void)arg;
    if ((rc = ol_tx_exec(NULL, tx, "INSERT INTO t VALUES (200, 'tx')", OL_NO_ARGS)) < 0)
        return rc;
    return ol_tx_exec(NULL, tx, "INSERT INTO t VALUES (201, 'tx')", OL_NO_ARGS);
}

struct round {
    int write_rc, tx_rc, query_rc, stream_rc, backup_rc;
};

static int take_stream(void)
{
    struct ol_db_stream *stream;
    struct ol_rows      *rows;
    int                  rc = ol_db_stream_begin(&stream, db, "SELECT x FROM t", OL_NO_ARGS);

    if (rc < 0)
        return rc;
    while ((rc = ol_db_stream_next(&rows, stream)) == 0)
        ol_rows_free(rows);
    ol_db_stream_end(stream);
    return rc == OL_ENOENT ? 0 : rc;
}

static void work(void *arg)
{
    struct round   *round = arg;
    struct ol_rows *rows;

    round->write_rc = ol_db_exec(NULL, db, "INSERT INTO t VALUES (100, ?1)", OL_ARGS(OL_TEXT("written")));
    round->tx_rc = ol_db_transaction(NULL, db, give_up_after_two, NULL);
    round->query_rc = ol_db_query(&rows, db, "SELECT id, x, upper(x) AS u FROM t ORDER BY x", OL_NO_ARGS);
    if (round->query_rc == 0)
        ol_rows_free(rows);
    round->stream_rc = take_stream();
    round->backup_rc = ol_db_backup(db, &(struct ol_db_backup){ .path = scratch("copy.sqlite") });
    remove(scratch("copy.sqlite"));
}

/* Out of memory is the only excuse, and what was told is true. */
static void compare(const struct round *round)
{
    const int rcs[] = { round->write_rc, round->tx_rc, round->query_rc, round->stream_rc, round->backup_rc };

    for (size_t i = 0; i < sizeof rcs / sizeof rcs[0]; i++)
        if (rcs[i] != 0 && rcs[i] != OL_ENOMEM && rcs[i] != OL_EIO)
            fail_msg("call %zu: %s", i, ol_error_name(rcs[i]));
    assert_int_equal(query_int(db, "SELECT count(*) FROM t WHERE id = 100"), round->write_rc == 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t WHERE id IN (200, 201)"), round->tx_rc == 0 ? 2 : 0);
}

static void any_allocation_may_fail_and_nothing_is_lost(bool in_fiber)
{
    bool fired = true;
    int  n_rounds = 0;

    db = open_new(&config);
    for (int nth = 1; fired; nth++, n_rounds++) {
        struct round round = { 0 };

        exec(db, "DELETE FROM t");
        if (in_fiber) {
            struct ol_loop *loop;

            must(ol_loop_create(&loop, NULL));
            must(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = work, .arg = &round }));
            arm(nth);
            ol_loop_run(loop);
            fired = disarm();
            must(ol_loop_destroy(loop));
        } else {
            arm(nth);
            work(&round);
            fired = disarm();
        }
        compare(&round);
    }
    assert_true(n_rounds > 20);
    ol_db_close(db);
}

static void any_allocation_may_fail_on_a_thread(void **state)
{
    (void)state;
    any_allocation_may_fail_and_nothing_is_lost(false);
}

static void any_allocation_may_fail_in_a_fiber(void **state)
{
    (void)state;
    any_allocation_may_fail_and_nothing_is_lost(true);
}

static void opening_without_memory_fails_and_leaves_nothing_behind(void **state)
{
    bool fired = true;
    int  n_rounds = 0;

    (void)state;
    for (int nth = 1; fired; nth++, n_rounds++) {
        struct ol_db *other = NULL;
        char          name[32];
        int           rc;

        snprintf(name, sizeof name, "open-%d.sqlite", nth % 4);
        arm(nth);
        rc = ol_db_open(&other, scratch(name), &config);
        fired = disarm();
        if (rc != 0 && rc != OL_ENOMEM && rc != OL_EIO && rc != OL_EDB)
            fail_msg("open: %s (%s)", ol_error_name(rc), ol_last_error()->text);
        if (rc == 0)
            ol_db_close(other);
        else
            assert_null(other);
    }
    assert_true(n_rounds > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail_on_a_thread),
        cmocka_unit_test(any_allocation_may_fail_in_a_fiber),
        cmocka_unit_test(opening_without_memory_fails_and_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, group_setup, scratch_teardown);
}
