/*
 * app/listen.h: the sockets that a server listens on.
 */
#ifndef APP_LISTEN_H
#define APP_LISTEN_H

#include <offloop/http.h>

#include "app/options.h"

/**
 * Listen where the options say, or on `n_inherited` sockets, or on the default. Complains. Returns: 0, or a negative
 * code.
 */
int listen_as_told(struct ol_server *server, const struct serve_options *options, int n_inherited);

/** A line on stdout for each address; a warning on stderr for one that other machines reach. */
void listen_announce(const struct ol_server *server);

#endif
