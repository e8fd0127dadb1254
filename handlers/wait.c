/*
 * wait.c: the endpoints that only wait: a sleep, an empty call off the loop, and the pretend service's answer.
 */
#include "handlers/endpoints.h"
#include "handlers/json.h"

enum { SLEEP_MS_MAX = 60000 };

int sleep_for(struct ol_request *req, struct ol_response *res, void *arg)
{
    int64_t ms;
    int     rc;

    (void)arg;
    if (ol_text_int(&ms, ol_request_query(req, "ms"), 0, SLEEP_MS_MAX) < 0)
        return ol_response_problem(res, 400, "?ms= must be a whole number of milliseconds from 0 to 60000");
    rc = ol_sleep((double)ms / 1e3);
    if (rc < 0)
        return rc;
    return json_respond(res, json_pack("{s:I}", "slept_ms", (json_int_t)ms));
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

int run_noop(struct ol_request *req, struct ol_response *res, void *arg)
{
    int rc = ol_offload(do_nothing, NULL);

    if (rc < 0)
        return rc;
    return say_hello(req, res, arg);
}

int answer_after_delay(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site *site = arg;
    int                rc = ol_sleep(site->delay_s);

    (void)req;
    if (rc < 0)
        return rc;
    return json_respond(res, json_pack("{s:s, s:I}", "quote", "Blocking calls, off the loop.", "delay_ms",
                                       (json_int_t)(site->delay_s * 1e3)));
}
