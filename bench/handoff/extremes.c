#include "extremes.h"

#include <malloc.h>
#include <offloop/offloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUTSTANDING = 1024, BYTES_A_JOB_MAX = 100 };

static struct ol_loop *loop;
static struct ol_pool *pool;
static uint64_t        n_left;

static void work(struct ol_job *job)
{
    (void)job;
}

static void submit_again(struct ol_job *job, enum ol_job_status status)
{
    (void)status;
    if (n_left > 0 && n_left--)
        ol_pool_submit(pool, job);
}

static void count_down(struct ol_job *job, enum ol_job_status status)
{
    (void)job, (void)status;
    n_left--;
}

static long resident_kb(void)
{
    long  pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int set_up(size_t queue_max)
{
    if (ol_loop_create(&loop, NULL) == 0 &&
        ol_pool_create(&pool, loop,
                       &(struct ol_pool_config){
                           .name = "bench", .threads_min = 2, .threads_max = 2, .queue_max = queue_max }) == 0)
        return 0;
    fprintf(stderr, "bench_pool: %s\n", ol_last_error()->text);
    return -1;
}

static int tear_down(void)
{
    return ol_pool_destroy(pool, NULL, NULL) < 0 || ol_loop_destroy(loop) < 0;
}

static void push(struct ol_job *jobs, uint64_t n_jobs)
{
    n_left = n_jobs;
    for (unsigned i = 0; i < OUTSTANDING && n_left > 0; i++) {
        jobs[i] = (struct ol_job){ .work = work, .done = submit_again };
        n_left--;
        ol_pool_submit(pool, &jobs[i]);
    }
    ol_loop_run(loop);
}

int soak(uint64_t n_jobs)
{
    static struct ol_job jobs[OUTSTANDING];

    if (set_up(0) < 0)
        return 1;
    push(jobs, n_jobs / 10); /* until everything has been touched once */
    size_t heap_before = mallinfo2().uordblks;
    long   before_kb = resident_kb();
    push(jobs, n_jobs);
    size_t heap_after = mallinfo2().uordblks;
    long   after_kb = resident_kb();
    printf("%llu jobs: resident %ld kB before, %ld kB after; allocated %zu bytes before, %zu after\n",
           (unsigned long long)n_jobs, before_kb, after_kb, heap_before, heap_after);
    int rc = tear_down();
    /* A page table or a histogram's page that is touched for the first time is not growth with the jobs. */
    return rc || heap_after > heap_before || after_kb > before_kb + 256;
}

int queue_at_once(uint64_t n_jobs)
{
    if (set_up(n_jobs) < 0)
        return 1;
    struct ol_job *jobs = calloc(n_jobs, sizeof *jobs);
    if (!jobs)
        return 1;
    for (uint64_t i = 0; i < n_jobs; i++) /* touched, so that what follows is the pool's */
        jobs[i] = (struct ol_job){ .work = work, .done = count_down };
    n_left = n_jobs;
    size_t   heap_before = mallinfo2().uordblks;
    long     before_kb = resident_kb();
    uint64_t begin_ns = ol_now_ns();
    int      rc = 0;
    for (uint64_t i = 0; i < n_jobs && rc == 0; i++)
        rc = ol_pool_submit(pool, &jobs[i]);
    long   after_kb = resident_kb();
    size_t heap_after = mallinfo2().uordblks;
    ol_loop_run(loop);
    double per_job = (double)(after_kb - before_kb) * 1024 / (double)n_jobs;
    printf("%llu jobs queued at once: %.2f bytes of the pool's for each (allocated: %zu bytes in all) beside the "
           "caller's %zu; all done after %.0f ms\n",
           (unsigned long long)n_jobs, per_job, heap_after - heap_before, sizeof(struct ol_job),
           (double)(ol_now_ns() - begin_ns) / 1e6);
    rc = rc < 0 || n_left > 0 || per_job >= BYTES_A_JOB_MAX;
    rc |= tear_down();
    free(jobs);
    return rc;
}
