/*
 * handlers/json.h: JSON in and out, by jansson, inside a fiber's small stack.
 */
#ifndef HANDLERS_JSON_H
#define HANDLERS_JSON_H

#include <jansson.h>

#include <offloop/http.h>

/**
 * Parse a text from outside.
 *
 * Owns:    the caller's, to json_decref. `error` has a line for a person when it fails.
 * Returns: 0, or OL_EINVAL: not JSON, or nested deeper than any text of ours.
 */
int json_parse(json_t **ret_json, json_error_t *error, const void *data, size_t size);

/** Answer with `json`, and let go of it: NULL is a lack of memory. Returns: as ol_response_body. */
int json_respond(struct ol_response *res, json_t *json);

#endif
