/*
 * http/response.h: an answer's bytes. Thread: loop, when the handler has returned or begun to stream.
 */
#ifndef OL_HTTP_RESPONSE_H
#define OL_HTTP_RESPONSE_H

#include "http/exchange.h"

void ol__response_init(struct ol_response *response);
void ol__response_fini(struct ol_response *response);

/** What the server answers by itself: a problem, and Retry-After when that is 503. */
void ol__response_refuse(struct ol_response *response, int status, const char *detail);

/** What a handler's negative return becomes. Thread: the handler's. */
void ol__response_fail(struct ol_response *response, int code);

/** May an answer of this status, to this method, have a body? */
bool ol__response_may_have_body(const struct ol__exchange *exchange);

/** The reason phrase of a status. */
const char *ol__status_text(int status);

/** Append the head. `close`: it says so. Returns: 0 or OL_ENOMEM. */
int ol__response_append_head(struct ol__exchange *exchange, struct ol_buffer *out, bool close);

#endif
