/*
 * fetch_many.c: hundreds of requests at once, and their answers one by one as they arrive. No server, no loop, no
 * callback.
 *
 *     fetch_many http://127.0.0.1:8889/ 300
 */
#include <inttypes.h>
#include <offloop/fetch.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what, int rc)
{
    fprintf(stderr, "fetch_many: %s: %s\n", what, ol_strerror(rc));
    return 1;
}

static bool take_answer(struct ol_fetch_answer *answer)
{
    size_t size;
    int    status;

    if (answer->rc < 0) {
        printf("%" PRIu64 ": %s\n", answer->id, answer->error.text);
        return false;
    }
    ol_fetch_body(answer->result, &size);
    status = ol_fetch_status(answer->result);
    printf("%" PRIu64 ": %d, %zu bytes, %.0f ms\n", answer->id, status, size, ol_fetch_duration_s(answer->result) * 1e3);
    ol_fetch_result_free(answer->result);
    return status == 200;
}

int main(int argc, char **argv)
{
    uint64_t                count = argc > 2 ? strtoul(argv[2], NULL, 10) : 100, n_good = 0;
    struct ol_fetch_batch  *batch;
    struct ol_fetch_answer  answer;
    struct ol_fetch_request request = { .url = argv[1], .timeout_s = 10 };
    int                     rc;

    if (argc < 2) {
        fputs("usage: fetch_many URL [COUNT]\n", stderr);
        return 2;
    }
    if ((rc = ol_fetch_batch_create(&batch, &(struct ol_fetch_batch_config){ .concurrency = 100 })) < 0)
        return complain("no batch", rc);
    for (uint64_t i = 0; i < count; i++)
        if ((rc = ol_fetch_batch_add(batch, i, &request)) < 0)
            return complain("cannot add a request", rc);

    while ((rc = ol_fetch_batch_next(&answer, batch)) == 0)
        n_good += take_answer(&answer);

    ol_fetch_batch_destroy(batch);
    if (rc != OL_ENOENT)
        return complain("cannot go on", rc);
    printf("%" PRIu64 " of %" PRIu64 " answered 200\n", n_good, count);
    return n_good == count ? 0 : 1;
}
