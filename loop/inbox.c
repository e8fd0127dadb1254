/*
 * inbox.c: the one door into a loop.
 *
 * Any thread may post; only the loop's own thread takes. A post is a node in the poster's memory, so posting cannot
 * fail and allocates nothing. Posts of one thread arrive in their order; between threads nothing is promised.
 *
 * The list is a stack that posters push on and the loop takes whole (so there is no ABA), then turns round.
 *
 * The race. A poster publishes its node, then asks whether the loop may be asleep. The loop says that it may be asleep,
 * then looks at the list once more. Whichever order the two fall into, one of them sees the other: either the poster
 * writes the eventfd, or the loop finds the node and does not sleep. Both sides need sequential consistency: each is a
 * store followed by a load of the other's variable, the one pattern that weaker orders let pass each other. The model
 * in tests/models/ shows that either side relaxed loses a wake-up.
 *
 * Only the poster that finds the list empty asks: later ones find its node still there, so the loop has not looked
 * since, and the first one's wake-up covers them. Whoever writes the eventfd takes the flag down, so a burst writes
 * it once.
 *
 * Callbacks run with no lock held, at most BUDGET_COUNT of them or about BUDGET_NS a turn, so that a burst of
 * completions does not starve sockets; what is left over keeps the loop awake and comes first in the next turn.
 */
#include "loop/inbox.h"

#include "base/error.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUDGET_COUNT = 1024, CLOCK_EVERY = 32 };
static const uint64_t BUDGET_NS = 1 * OL_NS_PER_MS;

int ol__inbox_init(struct ol__inbox *inbox)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return ol__fail_errno(OL_ESYS, errno, "cannot create an eventfd");
    atomic_init(&inbox->head, NULL);
    atomic_init(&inbox->may_sleep, false);
    inbox->fd = fd;
    inbox->backlog = NULL;
    return 0;
}

void ol__inbox_fini(struct ol__inbox *inbox)
{
    close(inbox->fd);
}

void ol__inbox_wake(struct ol__inbox *inbox)
{
    uint64_t one = 1;
    ssize_t  n;

    /* EAGAIN would mean a counter at its top, which is as good a wake-up as any. */
    do
        n = write(inbox->fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
}

void ol__inbox_post(struct ol__inbox *inbox, struct ol_post *post)
{
    struct ol_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);

    do
        post->next = head;
    while (!atomic_compare_exchange_weak(&inbox->head, &head, post));
    /* The node may be delivered, and gone, from here on. */
    if (!head && atomic_load(&inbox->may_sleep) && atomic_exchange(&inbox->may_sleep, false))
        ol__inbox_wake(inbox);
}

bool ol__inbox_pending(const struct ol__inbox *inbox)
{
    return inbox->backlog || atomic_load_explicit(&inbox->head, memory_order_relaxed);
}

/* Take what was posted and put it behind the backlog, oldest first. */
static void take(struct ol__inbox *inbox)
{
    struct ol_post  *newest = atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
    struct ol_post  *oldest = NULL;
    struct ol_post **tail = &inbox->backlog;

    while (newest) {
        struct ol_post *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (!oldest)
        return;
    while (*tail)
        tail = &(*tail)->next;
    *tail = oldest;
}

unsigned ol__inbox_deliver(struct ol__inbox *inbox)
{
    uint64_t started_ns = 0;
    unsigned n = 0;

    if (!inbox->backlog)
        take(inbox);
    while (inbox->backlog && n < BUDGET_COUNT) {
        struct ol_post *post = inbox->backlog;

        inbox->backlog = post->next;
        post->cb(post);
        n++;
        if (n % CLOCK_EVERY == 0) {
            uint64_t now_ns = ol_now_ns();

            if (!started_ns)
                started_ns = now_ns;
            else if (now_ns - started_ns > BUDGET_NS)
                break;
        }
    }
    return n;
}

bool ol__inbox_may_sleep(struct ol__inbox *inbox)
{
    if (inbox->backlog)
        return false;
    atomic_store(&inbox->may_sleep, true);
    if (!atomic_load(&inbox->head))
        return true;
    atomic_store_explicit(&inbox->may_sleep, false, memory_order_relaxed);
    return false;
}

void ol__inbox_awake(struct ol__inbox *inbox)
{
    atomic_store_explicit(&inbox->may_sleep, false, memory_order_relaxed);
}
