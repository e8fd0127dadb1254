/*
 * fiber.c: stackful coroutines on a loop.
 *
 * A fiber runs until it suspends, returning to the loop's own stack; its ready node, run by the loop's turn, brings it
 * back. Only the loop's own stack starts and resumes fibers, so a fiber never nests in another. With the stack
 * are swapped the context (where am I, under which scope) and the slot of the last error.
 *
 * The control block lies at the top of the fiber's own stack. A finished fiber is kept, stack and all, parked at the
 * foot of its main function, and takes the next body from there: starting one costs no system call once a program has
 * warmed up.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "loop/fiber.h"
#include "loop/here.h"
#include "loop/internal.h"
#include "loop/stack.h"
#include "loop/switch.h"

enum { FIBERS_MAX_DEFAULT = 16384, IDLE_FIBERS_MAX = 4096 };

struct ol_fiber {
    struct ol_loop        *loop;
    struct ol_fiber_config config; /* of the body that runs now */
    struct ol__stack       stack;
    struct ol__strand      strand;
    struct ol__ready       ready;
    struct ol_link         idle;
    struct ol__here        here; /* swapped in while it runs */
    struct ol_error        error;
    bool                   finished;
};

static struct ol__strand *loop_strand(struct ol_loop *loop)
{
    return loop->stack_of_loop;
}

int ol__loop_init_fibers(struct ol_loop *loop)
{
    struct ol__strand *strand = malloc(sizeof *strand);

    if (!strand)
        return ol__fail(OL_ENOMEM, 0, "no memory for a loop");
    ol__strand_init_thread(strand);
    loop->stack_of_loop = strand;
    ol_link_init(&loop->idle_fibers);
    loop->fibers_max = FIBERS_MAX_DEFAULT;
    return 0;
}

static void fiber_destroy(struct ol_fiber *fiber)
{
    struct ol__stack stack = fiber->stack; /* the block lies in it */

    ol__strand_fini(&fiber->strand);
    ol__stack_destroy(&stack);
}

void ol__loop_fini_fibers(struct ol_loop *loop)
{
    assert(loop->n_fibers == 0);
    for (struct ol_link *link = ol_list_pop(&loop->idle_fibers); link; link = ol_list_pop(&loop->idle_fibers))
        fiber_destroy(OL_CONTAINER_OF(link, struct ol_fiber, idle));
    free(loop->stack_of_loop);
}

/* ---- running ---- */

static void fiber_main(void *arg)
{
    struct ol_fiber *fiber = arg;

    for (;;) {
        fiber->config.run(fiber->config.arg);
        fiber->finished = true;
        ol__fiber_suspend();
    }
}

static void fiber_finish(struct ol_fiber *fiber)
{
    struct ol_loop *loop = fiber->loop;

    loop->n_fibers--;
    if (loop->n_idle_fibers < IDLE_FIBERS_MAX) {
        loop->n_idle_fibers++;
        ol_list_prepend(&loop->idle_fibers, &fiber->idle); /* the warmest stack first */
    } else {
        fiber_destroy(fiber);
    }
    ol__loop_release(loop);
}

static void fiber_run(struct ol__ready *ready)
{
    struct ol_fiber *fiber = OL_CONTAINER_OF(ready, struct ol_fiber, ready);
    struct ol__here  outside = ol__here;

    assert(!outside.fiber);
    ol__here = fiber->here;
    struct ol_error *slot = ol__error_slot_set(&fiber->error);
    ol__strand_switch(loop_strand(fiber->loop), &fiber->strand);
    ol__error_slot_set(slot);
    fiber->here = ol__here;
    ol__here = outside;
    if (fiber->finished)
        fiber_finish(fiber);
}

void ol__fiber_suspend(void)
{
    struct ol_fiber *fiber = ol__here.fiber;

    assert(fiber);
    ol__strand_switch(&fiber->strand, loop_strand(fiber->loop));
}

void ol__fiber_resume(struct ol_fiber *fiber)
{
    assert(!fiber->ready.queued);
    ol__loop_ready(fiber->loop, &fiber->ready);
}

int ol_fiber_yield(void)
{
    struct ol_fiber *fiber = ol__here.fiber;

    if (!fiber)
        return ol__fail(OL_EINVAL, 0, "ol_fiber_yield outside a fiber");
    ol__fiber_resume(fiber);
    ol__fiber_suspend();
    return 0;
}

/* ---- starting ---- */

static int fiber_create(struct ol_fiber **ret_fiber, struct ol_loop *loop)
{
    struct ol__stack stack;
    int              rc = ol__stack_create(&stack);

    if (rc < 0)
        return rc;
    size_t           usable = (stack.size - sizeof(struct ol_fiber)) & ~(size_t)63;
    struct ol_fiber *fiber = (struct ol_fiber *)(void *)(stack.base + usable);
    *fiber = (struct ol_fiber){ .loop = loop, .stack = stack };
    fiber->ready.cb = fiber_run;
    rc = ol__strand_init(&fiber->strand, stack.base, usable, fiber_main, fiber);
    if (rc < 0) {
        ol__stack_destroy(&stack);
        return rc;
    }
    *ret_fiber = fiber;
    return 0;
}

static int fiber_take(struct ol_fiber **ret_fiber, struct ol_loop *loop)
{
    struct ol_link *link = ol_list_pop(&loop->idle_fibers);

    if (!link)
        return fiber_create(ret_fiber, loop);
    loop->n_idle_fibers--;
    *ret_fiber = OL_CONTAINER_OF(link, struct ol_fiber, idle);
    return 0;
}

int ol_fiber_start(struct ol_loop *loop, const struct ol_fiber_config *config)
{
    struct ol_fiber *fiber;

    if (!loop || !config || !config->run)
        return ol__fail(OL_EINVAL, 0, "a fiber needs a loop and something to run");
    OL__ASSERT_LOOP(loop);
    if (loop->n_fibers >= loop->fibers_max)
        return ol__fail(OL_EBUSY, 0, "%u fibers live already", loop->n_fibers);
    int rc = fiber_take(&fiber, loop);
    if (rc < 0)
        return rc;
    loop->n_fibers++;
    ol__loop_hold(loop);
    fiber->config = *config;
    fiber->finished = false;
    fiber->error = (struct ol_error){ 0 };
    fiber->here = (struct ol__here){ .scope = config->scope, .fiber = fiber };
    ol__loop_ready(loop, &fiber->ready);
    return 0;
}

void ol_loop_set_fibers_max(struct ol_loop *loop, unsigned max)
{
    OL__ASSERT_LOOP(loop);
    loop->fibers_max = max;
}

struct ol_fiber *ol__fiber_self(void)
{
    return ol__here.fiber;
}

struct ol_loop *ol__fiber_loop(const struct ol_fiber *fiber)
{
    return fiber->loop;
}

struct ol_pool *ol__fiber_pool(const struct ol_fiber *fiber)
{
    return fiber->config.pool;
}

unsigned ol__fiber_class(const struct ol_fiber *fiber)
{
    return fiber->config.class_id;
}
