/*
 * The floor: two threads, two eventfds and an epoll, nothing else. No queue, no functions: a job is a number that one
 * side adds and the other takes. What a sleep and a wake-up in each direction cost, and no pool can do without if it
 * sleeps.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "system.h"

static int to_worker, to_loop;

static void *worker_main(void *arg)
{
    eventfd_t n;

    (void)arg;
    while (eventfd_read(to_worker, &n) == 0 && eventfd_write(to_loop, n) == 0)
        ;
    return NULL;
}

static int run(struct round *round)
{
    struct epoll_event event = { .events = EPOLLIN };
    pthread_t          thread;
    int                epoll = epoll_create1(EPOLL_CLOEXEC);

    to_worker = eventfd(0, EFD_CLOEXEC);
    to_loop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll < 0 || to_worker < 0 || to_loop < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, to_loop, &event) < 0 ||
        pthread_create(&thread, NULL, worker_main, NULL) != 0) {
        perror("bench_pool: floor");
        return -1;
    }
    eventfd_write(to_worker, round->outstanding);
    while (!round->over) {
        eventfd_t n, again = 0;

        epoll_wait(epoll, &event, 1, -1);
        if (eventfd_read(to_loop, &n) < 0)
            continue;
        for (; n > 0; n--)
            again += !round_is_over(round);
        if (again)
            eventfd_write(to_worker, again);
    }
    return 0;
}

const struct system system_floor = { "floor", run };
