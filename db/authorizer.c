/*
 * authorizer.c: which SQL a caller may run on which connection.
 *
 * Readers: SELECT and what belongs to it. The writer: anything that changes rows or the schema, but nothing that
 * begins, ends or attaches: transactions are the writer's own, since many callers' statements share one. PRAGMAs only
 * from a list of those that read. Migrations may do what they like but end the transaction that they run in. Each
 * refusal has a sentence that names the cause.
 */
#include <string.h>
#include <strings.h>

#include "db/connection.h"

static const char *const no_transactions = "transactions are the library's; use ol_db_transaction";
static const char *const no_attach = "ATTACH, DETACH and VACUUM cannot be run while others use the database";
static const char *const no_pragma = "this PRAGMA changes the connection or the file; only those that read are let through";
static const char *const no_writes = "this statement writes; use ol_db_exec";

/* PRAGMAs that only read. `argument`: they take one and still only read. */
static const struct {
    const char *name;
    bool        argument;
} reading_pragmas[] = {
    { "table_info", true },       { "table_xinfo", true },       { "table_list", true },
    { "index_list", true },       { "index_info", true },        { "index_xinfo", true },
    { "foreign_key_list", true }, { "foreign_key_check", true }, { "quick_check", true },
    { "integrity_check", true },  { "database_list", false },    { "collation_list", false },
    { "function_list", false },   { "compile_options", false },  { "user_version", false },
    { "application_id", false },  { "schema_version", false },   { "page_count", false },
    { "page_size", false },       { "freelist_count", false },   { "encoding", false },
    { "journal_mode", false },    { "data_version", false },     { "synchronous", false },
    { "foreign_keys", false },
};

static bool pragma_reads(const char *name, const char *argument)
{
    for (size_t i = 0; i < sizeof reading_pragmas / sizeof reading_pragmas[0]; i++)
        if (strcasecmp(name, reading_pragmas[i].name) == 0)
            return !argument || reading_pragmas[i].argument;
    return false;
}

/*
 * Connecting a virtual table, pragma_x() among them, asks for UPDATE of the schema table though it writes nothing; a
 * real one fails anyhow.
 */
static bool is_schema_table(const char *name)
{
    return name && (strcmp(name, "sqlite_master") == 0 || strcmp(name, "sqlite_temp_master") == 0);
}

static const char *authorize_reader(int action, const char *table)
{
    switch (action) {
    case SQLITE_UPDATE: return is_schema_table(table) ? NULL : no_writes;
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE: return NULL;
    default: return no_writes;
    }
}

const char *ol__authorize(const struct ol__connection *conn, int action, const char *first, const char *second)
{
    if (conn->author == OL__BY_US)
        return NULL;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT: return no_transactions;
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return no_attach;
    case SQLITE_PRAGMA: return conn->author == OL__BY_MIGRATION || pragma_reads(first, second) ? NULL : no_pragma;
    default: return conn->role == OL__READS ? authorize_reader(action, first) : NULL;
    }
}
