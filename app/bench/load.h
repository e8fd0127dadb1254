/*
 * bench/load.h: the load generator: clients made of fibers and ol_fetch, on a loop of their own.
 *
 * Closed loop: `concurrency` clients, each of which sends its next request when its last one was answered. A server
 * that stands still is then asked nothing, so its worst moments are counted once for each client instead of once for
 * each request that would have come: Tene calls this coordinated omission. Open loop: requests start at a fixed rate
 * whatever the server does, and each latency counts from the *planned* start, so a request that could only be sent
 * late is late.
 */
#ifndef APP_BENCH_LOAD_H
#define APP_BENCH_LOAD_H

#include <stdatomic.h>

#include <offloop/offloop.h>

#include "app/bench/stats.h"

enum { LOAD_URL_MAX = 256 };

/** One request, filled in by a load_next_cb; `body` outlives the load. NULL `method`: GET. */
struct load_request {
    char        url[LOAD_URL_MAX];
    const char *method;
    const char *body;
};

/** Say what the `number`th request is. Thread: the load's, in a fiber; must not wait. */
typedef void load_next_cb(struct load_request *request, uint64_t number, void *arg);

/** Look at something else in the middle of a load. Thread: the load's, in a fiber. */
typedef void load_observe_cb(void *arg);

struct load_spec {
    unsigned      concurrency; /* closed loop: clients; open loop: how many may be under way before one is dropped */
    double        rate;        /* requests planned for each second; 0: closed loop */
    uint64_t      requests;    /* start no more than so many; 0: no bound */
    double        window_s;    /* start none after so long; 0: no bound */
    bool          cut;         /* at the window's end give up what is under way: it counts as unfinished */
    double        timeout_s;   /* of one request; 0: 120 s */
    atomic_bool  *stop;        /* start none once it is true; may be NULL */
    load_next_cb *next;
    void         *arg;

    load_observe_cb *observe; /* called once, observe_after_s after the start, while the load runs; may be NULL */
    void            *observe_arg;
    double           observe_after_s;
};

struct load_result {
    struct samples latency; /* of the answers with a status below 400 */
    uint64_t       started;
    uint64_t       failed;     /* other statuses, and failures of the transfer */
    uint64_t       unfinished; /* given up by `cut` */
    uint64_t       dropped;    /* open loop: never sent, because `concurrency` were under way */
    double         seconds;    /* from the first start to the last answer */
    double         rate;       /* answers for each second, failed ones left out */
    char           why[160];   /* what the first failure was; "" without one */
};

/**
 * Run a load to its end. Thread: any that is on no loop; a loop is made and run here.
 * Owns:    the caller frees with load_result_fini, also after a failure.
 * Returns: 0, or what ol_loop_create and ol_fiber_start return.
 */
int load_run(struct load_result *result, const struct load_spec *spec);

void load_result_fini(struct load_result *result);

/** A load_next_cb that asks for the URL that `arg` is. */
void load_same_url(struct load_request *request, uint64_t number, void *arg);

#endif
