/*
 * base/event.h: telling whoever subscribed what happens.
 *
 * Guard each emission with ol__event_wanted(), one relaxed load and one branch that is predicted "no":
 *
 *     if (ol__event_wanted(OL_EVENT_JOB_QUEUED))
 *         ol__event_emit(&(struct ol_event){ .kind = OL_EVENT_JOB_QUEUED, ... });
 */
#ifndef OL_BASE_EVENT_H
#define OL_BASE_EVENT_H

#include <offloop/observe.h>

extern unsigned ol__event_kinds; /* OR of all subscriptions; atomic */

static inline bool ol__event_wanted(enum ol_event_kind kind)
{
    return __builtin_expect((__atomic_load_n(&ol__event_kinds, __ATOMIC_RELAXED) & (unsigned)kind) != 0, 0);
}

/** Call every subscriber of the event's kind. Fills in at_ns when it is 0. Thread: any. */
void ol__event_emit(const struct ol_event *event);

#endif
