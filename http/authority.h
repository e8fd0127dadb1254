/*
 * http/authority.h: "host[:port]", as in a Host field and in an absolute request target (RFC 3986 section 3.2).
 */
#ifndef OL_HTTP_AUTHORITY_H
#define OL_HTTP_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

/** Is this a host that is not empty, with an optional port and without user information? */
bool ol__authority_valid(const char *data, size_t size);

/** Do two valid ones name the same place? Case of the host is ignored; `default_port` stands for a missing port. */
bool ol__authority_equal(const char *a, size_t a_size, const char *b, size_t b_size, const char *default_port);

/** A target in absolute form, cut up. */
struct ol__absolute {
    const char *authority;
    size_t      authority_size;
    size_t      path_at; /* where the path, or the query after an empty path, begins in the target */
    const char *default_port;
};

/** Returns: 0, or OL_EINVAL (neither http:// nor https://, or no valid authority). */
int ol__absolute_parse(struct ol__absolute *ret_absolute, const char *target, size_t size);

#endif
