/*
 * child.c: `offloop serve` starts its external API.
 *
 *     serve                                child: offloop external-api --lifeline R --report W
 *     lifeline[1] <---- open, silent ----- lifeline[0]   end of file: the parent is gone, whatever the cause, so exit
 *     report[0]   <------ "URL\n" -------- report[1]     after it listens; end of file without it: it has failed
 *
 * The lifeline needs nobody to act: when the parent is killed the kernel closes its end. The parent's ends are
 * close-on-exec, or the child would keep its own lifeline open. The child runs this very program by /proc/self/exe, so
 * that a binary that was moved or replaced meanwhile does not matter, and it ignores SIGINT and SIGTERM: a Ctrl-C or a
 * service manager reaches both, and what the parent is draining still needs its answers.
 */
#include "app/child.h"

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_LIMIT_MS = 10000 };

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

/* Returns 0, or an errno. A dup2 onto itself is how posix_spawn lets a close-on-exec descriptor pass. */
static int spawn(pid_t *ret_pid, int lifeline, int report, double delay_s)
{
    char  lifeline_text[16], report_text[16], delay_text[32];
    char *argv[] = { "offloop",    "external-api", "--listen", "127.0.0.1:0", "--delay", delay_text,
                     "--lifeline", lifeline_text,  "--report", report_text,   NULL };
    posix_spawn_file_actions_t actions;
    int                        rc;

    snprintf(lifeline_text, sizeof lifeline_text, "%d", lifeline);
    snprintf(report_text, sizeof report_text, "%d", report);
    snprintf(delay_text, sizeof delay_text, "%.6f", delay_s);
    if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
        return rc;
    if ((rc = posix_spawn_file_actions_adddup2(&actions, lifeline, lifeline)) == 0 &&
        (rc = posix_spawn_file_actions_adddup2(&actions, report, report)) == 0)
        rc = posix_spawn(ret_pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* The line that the child reports, without its end. Returns 0, or -1 when it ends or stays silent. */
static int read_report(char *line, size_t size, int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    size_t        used = 0;

    while (used + 1 < size) {
        ssize_t n;

        if (poll(&pfd, 1, START_LIMIT_MS) == 0)
            return -1;
        n = read(fd, line + used, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        if (line[used] == '\n') {
            line[used] = '\0';
            return 0;
        }
        used++;
    }
    return -1;
}

int child_start(struct child *ret_child, double delay_s)
{
    int          lifeline[2] = { -1, -1 }, report[2] = { -1, -1 };
    struct child child = { 0 };
    int          rc;

    if (pipe2(lifeline, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
        error(0, errno, "cannot start the external API: no pipe");
        goto fail;
    }
    rc = spawn(&child.pid, lifeline[0], report[1], delay_s);
    if (rc != 0) {
        error(0, rc, "cannot start the external API");
        goto fail;
    }
    close(lifeline[0]);
    close(report[1]);
    lifeline[0] = report[1] = -1;
    child.lifeline = lifeline[1];
    if (read_report(child.url, sizeof child.url, report[0]) < 0) {
        error(0, 0, "the external API did not start");
        close(report[0]);
        child_stop(&child);
        return -1;
    }
    close(report[0]);
    *ret_child = child;
    return 0;

fail:
    close_pair(lifeline);
    close_pair(report);
    return -1;
}

void child_stop(struct child *child)
{
    if (child->pid <= 0)
        return;
    close(child->lifeline);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *child = (struct child){ 0 };
}
