#include "support/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "program: %s\n", what);
    abort();
}

/* ---- folders ---- */

char *folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char       *path;

    if (asprintf(&path, "%s/offloop-test.XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
        give_up("cannot make a folder");
    return path;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

void folder_remove(char *folder)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

/* ---- starting ---- */

static _Noreturn void exec_program(const struct program_setup *setup, const char *const args[], const int pipes[4],
                                   pid_t parent)
{
    const char *path = getenv("OFFLOOP_PROGRAM");
    const char *argv[PROGRAM_ARGS_MAX + 2] = { "offloop" };
    int         n = 0;

    while (n < PROGRAM_ARGS_MAX && args[n]) {
        argv[n + 1] = args[n];
        n++;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    dup2(pipes[1], STDOUT_FILENO);
    dup2(pipes[3], STDERR_FILENO);
    if (setup->environment)
        putenv((char *)setup->environment);
    if (setup->listener) {
        char pid[16];

        snprintf(pid, sizeof pid, "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        if (setup->listener == 3)
            fcntl(3, F_SETFD, 0);
        else
            dup2(setup->listener, 3);
    }
    if (setup->folder && chdir(setup->folder) < 0)
        _exit(127);
    execv(path, (char *const *)argv);
    fprintf(stderr, "cannot run %s: %s\n", path, strerror(errno));
    _exit(127);
}

void program_start(struct program *program, const struct program_setup *setup, const char *const args[])
{
    static const struct program_setup nothing;
    int                               pipes[4];
    pid_t                             parent = getpid();

    if (!getenv("OFFLOOP_PROGRAM"))
        give_up("OFFLOOP_PROGRAM is not set: run it by ctest");
    if (pipe2(pipes, O_CLOEXEC) < 0 || pipe2(pipes + 2, O_CLOEXEC) < 0)
        give_up("no pipe");
    *program = (struct program){ .out = pipes[0], .err = pipes[2] };
    program->pid = fork();
    if (program->pid == 0)
        exec_program(setup ? setup : &nothing, args, pipes, parent);
    close(pipes[1]);
    close(pipes[3]);
    program->pidfd = program->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, program->pid, 0);
    if (program->pidfd < 0)
        give_up("cannot start a process");
}

static void show_errors(const struct program *program)
{
    char text[4096];

    program_read_all(text, sizeof text, program->err);
    fprintf(stderr, "%s", text);
}

void program_start_server(struct program *program, const struct program_setup *setup, const char *const args[])
{
    static const char prefix[] = "listening on http://";
    char              line[256];

    program_start(program, setup, args);
    do {
        if (!program_read_line(line, sizeof line, program->out)) {
            show_errors(program);
            give_up("the server ended before it listened");
        }
    } while (strncmp(line, prefix, sizeof prefix - 1) != 0);
    line[strcspn(line + sizeof prefix - 1, "/") + sizeof prefix - 1] = '\0';
    snprintf(program->address, sizeof program->address, "%.*s", (int)sizeof program->address - 1,
             line + sizeof prefix - 1);
}

/* ---- reading ---- */

static ssize_t read_some(int fd, char *data, size_t size)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    ssize_t       n;

    do {
        if (poll(&pfd, 1, PROGRAM_LIMIT_S * 1000) == 0)
            give_up("printed nothing for too long");
        n = read(fd, data, size);
    } while (n < 0 && errno == EINTR);
    return n;
}

bool program_read_line(char *line, size_t size, int fd)
{
    for (size_t used = 0; used + 1 < size; used++) {
        if (read_some(fd, line + used, 1) <= 0)
            return false;
        if (line[used] == '\n') {
            line[used] = '\0';
            return true;
        }
    }
    give_up("printed too long a line");
}

void program_read_all(char *text, size_t size, int fd)
{
    char    rest[256];
    size_t  used = 0;
    ssize_t n;

    do {
        n = used + 1 < size ? read_some(fd, text + used, size - 1 - used) : read_some(fd, rest, sizeof rest);
        if (n > 0 && used + 1 < size)
            used += (size_t)n;
    } while (n > 0);
    text[used] = '\0';
}

/* ---- ending ---- */

void program_signal(const struct program *program, int number)
{
    kill(program->pid, number);
}

void process_wait_gone(int pidfd)
{
    struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

    while (poll(&pfd, 1, PROGRAM_LIMIT_S * 1000) <= 0)
        if (errno != EINTR)
            give_up("a process did not end");
}

int program_wait(struct program *program)
{
    int status;

    process_wait_gone(program->pidfd);
    if (waitpid(program->pid, &status, 0) != program->pid)
        give_up("cannot wait");
    close(program->pidfd);
    close(program->out);
    close(program->err);
    program->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int program_stop(struct program *program)
{
    program_signal(program, SIGTERM);
    return program_wait(program);
}

/* ---- other processes ---- */

static pid_t parent_of(const char *pid)
{
    char  path[300], text[512], *after_name;
    FILE *file;
    int   parent = 0;

    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fgets(text, sizeof text, file) && (after_name = strrchr(text, ')')) != NULL)
        sscanf(after_name, ") %*c %d", &parent);
    fclose(file);
    return parent;
}

pid_t process_child(pid_t parent)
{
    DIR           *proc = opendir("/proc");
    struct dirent *entry;
    pid_t          found = 0;

    while (proc && !found && (entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && parent_of(entry->d_name) == parent)
            found = atoi(entry->d_name);
    if (proc)
        closedir(proc);
    if (!found)
        give_up("the process has no child");
    return found;
}
