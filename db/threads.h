/* db/threads.h: connections of threads that are not the database's own. */
#ifndef OL_DB_THREADS_H
#define OL_DB_THREADS_H

#include <pthread.h>

#include "base/list.h"

struct ol_db;
struct ol__connection;

struct ol__threads {
    struct ol_link  open; /* the databases that are open; guarded by the process's lock */
    pthread_mutex_t lock;
    struct ol_link  connections;   /* guarded by lock */
    unsigned        n_connections; /* guarded by lock; with those that are just being opened */
};

void ol__threads_init(struct ol_db *db);

/** Close every thread's connection. No call may be under way on any of them. */
void ol__threads_close(struct ol_db *db);

/** After everything else, the writer included. */
void ol__threads_fini(struct ol_db *db);

/** This thread's own connection, opened when it has none; NULL when it may have none, or cannot. Thread: any. */
struct ol__connection *ol__threads_connection(struct ol_db *db);

#endif
