/*
 * bench_pool.c: what it costs to hand an empty job to another thread and get it back, beside the peers, in one run.
 *
 *   offloop   with all statistics on
 *   libuv     uv_queue_work
 *   gtask     g_task_run_in_thread (always ten threads)
 *   floor     two threads over raw eventfd and epoll, and no pool at all
 *
 * Each measurement runs in a process of its own (libuv's and GTask's pools are one for a process, and cannot be
 * resized). Rounds of all systems are interleaved, so that a noisy moment of the machine hits all alike; the table has
 * the median round and the range. CPU time is that of the whole process: all threads, user and system.
 */
#include <getopt.h>
#include <offloop/offloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff/extremes.h"
#include "handoff/overload.h"
#include "handoff/system.h"

static const struct system *const systems[] = {
    &system_offloop,
#ifdef WITH_LIBUV
    &system_libuv,
#endif
#ifdef WITH_GTASK
    &system_gtask,
#endif
    &system_floor,
};

static const unsigned all_threads[] = { 2, 4 }, all_outstanding[] = { 1, 64, 1024 };

enum {
    N_SYSTEMS = sizeof systems / sizeof systems[0],
    N_THREADS = 2,
    N_OUTSTANDING = 3,
    ROUNDS_MAX = 99,
    WARM_UP_JOBS = 2000,
    LOOK_EVERY = 64
};

struct series {
    unsigned     n;
    struct round rounds[ROUNDS_MAX];
};

static struct series results[N_THREADS][N_OUTSTANDING][N_SYSTEMS];

static const char usage[] =
    "usage: bench_pool [--quick] [--rounds N] [--seconds S] [--json]\n"
    "       bench_pool --soak [JOBS]     memory before and after JOBS (default 10 million) jobs through one pool\n"
    "       bench_pool --overload        goodput and p99 at ten times the capacity, overload control on\n"
    "       bench_pool --queued [JOBS]   the pool's memory for each of JOBS (default 1 million) jobs queued at once\n"
    "\n"
    "  --quick      3 rounds of 0.05 s\n"
    "  --rounds N   rounds of each measurement (default 5, up to 99)\n"
    "  --seconds S  length of a round (default 0.3)\n"
    "  --json       an array of objects instead of the table\n";

static uint64_t cpu_ns(void)
{
    struct rusage usage_now;

    getrusage(RUSAGE_SELF, &usage_now);
    return (uint64_t)(usage_now.ru_utime.tv_sec + usage_now.ru_stime.tv_sec) * OL_NS_PER_S +
           (uint64_t)(usage_now.ru_utime.tv_usec + usage_now.ru_stime.tv_usec) * OL_NS_PER_US;
}

static void begin(struct round *round, uint64_t now_ns)
{
    round->begin_ns = now_ns;
    round->begin_cpu_ns = cpu_ns();
    round->n_begin = round->n_jobs;
}

static void end(struct round *round, uint64_t now_ns)
{
    double n = (double)(round->n_jobs - round->n_begin);

    round->over = true;
    round->us_per_job = (double)(now_ns - round->begin_ns) / 1e3 / n;
    round->jobs_per_s = 1e6 / round->us_per_job;
    round->cpu_us_per_job = (double)(cpu_ns() - round->begin_cpu_ns) / 1e3 / n;
}

bool round_is_over(struct round *round)
{
    if (++round->n_jobs < round->n_look || round->over)
        return round->over;
    uint64_t now_ns = ol_now_ns();
    if (!round->begin_ns && round->n_jobs >= WARM_UP_JOBS)
        begin(round, now_ns);
    else if (round->begin_ns && (double)(now_ns - round->begin_ns) >= round->seconds * 1e9)
        end(round, now_ns);
    round->n_look = round->n_jobs + (round->outstanding > LOOK_EVERY ? LOOK_EVERY * 4 : LOOK_EVERY);
    return round->over;
}

/* In a child, so that each begins alike and what it leaves behind goes with it. Returns 0, or -1. */
static int measure(const struct system *system, struct round *round)
{
    int fds[2], status;

    if (pipe(fds) < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        int rc = system->run(round);

        if (rc == 0 && write(fds[1], round, sizeof *round) != sizeof *round)
            rc = -1;
        _exit(rc ? 1 : 0);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], round, sizeof *round);
    close(fds[0]);
    waitpid(pid, &status, 0);
    return n == sizeof *round ? 0 : -1;
}

static int measure_all(unsigned n_rounds, double seconds)
{
    for (unsigned r = 0; r < n_rounds; r++)
        for (unsigned t = 0; t < N_THREADS; t++)
            for (unsigned o = 0; o < N_OUTSTANDING; o++)
                for (unsigned s = 0; s < N_SYSTEMS; s++) {
                    struct series *series = &results[t][o][s];
                    struct round  *round = &series->rounds[series->n++];

                    *round = (struct round){ .threads = all_threads[t],
                                             .outstanding = all_outstanding[o],
                                             .seconds = seconds };
                    if (measure(systems[s], round) < 0) {
                        fprintf(stderr, "bench_pool: %s failed\n", systems[s]->name);
                        return 1;
                    }
                }
    return 0;
}

static int by_time(const void *a, const void *b)
{
    double x = ((const struct round *)a)->us_per_job, y = ((const struct round *)b)->us_per_job;

    return (x > y) - (x < y);
}

static const struct round *median(struct series *series)
{
    qsort(series->rounds, series->n, sizeof *series->rounds, by_time);
    return &series->rounds[series->n / 2];
}

static void print_table_row(struct series *series, const char *name, const struct round *libuv)
{
    const struct round *mid = median(series), *all = series->rounds;

    printf("| %u | %u | %s | %.0f | %.3f | %.3f to %.3f | %.3f |", mid->threads, mid->outstanding, name,
           mid->jobs_per_s, mid->us_per_job, all[0].us_per_job, all[series->n - 1].us_per_job, mid->cpu_us_per_job);
    if (libuv)
        printf(" %.2f |\n", mid->us_per_job / libuv->us_per_job);
    else
        printf(" |\n");
}

static const struct round *libuv_of(struct series *all)
{
    for (unsigned s = 0; s < N_SYSTEMS; s++)
        if (strcmp(systems[s]->name, "libuv") == 0)
            return median(&all[s]);
    return NULL;
}

static void print_table(void)
{
    printf("| threads | outstanding | system | jobs/s | us/job | range | CPU us/job | time, of libuv's |\n");
    printf("|---:|---:|---|---:|---:|---:|---:|---:|\n");
    for (unsigned t = 0; t < N_THREADS; t++)
        for (unsigned o = 0; o < N_OUTSTANDING; o++)
            for (unsigned s = 0; s < N_SYSTEMS; s++)
                print_table_row(&results[t][o][s], systems[s]->name, libuv_of(results[t][o]));
}

static void print_json(void)
{
    const char *separator = "[\n";

    for (unsigned t = 0; t < N_THREADS; t++)
        for (unsigned o = 0; o < N_OUTSTANDING; o++)
            for (unsigned s = 0; s < N_SYSTEMS; s++) {
                const struct round *mid = median(&results[t][o][s]);

                printf("%s  {\"system\": \"%s\", \"threads\": %u, \"outstanding\": %u, \"jobs_per_s\": %.0f, "
                       "\"us_per_job\": %.4f, \"cpu_us_per_job\": %.4f}",
                       separator, systems[s]->name, mid->threads, mid->outstanding, mid->jobs_per_s, mid->us_per_job,
                       mid->cpu_us_per_job);
                separator = ",\n";
            }
    printf("\n]\n");
}

static uint64_t number_or(const char *text, uint64_t otherwise)
{
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "quick", no_argument, NULL, 'q' },
        { "rounds", required_argument, NULL, 'r' },
        { "seconds", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "soak", no_argument, NULL, 'S' },
        { "queued", no_argument, NULL, 'Q' },
        { "overload", no_argument, NULL, 'O' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    unsigned n_rounds = 5;
    double   seconds = 0.3;
    bool     json = false;
    int      extreme = 0;

    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'q': n_rounds = 3, seconds = 0.05; break;
        case 'r': n_rounds = (unsigned)number_or(optarg, 0); break;
        case 's': seconds = strtod(optarg, NULL); break;
        case 'j': json = true; break;
        case 'S':
        case 'Q':
        case 'O': extreme = c; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (n_rounds < 1 || n_rounds > ROUNDS_MAX || !(seconds > 0)) {
        fputs(usage, stderr);
        return 2;
    }
    if (extreme == 'O')
        return overload();
    if (extreme == 'S')
        return soak(number_or(argv[optind], UINT64_C(10000000)));
    if (extreme == 'Q')
        return queue_at_once(number_or(argv[optind], UINT64_C(1000000)));
    int rc = measure_all(n_rounds, seconds);
    if (rc == 0 && json)
        print_json();
    else if (rc == 0)
        print_table();
    return rc;
}
