#include "app/listen.h"

#include <error.h>
#include <stdio.h>
#include <string.h>

#include "app/systemd.h"

static const char default_address[] = "127.0.0.1:8888";

static int listen_at(struct ol_server *server, const char *address)
{
    int rc = ol_server_listen(server, address);

    if (rc < 0)
        error(0, 0, "%s", ol_last_error()->text);
    return rc;
}

int listen_as_told(struct ol_server *server, const struct serve_options *options, int n_inherited)
{
    int rc = 0;

    for (int i = 0; i < n_inherited && rc == 0; i++) {
        rc = ol_server_listen_fd(server, SYSTEMD_FIRST_FD + i);
        if (rc < 0)
            error(0, 0, "inherited socket %d: %s", SYSTEMD_FIRST_FD + i, ol_last_error()->text);
    }
    for (unsigned i = 0; i < options->n_listen && rc == 0; i++)
        rc = listen_at(server, options->listen[i]);
    if (rc == 0 && n_inherited == 0 && options->n_listen == 0)
        rc = listen_at(server, default_address);
    return rc;
}

/* Only this machine reaches 127.0.0.0/8, ::1 and a unix socket. */
static bool is_local(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0 || strncmp(address, "unix", 4) == 0;
}

void listen_announce(const struct ol_server *server)
{
    const char *address;

    for (unsigned i = 0; (address = ol_server_address(server, i)); i++) {
        printf("listening on %s%s%s\n", strncmp(address, "unix", 4) == 0 ? "" : "http://", address,
               strncmp(address, "unix", 4) == 0 ? "" : "/");
        if (!is_local(address))
            error(0, 0, "warning: %s can be reached from other machines, and there is no access control", address);
    }
    fflush(stdout);
}
