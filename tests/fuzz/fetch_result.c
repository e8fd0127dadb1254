/*
 * fetch_result.c: the answer of a fetch while it arrives, without curl.
 *
 * The first byte is the body's limit. The rest is what curl would bring: lines of a head up to an empty one, then
 * pieces of the body, each after a byte with its size, up to one of size 0; then lines again.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/fetch_result.h"

struct input {
    const uint8_t *at, *end;
};

/* What has been kept must be there, in order, with a NUL behind it. */
struct kept {
    uint8_t bytes[256];
    size_t  size;
};

static int feed_head(struct ol_fetch_result *result, struct input *input)
{
    for (;;) {
        const uint8_t *newline = memchr(input->at, '\n', (size_t)(input->end - input->at));
        const uint8_t *next = newline ? newline + 1 : input->end;
        size_t         size = (size_t)(next - input->at);
        bool           blank = size <= 1;

        int rc = ol__fetch_result_head(result, (const char *)input->at, size);
        input->at = next;
        if (rc < 0 || blank || input->at == input->end)
            return rc;
    }
}

static int feed_body(struct ol_fetch_result *result, struct kept *kept, struct input *input)
{
    while (input->at < input->end) {
        size_t size = *input->at++;

        if (size == 0)
            return 0;
        if (size > (size_t)(input->end - input->at))
            size = (size_t)(input->end - input->at);
        int rc = ol__fetch_result_keep(result, input->at, size);
        if (rc < 0)
            return rc;
        promise(kept->size + size <= sizeof kept->bytes, "the body stays below its limit");
        memcpy(kept->bytes + kept->size, input->at, size);
        kept->size += size;
        input->at += size;
    }
    return 0;
}

static void check(const struct ol_fetch_result *result, const struct kept *kept)
{
    size_t      size;
    const char *body = ol_fetch_body(result, &size);
    int         status = ol_fetch_status(result);

    promise(status == 0 || (status >= 100 && status <= 999), "a status has three digits");
    promise(size == kept->size && memcmp(body, kept->bytes, size) == 0, "the body is what came");
    promise(body[size] == '\0', "a NUL is behind the body");
    for (const char *const *name = (const char *const[]){ "A", "Content-Length", "Location", "", NULL }; *name; name++) {
        const char *value = ol_fetch_header(result, *name);

        promise(!value || (!strpbrk(value, "\n") && strlen(value) < OL__FETCH_HEAD_MAX), "a value is one line");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input            input = { data + 1, data + size };
    struct kept             kept = { .size = 0 };
    struct ol_fetch_result *result;
    int                     rc = 0;

    if (size == 0 || ol__fetch_result_create(&result, data[0]) < 0)
        return 0;
    if (data[0] == 0) { /* would be the default, 16 MiB */
        ol_fetch_result_free(result);
        return 0;
    }
    while (rc == 0 && input.at < input.end) {
        rc = feed_head(result, &input);
        if (rc == 0)
            rc = feed_body(result, &kept, &input);
    }
    check(result, &kept);
    ol_fetch_result_free(result);
    return 0;
}
