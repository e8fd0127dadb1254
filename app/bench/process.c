/*
 * process.c: servers as processes of their own.
 *
 * A server that shares a process with its clients measures both, and a blocked loop could not even answer itself. So
 * each is this same program, started from /proc/self/exe, on a port that the kernel chose and that the child reports
 * in its first line. It dies with us: the kernel kills it when the thread that started it ends, however that happens.
 */
#include "app/bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <offloop/base.h>

enum { START_LIMIT_S = 60, PROCESSES_MAX = 4 };

static struct {
    pthread_mutex_t lock;
    /* guarded by lock */
    pid_t pids[PROCESSES_MAX]; /* 0: an empty place */
    bool  is_over;             /* no process may be started any more */
} live = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Replace `from` by `to` in the table of the living. */
static void note_live_locked(pid_t from, pid_t to)
{
    for (int i = 0; i < PROCESSES_MAX; i++) {
        if (live.pids[i] == from) {
            live.pids[i] = to;
            return;
        }
    }
}

void process_kill_all(void)
{
    siginfo_t info;

    pthread_mutex_lock(&live.lock);
    live.is_over = true;
    for (int i = 0; i < PROCESSES_MAX; i++) {
        if (live.pids[i] > 0)
            kill(live.pids[i], SIGKILL);
    }
    /* Seen, but left for their owner to reap: he may be about to do so. */
    for (int i = 0; i < PROCESSES_MAX; i++) {
        if (live.pids[i] > 0)
            waitid(P_PID, (id_t)live.pids[i], &info, WEXITED | WNOWAIT);
    }
    pthread_mutex_unlock(&live.lock);
}

static _Noreturn void become(char *const argv[], int out, int log_fd, pid_t parent)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* the parent was gone before the kernel had been told */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(out, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* Without the slash at its end, since paths begin with one. Returns 0, or OL_EIO: no word stands there. */
static int copy_url(char url[PROCESS_URL_MAX], const char *text)
{
    size_t size = strcspn(text, " \n");

    while (size > 0 && text[size - 1] == '/')
        size--;
    if (size == 0 || size >= PROCESS_URL_MAX)
        return OL_EIO;
    memcpy(url, text, size);
    url[size] = '\0';
    return 0;
}

/* Read standard output up to the line that has the address. */
static int read_url(struct process *process)
{
    static const char said[] = "listening on ";
    uint64_t          until = ol_now_ns() + START_LIMIT_S * OL_NS_PER_S;
    char              text[1024];
    size_t            size = 0;

    while (size < sizeof text - 1 && ol_now_ns() < until) {
        struct pollfd pollfd = { .fd = process->out, .events = POLLIN };
        ssize_t       got = poll(&pollfd, 1, 1000) > 0 ? read(process->out, text + size, sizeof text - 1 - size) : -1;
        const char   *at;

        if (got == 0)
            return OL_EIO;
        if (got < 0)
            continue;
        size += (size_t)got;
        text[size] = '\0';
        at = strstr(text, said);
        if (at && strchr(at, '\n'))
            return copy_url(process->url, at + sizeof said - 1);
    }
    return OL_EIO;
}

/* Returns the child's pid, or -1. */
static pid_t start_live(char *const argv[], int out, int log_fd)
{
    pid_t parent = getpid(), pid = -1;

    pthread_mutex_lock(&live.lock);
    if (!live.is_over)
        pid = fork();
    if (pid == 0)
        become(argv, out, log_fd, parent);
    if (pid > 0)
        note_live_locked(0, pid);
    pthread_mutex_unlock(&live.lock);
    return pid;
}

int process_start(struct process *process, char *const argv[], int log_fd)
{
    int   pipe_fds[2];
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return OL_ESYS;
    pid = start_live(argv, pipe_fds[1], log_fd);
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return OL_ESYS;
    }
    *process = (struct process){ .pid = pid, .out = pipe_fds[0] };
    if (read_url(process) < 0) {
        process_stop(process);
        return OL_EIO;
    }
    return 0;
}

void process_stop(struct process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    pthread_mutex_lock(&live.lock);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    note_live_locked(process->pid, 0);
    pthread_mutex_unlock(&live.lock);
    close(process->out);
    *process = (struct process){ 0 };
}

bool process_is_alive(const struct process *process)
{
    siginfo_t info = { .si_pid = 0 };

    return process->pid > 0 &&
           (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0);
}

/* The number behind "Name:" in a file of /proc; 0 when it is not there. */
static double read_proc_number(pid_t pid, const char *file, const char *name)
{
    char   path[64], line[256];
    double value = 0;
    size_t size = strlen(name);
    FILE  *in;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    in = fopen(path, "re");
    if (!in)
        return 0;
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, name, size) == 0 && line[size] == ':') {
            value = strtod(line + size + 1, NULL);
            break;
        }
    }
    fclose(in);
    return value;
}

void process_cost(const struct process *process, struct process_cost *ret_cost)
{
    struct timespec used = { 0 };
    clockid_t       clock;

    if (clock_getcpuclockid(process->pid, &clock) == 0)
        clock_gettime(clock, &used);
    *ret_cost = (struct process_cost){
        .rss_kb = read_proc_number(process->pid, "status", "VmRSS"),
        .pss_kb = read_proc_number(process->pid, "smaps_rollup", "Pss"),
        .threads = (unsigned)read_proc_number(process->pid, "status", "Threads"),
        .cpu_ns = (uint64_t)used.tv_sec * OL_NS_PER_S + (uint64_t)used.tv_nsec,
    };
}
