#include "support/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void gate_init(struct gate *gate, const char *name)
{
    pthread_condattr_t attr;

    *gate = (struct gate){ .name = name };
    pthread_mutex_init(&gate->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&gate->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void gate_fini(struct gate *gate)
{
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->lock);
}

static struct timespec limit_from_now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += GATE_LIMIT_S;
    return at;
}

/* One wait for a change; out of time it says so and ends the program: no caller could do better. */
static void wait_locked(struct gate *gate, const struct timespec *limit, const char *what)
{
    if (pthread_cond_timedwait(&gate->changed, &gate->lock, limit) != ETIMEDOUT)
        return;
    fprintf(stderr, "gate \"%s\": %s took longer than %d s (%u arrived, %s)\n", gate->name, what, GATE_LIMIT_S,
            gate->n_arrived, gate->is_open ? "open" : "shut");
    abort();
}

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_shut(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = false;
    gate->n_arrived = 0;
    pthread_mutex_unlock(&gate->lock);
}

void gate_wait(struct gate *gate)
{
    struct timespec limit = limit_from_now();

    pthread_mutex_lock(&gate->lock);
    gate->n_arrived++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->is_open)
        wait_locked(gate, &limit, "gate_wait");
    pthread_mutex_unlock(&gate->lock);
}

void gate_arrive(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->n_arrived++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_wait_for_n(struct gate *gate, unsigned n)
{
    struct timespec limit = limit_from_now();

    pthread_mutex_lock(&gate->lock);
    while (gate->n_arrived < n)
        wait_locked(gate, &limit, "gate_wait_for_n");
    pthread_mutex_unlock(&gate->lock);
}

unsigned gate_arrived(struct gate *gate)
{
    unsigned n;

    pthread_mutex_lock(&gate->lock);
    n = gate->n_arrived;
    pthread_mutex_unlock(&gate->lock);
    return n;
}
