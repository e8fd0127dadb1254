/*
 * db/backup.h: online backup, in steps on the writer thread between groups. Thread: the writer, but for what says
 * otherwise.
 */
#ifndef OL_DB_BACKUP_H
#define OL_DB_BACKUP_H

#include <offloop/base.h>

struct ol__writer;

/** Begin the first backup that waits, or take the running one a step on, when its pause is over. */
void ol__backup_step_if_due(struct ol__writer *writer);

/** When the next step is due: 0 never, 1 at once. The writer's lock is held. */
uint64_t ol__backup_next_ns_locked(const struct ol__writer *writer);

/** End the running backup in failure: its connection goes away. */
void ol__backup_abort(struct ol__writer *writer);

/** The same, and refuse those that wait with OL_ECLOSED. */
void ol__backup_abort_all(struct ol__writer *writer);

#endif
