/*
 * fetch_loop.c: the transfers of a loop's fibers.
 *
 * Each loop that fetches has an engine, made by its first fetch and freed with the loop. A fiber's stack is too small
 * for curl, so a fiber leaves an order (start, resume, stop) and suspends; the engine carries orders out from the
 * loop's ready list, on the thread's own stack, in their order. After that curl is driven by its sockets and its timer,
 * watched by libev.
 *
 * Shards. One multi handle with thousands of connections to one place gets slow (195 us a request at 9,000), because it
 * looks for an idle connection one by one. So transfers are spread over shards of 128; the first one with room is
 * taken, so that few transfers stay together and find each other's connections. Names looked up and TLS sessions are
 * shared by all. 128 shards are the bound: 16,384 transfers, then OL_EBUSY.
 *
 * curl's callbacks only record. The socket callback changes what libev watches; the timer callback starts a timer or,
 * when curl wants to be called again at once, marks the shard as kicked, and the engine calls it from the ready list.
 *
 * Stop. The fiber is resumed only after its transfer has left the multi handle, so its frame may go. A transfer that
 * ends between the order and its turn needs nothing more. The wake-up of a fiber whose scope ends meanwhile may be on
 * its way through the inbox, and has to be awaited (see loop_wait).
 */
#include <curl/curl.h>
#include <stdlib.h>

#include "base/error.h"
#include "http/fetch_multi.h"
#include "http/fetch_runner.h"
#include "loop/attach.h"
#include "loop/fiber.h"
#include "loop/turn.h"
#include "loop/wait.h"

enum { SHARD_TRANSFERS = 128, SHARD_CONNECTIONS = 256, SHARDS_MAX = OL__FETCH_TRANSFERS_MAX / SHARD_TRANSFERS };

struct engine;

struct shard {
    struct ol__fetch_multi multi;
    struct engine         *engine;
    unsigned               index;
    struct ol_timer        timer;
    struct ol_link         kicked; /* in the engine's list, or alone */
};

struct engine {
    struct ol__attachment attachment;
    struct ol_loop       *loop;
    CURLSH               *share;
    struct ol__ready      work;
    struct ol_link        orders; /* transfers */
    struct ol_link        kicked; /* shards that curl wants to be called for at once */
    unsigned              roomy;  /* every shard before this one is full */
    unsigned              n_shards;
    struct shard         *shards[SHARDS_MAX];
};

/* A descriptor of curl's that is watched. */
struct watched_socket {
    struct ol__io io;
    struct shard *shard;
    curl_socket_t fd;
};

static const char engine_key;

unsigned ol__fetch_shards_max = SHARDS_MAX;

/* ---- driving curl ---- */

static void act(struct shard *shard, curl_socket_t fd, int events)
{
    struct engine *engine = shard->engine;
    int            n_running;

    curl_multi_socket_action(shard->multi.curl, fd, events, &n_running);
    ol__fetch_multi_reap(&shard->multi);
    if (shard->multi.n_running < SHARD_TRANSFERS && shard->index < engine->roomy)
        engine->roomy = shard->index;
}

/* curl may close the socket, and this structure with it, inside act. */
static void socket_ready(struct ol__io *io, int events)
{
    struct watched_socket *socket = OL_CONTAINER_OF(io, struct watched_socket, io);

    act(socket->shard, socket->fd,
        (events & OL__READ ? CURL_CSELECT_IN : 0) | (events & OL__WRITE ? CURL_CSELECT_OUT : 0));
}

static void timer_fired(struct ol_timer *timer)
{
    act(timer->arg, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- curl's callbacks ---- */

static struct watched_socket *watch_socket(struct shard *shard, curl_socket_t fd)
{
    struct watched_socket *socket = calloc(1, sizeof *socket);

    if (!socket)
        return NULL;
    socket->io.cb = socket_ready;
    socket->shard = shard;
    socket->fd = fd;
    curl_multi_assign(shard->multi.curl, fd, socket);
    return socket;
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct shard          *shard = arg;
    struct watched_socket *socket = socket_arg;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket)
            ol__io_stop(&socket->io);
        free(socket);
        return 0;
    }
    if (!socket)
        socket = watch_socket(shard, fd);
    if (!socket)
        return -1; /* no memory: curl ends this shard's transfers */
    ol__io_set(shard->engine->loop, &socket->io, fd,
               (what & CURL_POLL_IN ? OL__READ : 0) | (what & CURL_POLL_OUT ? OL__WRITE : 0));
    return 0;
}

static int timer_changed(CURLM *curl, long timeout_ms, void *arg)
{
    struct shard  *shard = arg;
    struct engine *engine = shard->engine;

    (void)curl;
    ol_timer_stop(&shard->timer);
    if (timeout_ms > 0) {
        ol_timer_start(engine->loop, &shard->timer, (double)timeout_ms / 1000);
    } else if (timeout_ms == 0 && ol_list_empty(&shard->kicked)) {
        ol_list_append(&engine->kicked, &shard->kicked);
        ol__loop_ready(engine->loop, &engine->work);
    }
    return 0;
}

/* ---- shards ---- */

static void shard_destroy(struct shard *shard)
{
    ol__fetch_multi_fini(&shard->multi);
    ol_timer_stop(&shard->timer);
    ol_list_remove(&shard->kicked);
    free(shard);
}

/* With the first shard, not with the engine: that is made on a fiber's stack. No locks: one thread has all users. */
static void make_share(struct engine *engine)
{
    engine->share = curl_share_init();
    if (!engine->share)
        return; /* each shard then looks names up for itself */
    curl_share_setopt(engine->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(engine->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

/* NULL: out of memory, and noted. */
static struct shard *shard_create(struct engine *engine)
{
    struct shard *shard = calloc(1, sizeof *shard);

    if (!shard || ol__fetch_multi_init(&shard->multi, SHARD_CONNECTIONS) < 0) {
        ol__fail(OL_ENOMEM, 0, "no memory for fetches");
        free(shard);
        return NULL;
    }
    if (!engine->share)
        make_share(engine);
    shard->multi.share = engine->share;
    shard->engine = engine;
    shard->timer.cb = timer_fired;
    shard->timer.arg = shard;
    ol_link_init(&shard->kicked);
    curl_multi_setopt(shard->multi.curl, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(shard->multi.curl, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi.curl, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(shard->multi.curl, CURLMOPT_TIMERDATA, shard);
    return shard;
}

/* The first shard with room, a new one when all are full, or NULL, which is noted. */
static struct shard *find_room(struct engine *engine)
{
    for (; engine->roomy < engine->n_shards; engine->roomy++)
        if (engine->shards[engine->roomy]->multi.n_running < SHARD_TRANSFERS)
            return engine->shards[engine->roomy];
    if (engine->n_shards >= ol__fetch_shards_max) {
        ol__fail(OL_EBUSY, 0, "%u transfers of this loop are under way", engine->n_shards * SHARD_TRANSFERS);
        return NULL;
    }
    struct shard *shard = shard_create(engine);
    if (!shard)
        return NULL;
    shard->index = engine->n_shards;
    engine->shards[engine->n_shards++] = shard;
    return shard;
}

/* ---- the engine ---- */

static void carry_out_start(struct engine *engine, struct ol__transfer *transfer)
{
    struct shard *shard = find_room(engine);

    if (!shard || ol__fetch_multi_add(&shard->multi, transfer) < 0)
        ol__transfer_failed(transfer);
}

static void carry_out_stop(struct engine *engine, struct ol__transfer *transfer)
{
    if (transfer->state == OL__TRANSFER_RUNNING) {
        struct shard *shard = OL_CONTAINER_OF(transfer->multi, struct shard, multi);

        ol__fetch_multi_remove(transfer);
        if (shard->index < engine->roomy)
            engine->roomy = shard->index;
    }
    transfer->state = OL__TRANSFER_DONE;
    ol__fiber_resume(transfer->stopper);
}

static void carry_out_orders(struct engine *engine)
{
    for (struct ol_link *link = ol_list_pop(&engine->orders); link; link = ol_list_pop(&engine->orders)) {
        struct ol__transfer *transfer = OL_CONTAINER_OF(link, struct ol__transfer, ordered);

        switch (transfer->order) {
        case OL__TRANSFER_START: carry_out_start(engine, transfer); break;
        case OL__TRANSFER_RESUME: ol__fetch_multi_resume(transfer); break;
        case OL__TRANSFER_STOP: carry_out_stop(engine, transfer); break;
        }
    }
}

static void engine_work(struct ol__ready *ready)
{
    struct engine *engine = OL_CONTAINER_OF(ready, struct engine, work);
    struct ol_link kicked;

    carry_out_orders(engine);
    ol_link_init(&kicked); /* a shard that kicks itself again has its turn after the sockets' */
    ol_list_splice(&kicked, &engine->kicked);
    for (struct ol_link *link = ol_list_pop(&kicked); link; link = ol_list_pop(&kicked))
        act(OL_CONTAINER_OF(link, struct shard, kicked), CURL_SOCKET_TIMEOUT, 0);
}

static void engine_destroy(void *arg)
{
    struct engine *engine = arg;

    ol__loop_unready(&engine->work);
    for (unsigned i = 0; i < engine->n_shards; i++)
        shard_destroy(engine->shards[i]);
    if (engine->share)
        curl_share_cleanup(engine->share);
    free(engine);
}

static struct engine *engine_create(struct ol_loop *loop)
{
    struct engine *engine = calloc(1, sizeof *engine);

    if (!engine)
        return NULL;
    engine->loop = loop;
    engine->work.cb = engine_work;
    ol_link_init(&engine->orders);
    ol_link_init(&engine->kicked);
    engine->attachment = (struct ol__attachment){ .key = &engine_key, .data = engine, .destroy = engine_destroy };
    ol__loop_attach(loop, &engine->attachment);
    return engine;
}

/* ---- the runner, in fibers ---- */

static int give_order(struct ol__transfer *transfer, enum ol__transfer_order order)
{
    struct ol_loop *loop = ol__fiber_loop(ol__fiber_self());
    struct engine  *engine = ol__loop_attached(loop, &engine_key);

    if (!engine)
        engine = engine_create(loop);
    if (!engine)
        return ol__fail(OL_ENOMEM, 0, "no memory for fetches");
    transfer->order = order;
    ol_list_remove(&transfer->ordered); /* a later order overrules one that waits */
    ol_list_append(&engine->orders, &transfer->ordered);
    ol__loop_ready(loop, &engine->work);
    return 0;
}

static int loop_start(struct ol__transfer *transfer)
{
    int rc = give_order(transfer, OL__TRANSFER_START);

    if (rc == 0)
        transfer->state = OL__TRANSFER_QUEUED;
    return rc;
}

static void loop_resume(struct ol__transfer *transfer)
{
    give_order(transfer, OL__TRANSFER_RESUME);
}

static void loop_stop(struct ol__transfer *transfer)
{
    if (transfer->state != OL__TRANSFER_QUEUED && transfer->state != OL__TRANSFER_RUNNING)
        return;
    transfer->stopper = ol__fiber_self();
    give_order(transfer, OL__TRANSFER_STOP);
    ol__fiber_suspend();
}

static int loop_wait(struct ol__fetch_news *news)
{
    struct ol__wait wait;
    int             rc = 0;

    if (!ol_list_empty(&news->transfers))
        return 0;
    ol__wait_init(&wait);
    news->waiter = &wait;
    rc = ol__wait_until(&wait);
    if (rc < 0 && !news->waiter) {
        ol__wait_uninterrupted(&wait); /* the signal is in the inbox, and lies in our frame */
        rc = 0;
    }
    news->waiter = NULL;
    ol__wait_fini(&wait);
    return rc < 0 ? ol__fail(rc, 0, "the fetch was given up: %s", ol_strerror(rc)) : 0;
}

const struct ol__fetch_runner ol__fetch_loop_runner = {
    .start = loop_start,
    .resume = loop_resume,
    .stop = loop_stop,
    .wait = loop_wait,
};
