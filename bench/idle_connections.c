/*
 * idle_connections PORT PID N: opens N keep-alive connections to 127.0.0.1:PORT, asks each for /hello, prints by how
 * many bytes the resident memory of process PID has grown for each, and holds them until its standard input ends.
 */
#include <arpa/inet.h>
#include <error.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static long resident_bytes(const char *pid)
{
    char  path[64], line[256];
    long  kib = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%s/status", pid);
    file = fopen(path, "re");
    if (!file)
        error(1, errno, "%s", path);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(file);
    return kib * 1024;
}

static void open_one(in_port_t port)
{
    static const char  request[] = "GET /hello HTTP/1.1\r\nHost: idle\r\n\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = port };
    char               answer[1024];
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        error(1, errno, "cannot connect");
    if (write(fd, request, sizeof request - 1) < 0 || read(fd, answer, sizeof answer) <= 0)
        error(1, errno, "no answer");
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
        error(1, 0, "not a good answer");
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    char          byte;
    long          n, before;

    n = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (n <= 0)
        error(2, 0, "usage: idle_connections PORT PID N");
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    before = resident_bytes(argv[2]);
    for (long i = 0; i < n; i++)
        open_one(htons((in_port_t)strtol(argv[1], NULL, 10)));
    printf("%ld\n", (resident_bytes(argv[2]) - before) / n);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}
