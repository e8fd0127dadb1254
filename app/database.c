/*
 * database.c: opens the items database. The only file of the program that sees SQLite itself, for one process-wide
 * setting.
 *
 * SQLite counts its memory under one global lock, which two reading threads already fight for (1.4 instead of 2.2
 * million point reads a second). The library leaves such settings to the program; this program does without the count.
 */
#include "app/database.h"

#include <error.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "handlers/site.h"

int database_open(struct ol_db **ret_db, const char *path, unsigned connections_max)
{
    bool is_new = access(path, F_OK) != 0;
    int  rc;

    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    rc = ol_db_open(ret_db, path,
                    &(struct ol_db_config){
                        .connections_max = connections_max,
                        .migrations = site_migrations,
                        .n_migrations = site_n_migrations,
                    });
    if (rc < 0)
        error(0, 0, "%s", ol_last_error()->text);
    else if (is_new)
        printf("made %s with 100,000 items\n", path);
    return rc;
}
