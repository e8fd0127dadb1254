#ifndef OFFLOOP_TESTS_SUPPORT_CREW_H
#define OFFLOOP_TESTS_SUPPORT_CREW_H

/* crew.h: a few threads that run the same function, each with its own number, and are waited for together. */

#include <pthread.h>

enum { CREW_MAX = 16 };

/* Thread: a member's own. Must not assert: record, and let the main thread look. */
typedef void crew_cb(unsigned index, void *arg);

struct crew_member {
    pthread_t thread;
    unsigned  index;
    crew_cb  *run;
    void     *arg;
};

struct crew {
    struct crew_member members[CREW_MAX];
    unsigned           n;
};

void crew_start(struct crew *crew, unsigned n, crew_cb *run, void *arg);
void crew_join(struct crew *crew);

#endif
