#include "loop/places.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <offloop/fiber.h>
#include <offloop/loop.h>
#include "base/list.h"
#include "loop/here.h"
#include "support/crew.h"

struct trip {
    struct ol_post   post;
    errand_cb       *errand;
    void            *arg;
    struct ol_scope *scope;
};

static void must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "places: %s: %s\n", what, ol_error_name(rc));
    abort();
}

static void go(unsigned index, void *arg)
{
    struct trip *trip = arg;

    (void)index;
    ol_scope_enter(trip->scope);
    trip->errand(trip->arg);
    ol_scope_enter(NULL);
}

static void go_blocking(struct ol_post *post)
{
    struct trip    *trip = OL_CONTAINER_OF(post, struct trip, post);
    struct ol__here before = ol__enter_blocking(trip->scope);

    trip->errand(trip->arg);
    ol__leave_blocking(&before);
}

void run_at(enum place place, errand_cb *errand, void *arg, struct ol_scope *scope)
{
    struct trip     trip = { .post.cb = go_blocking, .errand = errand, .arg = arg, .scope = scope };
    struct ol_loop *loop;
    struct crew     crew;

    must(ol_loop_create(&loop, NULL), "ol_loop_create");
    switch (place) {
    case AT_THREAD:
        crew_start(&crew, 1, go, &trip);
        crew_join(&crew);
        break;
    case AT_FIBER:
        must(ol_fiber_start(loop, &(struct ol_fiber_config){ .run = errand, .arg = arg, .scope = scope }),
             "ol_fiber_start");
        break;
    case AT_BLOCKING_ROUTE: ol_loop_post(loop, &trip.post); break;
    case AT_OWNER_OUTSIDE_RUN: go(0, &trip); break;
    case N_PLACES: break;
    }
    must(ol_loop_run(loop), "ol_loop_run");
    must(ol_loop_destroy(loop), "ol_loop_destroy");
}

void until_somebody_waits(struct ol_scope *scope)
{
    for (bool waits = false; !waits; sched_yield()) {
        pthread_mutex_lock(&scope->lock);
        waits = scope->hooks;
        pthread_mutex_unlock(&scope->lock);
    }
}
