/*
 * bench/report.h: a run and what is made of it.
 */
#ifndef APP_BENCH_REPORT_H
#define APP_BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "app/bench/measure.h"

enum { LABEL_MAX = 96, NOTES_MAX = 16, NOTE_SIZE = 256 };

/** The machine and the programs, as lines for a person. */
struct environment {
    char processor[LABEL_MAX];
    char cores[LABEL_MAX];
    char memory[LABEL_MAX];
    char kernel[LABEL_MAX];
    char system[LABEL_MAX];
    char compiler[LABEL_MAX];
    char offloop[LABEL_MAX];
    char sqlite[LABEL_MAX];
    char database_on[LABEL_MAX]; /* the kind of file system */
    char load_before[LABEL_MAX]; /* the load average as the run began */
};

struct report {
    char               plan[WORD_MAX]; /* quick, full */
    char               started[LABEL_MAX];
    double             delay_s;
    double             took_s;
    struct environment environment;
    struct measures    measures;
    char               notes[NOTES_MAX][NOTE_SIZE]; /* what went wrong, or should be known */
    unsigned           n_notes;
};

void environment_read(struct environment *ret_environment, const char *folder);

/** Each field with its label, in order; false after the last. */
bool environment_line(const struct environment *environment, unsigned i, const char **ret_label, const char **ret_text);

/** Milliseconds with as many digits as mean something: "0.125", "12.3", "1,234". Returns `text`. */
const char *ms_text(char text[LABEL_MAX], double ms);

void report_note(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_fini(struct report *report);

/** A new reference, or NULL: no memory. */
json_t *report_to_json(const struct report *report);

/** Returns: 0 (the caller calls report_fini), or OL_EINVAL: not a report of ours, and `why` says what is wrong. */
int report_from_json(struct report *ret_report, const json_t *json, char why[NOTE_SIZE]);

/** Each of these returns 0, or -1 when `out` could not be written. */
int report_markdown(FILE *out, const struct report *report);
int report_csv(FILE *out, const struct report *report);
int report_html(FILE *out, const struct report *report);

#endif
