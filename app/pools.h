/*
 * app/pools.h: the threads of `offloop serve`.
 */
#ifndef APP_POOLS_H
#define APP_POOLS_H

#include "app/options.h"
#include "handlers/site.h"

struct pools {
    struct ol_pool *serve; /* short queries and slow fetches */
    struct ol_pool *cpu;   /* reports */
};

/**
 * Make both pools and give the site's lanes their threads. Complains. Returns: 0, or a negative code with nothing made.
 */
int pools_create(struct pools *ret_pools, struct site *site, struct ol_loop *loop, const struct serve_options *options);

/** Let their workers read `db` on connections of their own. Returns: as ol_db_serve_pool. */
int pools_use_db(const struct pools *pools, struct ol_db *db);

/** How many threads there may be in all. */
unsigned pools_threads_max(const struct serve_options *options);

/**
 * Close and free them. What does not return within `t2_s` is reported on stderr by name.
 * Returns: 0, or OL_EBUSY: a job is stuck, and its thread and memory still live.
 */
int pools_destroy(struct pools *pools, double t2_s);

#endif
