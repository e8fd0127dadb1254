/*
 * report.c: a run as JSON, there and back, and as CSV.
 */
#include "app/bench/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <offloop/base.h>

enum { FORMAT = 1 };

const char *ms_text(char text[LABEL_MAX], double ms)
{
    if (ms >= 1000)
        snprintf(text, LABEL_MAX, "%d,%03d", (int)(ms / 1000), (int)ms % 1000);
    else
        snprintf(text, LABEL_MAX, "%.*f", ms >= 100 ? 0 : ms >= 10 ? 1 : ms >= 1 ? 2 : 3, ms);
    return text;
}

void report_note(struct report *report, const char *format, ...)
{
    va_list args;

    if (report->n_notes == NOTES_MAX)
        return;
    va_start(args, format);
    vsnprintf(report->notes[report->n_notes++], NOTE_SIZE, format, args);
    va_end(args);
}

void report_fini(struct report *report)
{
    measures_fini(&report->measures);
}

static json_t *environment_to_json(const struct environment *environment)
{
    json_t     *json = json_object();
    const char *label, *text;

    for (unsigned i = 0; environment_line(environment, i, &label, &text); i++)
        json_object_set_new(json, label, json_string(text));
    return json;
}

json_t *report_to_json(const struct report *report)
{
    json_t *curve = json_array(), *measures = json_array(), *notes = json_array();

    for (int i = 0; i < CURVE_POINTS; i++)
        json_array_append_new(curve, json_real(curve_percents[i]));
    for (size_t i = 0; i < report->measures.count; i++)
        json_array_append_new(measures, measure_to_json(&report->measures.rows[i]));
    for (unsigned i = 0; i < report->n_notes; i++)
        json_array_append_new(notes, json_string(report->notes[i]));
    return json_pack("{s:i, s:s, s:s, s:f, s:f, s:o, s:o, s:o, s:o}", "offloop_bench", FORMAT, "plan", report->plan,
                     "started", report->started, "delay_s", report->delay_s, "took_s", report->took_s, "environment",
                     environment_to_json(&report->environment), "notes", notes, "curve_percents", curve, "measures",
                     measures);
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void environment_from_json(struct environment *environment, const json_t *json)
{
    const char *label, *text;

    for (unsigned i = 0; environment_line(environment, i, &label, &text); i++)
        copy_text((char *)environment + (text - (const char *)environment), LABEL_MAX,
                  json_string_value(json_object_get(json, label)));
}

static int read_measures(struct report *report, const json_t *json, char why[NOTE_SIZE])
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct measure measure;
        int            rc = measure_from_json(&measure, json_array_get(json, i));

        if (rc == 0)
            rc = measures_add(&report->measures, &measure);
        if (rc < 0) {
            snprintf(why, NOTE_SIZE, "measure %zu: %s", i, ol_strerror(rc));
            return rc;
        }
    }
    return 0;
}

int report_from_json(struct report *ret_report, const json_t *json, char why[NOTE_SIZE])
{
    struct report report = { .plan = "" };
    json_t       *notes = json_object_get(json, "notes");
    int           rc;

    if (json_integer_value(json_object_get(json, "offloop_bench")) != FORMAT) {
        snprintf(why, NOTE_SIZE, "not a report of offloop bench");
        return OL_EINVAL;
    }
    copy_text(report.plan, sizeof report.plan, json_string_value(json_object_get(json, "plan")));
    copy_text(report.started, sizeof report.started, json_string_value(json_object_get(json, "started")));
    report.delay_s = json_number_value(json_object_get(json, "delay_s"));
    report.took_s = json_number_value(json_object_get(json, "took_s"));
    environment_from_json(&report.environment, json_object_get(json, "environment"));
    for (size_t i = 0; i < json_array_size(notes); i++)
        report_note(&report, "%s", json_string_value(json_array_get(notes, i)));
    rc = read_measures(&report, json_object_get(json, "measures"), why);
    if (rc < 0) {
        report_fini(&report);
        return rc;
    }
    *ret_report = report;
    return 0;
}

int report_csv(FILE *out, const struct report *report)
{
    measure_csv_head(out);
    for (size_t i = 0; i < report->measures.count; i++)
        measure_csv_row(out, &report->measures.rows[i]);
    return ferror(out) ? -1 : 0;
}
