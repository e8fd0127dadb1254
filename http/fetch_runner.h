/*
 * http/fetch_runner.h: who runs a transfer: the thread itself, or the engine of the fiber's loop.
 *
 * The two have the same four calls; ol_fetch and batches choose between them once, by where they are.
 */
#ifndef OL_HTTP_FETCH_RUNNER_H
#define OL_HTTP_FETCH_RUNNER_H

#include "http/fetch_transfer.h"

enum { OL__FETCH_TRANSFERS_MAX = 16384 }; /* of one loop, and of one batch */

struct ol__fetch_runner {
    /** Begin an IDLE transfer. Returns: 0 or OL_ENOMEM; what fails later is reported. */
    int (*start)(struct ol__transfer *transfer);

    /** Go on with a paused one. */
    void (*resume)(struct ol__transfer *transfer);

    /** End one for good; it is DONE when this returns, and reports no more. In a fiber it suspends for a moment. */
    void (*stop)(struct ol__transfer *transfer);

    /**
     * Wait until there is news, or until the current scope ends. Some transfer of `news` must be under way.
     * Returns: 0 (news->transfers is not empty), OL_ENOMEM, OL_ESYS, or the scope's reason.
     */
    int (*wait)(struct ol__fetch_news *news);
};

/** How many shards of 128 transfers a loop's engine may make. Tests lower it, to see it full without 16,384 sockets. */
extern unsigned ol__fetch_shards_max;

extern const struct ol__fetch_runner ol__fetch_thread_runner, ol__fetch_loop_runner;

/** The runner for where this is, or NULL on the bare loop, where nobody may wait (noted as OL_EONLOOP). */
const struct ol__fetch_runner *ol__fetch_runner_here(void);

#endif
