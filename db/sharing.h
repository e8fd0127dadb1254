/*
 * db/sharing.h: does another process have this database open?
 */
#ifndef OL_DB_SHARING_H
#define OL_DB_SHARING_H

#include <stdbool.h>

/** Thread: any. False also when it cannot be told (no /proc). */
bool ol__db_is_shared(const char *path);

#endif
