/*
 * report.c: a slow query: one aggregation over all items, tens of milliseconds of processor time.
 */
#include "handlers/endpoints.h"

static const char report_sql[] =
    "SELECT json_object('items', sum(n), 'bands', json_group_array(\n"
    "           json_object('from', band * 100, 'items', n, 'mean', round(mean, 2), 'least', least, 'most', most)))\n"
    "FROM (SELECT CAST(price / 100 AS INTEGER) AS band, count(*) AS n, avg(price) AS mean,\n"
    "             min(price) AS least, max(price) AS most\n"
    "      FROM items GROUP BY band ORDER BY band)";

int show_report(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site *site = arg;
    struct ol_rows    *rows;
    const char        *json;
    size_t             size;
    int                rc;

    (void)req;
    rc = ol_db_query(&rows, site->db, report_sql, OL_NO_ARGS);
    if (rc < 0)
        return rc;
    json = ol_rows_bytes(rows, 0, 0, &size);
    rc = json ? ol_response_body(res, "application/json", json, size) : OL_EDB;
    ol_rows_free(rows);
    return rc;
}
