/*
 * json.c: JSON in and out.
 *
 * jansson parses by recursion, up to 2,048 levels deep, which is more than a fiber's 64 KiB of stack can hold: a body
 * of opening brackets would run into the guard page. Our own texts are flat, so brackets are counted before it sees
 * them.
 */
#include "handlers/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

static bool nests_too_deep(const char *text, size_t size)
{
    unsigned depth = 0;
    bool     in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > DEPTH_MAX)
                return true;
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

int json_parse(json_t **ret_json, json_error_t *error, const void *data, size_t size)
{
    json_t *json;

    if (!data || nests_too_deep(data, size)) {
        snprintf(error->text, sizeof error->text, "%s", data ? "nested too deep" : "nothing there");
        return OL_EINVAL;
    }
    json = json_loadb(data, size, JSON_REJECT_DUPLICATES, error);
    if (!json)
        return OL_EINVAL;
    *ret_json = json;
    return 0;
}

int json_respond(struct ol_response *res, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    int   rc;

    json_decref(json);
    if (!text)
        return OL_ENOMEM;
    rc = ol_response_body(res, "application/json", text, strlen(text));
    free(text);
    return rc;
}
