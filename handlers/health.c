/*
 * health.c: is the process alive, does it want more work, and the smallest answer there is.
 */
#include "handlers/endpoints.h"

int say_hello(struct ol_request *req, struct ol_response *res, void *arg)
{
    static const char text[] = "hello, world\n";

    (void)req, (void)arg;
    return ol_response_body(res, NULL, text, sizeof text - 1);
}

int show_live(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    return ol_response_body(res, NULL, "alive\n", 6);
}

int show_ready(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site *site = arg;

    (void)req;
    if (atomic_load(&site->draining))
        return ol_response_problem(res, 503, "draining: this process is about to stop");
    return ol_response_body(res, NULL, "ready\n", 6);
}
