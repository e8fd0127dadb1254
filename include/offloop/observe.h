/*
 * offloop/observe.h: what can be seen from outside: events, histograms, statistics.
 *
 * offloop never logs. Whoever wants to know subscribes; while nobody does, an event costs one predictable branch.
 */
#ifndef OFFLOOP_OBSERVE_H
#define OFFLOOP_OBSERVE_H

#include <offloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- events ---- */

enum ol_event_kind {
    OL_EVENT_JOB_QUEUED = 1 << 0,    /* name: the job's; where: pool/class */
    OL_EVENT_JOB_STARTED = 1 << 1,   /* ns: time in the queue */
    OL_EVENT_JOB_FINISHED = 1 << 2,  /* ns: run time */
    OL_EVENT_JOB_DELIVERED = 1 << 3, /* ns: from finished to done; code: enum ol_job_status */
    OL_EVENT_POOL = 1 << 4,          /* a thread could not be started, a job is stuck, ...; text says what */
    OL_EVENT_DB = 1 << 5,            /* a warning or failure of a database; text says what */
    OL_EVENT_HTTP_REQUEST = 1 << 6,  /* one answer was sent or broken off; request has the rest */
    OL_EVENT_HTTP = 1 << 7           /* the listener paused, ...; text says what */
};

/** What an access log needs. All strings borrowed for the call. */
struct ol_event_request {
    const char *peer, *method, *target, *version, *referer, *user_agent; /* never NULL; "" when unknown */
    int         status;                                                  /* 0: broken off before a head */
    uint64_t    bytes_sent;                                              /* of the body */
    uint64_t    queue_ns, run_ns, total_ns;
};

struct ol_event {
    enum ol_event_kind             kind;
    int                            code;
    const void                    *subject; /* identifies the job, pool, database or server; not to be followed */
    const char                    *name;    /* may be NULL; borrowed for the call, as all strings */
    const char                    *where;   /* may be NULL */
    const char                    *text;    /* may be NULL: one line for a person */
    uint64_t                       at_ns;   /* on ol_now_ns()'s clock */
    uint64_t                       ns;
    const struct ol_event_request *request; /* OL_EVENT_HTTP_REQUEST only */
};

/**
 * Thread: any, the one where it happened, sometimes with a lock held: must be quick, must not wait, and may call
 * nothing of offloop's but ol_loop_post.
 */
typedef void ol_event_cb(const struct ol_event *event, void *arg);

/** A subscription in the caller's memory. */
struct ol_subscriber {
    unsigned              kinds; /* OR of enum ol_event_kind */
    ol_event_cb          *cb;
    void                 *arg;
    struct ol_subscriber *next; /* offloop's own */
};

/** Process-wide. Thread: any; not inside a callback. Owns: borrows until unsubscribed; no callback runs after that. */
OL_API void ol_events_subscribe(struct ol_subscriber *subscriber);
OL_API void ol_events_unsubscribe(struct ol_subscriber *subscriber);

/* ---- histograms ---- */

/*
 * Log-linear buckets of nanoseconds: 64 to each power of two, so that a value is known to within 1/64 (1.6 %), from 1
 * us to 1,000 s; what is outside falls into the first or the last. The shape is that of HdrHistogram (Tene).
 */
#define OL_HISTOGRAM_SUB_BITS 6
#define OL_HISTOGRAM_BUCKETS 2048

/** A snapshot of a histogram: plain numbers of the caller. */
struct ol_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t min_ns, max_ns;
    uint64_t buckets[OL_HISTOGRAM_BUCKETS];
};

/** The value below which `percent` of the counted lie, to within 1.6 %; 0 when nothing was counted. Thread: any. */
OL_API uint64_t ol_histogram_percentile_ns(const struct ol_histogram *histogram, double percent);

/* ---- statistics of a pool ---- */

struct ol_pool;

struct ol_class_stats {
    const char         *name;
    uint64_t            submitted, refused;
    uint64_t            by_status[7]; /* enum ol_job_status */
    unsigned            queued, running;
    struct ol_histogram queue, run, deliver;
};

struct ol_pool_stats {
    const char *name;
    unsigned    n_classes;
    unsigned    threads, threads_idle, threads_busy, threads_max;
    uint64_t    threads_started, threads_failed;
};

/**
 * Thread: any. Stops no worker and uses no pool thread: the numbers are read one by one while they move. Returns: 0,
 * OL_EFORKED.
 */
OL_API int ol_pool_stats(struct ol_pool *pool, struct ol_pool_stats *ret_stats);

/**
 * One class; the histograms make it 50 kB: not for a fiber's stack. Thread: any. Returns: 0, OL_EINVAL (no such
 * class), OL_EFORKED.
 */
OL_API int ol_pool_class_stats(struct ol_pool *pool, unsigned class_id, struct ol_class_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
