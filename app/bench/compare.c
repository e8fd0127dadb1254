/*
 * compare.c: this run beside an earlier one.
 *
 * Rows are matched by what was measured (measure_key), never by their place. Two figures of each are judged: the
 * rate, and the median latency, turned so that smaller is worse in both. Tails and memory are left alone: from one
 * run to the next they move more than any tolerance that would still find something. So is the client's own row,
 * which is no figure of the server's.
 */
#include "app/bench/compare.h"

#include <string.h>

struct comparison {
    FILE  *out;
    double tolerance; /* as a share */
    int    n_rows, n_falls, n_rises;
};

static const struct measure *find_same(const struct measures *measures, const char *key)
{
    char other[KEY_MAX];

    for (size_t i = 0; i < measures->count; i++) {
        measure_key(other, &measures->rows[i]);
        if (strcmp(key, other) == 0)
            return &measures->rows[i];
    }
    return NULL;
}

static bool is_judged(const struct measure *row)
{
    return strcmp(row->section, "client") != 0 && strcmp(row->section, "memory") != 0;
}

/* `goodness` is new by old, above 1 when it got better. */
static void judge(struct comparison *comparison, const char *key, const char *figure, double old_value,
                  double new_value, double goodness)
{
    bool falls = goodness<1 - comparison->tolerance, rises = goodness> 1 + comparison->tolerance;

    comparison->n_falls += falls;
    comparison->n_rises += rises;
    if (falls || rises)
        fprintf(comparison->out, "| %s | %s | %.4g | %.4g | %+.0f %% | %s |\n", key, figure, old_value, new_value,
                (goodness - 1) * 100, falls ? "**falls**" : "rises");
}

static void judge_row(struct comparison *comparison, const char *key, const struct measure *old_row,
                      const struct measure *new_row)
{
    comparison->n_rows++;
    if (old_row->rate > 0)
        judge(comparison, key, "requests/s", old_row->rate, new_row->rate, new_row->rate / old_row->rate);
    if (old_row->p50_ms > 0 && new_row->p50_ms > 0)
        judge(comparison, key, "p50 ms", old_row->p50_ms, new_row->p50_ms, old_row->p50_ms / new_row->p50_ms);
}

static void warn_of_differences(FILE *out, const struct report *old_report, const struct report *new_report)
{
    const char *label, *old_text, *new_text;

    if (strcmp(old_report->plan, new_report->plan) != 0)
        fprintf(out, "The older run was \"%s\", this one \"%s\".\n", old_report->plan, new_report->plan);
    for (unsigned i = 0; environment_line(&old_report->environment, i, &label, &old_text); i++) {
        environment_line(&new_report->environment, i, &label, &new_text);
        if (strcmp(old_text, new_text) != 0 && strcmp(label, "load average before") != 0)
            fprintf(out, "Another %s: then %s, now %s.\n", label, old_text, new_text);
    }
}

int compare_reports(FILE *out, const struct report *old_report, const struct report *new_report, double percent)
{
    struct comparison comparison = { .out = out, .tolerance = percent / 100 };
    size_t            n_old = old_report->measures.count, n_new = new_report->measures.count;

    fprintf(out, "\n## Compared with the run of %s\n\n", old_report->started);
    warn_of_differences(out, old_report, new_report);
    fprintf(out, "\n| load | figure | then | now | better by | |\n|---|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < n_new; i++) {
        const struct measure *row = &new_report->measures.rows[i], *old_row;
        char                  key[KEY_MAX];

        measure_key(key, row);
        old_row = is_judged(row) ? find_same(&old_report->measures, key) : NULL;
        if (old_row)
            judge_row(&comparison, key, old_row, row);
    }
    fprintf(out, "\n%d rows in both (of %zu then and %zu now): %d figures fall by more than %g %%, %d rise.\n",
            comparison.n_rows, n_old, n_new, comparison.n_falls, percent, comparison.n_rises);
    return comparison.n_rows == 0 ? -1 : comparison.n_falls;
}
