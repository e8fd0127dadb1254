#include "http/fetch_case.h"

#include <string.h>

enum place fetch_places[N_PLACES] = { PLAIN_THREAD, OTHER_THREAD, FIBER, WORKER, BLOCKING_ROUTE, BARE_LOOP };

struct errand {
    const struct ol_fetch_request *request;
    struct fetched                 fetched;
};

static void run_errand(void *arg)
{
    struct errand *errand = arg;

    errand->fetched.rc = ol_fetch(&errand->fetched.result, errand->request);
    errand->fetched.error = *ol_last_error();
}

struct fetched fetch_in(enum place place, struct ol_scope *scope, const struct ol_fetch_request *request)
{
    struct errand errand = { .request = request };

    in_place(place, scope, run_errand, &errand);
    return errand.fetched;
}

bool is_answer(const struct fetched *fetched, const char *body)
{
    size_t size;

    return fetched->rc == 0 && ol_fetch_status(fetched->result) == 200 &&
           strcmp(ol_fetch_body(fetched->result, &size), body) == 0 && size == strlen(body);
}
