/*
 * load.c: clients made of fibers.
 *
 * A closed loop is `concurrency` fibers that live as long as the load. An open loop is a timetable: a thread sleeps
 * until each planned start and posts to the loop, which starts a fiber for every request that is due. The thread is
 * there because a loop's timers are as coarse as epoll's milliseconds, and a client that is a millisecond late would
 * be counted as a server that is. Posts are one node: while it is on its way, another would say nothing new. A timer
 * that never fires keeps the loop alive until the timetable is over; the thread is joined after the run, before the
 * loop goes.
 *
 * All else is touched by the loop's thread only, and fibers of one loop never run at the same time, so nothing is
 * locked. A load that is cut is a scope with a deadline: what is under way at its end comes back with the scope's
 * reason.
 *
 * The rate of a closed loop is its answers by the time from the first start to the *last answer*, so a load of a few
 * long calls is not charged for the idle rest of its window. That of an open loop is how fast answers followed each
 * other, first to last: a server that keeps up has the planned rate, however long each answer takes.
 */
#include "app/bench/load.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_TIMEOUT_S = 120;

struct load {
    /* set before the loop runs */
    const struct load_spec *spec;
    struct ol_loop         *loop;
    struct ol_scope         scope;
    uint64_t                began_ns;

    /* the loop's thread only */
    struct load_result *result;
    uint64_t            first_answer_ns, last_answer_ns;
    int                 rc; /* a fiber that could not be started, a latency that could not be kept */

    /* open loop: the loop's thread only */
    unsigned        under_way;
    bool            has_timetable;
    struct ol_timer alive;

    /* open loop: any thread */
    pthread_t      timetable;
    struct ol_post due;
    atomic_bool    is_due_posted;
    atomic_bool    is_timetable_over;
};

/* One request of an open loop, from its planned start on. */
struct planned {
    struct load *load;
    uint64_t     number;
    uint64_t     at_ns;
};

static bool is_over(const struct load *load)
{
    const struct load_spec *spec = load->spec;

    if (load->rc < 0 || (spec->requests && load->result->started >= spec->requests))
        return true;
    if (spec->stop && atomic_load_explicit(spec->stop, memory_order_relaxed))
        return true;
    return spec->window_s > 0 && (double)(ol_now_ns() - load->began_ns) >= spec->window_s * 1e9;
}

static void note_failure(struct load *load, int rc, int status)
{
    struct load_result *result = load->result;

    if (rc < 0 && load->spec->cut && ol_scope_reason(&load->scope) < 0) {
        result->unfinished++;
        return;
    }
    if (result->failed++ > 0)
        return;
    if (rc < 0)
        snprintf(result->why, sizeof result->why, "%s (%.100s)", ol_error_name(rc), ol_last_error()->text);
    else
        snprintf(result->why, sizeof result->why, "status %d", status);
}

/* Send one request and wait for its answer; its latency counts from `from_ns`. */
static void ask(struct load *load, uint64_t number, uint64_t from_ns)
{
    static const struct ol_fetch_header json = { "Content-Type", "application/json" };
    struct load_request                 request = { .method = NULL };
    struct ol_fetch_result             *answer;
    uint64_t                            now;
    int                                 status = 0, rc;

    load->spec->next(&request, number, load->spec->arg);
    rc = ol_fetch(&answer, &(struct ol_fetch_request){
                               .url = request.url,
                               .method = request.method,
                               .headers = &json,
                               .n_headers = request.body ? 1 : 0,
                               .body = request.body,
                               .body_size = request.body ? strlen(request.body) : 0,
                               .timeout_s = load->spec->timeout_s > 0 ? load->spec->timeout_s : DEFAULT_TIMEOUT_S,
                           });
    now = ol_now_ns();
    if (rc == 0) {
        status = ol_fetch_status(answer);
        ol_fetch_result_free(answer);
    }
    if (rc < 0 || status >= 400) {
        note_failure(load, rc, status);
        return;
    }
    if (load->result->latency.count == 0)
        load->first_answer_ns = now;
    load->last_answer_ns = now;
    if (samples_add(&load->result->latency, now - from_ns) < 0)
        load->rc = OL_ENOMEM;
}

static void run_client(void *arg)
{
    struct load *load = arg;

    while (!is_over(load)) {
        uint64_t number = load->result->started++;

        ask(load, number, ol_now_ns());
    }
}

static void run_planned(void *arg)
{
    struct planned *planned = arg;
    struct load    *load = planned->load;

    ask(load, planned->number, planned->at_ns);
    load->under_way--;
    free(planned);
}

static int start_planned(struct load *load, uint64_t number, uint64_t at_ns)
{
    struct planned *planned = malloc(sizeof *planned);
    int             rc;

    if (!planned)
        return OL_ENOMEM;
    *planned = (struct planned){ load, number, at_ns };
    rc = ol_fiber_start(load->loop,
                        &(struct ol_fiber_config){ .run = run_planned, .arg = planned, .scope = &load->scope });
    if (rc < 0) {
        free(planned);
        return rc;
    }
    load->under_way++;
    /* cppcheck-suppress memleak ; the fiber has it now, and frees it */
    return 0;
}

static uint64_t planned_ns(const struct load *load, uint64_t number)
{
    return load->began_ns + (uint64_t)((double)number / load->spec->rate * 1e9);
}

static void end_timetable(struct load *load)
{
    atomic_store(&load->is_timetable_over, true);
    ol_timer_stop(&load->alive);
}

/* On the loop. Behind the timetable it catches up at once: those requests are late, not fewer. */
static void start_due(struct ol_post *post)
{
    struct load *load = (struct load *)((char *)post - offsetof(struct load, due));
    uint64_t     now = ol_now_ns();

    atomic_store(&load->is_due_posted, false);
    while (!atomic_load(&load->is_timetable_over)) {
        uint64_t number = load->result->started, at_ns = planned_ns(load, number);

        if (is_over(load)) {
            end_timetable(load);
        } else if (at_ns > now) {
            break;
        } else {
            load->result->started++;
            if (load->under_way >= load->spec->concurrency)
                load->result->dropped++;
            else
                load->rc = start_planned(load, number, at_ns);
        }
    }
}

static void *run_timetable(void *arg)
{
    struct load *load = arg;

    for (uint64_t number = 0; !atomic_load(&load->is_timetable_over); number++) {
        uint64_t at_ns = planned_ns(load, number), now = ol_now_ns();

        if (now < at_ns)
            ol_sleep((double)(at_ns - now) / 1e9);
        if (!atomic_exchange(&load->is_due_posted, true))
            ol_loop_post(load->loop, &load->due);
    }
    return NULL;
}

static void never(struct ol_timer *timer)
{
    (void)timer;
}

static int start_timetable(struct load *load)
{
    static const double FOR_EVER_S = 1e6;

    load->due.cb = start_due;
    load->alive.cb = never;
    if (pthread_create(&load->timetable, NULL, run_timetable, load) != 0)
        return OL_ESYS;
    load->has_timetable = true;
    ol_timer_start(load->loop, &load->alive, FOR_EVER_S);
    return 0;
}

static void run_observer(void *arg)
{
    struct load *load = arg;

    ol_sleep(load->spec->observe_after_s); /* cut short by the load's end: then it is time, too */
    load->spec->observe(load->spec->observe_arg);
}

static int start_fiber(struct load *load, ol_fiber_cb *run)
{
    return ol_fiber_start(load->loop, &(struct ol_fiber_config){ .run = run, .arg = load, .scope = &load->scope });
}

static int start_clients(struct load *load)
{
    int rc = load->spec->observe ? start_fiber(load, run_observer) : 0;

    ol_loop_set_fibers_max(load->loop, load->spec->concurrency + 2);
    if (load->spec->rate > 0)
        return rc < 0 ? rc : start_timetable(load);
    for (unsigned i = 0; i < load->spec->concurrency && rc == 0; i++)
        rc = start_fiber(load, run_client);
    return rc;
}

static double rate_of(const struct load *load)
{
    size_t   count = load->result->latency.count;
    uint64_t since_ns = load->began_ns;

    if (load->spec->rate > 0 && count > 1) {
        since_ns = load->first_answer_ns;
        count--;
    }
    return load->last_answer_ns > since_ns ? (double)count / ((double)(load->last_answer_ns - since_ns) / 1e9) : 0;
}

int load_run(struct load_result *result, const struct load_spec *spec)
{
    struct load load = { .spec = spec, .result = result };
    int         rc;

    *result = (struct load_result){ 0 };
    if (spec->concurrency == 0)
        return OL_EINVAL;
    rc = ol_scope_init(&load.scope, NULL, spec->cut ? spec->window_s : 0);
    if (rc < 0)
        return rc;
    rc = ol_loop_create(&load.loop, NULL);
    if (rc < 0)
        goto out;
    load.began_ns = load.last_answer_ns = ol_now_ns();
    load.rc = start_clients(&load); /* after a failure the fibers that were started return at once */
    rc = ol_loop_run(load.loop);    /* returns when the last fiber has */
    if (load.has_timetable)
        pthread_join(load.timetable, NULL);
    ol_loop_destroy(load.loop);
    result->seconds = (double)(load.last_answer_ns - load.began_ns) / 1e9;
    result->rate = rate_of(&load);
    if (rc == 0)
        rc = load.rc;
out:
    ol_scope_fini(&load.scope);
    return rc;
}

void load_result_fini(struct load_result *result)
{
    samples_fini(&result->latency);
}

void load_same_url(struct load_request *request, uint64_t number, void *arg)
{
    (void)number;
    snprintf(request->url, sizeof request->url, "%s", (const char *)arg);
}
