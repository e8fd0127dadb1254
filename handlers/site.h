/*
 * handlers/site.h: what the endpoints share, and how they are put on a server.
 *
 * The program fills a `struct site` and adds the routes; which function answers which path stands in routes.c, and
 * which threads it may take stands with the program (app/pools.c): a handler itself knows neither, nor the mode that it
 * runs in.
 */
#ifndef HANDLERS_SITE_H
#define HANDLERS_SITE_H

#include <stdatomic.h>

#include <offloop/offloop.h>

/* The kinds of slow work: each has its threads, so that one kind cannot take them all. */
enum lane {
    LANE_QUERY,  /* short: a lookup, an insert */
    LANE_FETCH,  /* waits for somebody else, for long */
    LANE_REPORT, /* keeps a processor busy */
    LANES
};

/* The threads of a lane: where its offload routes run, and where ol_offload of its async routes goes. */
struct lane_threads {
    struct ol_pool *pool;
    unsigned        class_id;
};

struct site {
    /* set before the loop runs, then read by any thread */
    struct ol_db       *db;
    const char         *external_api;       /* URL of the slow service that /blocking, /offload and /async call */
    double              external_timeout_s; /* how long they wait for it */
    double              delay_s;            /* how long /external-api takes to answer */
    struct lane_threads lanes[LANES];

    /* any thread */
    atomic_bool draining; /* /readyz says so */
};

/* The migrations for ol_db_config: the items table, with its first 100,000 rows. */
extern const char *const site_migrations[];
extern const unsigned    site_n_migrations;

/**
 * Add every route of `offloop serve`. Thread: the loop's owner, before ol_server_listen.
 * Owns: borrows `site` until the server is gone; its lanes are read now, the rest when requests come.
 * Returns: as ol_server_route.
 */
int site_add_routes(struct ol_server *server, struct site *site);

/** Add the pretend service's one route: it answers any GET after site->delay_s. As site_add_routes. */
int site_add_external_api(struct ol_server *server, struct site *site);

#endif
