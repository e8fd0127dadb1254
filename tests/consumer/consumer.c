/*
 * consumer.c: a program outside the project. It knows the installed headers and libraries and nothing else; it is built
 * as C and as C++, so it stays in what the two have in common.
 */
#include <offloop/offloop.h>

#include <stdio.h>
#include <string.h>

struct square {
    struct ol_job job; /* first, so that a job is its square */
    int           number, squared;
};

static void square_work(struct ol_job *job)
{
    struct square *square = (struct square *)job;

    square->squared = square->number * square->number;
}

static void square_done(struct ol_job *job, enum ol_job_status status)
{
    struct square *square = (struct square *)job;

    printf("%d squared, off the loop: %d (%s)\n", square->number, square->squared, ol_job_status_name(status));
}

int main(void)
{
    struct ol_loop       *loop = NULL;
    struct ol_pool       *pool = NULL;
    struct ol_pool_config config;
    struct square         seven;
    int                   rc;

    memset(&config, 0, sizeof(config));
    config.name = "consumer";
    memset(&seven, 0, sizeof(seven));
    seven.job.work = square_work;
    seven.job.done = square_done;
    seven.number = 7;

    rc = ol_loop_create(&loop, NULL);
    if (rc == 0)
        rc = ol_pool_create(&pool, loop, &config);
    if (rc == 0)
        rc = ol_pool_submit(pool, &seven.job);
    if (rc == 0)
        rc = ol_loop_run(loop);
    if (rc < 0)
        fprintf(stderr, "consumer: %s\n", ol_strerror(rc));
    if (ol_pool_destroy(pool, NULL, NULL) < 0 || ol_loop_destroy(loop) < 0)
        return 1;
    return rc == 0 && seven.squared == 49 ? 0 : 1;
}
