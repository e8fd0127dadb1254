/*
 * stack.c: fibers' stacks, straight from the kernel.
 *
 * A page that was never touched costs nothing, so 64 KiB stand ready and a waiting handler pays for the two or three
 * pages that it used. Each stack is two of the kernel's mappings (the stack and its guard), of which a process has
 * 65,530.
 */
#include "loop/stack.h"

#include "base/error.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sanitize.h"

#if OL_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define UNPOISON(memory, size) __asan_unpoison_memory_region(memory, size)
#else
#define UNPOISON(memory, size) ((void)0)
#endif

/* Sanitizers put red zones around everything on a stack. */
enum { STACK_SIZE = (OL_WITH_ASAN || OL_WITH_TSAN ? 256 : 64) * 1024 };

static size_t guard_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int ol__stack_create(struct ol__stack *ret_stack)
{
    size_t guard = guard_size();
    char  *memory = mmap(NULL, guard + STACK_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (memory == MAP_FAILED)
        return ol__fail_errno(OL_ENOMEM, errno, "no stack for a fiber");
    if (mprotect(memory, guard, PROT_NONE) < 0) {
        int err = errno;

        munmap(memory, guard + STACK_SIZE);
        return ol__fail_errno(OL_ENOMEM, err, "no stack for a fiber");
    }
    *ret_stack = (struct ol__stack){ .base = memory + guard, .size = STACK_SIZE };
    return 0;
}

void ol__stack_destroy(const struct ol__stack *stack)
{
    size_t guard = guard_size();

    /* The next mapping at this address must not inherit the red zones of frames that were never left. */
    UNPOISON(stack->base, stack->size);
    munmap(stack->base - guard, guard + stack->size);
}
