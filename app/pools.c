/*
 * pools.c: the threads of `offloop serve`: which pools there are, how their classes share them, and which routes take
 * which.
 *
 *     pool   class   a lane of handlers/routes.c   share
 *     serve  query   LANE_QUERY: lookups, inserts  any thread, and 1 or 2 that are kept for it alone
 *     serve  fetch   LANE_FETCH: slow services     any thread but those
 *     cpu    report  LANE_REPORT                   as many as there are cores, at nice +10
 *
 * Fetches wait half a second each and may fill the pool; the reserve lets a query, which takes microseconds, pass
 * beside them. A report would keep a core from the loop for tens of milliseconds: niceness belongs to a thread, so it
 * has threads of its own. Each class has a queue of its own, too: a full queue of fetches refuses fetches only.
 */
#include "app/pools.h"

#include <error.h>
#include <unistd.h>

enum { CLASS_QUERY, CLASS_FETCH, SERVE_CLASSES };

enum { CPU_NICE = 10 };

static unsigned count_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : (unsigned)n;
}

unsigned pools_threads_max(const struct serve_options *options)
{
    return options->threads_max + count_cores();
}

/* A pool of one thread has none to keep back. */
static unsigned reserve_for_queries(unsigned threads_max)
{
    return threads_max >= 16 ? 2 : threads_max >= 2 ? 1 : 0;
}

static int create_serve_pool(struct pools *pools, struct ol_loop *loop, const struct serve_options *options)
{
    const struct ol_pool_class classes[SERVE_CLASSES] = {
        [CLASS_QUERY] = { .name = "query",
                          .threads_reserved = reserve_for_queries(options->threads_max),
                          .codel = options->codel },
        [CLASS_FETCH] = { .name = "fetch", .codel = options->codel },
    };

    return ol_pool_create(&pools->serve, loop,
                          &(struct ol_pool_config){
                              .name = "serve",
                              .threads_min = options->threads_min,
                              .threads_max = options->threads_max,
                              .queue_max = options->queue_max,
                              .classes = classes,
                              .n_classes = SERVE_CLASSES,
                          });
}

static int create_cpu_pool(struct pools *pools, struct ol_loop *loop, const struct serve_options *options)
{
    const struct ol_pool_class classes[] = { { .name = "report", .codel = options->codel } };

    return ol_pool_create(&pools->cpu, loop,
                          &(struct ol_pool_config){
                              .name = "cpu",
                              .threads_min = 1,
                              .threads_max = count_cores(),
                              .queue_max = options->queue_max,
                              .classes = classes,
                              .n_classes = 1,
                              .nice = CPU_NICE,
                          });
}

int pools_create(struct pools *ret_pools, struct site *site, struct ol_loop *loop, const struct serve_options *options)
{
    struct pools pools = { 0 };
    int          rc;

    if ((rc = create_serve_pool(&pools, loop, options)) < 0 || (rc = create_cpu_pool(&pools, loop, options)) < 0) {
        error(0, 0, "cannot start the threads: %s", ol_last_error()->text);
        pools_destroy(&pools, 1);
        return rc;
    }
    ol_loop_set_default_pool(loop, pools.serve);
    site->lanes[LANE_QUERY] = (struct lane_threads){ pools.serve, CLASS_QUERY };
    site->lanes[LANE_FETCH] = (struct lane_threads){ pools.serve, CLASS_FETCH };
    site->lanes[LANE_REPORT] = (struct lane_threads){ pools.cpu, 0 };
    *ret_pools = pools;
    return 0;
}

int pools_use_db(const struct pools *pools, struct ol_db *db)
{
    int rc = ol_db_serve_pool(db, pools->serve);

    return rc < 0 ? rc : ol_db_serve_pool(db, pools->cpu);
}

static void report_stuck(const char *job_name, uint64_t running_ns, void *arg)
{
    (void)arg;
    error(0, 0, "a job does not return: %s, running for %.1f s", job_name ? job_name : "(no name)",
          (double)running_ns / 1e9);
}

int pools_destroy(struct pools *pools, double t2_s)
{
    struct ol_pool **all[] = { &pools->serve, &pools->cpu };
    int              worst = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (*all[i])
            ol_pool_close(*all[i], 0, t2_s);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int rc = ol_pool_destroy(*all[i], report_stuck, NULL);

        if (rc < 0)
            worst = rc;
        else
            *all[i] = NULL;
    }
    return worst;
}
