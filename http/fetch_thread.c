/*
 * fetch_thread.c: transfers run where they are waited for: a worker, a blocking route, a plain thread.
 *
 * Each thread that fetches has a small multi handle of its own, made by its first fetch and freed when the thread ends,
 * so that its connections are used again. Whoever waits drives all transfers of the thread, also those of a batch that
 * is not being waited for just now: they are in the same multi handle, and each reports to its own list.
 *
 * Cancel. The scope's hook wakes the poll (curl_multi_wakeup is the one call of curl's that any thread may make, and it
 * sticks: a wake-up before the poll makes the poll return at once). The waiter looks at the scope before each poll, so
 * there is no moment at which a cancel could be overlooked. The hook cannot run any more when the wait has returned, so
 * the multi handle outlives every wake-up.
 *
 * Deadline. The poll ends at the scope's deadline: in a blocking route the loop is frozen and no timer of it will fire.
 *
 * Fork. A child has the parent's multi handle in its memory, and the parent's connections in its hands. It must neither
 * use nor close them (a TLS goodbye would end the parent's session), so it leaves them and makes its own.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "http/fetch_multi.h"
#include "http/fetch_runner.h"
#include "loop/here.h"

enum { CONNECTIONS_KEPT = 16, POLL_MAX_MS = 60000 };

struct thread_multi {
    struct ol__fetch_multi multi;
    pid_t                  pid;
};

static pthread_key_t                      key; /* only to be told of the thread's end */
static pthread_once_t                     key_once = PTHREAD_ONCE_INIT;
static int                                key_err;
static _Thread_local struct thread_multi *mine;

static void thread_ends(void *arg)
{
    struct thread_multi *thread = arg;

    mine = NULL;
    if (thread->pid == getpid())
        ol__fetch_multi_fini(&thread->multi);
    free(thread);
}

static void make_key(void)
{
    key_err = pthread_key_create(&key, thread_ends);
}

static int make_mine(void)
{
    struct thread_multi *thread = calloc(1, sizeof *thread);

    pthread_once(&key_once, make_key);
    if (!thread || key_err) {
        free(thread);
        return key_err ? ol__fail_errno(OL_ESYS, key_err, "cannot fetch on this thread")
                       : ol__fail(OL_ENOMEM, 0, "no memory for this thread's fetches");
    }
    thread->pid = getpid();
    int rc = ol__fetch_multi_init(&thread->multi, CONNECTIONS_KEPT);
    if (rc == 0 && pthread_setspecific(key, thread) != 0) {
        ol__fetch_multi_fini(&thread->multi);
        rc = ol__fail(OL_ENOMEM, 0, "no memory for this thread's fetches");
    }
    if (rc < 0) {
        free(thread);
        return rc;
    }
    mine = thread;
    return 0;
}

/* ---- the runner ---- */

static int thread_start(struct ol__transfer *transfer)
{
    int rc = 0;

    if (!mine || mine->pid != getpid())
        rc = make_mine();
    return rc < 0 ? rc : ol__fetch_multi_add(&mine->multi, transfer);
}

static void thread_stop(struct ol__transfer *transfer)
{
    if (transfer->state == OL__TRANSFER_RUNNING)
        ol__fetch_multi_remove(transfer);
}

/* How long to poll before the scope's deadline must be looked at; rounded up, or the last millisecond would be spun. */
static int poll_ms(const struct ol_scope *scope)
{
    if (!scope || !scope->deadline_ns)
        return POLL_MAX_MS;
    uint64_t now_ns = ol_now_ns();
    uint64_t left_ns = scope->deadline_ns > now_ns ? scope->deadline_ns - now_ns : 0;

    return left_ns / OL_NS_PER_MS >= POLL_MAX_MS ? POLL_MAX_MS : (int)(left_ns / OL_NS_PER_MS) + 1;
}

/* Once round: what can be done now, and if that was no news, a wait. */
static int drive(struct ol__fetch_news *news, struct ol_scope *scope)
{
    CURLM    *curl = mine->multi.curl;
    int       n_running;
    CURLMcode code = curl_multi_perform(curl, &n_running);

    ol__fetch_multi_reap(&mine->multi);
    if (!ol_list_empty(&news->transfers))
        return 0;
    int rc = ol_scope_reason(scope);
    if (rc < 0) {
        ol_scope_end(scope, rc); /* at the deadline: whoever notices first ends it for all who are under it */
        return ol__fail(rc, 0, "the fetch was given up: %s", ol_strerror(rc));
    }
    if (code == CURLM_OK)
        code = curl_multi_poll(curl, NULL, 0, poll_ms(scope), NULL);
    if (code == CURLM_OUT_OF_MEMORY)
        return ol__fail(OL_ENOMEM, (int)code, "no memory for this thread's fetches");
    return code == CURLM_OK ? 0 : ol__fail(OL_ESYS, (int)code, "%s", curl_multi_strerror(code));
}

static void wake_poll(struct ol_scope_hook *hook, int reason)
{
    (void)reason;
    curl_multi_wakeup(hook->arg);
}

static int thread_wait(struct ol__fetch_news *news)
{
    struct ol_scope     *scope = ol_scope_current();
    struct ol_scope_hook hook = { .cb = wake_poll, .arg = mine->multi.curl };
    bool                 hooked = scope && ol_scope_hook(scope, &hook) == 0;
    int                  rc = 0;

    while (rc == 0 && ol_list_empty(&news->transfers))
        rc = drive(news, scope);
    if (hooked)
        ol_scope_unhook(scope, &hook);
    return rc;
}

const struct ol__fetch_runner ol__fetch_thread_runner = {
    .start = thread_start,
    .resume = ol__fetch_multi_resume,
    .stop = thread_stop,
    .wait = thread_wait,
};
