/*
 * http/fetch_multi.h: a curl multi handle and its easy handles: what both runners have in common.
 *
 * Thread: one, the runner's, on its own stack (never a fiber's).
 */
#ifndef OL_HTTP_FETCH_MULTI_H
#define OL_HTTP_FETCH_MULTI_H

#include "http/fetch_transfer.h"

struct ol__fetch_multi {
    void    *curl;  /* CURLM */
    void    *share; /* CURLSH that the easy handles take part in, or NULL; borrowed */
    unsigned n_running;
    unsigned connections_max; /* idle connections kept */
};

/** Returns: 0 or OL_ENOMEM. */
int ol__fetch_multi_init(struct ol__fetch_multi *multi, unsigned connections_max);

/** Nothing may be running. */
void ol__fetch_multi_fini(struct ol__fetch_multi *multi);

/** Begin a transfer. Returns: 0 or OL_ENOMEM: then nothing was reported. */
int ol__fetch_multi_add(struct ol__fetch_multi *multi, struct ol__transfer *transfer);

/** Take a running transfer out, without a report. Its connection is closed. */
void ol__fetch_multi_remove(struct ol__transfer *transfer);

/** Report the transfers that curl has ended. */
void ol__fetch_multi_reap(struct ol__fetch_multi *multi);

/** Go on with a transfer whose piece was taken. */
void ol__fetch_multi_resume(struct ol__transfer *transfer);

#endif
