#include "support/crew.h"

#include <stdio.h>
#include <stdlib.h>

static void *member_main(void *arg)
{
    struct crew_member *member = arg;

    member->run(member->index, member->arg);
    return NULL;
}

void crew_start(struct crew *crew, unsigned n, crew_cb *run, void *arg)
{
    if (n > CREW_MAX) {
        fprintf(stderr, "crew: %u threads are too many\n", n);
        abort();
    }
    crew->n = n;
    for (unsigned i = 0; i < n; i++) {
        crew->members[i] = (struct crew_member){ .index = i, .run = run, .arg = arg };
        if (pthread_create(&crew->members[i].thread, NULL, member_main, &crew->members[i]) != 0) {
            fprintf(stderr, "crew: thread %u cannot be started\n", i);
            abort();
        }
    }
}

void crew_join(struct crew *crew)
{
    for (unsigned i = 0; i < crew->n; i++)
        pthread_join(crew->members[i].thread, NULL);
}
