/*
 * Reads on the workers of real pools: those of a declared pool have connections of their own, which end with their threads,
 * with their pool, or with the database, whichever comes first; those of another pool wait for a reading thread.
 */
#include "fixture.h"

#include <sched.h>
#include <sqlite3.h>

#include "db/connection.h"
#include "db/database.h"

enum { THREADS = 3 };

static struct ol_db   *db;
static struct ol_loop *loop;
static struct ol_pool *pool;

static int setup(void **state)
{
    static const char *const schema[] = {
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, 'one'), (2, 'two')",
    };

    (void)state;
    db = open_new(&(struct ol_db_config){ .migrations = schema, .n_migrations = 1 });
    must(ol_loop_create(&loop, NULL));
    return 0;
}

/* What a test has ended before is NULL. */
static int teardown(void **state)
{
    (void)state;
    if (pool)
        must(ol_pool_destroy(pool, NULL, NULL));
    pool = NULL;
    must(ol_loop_destroy(loop));
    ol_db_close(db);
    return 0;
}

static void make_pool(double idle_timeout_s)
{
    must(ol_pool_create(&pool, loop,
                        &(struct ol_pool_config){
                            .name = "readers", .threads_max = THREADS, .idle_timeout_s = idle_timeout_s }));
}

static uint64_t batches_now(void)
{
    struct ol_db_stats stats;

    ol_db_stats(db, &stats);
    return stats.read_batches;
}

/* The connections of threads that are not the database's own. */
static unsigned connections_now(void)
{
    unsigned n;

    pthread_mutex_lock(&db->threads.lock);
    n = db->threads.n_connections;
    pthread_mutex_unlock(&db->threads.lock);
    return n;
}

/* ---- a job that reads, and records what it found ---- */

struct look {
    struct ol_job          job;
    struct gate           *gate; /* where it stays after its reads; may be NULL */
    pthread_t              thread;
    int                    rc, write_rc;
    int64_t                id;
    bool                   is_read_only;
    struct ol__connection *conns[2]; /* this thread's, after each of two reads */
    unsigned               n_done;
};

static int read_int(int64_t *ret_value, const char *sql)
{
    struct ol_rows *rows;
    int             rc = ol_db_query(&rows, db, sql, OL_NO_ARGS);

    if (rc < 0)
        return rc;
    *ret_value = ol_rows_int(rows, 0, 0);
    ol_rows_free(rows);
    return 0;
}

static void look_work(struct ol_job *job)
{
    struct look    *look = job->arg;
    struct ol_rows *rows;

    look->thread = pthread_self();
    look->rc = read_int(&look->id, "SELECT id FROM t WHERE x = 'two'");
    look->conns[0] = ol__threads_connection(db);
    look->is_read_only = !look->conns[0] || sqlite3_db_readonly(look->conns[0]->sqlite, "main") == 1;
    if (look->rc == 0)
        look->rc = read_int(&look->id, "SELECT id FROM t WHERE x = 'two'");
    look->conns[1] = ol__threads_connection(db);
    look->write_rc = ol_db_query(&rows, db, "DELETE FROM t", OL_NO_ARGS);
    if (look->gate)
        gate_wait(look->gate);
}

static void look_done(struct ol_job *job, enum ol_job_status status)
{
    struct look *look = job->arg;

    look->n_done += status == OL_JOB_DONE;
}

static void submit_looks(struct look *looks, unsigned n, struct gate *gate)
{
    for (unsigned i = 0; i < n; i++) {
        looks[i] = (struct look){ .job = { .work = look_work, .done = look_done, .arg = &looks[i], .name = "look" },
                                  .gate = gate };
        must(ol_pool_submit(pool, &looks[i].job));
    }
}

/* On a thread, since the jobs are handed over and told about by the loop, which runs on the test's. */
static void *open_when_all_are_there(void *arg)
{
    struct gate *gate = arg;

    gate_wait_for_n(gate, THREADS);
    gate_open(gate);
    return NULL;
}

/* As many reads as there are threads, all at the gate at one time: so each on a thread of its own. */
static void look_from_every_worker(struct look looks[THREADS])
{
    struct gate gate;
    pthread_t   opener;

    gate_init(&gate, "every worker has read");
    submit_looks(looks, THREADS, &gate);
    pthread_create(&opener, NULL, open_when_all_are_there, &gate);
    must(ol_loop_run(loop));
    pthread_join(opener, NULL);
    gate_fini(&gate);
}

static void assert_read(const struct look *look)
{
    assert_int_equal(look->n_done, 1);
    assert_int_equal(look->rc, 0);
    assert_int_equal(look->id, 2);
    assert_true(look->is_read_only);
    assert_int_equal(look->write_rc, OL_EINVAL);
}

/* ---- the tests ---- */

static void each_worker_of_a_declared_pool_reads_on_its_own_connection(void **state)
{
    struct look looks[THREADS], again[8 * THREADS];

    (void)state;
    make_pool(3600);
    must(ol_db_serve_pool(db, pool));
    look_from_every_worker(looks);
    assert_int_equal(batches_now(), 0);
    assert_int_equal(connections_now(), THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_read(&looks[i]);
        assert_non_null(looks[i].conns[0]);
        assert_ptr_equal(looks[i].conns[0], looks[i].conns[1]);
        for (unsigned other = 0; other < i; other++)
            assert_ptr_not_equal(looks[i].conns[0], looks[other].conns[0]);
    }

    /* Later jobs find the connection of the thread that they run on. */
    submit_looks(again, 8 * THREADS, NULL);
    must(ol_loop_run(loop));
    assert_int_equal(connections_now(), THREADS);
    for (unsigned i = 0; i < 8 * THREADS; i++) {
        unsigned same = 0;

        assert_read(&again[i]);
        while (same < THREADS && !pthread_equal(again[i].thread, looks[same].thread))
            same++;
        assert_int_not_equal(same, THREADS);
        assert_ptr_equal(again[i].conns[0], looks[same].conns[0]);
    }
}

static void the_connections_end_with_their_pool(void **state)
{
    struct look looks[THREADS];

    (void)state;
    make_pool(3600);
    must(ol_db_serve_pool(db, pool));
    look_from_every_worker(looks);
    assert_int_equal(connections_now(), THREADS);
    must(ol_pool_destroy(pool, NULL, NULL));
    pool = NULL;
    assert_int_equal(connections_now(), 0);
    assert_int_equal(query_int(db, "SELECT count(*) FROM t"), 2);
}

static void a_worker_that_leaves_takes_its_connection_along(void **state)
{
    struct look looks[THREADS];
    uint64_t    until_ns = ol_now_ns() + GATE_LIMIT_S * OL_NS_PER_S;

    (void)state;
    make_pool(0.001);
    must(ol_db_serve_pool(db, pool));
    look_from_every_worker(looks);
    while (connections_now() > 1) { /* one thread is kept for ever */
        assert_true(ol_now_ns() < until_ns);
        sched_yield();
    }
    assert_int_equal(connections_now(), 1);
}

static void the_database_may_be_closed_before_the_pool(void **state)
{
    struct look looks[THREADS];

    (void)state;
    make_pool(3600);
    must(ol_db_serve_pool(db, pool));
    look_from_every_worker(looks);
    ol_db_close(db);
    db = NULL;
    must(ol_pool_destroy(pool, NULL, NULL));
    pool = NULL;
}

static void the_workers_of_another_pool_wait_for_a_reading_thread(void **state)
{
    struct ol_pool *declared;
    struct look     looks[THREADS];

    (void)state;
    must(ol_pool_create(&declared, loop, &(struct ol_pool_config){ .name = "declared" }));
    must(ol_db_serve_pool(db, declared));
    make_pool(3600);
    look_from_every_worker(looks);
    assert_true(batches_now() > 0);
    assert_int_equal(connections_now(), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_read(&looks[i]);
        assert_null(looks[i].conns[0]);
        assert_null(looks[i].conns[1]);
    }
    must(ol_pool_destroy(declared, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_worker_of_a_declared_pool_reads_on_its_own_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(the_connections_end_with_their_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_leaves_takes_its_connection_along, setup, teardown),
        cmocka_unit_test_setup_teardown(the_database_may_be_closed_before_the_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(the_workers_of_another_pool_wait_for_a_reading_thread, setup, teardown),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
