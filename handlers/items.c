/*
 * items.c: a table over HTTP: list, get, create, replace, delete.
 *
 * JSON that goes out is made by SQLite's own functions, JSON that comes in is read by jansson, and values reach SQL as
 * bound arguments only. A long list is streamed: the rows in memory are one batch, whatever ?limit= says. (In a blocking
 * route nothing can be sent while the handler runs, so there a long one is refused.) A short one is a query like any
 * other, since a stream holds a reading thread for as long as its client takes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/endpoints.h"
#include "handlers/json.h"

enum { NAME_BYTES_MAX = 200, LIST_DEFAULT = 100, SHORT_MAX = 1000, LIST_MAX = 1000000 };
static const double PRICE_MAX = 1e9;

/* ---- what comes in ---- */

struct item {
    json_t     *json; /* keeps `name` */
    const char *name;
    size_t      name_size;
    double      price;
};

static int bad_request(struct ol_response *res, const char *what, const char *why)
{
    char detail[256];

    snprintf(detail, sizeof detail, "%s: %s", what, why);
    return ol_response_problem(res, 400, detail);
}

/* The problem with an item, or NULL. */
static const char *check_item(const struct item *item)
{
    if (item->name_size == 0 || item->name_size > NAME_BYTES_MAX)
        return "name must have 1 to 200 bytes";
    if (!(item->price >= 0 && item->price <= PRICE_MAX))
        return "price must lie between 0 and 1000000000";
    return NULL;
}

/*
 * Take an item from the request's body: exactly {"name": text, "price": number}.
 * Returns 0, or 1 when it is nonsense and the response says so, or a negative code.
 */
static int take_item(struct item *ret_item, struct ol_request *req, struct ol_response *res)
{
    struct ol_text body = ol_request_body(req);
    struct item    item = { 0 };
    json_error_t   error;
    const char    *problem;
    int            rc;

    if (json_parse(&item.json, &error, body.data, body.size) < 0 ||
        json_unpack_ex(item.json, &error, JSON_STRICT, "{s:s%, s:F}", "name", &item.name, &item.name_size, "price",
                       &item.price) < 0)
        problem = error.text;
    else
        problem = check_item(&item);
    if (!problem) {
        *ret_item = item;
        return 0;
    }
    rc = bad_request(res, "the body must be {\"name\": text, \"price\": number}", problem);
    json_decref(item.json);
    return rc < 0 ? rc : 1;
}

/* The {id} of the path. Returns as take_item. */
static int take_id(int64_t *ret_id, struct ol_request *req, struct ol_response *res)
{
    int rc = ol_text_int(ret_id, ol_request_param(req, "id"), 1, INT64_MAX);

    if (rc == 0)
        return 0;
    rc = ol_response_problem(res, 400, "an item's id is a whole number from 1");
    return rc < 0 ? rc : 1;
}

static int not_found(struct ol_response *res, int64_t id)
{
    char detail[64];

    snprintf(detail, sizeof detail, "there is no item %lld", (long long)id);
    return ol_response_problem(res, 404, detail);
}

/* The one column of the one row, which SQLite made. */
static int answer_json(struct ol_response *res, const struct ol_rows *rows)
{
    size_t      size;
    const char *json = ol_rows_bytes(rows, 0, 0, &size);

    return ol_response_body(res, "application/json", json, size);
}

/* ---- one item ---- */

int get_item(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site *site = arg;
    struct ol_rows    *rows;
    int64_t            id;
    int                rc = take_id(&id, req, res);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = ol_db_query(&rows, site->db,
                     "SELECT json_object('id', id, 'name', name, 'price', price) FROM items WHERE id = ?1",
                     OL_ARGS(OL_INT(id)));
    if (rc < 0)
        return rc;
    if (ol_rows_count(rows) == 0) {
        rc = not_found(res, id);
    } else {
        rc = answer_json(res, rows);
    }
    ol_rows_free(rows);
    return rc;
}

/* 201, and where the new item is: below the path that was posted to. */
static int respond_created(struct ol_request *req, struct ol_response *res, int64_t id)
{
    char location[128];
    int  rc;

    snprintf(location, sizeof location, "%s/%lld", ol_request_path(req), (long long)id);
    if ((rc = ol_response_status(res, 201)) < 0 || (rc = ol_response_header(res, "Location", location)) < 0)
        return rc;
    return json_respond(res, json_pack("{s:I}", "id", (json_int_t)id));
}

int create_item(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site  *site = arg;
    struct ol_db_result written;
    struct item         item;
    int                 rc = take_item(&item, req, res);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = ol_db_exec(&written, site->db, "INSERT INTO items (name, price) VALUES (?1, ?2)",
                    OL_ARGS(OL_TEXT_N(item.name, item.name_size), OL_REAL(item.price)));
    json_decref(item.json);
    if (rc < 0)
        return rc;
    return respond_created(req, res, written.last_insert_id);
}

int replace_item(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site  *site = arg;
    struct ol_db_result written;
    struct item         item;
    int64_t             id;
    int                 rc;

    if ((rc = take_id(&id, req, res)) != 0 || (rc = take_item(&item, req, res)) != 0)
        return rc < 0 ? rc : 0;
    rc = ol_db_exec(&written, site->db, "UPDATE items SET name = ?2, price = ?3 WHERE id = ?1",
                    OL_ARGS(OL_INT(id), OL_TEXT_N(item.name, item.name_size), OL_REAL(item.price)));
    json_decref(item.json);
    if (rc < 0)
        return rc;
    return written.changes == 0 ? not_found(res, id) : ol_response_status(res, 204);
}

int delete_item(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site  *site = arg;
    struct ol_db_result written;
    int64_t             id;
    int                 rc = take_id(&id, req, res);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = ol_db_exec(&written, site->db, "DELETE FROM items WHERE id = ?1", OL_ARGS(OL_INT(id)));
    if (rc < 0)
        return rc;
    return written.changes == 0 ? not_found(res, id) : ol_response_status(res, 204);
}

/* ---- many items ---- */

/*
 * Send a batch as a part of a JSON array, each element led by *lead: '[' before the first of all, ',' before the
 * others.
 */
static int write_batch(struct ol_response *res, const struct ol_rows *rows, char *lead)
{
    size_t count = ol_rows_count(rows), total = 0, used = 0, size;
    char  *text;
    int    rc;

    for (size_t i = 0; i < count; i++) {
        ol_rows_bytes(rows, i, 0, &size);
        total += 1 + size;
    }
    if (total == 0)
        return 0;
    text = malloc(total);
    if (!text)
        return OL_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const char *json = ol_rows_bytes(rows, i, 0, &size);

        text[used] = *lead;
        memcpy(text + used + 1, json, size);
        used += 1 + size;
        *lead = ',';
    }
    rc = ol_response_write(res, text, total);
    free(text);
    return rc;
}

static int write_list(struct ol_response *res, struct ol_db_stream *stream)
{
    struct ol_rows *rows;
    char            lead = '[';
    int             rc;

    while ((rc = ol_db_stream_next(&rows, stream)) == 0) {
        rc = write_batch(res, rows, &lead);
        ol_rows_free(rows);
        if (rc < 0)
            return rc;
    }
    if (rc != OL_ENOENT)
        return rc;
    return lead == '[' ? ol_response_write(res, "[]", 2) : ol_response_write(res, "]", 1);
}

/* A query value that may be left out. */
static int take_number(int64_t *value, struct ol_request *req, const char *name, int64_t min, int64_t max)
{
    int rc = ol_text_int(value, ol_request_query(req, name), min, max);

    return rc == OL_ENOENT ? 0 : rc;
}

static int list_few(struct ol_response *res, struct ol_db *db, struct ol_args args)
{
    struct ol_rows *rows;
    int             rc = ol_db_query(&rows, db,
                                     "SELECT json_group_array(json_object('id', id, 'name', name, 'price', price)) FROM "
                                                 "(SELECT id, name, price FROM items WHERE id > ?1 ORDER BY id LIMIT ?2)",
                                     args);

    if (rc < 0)
        return rc;
    rc = answer_json(res, rows);
    ol_rows_free(rows);
    return rc;
}

static int list_many(struct ol_response *res, struct ol_db *db, struct ol_args args)
{
    struct ol_db_stream *stream;
    int                  rc = ol_response_header(res, "Content-Type", "application/json");

    if (rc < 0)
        return rc;
    rc = ol_db_stream_begin(&stream, db,
                            "SELECT json_object('id', id, 'name', name, 'price', price) FROM items "
                            "WHERE id > ?1 ORDER BY id LIMIT ?2",
                            args);
    if (rc < 0)
        return rc;
    rc = write_list(res, stream);
    ol_db_stream_end(stream);
    return rc;
}

int list_items(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site *site = arg;
    int64_t            after = 0, limit = LIST_DEFAULT;

    if (take_number(&after, req, "after", 0, INT64_MAX) < 0 || take_number(&limit, req, "limit", 1, LIST_MAX) < 0)
        return ol_response_problem(res, 400, "?after= is an item's id, and ?limit= a number from 1 to 1000000");
    if (limit > SHORT_MAX && ol_on_loop() && !ol_in_fiber())
        return ol_response_problem(res, 400,
                                   "?limit= is at most 1000 in a blocking route, where nothing is sent before its end");
    struct ol_args args = OL_ARGS(OL_INT(after), OL_INT(limit));
    return limit <= SHORT_MAX ? list_few(res, site->db, args) : list_many(res, site->db, args);
}
