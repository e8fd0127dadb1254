#include "fixture.h"

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[256];

int scratch_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/offloop-db-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int scratch_teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch(const char *name)
{
    static char     paths[16][512];
    static unsigned next;
    char           *path = paths[next++ % 16];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void must_at(int rc, const char *what, const char *file, int line)
{
    if (rc < 0) {
        print_error("%s: %s (%s)\n", what, ol_error_name(rc), ol_last_error()->text);
        _fail(file, line);
    }
}

void must_fail_at(int rc, int code, const char *part, const char *what, const char *file, int line)
{
    if (rc == code && (!part || strstr(ol_last_error()->text, part)))
        return;
    print_error("%s: %s (%s); expected %s (%s)\n", what, ol_error_name(rc), ol_last_error()->text, ol_error_name(code),
                part ? part : "anything");
    _fail(file, line);
}

struct ol_db *open_at(const char *path, const struct ol_db_config *config)
{
    struct ol_db *db = NULL;

    must(ol_db_open(&db, path, config));
    return db;
}

struct ol_db *open_new(const struct ol_db_config *config)
{
    static unsigned n;
    char            name[32];

    snprintf(name, sizeof name, "%u.sqlite", n++);
    return open_at(scratch(name), config);
}

void exec(struct ol_db *db, const char *sql)
{
    must_at(ol_db_exec(NULL, db, sql, OL_NO_ARGS), sql, __FILE__, __LINE__);
}

int64_t query_int(struct ol_db *db, const char *sql)
{
    struct ol_rows *rows;
    int64_t         value;

    must_at(ol_db_query(&rows, db, sql, OL_NO_ARGS), sql, __FILE__, __LINE__);
    assert_int_equal(ol_rows_count(rows), 1);
    value = ol_rows_int(rows, 0, 0);
    ol_rows_free(rows);
    return value;
}

void run_fibers(ol_fiber_cb *run, void *args, size_t size, unsigned n)
{
    struct ol_loop *loop;

    must(ol_loop_create(&loop, NULL));
    for (unsigned i = 0; i < n; i++)
        must(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = run, .arg = (char *)args + i * size }));
    must(ol_loop_run(loop));
    must(ol_loop_destroy(loop));
}

/* ---- the held writer ---- */

static int stay(struct ol_tx *tx, void *arg)
{
    struct hold *hold = arg;

    (void)tx;
    gate_wait(&hold->gate);
    return 0;
}

static void *hold_main(void *arg)
{
    struct hold *hold = arg;

    hold->rc = ol_db_transaction(NULL, hold->db, stay, hold);
    return NULL;
}

void hold_writer(struct hold *hold, struct ol_db *db)
{
    hold->db = db;
    gate_init(&hold->gate, "held writer");
    pthread_create(&hold->thread, NULL, hold_main, hold);
    gate_wait_for_n(&hold->gate, 1);
}

void release_writer(struct hold *hold)
{
    gate_open(&hold->gate);
    pthread_join(hold->thread, NULL);
    gate_fini(&hold->gate);
    assert_int_equal(hold->rc, 0);
}

/* ---- writes in the background ---- */

static void *write_main(void *arg)
{
    struct bg_write *write = arg;

    ol_scope_enter(write->scope);
    if (write->fn)
        write->rc = ol_db_transaction(&write->result, write->db, write->fn, write->arg);
    else
        write->rc = ol_db_exec(&write->result, write->db, write->sql, OL_NO_ARGS);
    write->error = *ol_last_error();
    return NULL;
}

void bg_write_start(struct bg_write *write)
{
    pthread_create(&write->thread, NULL, write_main, write);
}

void bg_write_join(struct bg_write *write)
{
    pthread_join(write->thread, NULL);
}
