/*
 * switch.c: from one stack to another.
 *
 * makecontext() makes a strand, once; from then on _setjmp/_longjmp switch, because swapcontext() saves the signal mask
 * by a system call each time (270 ns against 11 ns). A jump to another stack is outside what C promises and inside
 * what glibc does, as long as it is not compiled with _FORTIFY_SOURCE, whose check takes a jump "down" the stack for an
 * error: this file, and only this one, turns it off.
 *
 * AddressSanitizer keeps a shadow of the stack's bounds and a "fake stack" for each strand: it is told before the
 * jump (start) and after it (finish). ThreadSanitizer keeps a whole thread's state for each strand and is told before
 * the jump.
 */
#undef _FORTIFY_SOURCE

#include "loop/switch.h"

#include <stdint.h>
#include <ucontext.h>

#include "base/error.h"
#include "base/sanitize.h"

#if OL_WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#elif OL_WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* A strand's first steps: from ol__strand_init through makecontext to its own jump buffer, and back. */
struct birth {
    struct ol__strand *strand;
    void (*entry)(void *arg);
    void             *arg;
    struct ol__strand parent;
    ucontext_t        context, parent_context;
};

/*
 * The strand that is being left; the one that is entered finishes its sanitizer calls. One thread, one switch at a
 * time.
 */
static _Thread_local struct ol__strand *leaving;

static void before_switch(struct ol__strand *from, struct ol__strand *to)
{
    leaving = from;
#if OL_WITH_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_base, to->stack_size);
#elif OL_WITH_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#else
    (void)to;
#endif
}

static void after_switch(struct ol__strand *self)
{
#if OL_WITH_ASAN
    const void *base;
    size_t      size;

    __sanitizer_finish_switch_fiber(self->fake_stack, &base, &size);
    leaving->stack_base = base; /* the first switch away from a thread's own stack teaches us its bounds */
    leaving->stack_size = size;
#else
    (void)self;
#endif
    leaving = NULL;
}

void ol__strand_init_thread(struct ol__strand *strand)
{
    *strand = (struct ol__strand){ .stack_base = NULL };
#if OL_WITH_TSAN
    strand->tsan_fiber = __tsan_get_current_fiber();
#endif
}

/* makecontext passes ints: a pointer travels as two. */
static void born(unsigned high, unsigned low)
{
    struct birth      *birth = (struct birth *)(((uintptr_t)high << 32) | low);
    struct ol__strand *self = birth->strand;
    void (*entry)(void *) = birth->entry;
    void *arg = birth->arg;

    after_switch(self);
    if (_setjmp(self->jump) == 0) {
        before_switch(self, &birth->parent);
        setcontext(&birth->parent_context);
    }
    after_switch(self); /* the first ol__strand_switch: `birth` is long gone */
    entry(arg);
    __builtin_unreachable();
}

int ol__strand_init(struct ol__strand *strand, void *stack_base, size_t stack_size, void (*entry)(void *arg), void *arg)
{
    struct birth birth = { .strand = strand, .entry = entry, .arg = arg };
    uintptr_t    address = (uintptr_t)&birth;

    *strand = (struct ol__strand){ .stack_base = stack_base, .stack_size = stack_size };
    if (getcontext(&birth.context) < 0)
        return ol__fail(OL_ENOMEM, 0, "no context for a fiber");
#if OL_WITH_TSAN
    strand->tsan_fiber = __tsan_create_fiber(0);
#endif
    ol__strand_init_thread(&birth.parent);
    birth.context.uc_stack.ss_sp = stack_base;
    birth.context.uc_stack.ss_size = stack_size;
    birth.context.uc_link = NULL;
    makecontext(&birth.context, (void (*)(void))(void *)born, 2, (unsigned)(address >> 32), (unsigned)address);
    before_switch(&birth.parent, strand);
    swapcontext(&birth.parent_context, &birth.context);
    after_switch(&birth.parent);
    return 0;
}

void ol__strand_fini(struct ol__strand *strand)
{
#if OL_WITH_TSAN
    __tsan_destroy_fiber(strand->tsan_fiber);
#else
    (void)strand;
#endif
}

void ol__strand_switch(struct ol__strand *from, struct ol__strand *to)
{
    if (_setjmp(from->jump) == 0) {
        before_switch(from, to);
        _longjmp(to->jump, 1);
    }
    after_switch(from);
}
