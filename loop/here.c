#include "loop/here.h"

_Thread_local struct ol__here ol__here __attribute__((tls_model("initial-exec")));

enum ol__where ol__where(void)
{
    if (ol__here.fiber)
        return OL__AT_FIBER;
    if (ol__here.blocking)
        return OL__AT_BLOCKING;
    return ol_on_loop() ? OL__AT_LOOP : OL__AT_THREAD;
}

struct ol__here ol__enter_blocking(struct ol_scope *scope)
{
    struct ol__here before = ol__here;

    ol__here.scope = scope;
    ol__here.blocking = true;
    return before;
}

void ol__leave_blocking(const struct ol__here *before)
{
    ol__here = *before;
}

struct ol_scope *ol_scope_enter(struct ol_scope *scope)
{
    struct ol_scope *before = ol__here.scope;

    ol__here.scope = scope;
    return before;
}

struct ol_scope *ol_scope_current(void)
{
    return ol__here.scope;
}

bool ol_in_fiber(void)
{
    return ol__here.fiber != NULL;
}

int ol_cancelled(void)
{
    const struct ol_scope *scope = ol__here.scope;

    if (!scope)
        return 0;
    /* A frozen loop fires no timers: in a blocking route a watched deadline is looked at here too. */
    if (scope->watched && !ol__here.blocking)
        return __atomic_load_n(&scope->reason, __ATOMIC_ACQUIRE);
    return ol_scope_reason(scope);
}
