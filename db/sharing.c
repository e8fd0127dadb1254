/*
 * sharing.c: does another process have this database open?
 *
 * Whoever has a database in WAL mode open holds a POSIX lock on its -shm file. Asking for it with F_GETLK would need a
 * descriptor of that file, and closing one drops all locks that this process has on it, those of SQLite's own
 * connections too (sqlite.org/howtocorrupt.html, section 2.2). So the kernel's list is read instead:
 *
 *     1: POSIX  ADVISORY  READ 1234 fd:01:5678 128 128
 *
 * The device is left out of the comparison: overlay file systems show two. The same inode number on another device would
 * cost a warning that was not needed.
 */
#include "db/sharing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_held_by_another(FILE *locks, unsigned long inode)
{
    char line[256];

    while (fgets(line, sizeof line, locks)) {
        long          pid;
        unsigned long locked;

        if (sscanf(line, "%*d: POSIX %*s %*s %ld %*x:%*x:%lu", &pid, &locked) == 2 && locked == inode &&
            pid != (long)getpid())
            return true;
    }
    return false;
}

bool ol__db_is_shared(const char *path)
{
    struct stat st;
    char       *name;
    FILE       *locks;
    bool        is_shared = false;

    if (asprintf(&name, "%s-shm", path) < 0)
        return false;
    locks = stat(name, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (locks) {
        is_shared = is_held_by_another(locks, (unsigned long)st.st_ino);
        fclose(locks);
    }
    free(name);
    return is_shared;
}
