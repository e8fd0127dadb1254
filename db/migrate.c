/*
 * migrate.c: the schema's version is PRAGMA user_version, and migration i leads from i to i + 1.
 *
 * Each runs in a transaction together with the change of the version, so a crash leaves the one or the other. Foreign
 * keys are not enforced meanwhile, since rebuilding a table would meet its own references, but checked as a whole
 * before the commit: SQLite's own advice (lang_altertable.html, "Making Other Kinds Of Table Schema Changes"). A file
 * of a newer version than this program knows is refused. Two processes that open the same file at once: the second
 * waits for the lock, then finds the version moved on.
 */
#include "db/migrate.h"

#include <sqlite3.h>
#include <stdio.h>

#include "db/connection.h"
#include "db/failure.h"

static int fail(struct ol_error *error, struct ol__connection *conn, unsigned version, int rc)
{
    int  code = ol__failure_of(error, conn, rc);
    char why[sizeof error->text];

    if (code != OL_EIO && code != OL_EFULL && code != OL_ENOMEM && code != OL_EPERM)
        code = OL_EDB;
    snprintf(why, sizeof why, "%s", error->text);
    return ol__failure(error, code, rc, "the migration from version %u to %u failed: %s", version, version + 1, why);
}

static int run_text(struct ol__connection *conn, const char *sql)
{
    enum ol__author before = conn->author;
    int             rc;

    conn->refused = NULL;
    conn->author = OL__BY_MIGRATION;
    rc = sqlite3_exec(conn->sqlite, sql, NULL, NULL, NULL);
    conn->author = before;
    return rc;
}

/* SQLITE_OK when no row refers to one that is not there. */
static int check_references(struct ol__connection *conn)
{
    int64_t n = 0;
    int     rc = ol__db_connection_get_own(&n, conn, "SELECT count(*) FROM pragma_foreign_key_check");

    return rc == SQLITE_OK && n > 0 ? SQLITE_CONSTRAINT_FOREIGNKEY : rc;
}

static int set_version(struct ol__connection *conn, unsigned version)
{
    char sql[64];

    snprintf(sql, sizeof sql, "PRAGMA user_version = %u", version);
    return ol__db_connection_exec_own(conn, sql);
}

/* Inside a transaction. */
static int migrate_one(struct ol__connection *conn, const struct ol_db_config *config, unsigned version,
                       struct ol_error *error)
{
    int rc = run_text(conn, config->migrations[version]);

    if (rc != SQLITE_OK)
        return fail(error, conn, version, rc);
    rc = check_references(conn);
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return ol__failure(error, OL_EDB, rc, "the migration from version %u to %u leaves rows that refer to none",
                           version, version + 1);
    if (rc == SQLITE_OK)
        rc = set_version(conn, version + 1);
    if (rc == SQLITE_OK)
        rc = ol__db_connection_control(conn, OL__COMMIT);
    return rc == SQLITE_OK ? 0 : fail(error, conn, version, rc);
}

/* 1: one was run; 0: the schema is up to date. */
static int next(struct ol__connection *conn, const struct ol_db_config *config, struct ol_error *error)
{
    int64_t version = 0;
    int     rc = ol__db_connection_get_own(&version, conn, "PRAGMA user_version");

    if (rc != SQLITE_OK)
        return ol__failure_of(error, conn, rc);
    if (version < 0 || version > config->n_migrations)
        return ol__failure(error, OL_EDB, 0, "the schema has version %lld, this program knows up to %u",
                           (long long)version, config->n_migrations);
    if (version == config->n_migrations)
        return 0;
    rc = migrate_one(conn, config, (unsigned)version, error);
    return rc < 0 ? rc : 1;
}

static int next_in_transaction(struct ol__connection *conn, const struct ol_db_config *config, struct ol_error *error)
{
    int rc = ol__db_connection_control(conn, OL__BEGIN_IMMEDIATE);

    if (rc != SQLITE_OK)
        return ol__failure_of(error, conn, rc);
    rc = next(conn, config, error);
    if (!sqlite3_get_autocommit(conn->sqlite))
        ol__db_connection_control(conn, OL__ROLLBACK);
    return rc;
}

int ol__migrate(struct ol__connection *conn, const struct ol_db_config *config, struct ol_error *error)
{
    int rc = ol__db_connection_exec_own(conn, "PRAGMA foreign_keys = OFF");

    if (rc != SQLITE_OK)
        return ol__failure_of(error, conn, rc);
    do
        rc = config->migrations ? next_in_transaction(conn, config, error) : 0;
    while (rc == 1);
    if (rc == 0 && ol__db_connection_exec_own(conn, "PRAGMA foreign_keys = ON") != SQLITE_OK)
        rc = ol__failure(error, OL_EDB, 0, "foreign keys could not be switched on");
    return rc;
}
