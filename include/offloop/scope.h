/*
 * offloop/scope.h: cancel and deadline, travelling with the work.
 *
 * A scope is the lifetime of one piece of work: a request, a job, a batch of fetches. It ends once, for one reason:
 * somebody cancelled it, its deadline passed, or what it belongs to was closed. Ending a scope ends the scopes below it
 * and runs its hooks, and every wait of offloop that was begun under it ends too: at once when the thing waited for is
 * queued, a timer, a socket or a transfer; when it has returned when it is running on another thread, because it may be
 * using the waiter's memory.
 */
#ifndef OFFLOOP_SCOPE_H
#define OFFLOOP_SCOPE_H

#include <pthread.h>

#include <offloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_scope_hook;

/**
 * Called once when a scope ends.
 *
 * Thread: whichever thread ended the scope, with the scope's lock held: must not block, and may call nothing of
 *         offloop's
 * but wake-ups (ol_loop_post, ol_scope_end of a scope below). `reason` is the OL_E... code that the scope ended with.
 */
typedef void ol_scope_hook_cb(struct ol_scope_hook *hook, int reason);

/** One reaction to a scope's end, in the caller's memory. */
struct ol_scope_hook {
    ol_scope_hook_cb     *cb;          /* set by the caller */
    void                 *arg;         /* set by the caller */
    struct ol_scope_hook *prev, *next; /* guarded by the scope's lock */
};

/** In the caller's memory; every field is the scope's own. Zeroed memory is not a scope: call ol_scope_init. */
struct ol_scope {
    /* set at init */
    struct ol_scope *parent;
    uint64_t         deadline_ns; /* on ol_now_ns()'s clock; 0: none. Never later than the parent's */
    bool             watched;     /* somebody ends it at its deadline by a timer */

    /* any thread, atomic */
    int reason; /* 0 while live, then the OL_E... code; written once */

    /* guarded by lock */
    struct ol_scope_hook *hooks;
    pthread_mutex_t       lock;

    struct ol_scope_hook in_parent; /* guarded by the parent's lock */
};

/**
 * Begin a scope below `parent` (NULL: below nothing) that ends after `timeout_s` seconds (0: never by itself; a
 * fraction is fine). A parent that has ended already ends the new scope at once, with the parent's reason.
 *
 * Nobody watches the clock for a scope alone: whoever waits under it does (every wait of offloop wakes at the
 * deadline), and ol_cancelled() looks. Pools and servers end the scopes of their jobs and requests by timers of the
 * loop.
 *
 * Thread:  any.
 * Owns:    borrows `parent` until ol_scope_fini; the parent must outlive it.
 * Returns: 0, or OL_EINVAL (a negative or not finite `timeout_s`).
 */
OL_API int ol_scope_init(struct ol_scope *scope, struct ol_scope *parent, double timeout_s);

/** Leave the parent and let go of the memory. No wait may be under way under it and no hook registered. Thread: any. */
OL_API void ol_scope_fini(struct ol_scope *scope);

/**
 * End the scope, and every scope below it, for `reason` (OL_ECANCELED, OL_ETIMEDOUT or OL_ECLOSED). The first reason
 * wins; a second call does nothing. Hooks run inside this call.
 *
 * Thread:  any.
 */
OL_API void ol_scope_end(struct ol_scope *scope, int reason);

/**
 * 0 while the scope lives, then why it ended; looks at the flag and then at the clock. Thread: any. NULL lives for
 * ever.
 */
OL_API int ol_scope_reason(const struct ol_scope *scope);

/**
 * Register a hook. Each hook runs at most once, and never after ol_scope_unhook has returned.
 *
 * Thread:  any; not inside a hook.
 * Owns:    borrows `hook` until it was unhooked.
 * Returns: 0, or the reason if the scope has ended already: then the hook is not registered and will not run.
 */
OL_API int ol_scope_hook(struct ol_scope *scope, struct ol_scope_hook *hook);

/** Take a hook back; waits for one that is running. Harmless for a hook that ran. Thread: any; not inside a hook. */
OL_API void ol_scope_unhook(struct ol_scope *scope, struct ol_scope_hook *hook);

/**
 * Make `scope` the one under which this thread's or this fiber's calls wait, and return the one before (NULL: none).
 * Jobs and handlers start with their own scope; a plain `main` starts with none.
 *
 * Thread:  any.
 * Owns:    borrows `scope` until it was replaced.
 */
OL_API struct ol_scope *ol_scope_enter(struct ol_scope *scope);

/** The scope that this thread or fiber is under, or NULL. Thread: any. */
OL_API struct ol_scope *ol_scope_current(void);

/**
 * Has what runs here been told to stop? 0: go on; else the reason (OL_ECANCELED, OL_ETIMEDOUT, OL_ECLOSED).
 * In a job or a handler this is one atomic load: long loops should ask often, and return when told.
 *
 * Thread:  any.
 */
OL_API int ol_cancelled(void);

#ifdef __cplusplus
}
#endif
#endif
