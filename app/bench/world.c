/*
 * world.c: a folder, two processes, and their end.
 *
 * The database is made by the first server and used by those after it. Every process runs from this program's own
 * file. A signal may come at any time: it is taken by a thread of its own, which kills the processes, deletes the
 * folder and ends us.
 */
#include "app/bench/world.h"

#include <dirent.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder holds files only. */
static void delete_folder(const char *folder)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

static void *wait_for_signal(void *arg)
{
    struct world *world = arg;
    sigset_t      set;
    int           signal_number;

    fill_signals(&set);
    sigwait(&set, &signal_number);
    /* From here on this thread ends the program: who sees its processes die and closes the world waits for that. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    atomic_store(&world->is_interrupted, true);
    process_kill_all();
    delete_folder(world->folder);
    dprintf(STDERR_FILENO, "\n");
    _exit(128 + signal_number);
}

/* Before there is anything to delete, and before any other thread, so that all of them inherit the mask. */
static void hold_signals(void)
{
    sigset_t set;

    fill_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int world_open(struct world *world, const char *parent)
{
    char path[PATH_SIZE + 16];
    int  rc;

    *world = (struct world){ .log_fd = -1 };
    hold_signals();
    if (!parent)
        parent = getenv("TMPDIR");
    snprintf(world->folder, sizeof world->folder, "%s/offloop-bench.XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(world->folder)) {
        error(0, errno, "cannot make a folder below %s", parent ? parent : "/tmp");
        world->folder[0] = '\0';
        return -1;
    }
    snprintf(world->db_path, sizeof world->db_path, "%s/items.db", world->folder);
    snprintf(path, sizeof path, "%s/log", world->folder);
    world->log_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    rc = world->log_fd < 0 ? errno : pthread_create(&world->signals, NULL, wait_for_signal, world);
    world->has_signals = rc == 0;
    if (rc == 0)
        return 0;
    error(0, rc, "cannot begin");
    world_close(world);
    return -1;
}

void world_close(struct world *world)
{
    if (world->has_signals) {
        pthread_cancel(world->signals); /* in sigwait; once it has a signal it cannot be, and this join does not return */
        pthread_join(world->signals, NULL);
    }
    process_stop(&world->server);
    process_stop(&world->external_api);
    if (world->folder[0])
        delete_folder(world->folder);
    if (world->log_fd >= 0)
        close(world->log_fd);
}

/* What the process has said before it gave up, if anything, on our own standard error. */
static int complain(const struct world *world, const char *what)
{
    char    text[2048];
    ssize_t size;

    if (atomic_load(&world->is_interrupted))
        return -1; /* that is why */
    error(0, 0, "the %s did not start", what);
    size = pread(world->log_fd, text, sizeof text, 0);
    if (size > 0 && write(STDERR_FILENO, text, (size_t)size) < 0)
        return -1;
    return -1;
}

int world_start_external_api(struct world *world, double delay_s)
{
    char  delay[32];
    char *argv[] = { "offloop", "external-api", "--listen", "127.0.0.1:0", "--delay", delay, NULL };

    snprintf(delay, sizeof delay, "%.6f", delay_s);
    process_stop(&world->external_api);
    return process_start(&world->external_api, argv, world->log_fd) < 0 ? complain(world, "pretend service") : 0;
}

int world_start_server(struct world *world, unsigned threads)
{
    char  range[32];
    char *argv[] = { "offloop", "serve",     "--listen", "127.0.0.1:0", "--db", NULL, "--external-api",
                     NULL,      "--timeout", "120",      NULL,          NULL,   NULL };

    argv[5] = world->db_path;
    argv[7] = world->external_api.url;
    if (threads > 0) {
        snprintf(range, sizeof range, "%u:%u", threads, threads);
        argv[10] = "--threads";
        argv[11] = range;
    }
    process_stop(&world->server);
    world->server_threads = threads;
    return process_start(&world->server, argv, world->log_fd) < 0 ? complain(world, "server") : 0;
}
