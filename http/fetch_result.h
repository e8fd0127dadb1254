/*
 * http/fetch_result.h: an answer while it arrives. Knows nothing of curl, so that it can be tested and fuzzed alone.
 *
 * Thread: the one that runs the transfer, until the caller of ol_fetch takes the result.
 */
#ifndef OL_HTTP_FETCH_RESULT_H
#define OL_HTTP_FETCH_RESULT_H

#include <offloop/fetch.h>

enum { OL__FETCH_HEAD_MAX = 256 * 1024, OL__FETCH_BODY_MAX = 16 * 1024 * 1024 };

/** An empty result whose body may have `body_max` bytes (0: OL__FETCH_BODY_MAX). Returns: 0 or OL_ENOMEM. */
int ol__fetch_result_create(struct ol_fetch_result **ret_result, size_t body_max);

/**
 * Take one line of the head, line end included or not. A status line begins a new head: what an interim answer or a
 * redirect left is forgotten. Lines between the end of a head and the next status line are trailers, and ignored.
 *
 * Returns: 0, OL_EUPSTREAM (no status line first, a line that is no field, a head over OL__FETCH_HEAD_MAX), OL_ENOMEM.
 */
int ol__fetch_result_head(struct ol_fetch_result *result, const char *line, size_t size);

/** Keep a piece of the body. Returns: 0, OL_ELIMIT (too large, or announced to become too large), OL_ENOMEM. */
int ol__fetch_result_keep(struct ol_fetch_result *result, const void *data, size_t size);

/** Count a piece of the body that somebody else keeps. Returns: 0 or OL_ELIMIT. */
int ol__fetch_result_count(struct ol_fetch_result *result, size_t size);

/** The transfer has ended. */
void ol__fetch_result_finish(struct ol_fetch_result *result, double duration_s);

#endif
