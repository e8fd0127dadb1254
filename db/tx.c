/*
 * tx.c: the body of a transaction, on the writer thread.
 *
 * The body sees a struct ol_tx and nothing else of ours. A failure that ends more than its own statement (no space,
 * no memory, an I/O error, ROLLBACK by a conflict clause) is sticky: every later call returns it, and so does the
 * transaction, whatever the body makes of it. A constraint that failed is the body's to judge: it may go on, and its
 * other statements count.
 */
#include <sqlite3.h>

#include "base/error.h"
#include "db/connection.h"
#include "db/failure.h"
#include "db/writer.h"

struct ol_tx {
    struct ol__connection *conn;
    struct ol_db_result    result;
    struct ol_error        broken;  /* its code is 0 while the transaction is whole */
    struct ol_error        failure; /* the last one of any kind */
};

static bool ends_transaction(const struct ol_tx *tx, int code)
{
    if (sqlite3_get_autocommit(tx->conn->sqlite))
        return true;
    return code == OL_EFULL || code == OL_EIO || code == OL_ENOMEM || code == OL_EDB || code == OL_ETIMEDOUT;
}

static int note_failure(struct ol_tx *tx, const struct ol_error *error)
{
    tx->failure = *error;
    if (ends_transaction(tx, error->code))
        tx->broken = *error;
    return ol__fail_with(error);
}

int ol_tx_exec(struct ol_db_result *ret_result, struct ol_tx *tx, const char *sql, struct ol_args args)
{
    struct ol_db_result result;
    struct ol_error     error;

    if (tx->broken.code)
        return ol__fail_with(&tx->broken);
    if (ol__writer_exec(&result, tx->conn, sql, args, &error) < 0)
        return note_failure(tx, &error);
    tx->result.changes += result.changes;
    if (result.last_insert_id)
        tx->result.last_insert_id = result.last_insert_id;
    if (ret_result)
        *ret_result = result;
    return 0;
}

int ol_tx_query(struct ol_rows **ret_rows, struct ol_tx *tx, const char *sql, struct ol_args args)
{
    uint64_t        clock_ns = ol_now_ns();
    struct ol_error error;

    if (tx->broken.code)
        return ol__fail_with(&tx->broken);
    if (ol__db_connection_run(ret_rows, tx->conn, sql, args, &clock_ns, &error) < 0)
        return note_failure(tx, &error);
    return 0;
}

int ol__tx_run(bool *ret_own_code, struct ol__connection *conn, struct ol__write *write)
{
    struct ol_tx tx = { .conn = conn };
    int          rc = write->fn(&tx, write->arg);

    *ret_own_code = false;
    if (tx.broken.code) {
        write->error = tx.broken;
        return tx.broken.code;
    }
    if (rc >= 0) {
        write->result = tx.result;
        return 0;
    }
    *ret_own_code = true;
    if (tx.failure.code == rc)
        write->error = tx.failure;
    else
        ol__failure(&write->error, rc, 0, "the transaction's body gave up: %s", ol_strerror(rc));
    return rc;
}
