/*
 * rows.c: results, one block each, immutable from the moment they are handed over.
 *
 *     | struct ol_rows | cells: row by row | offsets of the names | bytes: names, then texts and blobs, each with a NUL |
 *
 * A cell is 16 bytes: the number itself, or where its bytes begin. Any thread may read rows without a lock, since
 * nobody writes them; whoever was given them frees them.
 */
#include "db/rows.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 256 * 1024 }; /* scratch memory that a builder keeps after a large result */

struct ol_rows {
    size_t           n_rows;
    unsigned         n_columns;
    struct ol__cell *cells;
    uint32_t        *names; /* offsets into `text` */
    char            *text;  /* the names */
    char            *bytes; /* the cells' */
};

/* ---- building ---- */

void ol__rows_begin(struct ol__rows_builder *builder, unsigned n_columns)
{
    builder->n_cells = builder->n_bytes = builder->n_rows = 0;
    builder->n_columns = n_columns;
}

void ol__rows_builder_fini(struct ol__rows_builder *builder)
{
    free(builder->cells);
    free(builder->bytes);
    *builder = (struct ol__rows_builder){ 0 };
}

static int grow(void **memory, size_t *capacity, size_t needed, size_t item_size)
{
    size_t capacity_new = *capacity ? *capacity : 64;
    void  *memory_new;

    if (needed <= *capacity)
        return 0;
    while (capacity_new < needed)
        capacity_new *= 2;
    memory_new = realloc(*memory, capacity_new * item_size);
    if (!memory_new)
        return OL_ENOMEM;
    *memory = memory_new;
    *capacity = capacity_new;
    return 0;
}

/* Copy the text or blob of one column, a NUL after it. */
static int add_bytes(struct ol__rows_builder *builder, struct ol__cell *cell, sqlite3_stmt *stmt, int column, bool is_utf8)
{
    const void *data;
    size_t      size;
    void       *memory = builder->bytes;

    /* sqlite3_column_text would copy the value for a NUL that we add ourselves; it is needed to convert from UTF-16. */
    if (cell->type == OL_TYPE_TEXT && !is_utf8)
        data = sqlite3_column_text(stmt, column);
    else
        data = sqlite3_column_blob(stmt, column);
    size = (size_t)sqlite3_column_bytes(stmt, column);
    if (size > 0 && !data)
        return OL_ENOMEM;
    if (grow(&memory, &builder->bytes_capacity, builder->n_bytes + size + 1, 1) < 0)
        return OL_ENOMEM;
    builder->bytes = memory;
    cell->as.offset = builder->n_bytes;
    cell->size = (uint32_t)size;
    if (size > 0)
        memcpy(builder->bytes + builder->n_bytes, data, size);
    builder->bytes[builder->n_bytes + size] = '\0';
    builder->n_bytes += size + 1;
    return 0;
}

static int add_cell(struct ol__rows_builder *builder, struct ol__cell *cell, sqlite3_stmt *stmt, int column, bool is_utf8)
{
    *cell = (struct ol__cell){ .type = OL_TYPE_NULL };
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        cell->type = OL_TYPE_INT;
        cell->as.integer = sqlite3_column_int64(stmt, column);
        return 0;
    case SQLITE_FLOAT:
        cell->type = OL_TYPE_REAL;
        cell->as.real = sqlite3_column_double(stmt, column);
        return 0;
    case SQLITE_TEXT: cell->type = OL_TYPE_TEXT; return add_bytes(builder, cell, stmt, column, is_utf8);
    case SQLITE_BLOB: cell->type = OL_TYPE_BLOB; return add_bytes(builder, cell, stmt, column, is_utf8);
    default: return 0;
    }
}

int ol__rows_add(struct ol__rows_builder *builder, sqlite3_stmt *stmt, bool is_utf8)
{
    size_t first = builder->n_cells;
    void  *memory = builder->cells;

    if (grow(&memory, &builder->cells_capacity, first + builder->n_columns, sizeof(struct ol__cell)) < 0)
        return OL_ENOMEM;
    builder->cells = memory;
    for (unsigned i = 0; i < builder->n_columns; i++)
        if (add_cell(builder, &builder->cells[first + i], stmt, (int)i, is_utf8) < 0)
            return OL_ENOMEM;
    builder->n_cells += builder->n_columns;
    builder->n_rows++;
    return 0;
}

/* The names' lengths together with their NULs, or 0 when SQLite has no memory for one. */
static size_t names_size(sqlite3_stmt *stmt, unsigned n_columns)
{
    size_t size = 0;

    for (unsigned i = 0; i < n_columns; i++) {
        const char *name = sqlite3_column_name(stmt, (int)i);

        if (!name)
            return 0;
        size += strlen(name) + 1;
    }
    return size;
}

static void copy_names(struct ol_rows *rows, sqlite3_stmt *stmt)
{
    size_t offset = 0;

    for (unsigned i = 0; i < rows->n_columns; i++) {
        const char *name = sqlite3_column_name(stmt, (int)i);
        size_t      size = strlen(name) + 1;

        memcpy(rows->text + offset, name, size);
        rows->names[i] = (uint32_t)offset;
        offset += size;
    }
}

void ol__rows_drop(struct ol__rows_builder *builder)
{
    if (builder->bytes_capacity + builder->cells_capacity * sizeof(struct ol__cell) > KEPT_MAX)
        ol__rows_builder_fini(builder);
    else
        ol__rows_begin(builder, 0);
}

int ol__rows_take(struct ol_rows **ret_rows, struct ol__rows_builder *builder, sqlite3_stmt *stmt)
{
    size_t          cells_size = builder->n_cells * sizeof(struct ol__cell);
    size_t          offsets_size = builder->n_columns * sizeof(uint32_t);
    size_t          text_size = names_size(stmt, builder->n_columns);
    struct ol_rows *rows;

    if (text_size == 0 && builder->n_columns > 0)
        return OL_ENOMEM;
    rows = malloc(sizeof *rows + cells_size + offsets_size + text_size + builder->n_bytes);
    if (!rows)
        return OL_ENOMEM;
    rows->n_rows = builder->n_rows;
    rows->n_columns = builder->n_columns;
    rows->cells = (struct ol__cell *)(void *)(rows + 1);
    rows->names = (uint32_t *)(void *)((char *)rows->cells + cells_size);
    rows->text = (char *)rows->names + offsets_size;
    rows->bytes = rows->text + text_size;
    if (cells_size > 0)
        memcpy(rows->cells, builder->cells, cells_size);
    if (builder->n_bytes > 0)
        memcpy(rows->bytes, builder->bytes, builder->n_bytes);
    copy_names(rows, stmt);
    ol__rows_drop(builder);
    *ret_rows = rows;
    return 0;
}

/* ---- reading ---- */

void ol_rows_free(struct ol_rows *rows)
{
    free(rows);
}

size_t ol_rows_count(const struct ol_rows *rows)
{
    return rows->n_rows;
}

unsigned ol_rows_columns(const struct ol_rows *rows)
{
    return rows->n_columns;
}

const char *ol_rows_column_name(const struct ol_rows *rows, unsigned column)
{
    return column < rows->n_columns ? rows->text + rows->names[column] : NULL;
}

static const struct ol__cell *cell_at(const struct ol_rows *rows, size_t row, unsigned column)
{
    static const struct ol__cell nothing = { .type = OL_TYPE_NULL };

    if (row >= rows->n_rows || column >= rows->n_columns)
        return &nothing;
    return &rows->cells[row * rows->n_columns + column];
}

enum ol_value_type ol_rows_type(const struct ol_rows *rows, size_t row, unsigned column)
{
    return (enum ol_value_type)cell_at(rows, row, column)->type;
}

/* A real cut to an integer, as SQLite's CAST does it: what is outside becomes the nearest end. */
static int64_t cut_real(double real)
{
    if (real != real)
        return 0;
    if (real >= 9223372036854775808.0)
        return INT64_MAX;
    if (real <= -9223372036854775808.0)
        return INT64_MIN;
    return (int64_t)real;
}

int64_t ol_rows_int(const struct ol_rows *rows, size_t row, unsigned column)
{
    const struct ol__cell *cell = cell_at(rows, row, column);

    if (cell->type == OL_TYPE_INT)
        return cell->as.integer;
    return cell->type == OL_TYPE_REAL ? cut_real(cell->as.real) : 0;
}

double ol_rows_real(const struct ol_rows *rows, size_t row, unsigned column)
{
    const struct ol__cell *cell = cell_at(rows, row, column);

    if (cell->type == OL_TYPE_REAL)
        return cell->as.real;
    return cell->type == OL_TYPE_INT ? (double)cell->as.integer : 0;
}

const char *ol_rows_bytes(const struct ol_rows *rows, size_t row, unsigned column, size_t *ret_size)
{
    const struct ol__cell *cell = cell_at(rows, row, column);
    bool                   has_bytes = cell->type == OL_TYPE_TEXT || cell->type == OL_TYPE_BLOB;

    if (ret_size)
        *ret_size = has_bytes ? cell->size : 0;
    return has_bytes ? rows->bytes + cell->as.offset : NULL;
}

struct ol_value ol_rows_value(const struct ol_rows *rows, size_t row, unsigned column)
{
    const struct ol__cell *cell = cell_at(rows, row, column);

    switch ((enum ol_value_type)cell->type) {
    case OL_TYPE_INT: return ol_value_int(cell->as.integer);
    case OL_TYPE_REAL: return ol_value_real(cell->as.real);
    case OL_TYPE_TEXT:
    case OL_TYPE_BLOB: return ol_value_bytes((enum ol_value_type)cell->type, rows->bytes + cell->as.offset, cell->size);
    case OL_TYPE_NULL: break;
    }
    return OL_NULL;
}
