/*
 * pool/queue.h: a list of jobs, linked through themselves; a job is in one list at a time.
 */
#ifndef OL_POOL_QUEUE_H
#define OL_POOL_QUEUE_H

#include <offloop/pool.h>

/** Zeroed memory is an empty one. */
struct ol__queue {
    struct ol_job *first, *last;
    size_t         n;
};

static inline void ol__queue_append(struct ol__queue *queue, struct ol_job *job)
{
    job->own.prev = queue->last;
    job->own.next = NULL;
    if (queue->last)
        queue->last->own.next = job;
    else
        queue->first = job;
    queue->last = job;
    queue->n++;
}

static inline void ol__queue_remove(struct ol__queue *queue, struct ol_job *job)
{
    if (job->own.prev)
        job->own.prev->own.next = job->own.next;
    else
        queue->first = job->own.next;
    if (job->own.next)
        job->own.next->own.prev = job->own.prev;
    else
        queue->last = job->own.prev;
    queue->n--;
}

/**
 * Ask for the cache lines of the job after the next: a job comes from another core, line by line, and this is the time
 * that one job takes to get them. Its neighbour before it was asked for one job ago.
 */
static inline void ol__queue_prefetch(const struct ol__queue *queue)
{
    const char *job = (const char *)(queue->first ? queue->first->own.next : NULL);

    if (!job)
        return;
    __builtin_prefetch(job, 1);
    __builtin_prefetch(job + 64, 1);
    __builtin_prefetch(job + 128, 1);
}

/** Take the first, or NULL. */
static inline struct ol_job *ol__queue_pop(struct ol__queue *queue)
{
    struct ol_job *job = queue->first;

    if (job)
        ol__queue_remove(queue, job);
    return job;
}

/** Move all of `from` to the end of `to`. */
static inline void ol__queue_splice(struct ol__queue *to, struct ol__queue *from)
{
    if (!from->first)
        return;
    from->first->own.prev = to->last;
    if (to->last)
        to->last->own.next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->n += from->n;
    *from = (struct ol__queue){ 0 };
}

#endif
