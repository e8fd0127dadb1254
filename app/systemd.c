/*
 * systemd.c: sd_listen_fds(3) and sd_notify(3), as their manual pages define them; a library for these lines would be
 * one more dependency. With a socket that the service manager holds, a restart refuses nobody: connections wait in its
 * queue.
 */
#include "app/systemd.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A whole positive number, or 0. */
static long read_variable(const char *name)
{
    const char *text = getenv(name);
    char       *end;
    long        value;

    if (!text || !*text)
        return 0;
    value = strtol(text, &end, 10);
    return *end || value < 0 ? 0 : value;
}

int systemd_listen_fds(void)
{
    long for_pid = read_variable("LISTEN_PID"), n = read_variable("LISTEN_FDS");

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (for_pid != (long)getpid() || n > 1024)
        return 0;
    for (int i = 0; i < n; i++)
        fcntl(SYSTEMD_FIRST_FD + i, F_SETFD, FD_CLOEXEC);
    return (int)n;
}

void systemd_notify(const char *state)
{
    const char        *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t             size = path ? strlen(path) : 0;
    int                fd;

    if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
    close(fd);
}
