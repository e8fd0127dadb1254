#include "base/clock.h"
#include "base/error.h"
#include "loop/here.h"
#include "loop/wait.h"

int ol_sleep(double seconds)
{
    struct ol__wait wait;

    if (!ol__seconds_valid(seconds))
        return ol__fail(OL_EINVAL, 0, "cannot sleep for %g seconds", seconds);
    if (ol__where() == OL__AT_LOOP)
        return ol__fail(OL_EONLOOP, 0, "ol_sleep would block the loop");
    ol__wait_init(&wait);
    int rc = ol__wait_until_deadline(&wait, ol_now_ns() + ol__seconds_to_ns(seconds));
    ol__wait_fini(&wait);
    /* Nobody signals: either the time is up, which is what was asked for, or the scope is. */
    return rc == OL_ETIMEDOUT ? ol_scope_reason(wait.scope) : rc;
}
