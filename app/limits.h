/*
 * app/limits.h: what the system lets one process have.
 */
#ifndef APP_LIMITS_H
#define APP_LIMITS_H

/**
 * Raise the limit on open files as far as 16,384 connections need it and the system allows; a connection may take
 * `files_each`. Returns how many connections there may be: some files are kept for the database, pipes and listeners.
 * Thread: before any other.
 */
unsigned limits_raise_files(unsigned files_each);

#endif
