/*
 * app/limits.h: what the system lets one process have.
 */
#ifndef APP_LIMITS_H
#define APP_LIMITS_H

/**
 * Raise the soft limit on open files to the hard one. Returns how many of them may be connections: some are kept for files,
 * pipes and listeners. Thread: before any other.
 */
unsigned limits_raise_files(void);

#endif
