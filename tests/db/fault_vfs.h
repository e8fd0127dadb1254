#ifndef OFFLOOP_TESTS_DB_FAULT_VFS_H
#define OFFLOOP_TESTS_DB_FAULT_VFS_H

/*
 * fault_vfs.h: the system's VFS with a hand on it: the N-th call of some kinds fails, reads can be held at a gate,
 * and every thread that writes a database or its log is noted.
 *
 * Files that count are those below the scratch folder whose name does not begin with "copy".
 */

#include <stdbool.h>

#include "support/gate.h"

enum fault_op {
    FAULT_OPEN = 1 << 0,
    FAULT_READ = 1 << 1,
    FAULT_WRITE = 1 << 2,
    FAULT_SYNC = 1 << 3,
    FAULT_TRUNCATE = 1 << 4,
    FAULT_SHM = 1 << 5,   /* mapping the log's index */
    FAULT_OTHER = 1 << 6, /* file size, access, locks */
    FAULT_ALL = (1 << 7) - 1
};

/* Make it the default VFS of the process. */
void fault_vfs_install(void);

/*
 * From now on the `nth` call (1: the next) of the kinds in `ops` fails with SQLite's `rc`; `sticky`: and all after
 * it. Thread: any.
 */
void fault_arm(unsigned ops, unsigned nth, int rc, bool sticky);

/* Thread: any. Disarms; returns whether anything has failed since fault_arm. */
bool fault_disarm(void);

/* Reads of threads named ol-db-rN wait at `gate` from now on; NULL: no more. */
void fault_hold_readers(struct gate *gate);

/* Open files for reading only, whatever is asked for. */
void fault_read_only(bool on);

/* Forget who has written; then how many threads have. */
void     fault_watch_writers(void);
unsigned fault_writers(void);

#endif
