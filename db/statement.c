/*
 * statement.c: prepared statements, cached by text, least recently used out first.
 *
 * A program runs few texts again and again, mostly from the same string literals, so a text is looked for by its
 * address first (and compared: another text may stand there today) and by its hash then. A statement is reset and its
 * bindings are cleared before it goes back: a statement left standing on a row would hold its read transaction, and
 * bound memory is the caller's.
 */
#include "db/statement.h"

#include <stdlib.h>
#include <string.h>

#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "db/figures.h"

void ol__statements_init(struct ol__statements *statements, unsigned max)
{
    memset(statements, 0, sizeof *statements);
    ol_link_init(&statements->recent);
    statements->max = max;
}

/* ---- the cache ---- */

static struct ol__statement **hint_of(struct ol__statements *statements, const char *sql)
{
    uintptr_t address = (uintptr_t)sql;

    return &statements->hints[(address ^ address >> 8) % OL__STATEMENT_HINTS];
}

static void forget(struct ol__statements *statements, struct ol__statement *statement)
{
    struct ol__statement **slot = &statements->buckets[statement->hash % OL__STATEMENT_BUCKETS];

    while (*slot != statement)
        slot = &(*slot)->next;
    *slot = statement->next;
    slot = hint_of(statements, statement->hint);
    if (*slot == statement)
        *slot = NULL;
    ol_list_remove(&statement->recent);
    statements->n--;
    sqlite3_finalize(statement->stmt);
    free(statement);
}

void ol__statements_fini(struct ol__statements *statements)
{
    while (!ol_list_empty(&statements->recent))
        forget(statements, OL_CONTAINER_OF(statements->recent.next, struct ol__statement, recent));
}

static void evict_one(struct ol__statements *statements)
{
    for (struct ol_link *link = statements->recent.prev; link != &statements->recent; link = link->prev) {
        struct ol__statement *statement = OL_CONTAINER_OF(link, struct ol__statement, recent);

        if (!statement->in_use) {
            forget(statements, statement);
            return;
        }
    }
}

/* Only one hint at a time leads to a statement, so that forgetting it leaves none behind. */
static void remember_hint(struct ol__statements *statements, struct ol__statement *statement, const char *sql)
{
    struct ol__statement **old = hint_of(statements, statement->hint);

    if (*old == statement)
        *old = NULL;
    statement->hint = sql;
    *hint_of(statements, sql) = statement;
}

static struct ol__statement *find_by_text(struct ol__statements *statements, const char *sql, size_t size, uint64_t hash)
{
    struct ol__statement *statement = statements->buckets[hash % OL__STATEMENT_BUCKETS];

    while (statement && (statement->hash != hash || statement->size != size || memcmp(statement->sql, sql, size) != 0 ||
                         statement->in_use))
        statement = statement->next;
    return statement;
}

/* ---- preparing ---- */

/* Is there a second statement in `tail`? Comments and semicolons are none, and only SQLite can tell. */
static int refuse_second(struct ol__connection *conn, const char *tail, struct ol_error *error)
{
    sqlite3_stmt *second = NULL;
    int           rc;

    while (*tail == ' ' || *tail == '\t' || *tail == '\n' || *tail == '\r' || *tail == ';')
        tail++;
    if (!*tail)
        return 0;
    rc = sqlite3_prepare_v3(conn->sqlite, tail, -1, 0, &second, NULL);
    sqlite3_finalize(second);
    if (rc == SQLITE_OK && !second)
        return 0;
    return ol__failure(error, OL_EINVAL, 0, "two statements in one string: only one can be run");
}

static int prepare(sqlite3_stmt **ret_stmt, struct ol__connection *conn, const char *sql, struct ol_error *error)
{
    sqlite3_stmt *stmt;
    const char   *tail;
    int           rc;

    conn->refused = NULL;
    rc = sqlite3_prepare_v3(conn->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
    if (rc != SQLITE_OK)
        return ol__failure_of(error, conn, rc);
    if (!stmt)
        return ol__failure(error, OL_EINVAL, 0, "there is no statement in this string");
    rc = refuse_second(conn, tail, error);
    if (rc < 0) {
        sqlite3_finalize(stmt);
        return rc;
    }
    *ret_stmt = stmt;
    return 0;
}

static struct ol__statement *make(struct ol__connection *conn, const char *sql, size_t size, uint64_t hash)
{
    struct ol__statement *statement = malloc(sizeof *statement + size + 1);

    if (!statement)
        return NULL;
    *statement = (struct ol__statement){ .sql = (const char *)(statement + 1), .size = size, .hash = hash, .hint = sql };
    memcpy(statement + 1, sql, size + 1);
    ol_link_init(&statement->recent);
    statement->figures = ol__figures_of(&conn->db->figures, sql, size, hash);
    return statement;
}

static int add(struct ol__statement **ret_statement, struct ol__connection *conn, const char *sql, size_t size,
               uint64_t hash, struct ol_error *error)
{
    struct ol__statements *statements = &conn->statements;
    struct ol__statement  *statement = make(conn, sql, size, hash);
    int                    rc;

    if (!statement)
        return ol__failure(error, OL_ENOMEM, 0, "out of memory");
    rc = prepare(&statement->stmt, conn, sql, error);
    if (rc < 0) {
        free(statement);
        return rc;
    }
    statement->n_parameters = (unsigned)sqlite3_bind_parameter_count(statement->stmt);
    if (statements->n >= statements->max)
        evict_one(statements);
    statement->next = statements->buckets[hash % OL__STATEMENT_BUCKETS];
    statements->buckets[hash % OL__STATEMENT_BUCKETS] = statement;
    ol_list_prepend(&statements->recent, &statement->recent);
    statements->n++;
    *hint_of(statements, sql) = statement;
    *ret_statement = statement;
    return 0;
}

static int find_or_add(struct ol__statement **ret_statement, struct ol__connection *conn, const char *sql,
                       struct ol_error *error)
{
    struct ol__statements *statements = &conn->statements;
    struct ol__statement  *statement = *hint_of(statements, sql);
    size_t                 size;
    uint64_t               hash;

    if (!statement || statement->hint != sql || statement->in_use || strcmp(statement->sql, sql) != 0) {
        size = strlen(sql);
        hash = ol__sql_hash(sql, size);
        statement = find_by_text(statements, sql, size, hash);
        if (!statement)
            return add(ret_statement, conn, sql, size, hash, error);
        remember_hint(statements, statement, sql);
    }
    ol_list_remove(&statement->recent);
    ol_list_prepend(&statements->recent, &statement->recent);
    *ret_statement = statement;
    return 0;
}

/* ---- binding ---- */

static int bind_one(sqlite3_stmt *stmt, int number, const struct ol_value *value)
{
    switch (value->type) {
    case OL_TYPE_NULL: return sqlite3_bind_null(stmt, number);
    case OL_TYPE_INT: return sqlite3_bind_int64(stmt, number, value->as.integer);
    case OL_TYPE_REAL: return sqlite3_bind_double(stmt, number, value->as.real);
    case OL_TYPE_TEXT:
        return sqlite3_bind_text64(stmt, number, value->as.bytes.data, value->as.bytes.size, SQLITE_STATIC, SQLITE_UTF8);
    case OL_TYPE_BLOB:
        return sqlite3_bind_blob64(stmt, number, value->as.bytes.data, value->as.bytes.size, SQLITE_STATIC);
    }
    return SQLITE_MISMATCH;
}

static int bind(struct ol__connection *conn, struct ol__statement *statement, struct ol_args args, struct ol_error *error)
{
    if (args.count != statement->n_parameters)
        return ol__failure(error, OL_EINVAL, SQLITE_RANGE, "the statement has %u parameters, %zu arguments were given",
                           statement->n_parameters, args.count);
    for (size_t i = 0; i < args.count; i++) {
        int rc = bind_one(statement->stmt, (int)i + 1, &args.values[i]);

        if (rc == SQLITE_MISMATCH)
            return ol__failure(error, OL_EINVAL, rc, "argument %zu is of no known type", i + 1);
        if (rc != SQLITE_OK)
            return ol__failure_of(error, conn, rc);
    }
    return 0;
}

int ol__statement_acquire(struct ol__statement **ret_statement, struct ol__connection *conn, const char *sql,
                          struct ol_args args, struct ol_error *error)
{
    struct ol__statement *statement = NULL;
    int                   rc;

    if (!sql)
        return ol__failure(error, OL_EINVAL, 0, "no SQL text was given");
    rc = find_or_add(&statement, conn, sql, error);
    if (!statement)
        return rc;
    rc = bind(conn, statement, args, error);
    if (rc < 0) {
        sqlite3_clear_bindings(statement->stmt);
        return rc;
    }
    statement->in_use = true;
    *ret_statement = statement;
    return 0;
}

static void add_to(_Atomic(uint64_t) *counter, uint64_t n)
{
    if (n > 0)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void count(struct ol__connection *conn, struct ol__statement *statement, uint64_t ran_ns, uint64_t n_rows)
{
    struct ol__figures_shard *shard = &statement->figures->shards[conn->number % OL__FIGURES_SHARDS];

    add_to(&shard->count, 1);
    add_to(&shard->time_ns, ran_ns);
    add_to(&shard->rows, n_rows);
    add_to(&shard->full_scan_steps, (uint64_t)sqlite3_stmt_status(statement->stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1));
    add_to(&shard->reprepares, (uint64_t)sqlite3_stmt_status(statement->stmt, SQLITE_STMTSTATUS_REPREPARE, 1));
}

void ol__statement_release(struct ol__connection *conn, struct ol__statement *statement, uint64_t ran_ns, uint64_t n_rows)
{
    sqlite3_reset(statement->stmt);
    if (statement->n_parameters > 0)
        sqlite3_clear_bindings(statement->stmt);
    count(conn, statement, ran_ns, n_rows);
    statement->in_use = false;
}
