/*
 * default.c: a loop's default pool, which its fibers offload to when they name none.
 */
#include <stdlib.h>

#include "base/error.h"
#include "loop/attach.h"
#include "pool/internal.h"

struct default_pool {
    struct ol__attachment attachment;
    struct ol_pool       *pool;
};

static const char key;

static void forget(void *data)
{
    free(data);
}

struct ol_pool *ol__pool_default(const struct ol_loop *loop)
{
    const struct default_pool *slot = ol__loop_attached(loop, &key);

    return slot ? slot->pool : NULL;
}

void ol_loop_set_default_pool(struct ol_loop *loop, struct ol_pool *pool)
{
    struct default_pool *slot = ol__loop_attached(loop, &key);

    if (!slot) {
        if (!pool)
            return;
        slot = calloc(1, sizeof *slot);
        if (!slot) {
            ol__fail(OL_ENOMEM, 0, "no memory for the default pool");
            return;
        }
        slot->attachment = (struct ol__attachment){ .key = &key, .data = slot, .destroy = forget };
        ol__loop_attach(loop, &slot->attachment);
    }
    slot->pool = pool;
}
