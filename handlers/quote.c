/*
 * quote.c: the endpoint that the whole comparison is about: ask a slow service, answer what it said.
 *
 * One straight-line function, registered three times. What the service does wrong becomes a 502 or a 504 of ours.
 */
#include <math.h>
#include <stdio.h>

#include "handlers/endpoints.h"
#include "handlers/json.h"

enum { QUOTE_BYTES_MAX = 65536 };

/* The service's answer as JSON, or OL_EUPSTREAM with what is wrong with it in `why`. */
static int read_quote(json_t **ret_quote, const struct ol_fetch_result *answer, char *why, size_t why_size)
{
    json_error_t error;
    size_t       size;
    const void  *body = ol_fetch_body(answer, &size);
    int          status = ol_fetch_status(answer);

    if (status != 200) {
        snprintf(why, why_size, "the external API answered with status %d", status);
        return OL_EUPSTREAM;
    }
    if (json_parse(ret_quote, &error, body, size) < 0) {
        snprintf(why, why_size, "the external API did not answer in JSON: %s", error.text);
        return OL_EUPSTREAM;
    }
    return 0;
}

int show_quote(struct ol_request *req, struct ol_response *res, void *arg)
{
    const struct site      *site = arg;
    struct ol_fetch_result *answer;
    json_t                 *quote;
    char                    why[256];
    int                     rc;

    (void)req;
    rc = ol_fetch(&answer, &(struct ol_fetch_request){
                               .url = site->external_api,
                               .timeout_s = site->external_timeout_s,
                               .size_max = QUOTE_BYTES_MAX,
                           });
    if (rc == OL_ELIMIT)
        return ol_response_problem(res, 502, "the external API answered with too much");
    if (rc < 0)
        return rc;

    if (read_quote(&quote, answer, why, sizeof why) < 0)
        rc = ol_response_problem(res, 502, why);
    else
        rc = json_respond(res, json_pack("{s:o, s:I}", "external_api", quote, "took_ms",
                                         (json_int_t)llround(ol_fetch_duration_s(answer) * 1e3)));
    ol_fetch_result_free(answer);
    return rc;
}
