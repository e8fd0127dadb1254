/*
 * bench_db.c: the database room in one process, beside bare SQLite, in one run.
 *
 *   reads   two bare threads, one connection and one transaction for each read   against   64 fibers in ol_db_query
 *   writes  one bare thread, one durable commit for each row                     against   one thread, and 64 fibers, in ol_db_exec
 *
 * Each figure is the best of ROUNDS rounds, and the rounds of all are interleaved, so that a noisy moment of the
 * machine hits all of them alike. Latencies are of all rounds together. Memory statistics of SQLite are off, as
 * `offloop serve` has it.
 *
 *   bench_db [--seconds S] [--file FILE]     FILE is made anew and removed; default: bench_db.sqlite in the current folder
 */
#include <offloop/offloop.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 100000, OUTSTANDING = 64, ROUNDS = 3, LATENCIES = 1 << 20 };

static const char *const point_read = "SELECT json_object('id', id, 'name', name, 'price', price) FROM items WHERE id = ?1";
static const char *const insert = "INSERT INTO log (body) VALUES (?1)";

/* One measured way of doing things. */
struct way {
    const char *name;
    void (*run)(struct way *way);
    uint64_t  done; /* in this round */
    double    best; /* per second */
    uint32_t *latencies_us;
    size_t    n_latencies;
};

static struct {
    const char   *path;
    char          bare_path[4096];
    double        seconds;
    struct ol_db *db;
    uint64_t      until_ns;
} bench = { .path = "bench_db.sqlite", .seconds = 1 };

static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_db: %s: %s (%s)\n", what, ol_strerror(rc), ol_last_error()->text);
    exit(1);
}

static void check_sqlite(int rc, const char *what)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
        return;
    fprintf(stderr, "bench_db: %s: %s\n", what, sqlite3_errstr(rc));
    exit(1);
}

static uint64_t next_id(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % ROWS + 1;
}

static void note_latency(struct way *way, uint64_t began_ns)
{
    if (way->n_latencies < LATENCIES)
        way->latencies_us[way->n_latencies++] = (uint32_t)((ol_now_ns() - began_ns) / OL_NS_PER_US);
}

/* ---- bare SQLite ---- */

static sqlite3 *open_bare(const char *path)
{
    sqlite3 *sqlite;

    check_sqlite(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), "open");
    check_sqlite(sqlite3_exec(sqlite, "PRAGMA synchronous = FULL", NULL, NULL, NULL), "synchronous");
    check_sqlite(sqlite3_wal_autocheckpoint(sqlite, 0), "autocheckpoint");
    return sqlite;
}

static void *bare_reader(void *arg)
{
    _Atomic(uint64_t) *total = arg;
    uint64_t           n = 0, state = (uint64_t)(uintptr_t)&n;
    sqlite3           *sqlite = open_bare(bench.path);
    sqlite3_stmt      *stmt;

    check_sqlite(sqlite3_prepare_v3(sqlite, point_read, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL), "prepare");
    for (; n % 64 != 0 || ol_now_ns() < bench.until_ns; n++) {
        char text[128];

        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)next_id(&state));
        check_sqlite(sqlite3_step(stmt), "step");
        snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(stmt, 0));
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(sqlite);
    atomic_fetch_add(total, n);
    return NULL;
}

static void run_bare_readers(struct way *way)
{
    pthread_t         threads[2];
    _Atomic(uint64_t) total = 0;

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, bare_reader, &total);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    way->done = total;
}

/* Into a file of its own: a second process, as far as SQLite is concerned, has no business in the library's. */
static void run_bare_writer(struct way *way)
{
    sqlite3      *sqlite = open_bare(bench.bare_path);
    sqlite3_stmt *stmt;

    check_sqlite(sqlite3_prepare_v3(sqlite, insert, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL), "prepare");
    while (ol_now_ns() < bench.until_ns) {
        uint64_t began_ns = ol_now_ns();

        sqlite3_bind_text(stmt, 1, "a line of some length, as a log has them", -1, SQLITE_STATIC);
        check_sqlite(sqlite3_step(stmt), "insert");
        sqlite3_reset(stmt);
        way->done++;
        note_latency(way, began_ns);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(sqlite);
}

/* ---- the library ---- */

static void read_once(struct way *way, uint64_t *state)
{
    struct ol_rows *rows;

    check(ol_db_query(&rows, bench.db, point_read, OL_ARGS(OL_INT((int64_t)next_id(state)))), "query");
    if (ol_rows_count(rows) != 1)
        check(OL_ENOENT, "query");
    ol_rows_free(rows);
    way->done++;
}

static void write_once(struct way *way)
{
    uint64_t began_ns = ol_now_ns();

    check(ol_db_exec(NULL, bench.db, insert, OL_ARGS(OL_TEXT("a line of some length, as a log has them"))), "insert");
    way->done++;
    note_latency(way, began_ns);
}

static void reading_fiber(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)&state;

    for (unsigned n = 0; n % 64 != 0 || ol_now_ns() < bench.until_ns; n++)
        read_once(arg, &state);
}

static void writing_fiber(void *arg)
{
    while (ol_now_ns() < bench.until_ns)
        write_once(arg);
}

static void run_fibers(struct way *way, ol_fiber_cb *run, unsigned n)
{
    struct ol_loop *loop;

    check(ol_loop_create(&loop, NULL), "loop");
    for (unsigned i = 0; i < n; i++)
        check(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = run, .arg = way }), "fiber");
    check(ol_loop_run(loop), "run");
    check(ol_loop_destroy(loop), "loop");
}

static void run_reading_fibers(struct way *way)
{
    run_fibers(way, reading_fiber, OUTSTANDING);
}

static void run_writing_fibers(struct way *way)
{
    run_fibers(way, writing_fiber, OUTSTANDING);
}

static void run_lone_reader(struct way *way)
{
    uint64_t state = 1;

    while (ol_now_ns() < bench.until_ns)
        read_once(way, &state);
}

static void run_lone_writer(struct way *way)
{
    while (ol_now_ns() < bench.until_ns)
        write_once(way);
}

/* ---- the run ---- */

enum { BARE_READS, FIBER_READS, THREAD_READS, BARE_WRITES, LONE_WRITES, FIBER_WRITES, WAYS };

static struct way ways[WAYS] = {
    [BARE_READS] = { .name = "reads: two bare threads, one transaction each", .run = run_bare_readers },
    [FIBER_READS] = { .name = "reads: ol_db_query, 64 fibers on one loop", .run = run_reading_fibers },
    [THREAD_READS] = { .name = "reads: ol_db_query, one plain thread", .run = run_lone_reader },
    [BARE_WRITES] = { .name = "durable writes: one bare thread", .run = run_bare_writer },
    [LONE_WRITES] = { .name = "durable writes: ol_db_exec, one thread", .run = run_lone_writer },
    [FIBER_WRITES] = { .name = "durable writes: ol_db_exec, 64 fibers", .run = run_writing_fibers },
};

static void remove_file(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char                     name[4200];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static void remove_files(void)
{
    remove_file(bench.path);
    remove_file(bench.bare_path);
}

static void make_bare_file(void)
{
    sqlite3 *sqlite;

    snprintf(bench.bare_path, sizeof bench.bare_path, "%s-bare", bench.path);
    remove_file(bench.bare_path);
    check_sqlite(sqlite3_open(bench.bare_path, &sqlite), "open");
    check_sqlite(sqlite3_exec(sqlite,
                              "PRAGMA journal_mode = WAL; CREATE TABLE log (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
                              NULL, NULL, NULL),
                 "schema");
    sqlite3_close(sqlite);
}

static void make_file(void)
{
    static const char *const schema[] = {
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);"
        "CREATE TABLE log (id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        "  INSERT INTO items SELECT i, 'item number ' || i, i * 7 % 1000 FROM n",
    };

    remove_file(bench.path);
    check(ol_db_open(&bench.db, bench.path, &(struct ol_db_config){ .migrations = schema, .n_migrations = 1 }), "open");
}

static void run_round(struct way *way)
{
    uint64_t began_ns = ol_now_ns();
    double   rate;

    way->done = 0;
    bench.until_ns = began_ns + (uint64_t)(bench.seconds * 1e9);
    way->run(way);
    rate = (double)way->done / ((double)(ol_now_ns() - began_ns) / 1e9);
    if (rate > way->best)
        way->best = rate;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void print(struct way *way)
{
    printf("| %-48s | %12.0f |", way->name, way->best);
    if (way->n_latencies > 0) {
        qsort(way->latencies_us, way->n_latencies, sizeof *way->latencies_us, compare);
        printf(" %8u | %8u |\n", way->latencies_us[way->n_latencies / 2], way->latencies_us[way->n_latencies * 99 / 100]);
    } else {
        printf(" %8s | %8s |\n", "", "");
    }
}

static void print_all(void)
{
    struct ol_db_stats stats;

    printf("| %-48s | %12s | %8s | %8s |\n", "", "per second", "p50 us", "p99 us");
    printf("|--------------------------------------------------|-------------:|---------:|---------:|\n");
    for (int i = 0; i < WAYS; i++)
        print(&ways[i]);
    ol_db_stats(bench.db, &stats);
    printf("\nfibers' reads to two bare threads': %.2f; writes of 64 fibers to bare commits: %.1f; a lone write costs %.0f us more "
           "than bare SQLite\n",
           ways[FIBER_READS].best / ways[BARE_READS].best, ways[FIBER_WRITES].best / ways[BARE_WRITES].best,
           1e6 / ways[LONE_WRITES].best - 1e6 / ways[BARE_WRITES].best);
    printf("reads to a batch: %.1f; writes to a commit: %.1f\n", (double)stats.reads / (double)(stats.read_batches + 1),
           (double)stats.writes / (double)(stats.commits + 1));
}

static const char usage[] = "usage: bench_db [--seconds S] [--file FILE]\n"
                            "\n"
                            "  --seconds S   length of each measurement\n"
                            "  --file FILE   the database it makes, and deletes\n";

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
            bench.seconds = strtod(argv[++i], NULL);
        } else if (i + 1 < argc && strcmp(argv[i], "--file") == 0) {
            bench.path = argv[++i];
        } else {
            fprintf(stderr, "bench_db: '%s' is not understood, or lacks its value\n%s", argv[i], usage);
            exit(2);
        }
    }
    if (!(bench.seconds > 0)) {
        fprintf(stderr, "bench_db: --seconds must be a positive number\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    make_file();
    make_bare_file();
    for (int i = 0; i < WAYS; i++) {
        ways[i].latencies_us = calloc(LATENCIES, sizeof *ways[i].latencies_us);
        if (!ways[i].latencies_us)
            check(OL_ENOMEM, "latencies");
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < WAYS; i++)
            run_round(&ways[i]);
    print_all();
    for (int i = 0; i < WAYS; i++)
        free(ways[i].latencies_us);
    ol_db_close(bench.db);
    remove_files();
    return 0;
}
