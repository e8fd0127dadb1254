/* db/migrate.h: bringing the schema up to date. */
#ifndef OL_DB_MIGRATE_H
#define OL_DB_MIGRATE_H

#include <offloop/db.h>

struct ol__connection;

/** Run the migrations that the file has not seen. Thread: the owner of the writing connection. */
int ol__migrate(struct ol__connection *conn, const struct ol_db_config *config, struct ol_error *error);

#endif
