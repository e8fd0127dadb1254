/* db/reader.h: what a reading thread and the queue before it (readers.c) ask of each other. */
#ifndef OL_DB_READER_H
#define OL_DB_READER_H

#include "db/readers.h"

#define OL__READ_BATCH_NS (OL_NS_PER_MS / 2)

/** Start the thread. Returns 0 or an errno. */
int ol__reader_start(struct ol__reader *reader);

/** Who is to be woken for what is queued, or NULL; hand it to ol__reader_wake once the lock is released. */
struct ol__reader *ol__readers_pick_idle_locked(struct ol__readers *readers);
void               ol__reader_wake(struct ol__reader *reader);

void ol__reader_set_mode_locked(struct ol__reader *reader, enum ol__reader_mode mode);

/** Move the first point reads into the reader's chunk. */
void ol__readers_take_chunk_locked(struct ol__readers *readers, struct ol__reader *reader);

/** Move what the reader has not begun back to the front of the queue. */
void ol__readers_hand_back_locked(struct ol__readers *readers, struct ol__reader *reader);

/** A batch's reads took so long each: how many are taken at once follows. */
void ol__readers_note_time_locked(struct ol__readers *readers, uint64_t each_ns);

/** Work that had the reader for itself is over: nobody can tell it to stop any more. Thread: the reader. */
void ol__reader_finish_alone(struct ol__reader *reader, struct ol__read *read);

/** A query that has a reader for itself; an ol__read_alone_cb. */
void ol__read_query_alone(struct ol__reader *reader, struct ol__read *read);

#endif
