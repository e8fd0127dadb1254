/*
 * inbox.c: the one door into a loop.
 *
 * Any thread may post; only the loop's own thread takes. A post is a node in the poster's memory, so posting cannot
 * fail and allocates nothing. Posts of one thread arrive in their order; between threads nothing is promised.
 *
 * The list is a stack that posters push on and the loop takes whole (so there is no ABA), then turns round.
 *
 * The race. A post must not slip in between the loop's last look and its sleep. So both are one step on one word: the
 * loop goes to sleep by changing the empty list (NULL) into the mark `asleep`, which fails when something was posted;
 * and a poster learns from the push itself whether it pushed on that mark. If it did, it writes the eventfd; later
 * ones find its node in place of the mark and do not, so a burst writes it once. The mark stays below the nodes.
 *
 * The end. From the push on the node may have been delivered, and the loop destroyed by what it said: a poster that
 * need not wake anybody touches the inbox no more. One that must is known to the loop by the mark at the bottom of
 * what it took, and ol__inbox_fini waits until every such wake-up has been read. (ol__inbox_wake counts in the upper
 * half.) The model in tests/models/ holds both, and shows what each half is for.
 *
 * Callbacks run with no lock held, at most BUDGET_COUNT of them or about BUDGET_NS a turn, so that a burst of
 * completions does not starve sockets; what is left over keeps the loop awake and comes first in the next turn.
 */
#include "loop/inbox.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUDGET_COUNT = 1024, CLOCK_EVERY = 8 };
static const uint64_t BUDGET_NS = 1 * OL_NS_PER_MS;

/* What a write adds to the eventfd: the read tells a poster's wake-ups from the others. */
static const uint64_t WAKE_BY_POST = 1, WAKE_BY_OTHER = UINT64_C(1) << 32;

static struct ol_post asleep; /* only its address counts */

int ol__inbox_init(struct ol__inbox *inbox)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return ol__fail_errno(OL_ESYS, errno, "cannot create an eventfd");
    atomic_init(&inbox->head, NULL);
    inbox->fd = fd;
    inbox->backlog = NULL;
    inbox->n_on_way = 0;
    return 0;
}

void ol__inbox_fini(struct ol__inbox *inbox)
{
    struct pollfd pfd = { .fd = inbox->fd, .events = POLLIN };

    while (inbox->n_on_way > 0) {
        poll(&pfd, 1, -1);
        ol__inbox_read_wakes(inbox);
    }
    close(inbox->fd);
}

static void write_wake(int fd, uint64_t by)
{
    int     err = errno; /* of what a signal handler interrupted */
    ssize_t n;

    /* EAGAIN would mean a counter at its top, which is as good a wake-up as any. */
    do
        n = write(fd, &by, sizeof by);
    while (n < 0 && errno == EINTR);
    errno = err;
}

void ol__inbox_wake(struct ol__inbox *inbox)
{
    write_wake(inbox->fd, WAKE_BY_OTHER);
}

void ol__inbox_read_wakes(struct ol__inbox *inbox)
{
    uint64_t count;

    if (read(inbox->fd, &count, sizeof count) == sizeof count)
        inbox->n_on_way -= (int64_t)(count % WAKE_BY_OTHER);
}

void ol__inbox_post(struct ol__inbox *inbox, struct ol_post *post)
{
    struct ol_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);

    do
        post->next = head;
    while (!atomic_compare_exchange_weak(&inbox->head, &head, post));
    if (head == &asleep)
        write_wake(inbox->fd, WAKE_BY_POST);
}

bool ol__inbox_pending(const struct ol__inbox *inbox)
{
    const struct ol_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);

    return inbox->backlog || (head && head != &asleep);
}

/* What was posted, oldest first. */
static struct ol_post *take(struct ol__inbox *inbox)
{
    struct ol_post *newest = atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
    struct ol_post *oldest = NULL;

    while (newest && newest != &asleep) {
        struct ol_post *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (oldest && newest == &asleep)
        inbox->n_on_way++;
    return oldest;
}

unsigned ol__inbox_deliver(struct ol__inbox *inbox, uint64_t turn_ns)
{
    unsigned n = 0;

    if (!inbox->backlog)
        inbox->backlog = take(inbox);
    while (inbox->backlog && n < BUDGET_COUNT) {
        struct ol_post *post = inbox->backlog;

        inbox->backlog = post->next;
        post->cb(post);
        n++;
        if (n % CLOCK_EVERY == 0 && ol_now_ns() - turn_ns > BUDGET_NS)
            break;
    }
    return n;
}

bool ol__inbox_may_sleep(struct ol__inbox *inbox)
{
    struct ol_post *head = NULL;

    if (inbox->backlog)
        return false;
    /* A loop that was broken off before its sleep may find its own mark. */
    return atomic_compare_exchange_strong_explicit(&inbox->head, &head, &asleep, memory_order_relaxed,
                                                   memory_order_relaxed) ||
           head == &asleep;
}

void ol__inbox_awake(struct ol__inbox *inbox)
{
    struct ol_post *head = &asleep;

    atomic_compare_exchange_strong_explicit(&inbox->head, &head, NULL, memory_order_relaxed, memory_order_relaxed);
}
