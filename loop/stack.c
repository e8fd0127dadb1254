/*
 * stack.c: fibers' stacks, straight from the kernel.
 *
 * A page that was never touched costs nothing, so 64 KiB stand ready and a waiting handler pays for the two or three
 * pages that it used. Each stack is two of the kernel's mappings (the stack and its guard), of which a process has
 * 65,530.
 *
 * The guard is as large as a stack. It costs addresses only, and one page would be too small: a function with a large
 * array can step over it without touching it, into the stack of the next fiber.
 */
#include "loop/stack.h"

#include "base/error.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/sanitize.h"

#if OL_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define UNPOISON(memory, size) __asan_unpoison_memory_region(memory, size)
#else
#define UNPOISON(memory, size) ((void)0)
#endif

/* Sanitizers put red zones around everything on a stack. */
enum { STACK_SIZE = (OL_WITH_ASAN || OL_WITH_TSAN ? 256 : 64) * 1024, GUARD_SIZE = 64 * 1024 };

int ol__stack_create(struct ol__stack *ret_stack)
{
    char *memory = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (memory == MAP_FAILED)
        return ol__fail_errno(OL_ENOMEM, errno, "no stack for a fiber");
    if (mprotect(memory, GUARD_SIZE, PROT_NONE) < 0) {
        int err = errno;

        munmap(memory, GUARD_SIZE + STACK_SIZE);
        return ol__fail_errno(OL_ENOMEM, err, "no stack for a fiber");
    }
    *ret_stack = (struct ol__stack){ .base = memory + GUARD_SIZE, .size = STACK_SIZE };
    return 0;
}

void ol__stack_destroy(const struct ol__stack *stack)
{
    /* The next mapping at this address must not inherit the red zones of frames that were never left. */
    UNPOISON(stack->base, stack->size);
    munmap(stack->base - GUARD_SIZE, GUARD_SIZE + stack->size);
}
