/*
 * scope.c: cancel and deadline, travelling with the work.
 *
 * A scope hangs below its parent by a hook like any other, so ending a scope is: write the reason once, then run the
 * hooks, the children's among them. Locks are taken from parent to child only, and a tree has no cycles; below a
 * scope's lock nothing of ours is taken but what wakes somebody up.
 *
 * A hook runs under the lock and is unlinked before it runs; unhooking takes the same lock, so after it the hook has
 * either run to its end or never will. An unlinked hook points at itself.
 */
#include "loop/scope.h"

#include <assert.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"

static void link_hook_locked(struct ol_scope *scope, struct ol_scope_hook *hook)
{
    hook->prev = NULL;
    hook->next = scope->hooks;
    if (scope->hooks)
        scope->hooks->prev = hook;
    scope->hooks = hook;
}

static void unlink_hook_locked(struct ol_scope *scope, struct ol_scope_hook *hook)
{
    if (hook->prev == hook)
        return;
    if (hook->prev)
        hook->prev->next = hook->next;
    else
        scope->hooks = hook->next;
    if (hook->next)
        hook->next->prev = hook->prev;
    hook->prev = hook->next = hook;
}

static void parent_ended(struct ol_scope_hook *hook, int reason)
{
    ol_scope_end(OL_CONTAINER_OF(hook, struct ol_scope, in_parent), reason);
}

/* The nearer of the two deadlines rules, and with it the promise of who watches it. */
static void inherit_deadline(struct ol_scope *scope, const struct ol_scope *parent)
{
    if (!parent->deadline_ns || (scope->deadline_ns && scope->deadline_ns <= parent->deadline_ns))
        return;
    scope->deadline_ns = parent->deadline_ns;
    scope->watched = parent->watched;
}

int ol__scope_begin(struct ol_scope *scope, struct ol_scope *parent, uint64_t deadline_ns, struct ol_scope_hook *hook,
                    bool watched)
{
    scope->parent = parent;
    scope->deadline_ns = deadline_ns;
    scope->watched = watched || !deadline_ns;
    scope->reason = 0;
    scope->hooks = NULL;
    scope->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    if (hook)
        link_hook_locked(scope, hook); /* nobody else knows the scope yet */
    if (!parent)
        return 0;
    inherit_deadline(scope, parent);
    scope->in_parent = (struct ol_scope_hook){ .cb = parent_ended };
    int rc = ol_scope_hook(parent, &scope->in_parent);
    if (rc < 0)
        pthread_mutex_destroy(&scope->lock);
    return rc;
}

int ol_scope_init(struct ol_scope *scope, struct ol_scope *parent, double timeout_s)
{
    if (!scope || !ol__seconds_valid(timeout_s))
        return ol__fail(OL_EINVAL, 0, "a scope's timeout must be between 0 and 1e9 seconds");
    uint64_t deadline_ns = timeout_s > 0 ? ol_now_ns() + ol__seconds_to_ns(timeout_s) : 0;
    int      reason = ol__scope_begin(scope, parent, deadline_ns, NULL, false);
    if (reason < 0) {
        ol__scope_begin(scope, NULL, deadline_ns, NULL, false);
        ol_scope_end(scope, reason);
    }
    return 0;
}

void ol_scope_fini(struct ol_scope *scope)
{
    if (scope->parent)
        ol_scope_unhook(scope->parent, &scope->in_parent);
    pthread_mutex_destroy(&scope->lock);
}

void ol_scope_end(struct ol_scope *scope, int reason)
{
    assert(reason < 0);
    pthread_mutex_lock(&scope->lock);
    if (!scope->reason) {
        int passed = ol_scope_reason(scope); /* a deadline came first, and may have been reported already */

        reason = passed ? passed : reason;
        __atomic_store_n(&scope->reason, reason, __ATOMIC_RELEASE);
        while (scope->hooks) {
            struct ol_scope_hook *hook = scope->hooks;

            unlink_hook_locked(scope, hook);
            hook->cb(hook, reason);
        }
    }
    pthread_mutex_unlock(&scope->lock);
}

int ol_scope_reason(const struct ol_scope *scope)
{
    if (!scope)
        return 0;
    int reason = __atomic_load_n(&scope->reason, __ATOMIC_ACQUIRE);
    if (!reason && scope->deadline_ns && ol_now_ns() >= scope->deadline_ns)
        return OL_ETIMEDOUT;
    return reason;
}

int ol_scope_hook(struct ol_scope *scope, struct ol_scope_hook *hook)
{
    pthread_mutex_lock(&scope->lock);
    int reason = scope->reason;
    if (reason)
        hook->prev = hook->next = hook;
    else
        link_hook_locked(scope, hook);
    pthread_mutex_unlock(&scope->lock);
    return reason;
}

void ol_scope_unhook(struct ol_scope *scope, struct ol_scope_hook *hook)
{
    pthread_mutex_lock(&scope->lock);
    unlink_hook_locked(scope, hook);
    pthread_mutex_unlock(&scope->lock);
}
