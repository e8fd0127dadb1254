#include "base/fork.h"

#include <offloop/base.h>
#include <pthread.h>

unsigned ol__fork_generation;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int            outcome;

static void in_child(void)
{
    __atomic_fetch_add(&ol__fork_generation, 1, __ATOMIC_RELAXED);
}

static void watch(void)
{
    outcome = pthread_atfork(NULL, NULL, in_child) == 0 ? 0 : OL_ENOMEM;
}

int ol__fork_watch(void)
{
    pthread_once(&once, watch);
    return outcome;
}
