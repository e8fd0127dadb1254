/*
 * progress.c: one thread that draws twice a second, so that the bar moves also while a load runs.
 *
 * The time left is the plan's reckoning for what remains, stretched by how much longer than reckoned it took so far.
 */
#include "app/bench/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <offloop/base.h>

enum { BAR = 28 };
static const long NS_PER_S = 1000000000, HALF_S_NS = 500000000;

double progress_share(double total_s, double done_s, double step_s, double in_step_s)
{
    double share = (done_s + (in_step_s < step_s ? in_step_s : step_s)) / (total_s > 0 ? total_s : 1);

    return share > 1 ? 1 : share;
}

static void draw_locked(const struct progress *progress)
{
    uint64_t now = ol_now_ns();
    double   in_step_s = (double)(now - progress->step_began_ns) / 1e9;
    double   elapsed_s = (double)(now - progress->began_ns) / 1e9;
    double   share = progress_share(progress->total_s, progress->done_s, progress->step_s, in_step_s);
    double   pace = share > 0.05 ? elapsed_s / (share * progress->total_s) : 1;
    int      left_s = (int)((1 - share) * progress->total_s * pace);
    int      full = (int)(share * BAR);
    char     bar[BAR + 1];

    memset(bar, '#', (size_t)full);
    memset(bar + full, '.', (size_t)(BAR - full));
    bar[BAR] = '\0';
    fprintf(stderr, "\r[%s] %3.0f %%  %2d:%02d left  %-44.44s", bar, share * 100, left_s / 60, left_s % 60,
            progress->what);
}

static void *draw_on(void *arg)
{
    struct progress *progress = arg;
    struct timespec  at;

    pthread_mutex_lock(&progress->lock);
    while (!progress->is_over) {
        draw_locked(progress);
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec += at.tv_nsec >= HALF_S_NS;
        at.tv_nsec = (at.tv_nsec + HALF_S_NS) % NS_PER_S;
        pthread_cond_timedwait(&progress->changed, &progress->lock, &at);
    }
    pthread_mutex_unlock(&progress->lock);
    return NULL;
}

void progress_begin(struct progress *progress, double total_s)
{
    *progress = (struct progress){ .total_s = total_s, .began_ns = ol_now_ns() };
    progress->step_began_ns = progress->began_ns;
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->changed, NULL);
    if (isatty(STDERR_FILENO))
        progress->is_shown = pthread_create(&progress->thread, NULL, draw_on, progress) == 0;
}

void progress_step(struct progress *progress, const char *what, double step_s)
{
    pthread_mutex_lock(&progress->lock);
    progress->done_s += progress->step_s;
    progress->step_s = step_s;
    progress->step_began_ns = ol_now_ns();
    snprintf(progress->what, sizeof progress->what, "%s", what);
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->lock);
}

void progress_end(struct progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    progress->is_over = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->lock);
    if (progress->is_shown) {
        pthread_join(progress->thread, NULL);
        fprintf(stderr, "\r%*s\r", BAR + 70, "");
    }
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->lock);
}
