/*
 * loop.c: offloop's place in a libev loop, and the order of its turn.
 *
 * Four watchers, none of which counts for the ev_loop's life: a prepare (before each sleep), a check (after it), the
 * inbox's eventfd, and an idle watcher that is started when the loop must look round again without sleeping.
 *
 *     check:    awake; deliver the inbox within its budget
 *               (libev calls the program's and our rooms' watchers)
 *     prepare:  run the ready list as it was at its start, then the turn-end list;
 *               anything left, or come meanwhile? start the idle watcher, so that the poll returns at once.
 *               Else: "I may sleep", and the poll waits.
 *
 * Keeping the ev_loop alive. Work outstanding is counted in n_holds, by any thread; our one reference on the ev_loop
 * is taken and dropped by its owner alone: at once when the owner itself holds or releases, otherwise at the next
 * prepare or check. A hold that another thread takes while the loop is just returning for lack of work comes too
 * late, as any post does; run the loop again.
 */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "loop/here.h"
#include "loop/internal.h"

enum { SETTLE_ROUNDS_MAX = 10000 };

static _Thread_local struct ol_loop *owned; /* by this thread */

bool ol__loop_is_owner(const struct ol_loop *loop)
{
    return pthread_equal(loop->owner, pthread_self());
}

bool ol__loop_inside(const struct ol_loop *loop)
{
    return ol__loop_is_owner(loop) && (ev_depth(loop->ev) > 0 || loop->pumping);
}

bool ol_on_loop(void)
{
    for (const struct ol_loop *loop = owned; loop; loop = loop->next_owned)
        if (ev_depth(loop->ev) > 0 || loop->pumping)
            return true;
    return false;
}

/* ---- keeping the ev_loop alive ---- */

static void sync_alive(struct ol_loop *loop)
{
    bool wanted = atomic_load(&loop->n_holds) > 0;

    if (wanted == loop->kept_alive)
        return;
    loop->kept_alive = wanted;
    if (wanted)
        ev_ref(loop->ev);
    else
        ev_unref(loop->ev);
}

void ol__loop_hold(struct ol_loop *loop)
{
    atomic_fetch_add(&loop->n_holds, 1);
    if (ol__loop_is_owner(loop))
        sync_alive(loop);
}

void ol__loop_release(struct ol_loop *loop)
{
    bool is_owner = ol__loop_is_owner(loop);

    atomic_fetch_sub(&loop->n_holds, 1);
    if (is_owner) /* another thread's release may be what the loop's end was waiting for */
        sync_alive(loop);
}

/* ---- the turn ---- */

static void run_ready(struct ol_link *list)
{
    /* what became ready while these run waits for the next turn, so that sockets are looked at between */
    struct ol_link now;

    ol_link_init(&now);
    ol_list_splice(&now, list);
    for (struct ol_link *link = ol_list_pop(&now); link; link = ol_list_pop(&now)) {
        struct ol__ready *ready = OL_CONTAINER_OF(link, struct ol__ready, link);

        ready->queued = false;
        ready->cb(ready);
    }
}

static void queue_ready(struct ol_link *list, struct ol__ready *ready)
{
    if (ready->queued)
        return;
    ready->queued = true;
    ol_list_append(list, &ready->link);
}

void ol__loop_ready(struct ol_loop *loop, struct ol__ready *ready)
{
    OL__ASSERT_LOOP(loop);
    queue_ready(&loop->ready, ready);
}

void ol__loop_at_turn_end(struct ol_loop *loop, struct ol__ready *ready)
{
    OL__ASSERT_LOOP(loop);
    queue_ready(&loop->turn_end, ready);
}

void ol__loop_unready(struct ol__ready *ready)
{
    if (!ready->queued)
        return;
    ready->queued = false;
    ol_list_remove(&ready->link);
}

uint64_t ol__loop_now_ns(const struct ol_loop *loop)
{
    return ol__loop_inside(loop) ? loop->turn_ns : ol_now_ns();
}

bool ol__loop_has_posts(const struct ol_loop *loop)
{
    return ol__inbox_pending(&loop->inbox);
}

static void set_stay_awake(struct ol_loop *loop, bool stay)
{
    if (stay == (bool)ev_is_active(&loop->stay_awake))
        return;
    if (stay) {
        ev_idle_start(loop->ev, &loop->stay_awake);
        ev_unref(loop->ev);
    } else {
        ev_ref(loop->ev);
        ev_idle_stop(loop->ev, &loop->stay_awake);
    }
}

static void before_sleep_cb(struct ev_loop *ev, ev_prepare *watcher, int revents)
{
    struct ol_loop *loop = watcher->data;

    (void)revents;
    if (loop->running && atomic_load(&loop->stop)) {
        ev_break(ev, EVBREAK_ALL);
        return;
    }
    loop->turn_ns = ol_now_ns(); /* the first turn of a run has no check before it */
    run_ready(&loop->ready);
    run_ready(&loop->turn_end);
    sync_alive(loop);
    set_stay_awake(loop, !ol_list_empty(&loop->ready) || !ol_list_empty(&loop->turn_end) ||
                             !ol__inbox_may_sleep(&loop->inbox));
}

static void after_sleep_cb(struct ev_loop *ev, ev_check *watcher, int revents)
{
    struct ol_loop *loop = watcher->data;

    (void)ev, (void)revents;
    loop->turn_ns = ol_now_ns();
    ol__inbox_awake(&loop->inbox);
    if (ol__inbox_pending(&loop->inbox))
        ol__inbox_deliver(&loop->inbox, loop->turn_ns);
    sync_alive(loop);
}

/* The wake-up has done its work by waking: the check watcher delivers. Only the counter is to be taken down. */
static void wake_cb(struct ev_loop *ev, ev_io *watcher, int revents)
{
    struct ol_loop *loop = watcher->data;

    (void)ev, (void)revents;
    ol__inbox_read_wakes(&loop->inbox);
}

static void stay_awake_cb(struct ev_loop *ev, ev_idle *watcher, int revents)
{
    (void)ev, (void)watcher, (void)revents;
}

void ol_loop_post(struct ol_loop *loop, struct ol_post *post)
{
    ol__inbox_post(&loop->inbox, post);
}

/* ---- pumping: deliveries while nobody runs the loop ---- */

static void wait_for_post(struct ol_loop *loop, uint64_t wait_ns)
{
    struct pollfd   pfd = { .fd = loop->inbox.fd, .events = POLLIN };
    struct timespec timeout = ol__ns_to_timespec(wait_ns);

    if (ol__inbox_may_sleep(&loop->inbox) && ppoll(&pfd, 1, &timeout, NULL) > 0)
        ol__inbox_read_wakes(&loop->inbox);
    ol__inbox_awake(&loop->inbox);
}

static bool pump_once(struct ol_loop *loop)
{
    bool ran = !ol_list_empty(&loop->ready) || !ol_list_empty(&loop->turn_end);

    loop->turn_ns = ol_now_ns();
    ran |= ol__inbox_deliver(&loop->inbox, loop->turn_ns) > 0;
    run_ready(&loop->ready);
    run_ready(&loop->turn_end);
    return ran;
}

bool ol__loop_pump(struct ol_loop *loop, uint64_t wait_ns)
{
    OL__ASSERT_LOOP(loop);
    assert(!loop->pumping);
    loop->pumping = true;
    bool ran = pump_once(loop);
    if (!ran && wait_ns) {
        wait_for_post(loop, wait_ns);
        ran = pump_once(loop);
    }
    loop->pumping = false;
    sync_alive(loop);
    return ran;
}

/* ---- life ---- */

static void start_watchers(struct ol_loop *loop)
{
    ev_prepare_init(&loop->before_sleep, before_sleep_cb);
    ev_check_init(&loop->after_sleep, after_sleep_cb);
    ev_io_init(&loop->wake, wake_cb, loop->inbox.fd, EV_READ);
    ev_idle_init(&loop->stay_awake, stay_awake_cb);
    loop->before_sleep.data = loop->after_sleep.data = loop->wake.data = loop;
    /* Last before the sleep, first after it: what the program's own watchers submit is handed over in the same turn. */
    ev_set_priority(&loop->before_sleep, EV_MINPRI);
    ev_set_priority(&loop->after_sleep, EV_MAXPRI);

    ev_prepare_start(loop->ev, &loop->before_sleep);
    ev_check_start(loop->ev, &loop->after_sleep);
    ev_io_start(loop->ev, &loop->wake);
    for (int i = 0; i < 3; i++)
        ev_unref(loop->ev);
}

static void stop_watchers(struct ol_loop *loop)
{
    set_stay_awake(loop, false);
    for (int i = 0; i < 3; i++)
        ev_ref(loop->ev);
    ev_prepare_stop(loop->ev, &loop->before_sleep);
    ev_check_stop(loop->ev, &loop->after_sleep);
    ev_io_stop(loop->ev, &loop->wake);
}

static void forget_owned(struct ol_loop *loop)
{
    for (struct ol_loop **link = &owned; *link; link = &(*link)->next_owned) {
        if (*link == loop) {
            *link = loop->next_owned;
            return;
        }
    }
}

int ol_loop_create(struct ol_loop **ret_loop, struct ev_loop *ev)
{
    struct ol_loop *loop = calloc(1, sizeof *loop);
    int             rc = OL_ENOMEM;

    if (!loop)
        return ol__fail(OL_ENOMEM, 0, "no memory for a loop");
    loop->owner = pthread_self();
    loop->owns_ev = !ev;
    loop->turn_ns = ol_now_ns();
    ol_link_init(&loop->ready);
    ol_link_init(&loop->turn_end);
    rc = ol__inbox_init(&loop->inbox);
    if (rc < 0)
        goto fail_inbox;
    rc = ol__loop_init_fibers(loop);
    if (rc < 0)
        goto fail_fibers;
    loop->ev = ev ? ev : ev_loop_new(EVFLAG_AUTO);
    if (!loop->ev) {
        rc = ol__fail(OL_ESYS, 0, "libev cannot make a loop");
        goto fail_ev;
    }
    start_watchers(loop);
    loop->next_owned = owned;
    owned = loop;
    *ret_loop = loop;
    return 0;

fail_ev:
    ol__loop_fini_fibers(loop);
fail_fibers:
    ol__inbox_fini(&loop->inbox);
fail_inbox:
    free(loop);
    return rc;
}

/* Run what is left, and ask whether anything of the loop still lives. Bounded: a fiber may yield for ever. */
static int settle(struct ol_loop *loop)
{
    for (unsigned round = 0; ol__loop_pump(loop, 0); round++)
        if (round == SETTLE_ROUNDS_MAX)
            return ol__fail(OL_EBUSY, 0, "a post or a fiber of the loop begins again and again");
    if (atomic_load(&loop->n_holds) > 0)
        return ol__fail(OL_EBUSY, 0, "%ld jobs or fibers of the loop still live", atomic_load(&loop->n_holds));
    sync_alive(loop); /* a last release on another thread may have come after the pump's */
    return 0;
}

int ol_loop_destroy(struct ol_loop *loop)
{
    if (!loop)
        return 0;
    OL__ASSERT_LOOP(loop);
    if (ev_depth(loop->ev) > 0 || loop->pumping)
        return ol__fail(OL_EBUSY, 0, "the loop is running");
    int rc = settle(loop);
    if (rc < 0)
        return rc;
    ol__loop_destroy_attachments(loop);
    rc = settle(loop);
    if (rc < 0)
        return rc;
    if (loop->n_watchers > 0)
        return ol__fail(OL_EBUSY, 0, "%u timers or descriptors of the loop still run", loop->n_watchers);
    stop_watchers(loop);
    forget_owned(loop);
    ol__loop_fini_fibers(loop);
    ol__inbox_fini(&loop->inbox);
    if (loop->owns_ev)
        ev_loop_destroy(loop->ev);
    free(loop);
    return 0;
}

int ol_loop_run(struct ol_loop *loop)
{
    OL__ASSERT_LOOP(loop);
    if (ol__loop_inside(loop) || ol__here.fiber)
        return ol__fail(OL_EINVAL, 0, ol__here.fiber ? "a fiber cannot run a loop" : "the loop is running already");
    loop->running = true;
    ev_run(loop->ev, 0);
    loop->running = false;
    atomic_store(&loop->stop, false);
    return 0;
}

void ol_loop_stop(struct ol_loop *loop)
{
    atomic_store(&loop->stop, true);
    ol__inbox_wake(&loop->inbox);
}

struct ev_loop *ol_loop_ev(struct ol_loop *loop)
{
    return loop->ev;
}
