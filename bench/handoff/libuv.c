#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "system.h"

static struct round *current;

static void work(uv_work_t *req)
{
    (void)req;
}

static void done(uv_work_t *req, int status)
{
    (void)status;
    if (!round_is_over(current))
        uv_queue_work(req->loop, req, work, done);
}

static int run(struct round *round)
{
    static uv_work_t reqs[OUTSTANDING_MAX];
    char             size[16];

    current = round;
    snprintf(size, sizeof size, "%u", round->threads);
    setenv("UV_THREADPOOL_SIZE", size, 1); /* read at the first use, which is below */
    for (unsigned i = 0; i < round->outstanding; i++)
        uv_queue_work(uv_default_loop(), &reqs[i], work, done);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return 0;
}

const struct system system_libuv = { "libuv", run };
