#include "base/event.h"

#include <pthread.h>

unsigned ol__event_kinds;

/*
 * Read-held while callbacks run: unsubscribing (write) therefore returns only when none runs. Writers go first, or
 * threads that emit all the time would keep an unsubscriber out for ever; so a callback must not emit, as the header
 * says.
 */
static pthread_rwlock_t      lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static struct ol_subscriber *subscribers;

static void sum_kinds_locked(void)
{
    unsigned kinds = 0;

    for (struct ol_subscriber *s = subscribers; s; s = s->next)
        kinds |= s->kinds;
    __atomic_store_n(&ol__event_kinds, kinds, __ATOMIC_RELAXED);
}

void ol_events_subscribe(struct ol_subscriber *subscriber)
{
    pthread_rwlock_wrlock(&lock);
    subscriber->next = subscribers;
    subscribers = subscriber;
    sum_kinds_locked();
    pthread_rwlock_unlock(&lock);
}

void ol_events_unsubscribe(struct ol_subscriber *subscriber)
{
    pthread_rwlock_wrlock(&lock);
    for (struct ol_subscriber **s = &subscribers; *s; s = &(*s)->next) {
        if (*s == subscriber) {
            *s = subscriber->next;
            break;
        }
    }
    sum_kinds_locked();
    pthread_rwlock_unlock(&lock);
}

void ol__event_emit(const struct ol_event *event)
{
    struct ol_event stamped = *event;

    if (!stamped.at_ns)
        stamped.at_ns = ol_now_ns();
    pthread_rwlock_rdlock(&lock);
    for (struct ol_subscriber *s = subscribers; s; s = s->next)
        if (s->kinds & (unsigned)stamped.kind)
            s->cb(&stamped, s->arg);
    pthread_rwlock_unlock(&lock);
}
