/*
 * bench/plan.h: which loads are run, in which order, and about how long each takes.
 */
#ifndef APP_BENCH_PLAN_H
#define APP_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum mode { MODE_BLOCKING, MODE_OFFLOAD, MODE_ASYNC, MODES };
enum call { CALL_FETCH, CALL_QUERY, CALL_INSERT, CALL_REPORT, CALL_MIXED, CALL_SLEEP, CALL_NOOP, CALL_HELLO };

extern const char *const mode_names[MODES];
const char              *call_name(enum call call);

enum section {
    SECTION_IDLE,      /* /hello alone */
    SECTION_CLIENT,    /* how much our own client can ask for */
    SECTION_LOAD,      /* the seed's three loads, and the other calls */
    SECTION_SWEEP,     /* fetch, from one client to very many */
    SECTION_OPEN,      /* fetch at a fixed rate */
    SECTION_POOL,      /* sleep, against the number of threads */
    SECTION_CROSSOVER, /* sleep and noop, call time against concurrency */
    SECTION_MEMORY     /* what many waiting clients cost */
};

const char *section_name(enum section section);

/** One load. */
struct step {
    enum section section;
    enum mode    mode;
    bool         has_mode; /* idle and client have none */
    enum call    call;
    double       call_ms;
    unsigned     concurrency;
    double       rate;     /* open loop */
    uint64_t     requests; /* stop after so many; 0: by the window */
    double       window_s; /* 0: by the number */
    bool         cut;
    bool         with_hello;   /* ask for /hello meanwhile */
    bool         fresh_server; /* with `threads` pool threads */
    unsigned     threads;
    double       estimate_s;
};

enum { STEPS_MAX = 400 };

struct plan {
    struct step steps[STEPS_MAX];
    unsigned    count;
    double      delay_s; /* of the pretend service */
    double      estimate_s;
};

/** What is asked for on the command line. */
struct plan_wish {
    bool   is_full;
    bool   is_tiny; /* every load as small as can be: for a test of the program */
    bool   modes[MODES];
    double delay_s; /* 0: the plan's own */
};

void plan_make(struct plan *ret_plan, const struct plan_wish *wish);

#endif
