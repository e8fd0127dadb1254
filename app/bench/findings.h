/*
 * bench/findings.h: what the figures say: the goals, the crossover, and the sentences that a reader remembers.
 */
#ifndef APP_BENCH_FINDINGS_H
#define APP_BENCH_FINDINGS_H

#include "app/bench/plan.h"
#include "app/bench/report.h"

/** One goal of the project as far as this run can tell. */
struct goal {
    char   what[160];
    double wanted, measured; /* as in the text */
    char   unit[24];
    bool   is_met;
};

enum { GOALS_MAX = 24, SENTENCES_MAX = 12, SENTENCE_SIZE = 400 };

/** Returns how many; rows that were not measured are left out. */
unsigned find_goals(struct goal list[GOALS_MAX], const struct report *report);

/** One cell of the crossover table. */
struct crossing {
    const struct measure *by_mode[MODES]; /* NULL: not measured */
    bool                  is_good[MODES]; /* its rate is within CROSSING_SHARE of the best */
    enum mode             best;
    double                best_rate;
};

#define CROSSING_SHARE 0.9

/** False: nothing was measured there. */
bool find_crossing(struct crossing *ret_crossing, const struct report *report, const char *call, double call_ms,
                   double concurrency);

/** The call times, or the numbers of clients, of the crossover's rows, in order. Returns how many. */
unsigned crossing_calls(double call_ms[16], const struct report *report);
unsigned crossing_clients(double concurrency[16], const struct report *report);

/** Plain sentences: where blocking wins, where offload loses, what a mode costs. Returns how many. */
unsigned find_sentences(char sentences[SENTENCES_MAX][SENTENCE_SIZE], const struct report *report);

#endif
