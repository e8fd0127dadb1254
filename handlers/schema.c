/*
 * schema.c: the items table, and its first 100,000 rows, which are the same on every machine.
 *
 * The id is SQLite's rowid. Prices run over 0.00 to 999.99 in an order that is not the ids' (7919 is prime to 100,000).
 */
#include "handlers/site.h"

const char *const site_migrations[] = {
    "CREATE TABLE items (\n"
    "    id    INTEGER PRIMARY KEY,\n"
    "    name  TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    price REAL NOT NULL CHECK (price >= 0)\n"
    ");\n"
    "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 100000)\n"
    "INSERT INTO items (id, name, price)\n"
    "SELECT id, printf('item %06d', id), (id * 7919 % 100000) / 100.0 FROM n;\n",
};

const unsigned site_n_migrations = sizeof site_migrations / sizeof site_migrations[0];
