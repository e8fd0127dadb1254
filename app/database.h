/*
 * app/database.h: the items database of `offloop serve`.
 */
#ifndef APP_DATABASE_H
#define APP_DATABASE_H

#include <offloop/db.h>

/**
 * Open the file, made with its 100,000 rows when it is not there. Complains. Returns: as ol_db_open. Thread: main,
 * before any other use of SQLite.
 */
int database_open(struct ol_db **ret_db, const char *path, unsigned connections_max);

#endif
