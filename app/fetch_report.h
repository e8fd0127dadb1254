/*
 * app/fetch_report.h: what `offloop fetch` tells: a line or a body for each answer as it arrives, how far it has got,
 * and a summary.
 *
 * Thread: main, for everything here.
 */
#ifndef APP_FETCH_REPORT_H
#define APP_FETCH_REPORT_H

#include <offloop/fetch.h>

/** One URL, and what came of it. */
struct fetch_item {
    const char             *url;
    const char             *ca_file; /* NULL: the system's */
    double                  timeout_s;
    int                     rc; /* as ol_fetch returns */
    struct ol_fetch_result *result;
    struct ol_error         error; /* when rc is negative */
    double                  duration_s;
};

struct fetch_report {
    /* set at init */
    bool     json, body;    /* what is printed: a line, a JSON object, or the body */
    bool     progress;      /* standard error is a terminal */
    bool     same_terminal; /* and standard output is one too */
    size_t   n_expected;
    uint64_t begin_ns;

    size_t   n, n_failed; /* so far */
    uint64_t n_bytes;
    double  *durations_s; /* n of them */
    uint64_t shown_ns;    /* when progress was last printed */
};

/** Returns: 0, or -1 (out of memory; complains). */
int fetch_report_init(struct fetch_report *report, size_t n_expected, bool json, bool body);

/** One more answer. */
void fetch_report_add(struct fetch_report *report, const struct fetch_item *item);

/** Print the summary, and free. Returns the number of requests that failed. */
size_t fetch_report_finish(struct fetch_report *report);

#endif
