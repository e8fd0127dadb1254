/*
 * db/rows.h: building results.
 *
 * A connection has one builder, whose memory is kept from statement to statement. Rows are gathered in it and then
 * copied into one block of exactly the right size: the only allocation that a result costs.
 */
#ifndef OL_DB_ROWS_H
#define OL_DB_ROWS_H

#include <offloop/db.h>
#include <sqlite3.h>

struct ol__cell {
    union {
        int64_t integer;
        double  real;
        size_t  offset; /* into the bytes */
    } as;
    uint32_t size; /* of text and blobs; SQLite's own limit is below 2^31 */
    uint8_t  type; /* enum ol_value_type */
};

/** Zeroed memory is an empty builder. */
struct ol__rows_builder {
    struct ol__cell *cells;
    char            *bytes;
    size_t           n_cells, cells_capacity;
    size_t           n_bytes, bytes_capacity;
    size_t           n_rows;
    unsigned         n_columns;
};

void ol__rows_begin(struct ol__rows_builder *builder, unsigned n_columns);

/** Add the row that `stmt` stands on. Returns: 0 or OL_ENOMEM. */
int ol__rows_add(struct ol__rows_builder *builder, sqlite3_stmt *stmt, bool is_utf8);

/** Bytes that the rows take so far. */
static inline size_t ol__rows_size(const struct ol__rows_builder *builder)
{
    return builder->n_cells * sizeof(struct ol__cell) + builder->n_bytes;
}

/**
 * Make rows of what was gathered, with the names of `stmt`'s columns, and empty the builder. Returns: 0 or OL_ENOMEM.
 */
int ol__rows_take(struct ol_rows **ret_rows, struct ol__rows_builder *builder, sqlite3_stmt *stmt);

/** Forget what was gathered; a large result does not leave its scratch memory behind. */
void ol__rows_drop(struct ol__rows_builder *builder);

void ol__rows_builder_fini(struct ol__rows_builder *builder);

#endif
