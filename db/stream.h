/* db/stream.h: the streams of a database, as its other parts see them. */
#ifndef OL_DB_STREAM_H
#define OL_DB_STREAM_H

#include <pthread.h>

#include "base/list.h"

struct ol_db;

struct ol__streams {
    pthread_mutex_t lock;
    struct ol_link  running; /* guarded by lock: those that have a reader */
};

void ol__streams_init(struct ol_db *db);
void ol__streams_fini(struct ol_db *db);

/** Wake the streams that wait for their takers: their stop words may have changed. Thread: any. */
void ol__streams_look_again(struct ol_db *db);

#endif
