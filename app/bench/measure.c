#include "app/bench/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <offloop/base.h>

enum field_kind { FIELD_WORD, FIELD_NUMBER, FIELD_CURVE };

struct field {
    const char     *name;
    size_t          offset;
    enum field_kind kind;
};

#define WORD(name)                                        \
    {                                                     \
#name, offsetof(struct measure, name), FIELD_WORD \
    }
#define NUMBER(name)                                        \
    {                                                       \
#name, offsetof(struct measure, name), FIELD_NUMBER \
    }
static const struct field fields[] = {
    WORD(section),
    WORD(mode),
    WORD(call),
    NUMBER(call_ms),
    NUMBER(concurrency),
    NUMBER(planned_rate),
    NUMBER(pool_threads),
    NUMBER(requests),
    NUMBER(failed),
    NUMBER(unfinished),
    NUMBER(seconds),
    NUMBER(rate),
    NUMBER(ideal),
    NUMBER(mean_ms),
    NUMBER(p50_ms),
    NUMBER(p90_ms),
    NUMBER(p95_ms),
    NUMBER(p99_ms),
    NUMBER(p999_ms),
    NUMBER(max_ms),
    NUMBER(cpu_us),
    NUMBER(hello_requests),
    NUMBER(hello_p50_ms),
    NUMBER(hello_p99_ms),
    NUMBER(hello_max_ms),
    NUMBER(rss_kb),
    NUMBER(pss_kb),
    NUMBER(threads),
    { "curve_ms", offsetof(struct measure, curve_ms), FIELD_CURVE },
};
#undef WORD
#undef NUMBER
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static const char *word_of(const struct measure *measure, const struct field *field)
{
    return (const char *)measure + field->offset;
}

static const double *numbers_of(const struct measure *measure, const struct field *field)
{
    return (const double *)(const void *)((const char *)measure + field->offset);
}

/* Microseconds of a millisecond are all that a clock of ours is good for. */
static double rounded(double value)
{
    return round(value * 1000) / 1000;
}

int measures_add(struct measures *measures, const struct measure *measure)
{
    if (measures->count == measures->room) {
        size_t          room = measures->room ? measures->room * 2 : 64;
        struct measure *grown = realloc(measures->rows, room * sizeof *grown);

        if (!grown)
            return OL_ENOMEM;
        measures->rows = grown;
        measures->room = room;
    }
    measures->rows[measures->count++] = *measure;
    return 0;
}

void measures_fini(struct measures *measures)
{
    free(measures->rows);
    *measures = (struct measures){ 0 };
}

static bool is_same(double value, double wanted)
{
    return wanted < 0 || fabs(value - wanted) < 1e-6;
}

const struct measure *measures_find(const struct measures *measures, const char *section, const char *mode,
                                    const char *call, double concurrency, double call_ms)
{
    for (size_t i = 0; i < measures->count; i++) {
        const struct measure *row = &measures->rows[i];

        if (strcmp(row->section, section) == 0 && strcmp(row->mode, mode) == 0 && strcmp(row->call, call) == 0 &&
            is_same(row->concurrency, concurrency) && is_same(row->call_ms, call_ms))
            return row;
    }
    return NULL;
}

bool measure_is_same_load(const struct measure *a, const struct measure *b)
{
    return strcmp(a->section, b->section) == 0 && strcmp(a->call, b->call) == 0 && is_same(a->call_ms, b->call_ms) &&
           is_same(a->concurrency, b->concurrency) && is_same(a->planned_rate, b->planned_rate);
}

/* The first row of its load: no row before it is of the same. */
static bool leads(const struct measures *measures, size_t i)
{
    for (size_t before = 0; before < i; before++) {
        if (measure_is_same_load(&measures->rows[before], &measures->rows[i]))
            return false;
    }
    return true;
}

/* `*at` is the leader's index times the number of rows, plus the index of the row after the one that was returned. */
const struct measure *measures_next_by_load(const struct measures *measures, const char *section, size_t *at)
{
    size_t count = measures->count;

    for (; *at < count * count; ++*at) {
        size_t leader = *at / count, i = *at % count;

        if (strcmp(measures->rows[leader].section, section) != 0 || !leads(measures, leader)) {
            *at = (leader + 1) * count - 1; /* the loop's step leads to the next leader */
            continue;
        }
        if (measure_is_same_load(&measures->rows[leader], &measures->rows[i])) {
            ++*at;
            return &measures->rows[i];
        }
    }
    return NULL;
}

void measure_key(char key[KEY_MAX], const struct measure *measure)
{
    bool has_mode = strcmp(measure->mode, "-") != 0;
    int  size = snprintf(key, KEY_MAX, "%s %s%s%s", measure->section, measure->call, has_mode ? " " : "",
                        has_mode ? measure->mode : "");

    if (measure->concurrency > 0)
        size += snprintf(key + size, KEY_MAX - (size_t)size, ", %.0f client%s", measure->concurrency,
                         measure->concurrency > 1 ? "s" : "");
    if (measure->call_ms > 0)
        size += snprintf(key + size, KEY_MAX - (size_t)size, ", %g ms", measure->call_ms);
    if (measure->planned_rate > 0)
        size += snprintf(key + size, KEY_MAX - (size_t)size, ", %g/s planned", measure->planned_rate);
    if (measure->pool_threads > 0)
        snprintf(key + size, KEY_MAX - (size_t)size, ", %.0f threads", measure->pool_threads);
}

json_t *measure_to_json(const struct measure *measure)
{
    json_t *json = json_object();

    for (int i = 0; i < N_FIELDS; i++) {
        const struct field *field = &fields[i];
        json_t             *value;

        if (field->kind == FIELD_WORD) {
            value = json_string(word_of(measure, field));
        } else if (field->kind == FIELD_NUMBER) {
            value = json_real(rounded(*numbers_of(measure, field)));
        } else {
            value = json_array();
            for (int point = 0; point < CURVE_POINTS; point++)
                json_array_append_new(value, json_real(rounded(numbers_of(measure, field)[point])));
        }
        json_object_set_new(json, field->name, value);
    }
    return json;
}

static int read_field(struct measure *measure, const struct field *field, const json_t *value)
{
    void *place = (char *)measure + field->offset;

    if (field->kind == FIELD_WORD) {
        if (!json_is_string(value) || json_string_length(value) >= WORD_MAX)
            return OL_EINVAL;
        memcpy(place, json_string_value(value), json_string_length(value) + 1);
        return 0;
    }
    if (field->kind == FIELD_NUMBER) {
        if (!json_is_number(value))
            return OL_EINVAL;
        *(double *)place = json_number_value(value);
        return 0;
    }
    if (json_array_size(value) != CURVE_POINTS)
        return OL_EINVAL;
    for (size_t point = 0; point < CURVE_POINTS; point++)
        ((double *)place)[point] = json_number_value(json_array_get(value, point));
    return 0;
}

int measure_from_json(struct measure *ret_measure, const json_t *json)
{
    struct measure measure = { .section = "" };

    for (int i = 0; i < N_FIELDS; i++) {
        if (read_field(&measure, &fields[i], json_object_get(json, fields[i].name)) < 0)
            return OL_EINVAL;
    }
    *ret_measure = measure;
    return 0;
}

void measure_csv_head(FILE *out)
{
    for (int i = 0; i < N_FIELDS; i++) {
        if (fields[i].kind != FIELD_CURVE)
            fprintf(out, "%s%s", i ? "," : "", fields[i].name);
    }
    for (int point = 0; point < CURVE_POINTS; point++)
        fprintf(out, ",at_%g_percent_ms", curve_percents[point]);
    fputc('\n', out);
}

void measure_csv_row(FILE *out, const struct measure *measure)
{
    for (int i = 0; i < N_FIELDS; i++) {
        if (fields[i].kind == FIELD_WORD)
            fprintf(out, "%s%s", i ? "," : "", word_of(measure, &fields[i]));
        else if (fields[i].kind == FIELD_NUMBER)
            fprintf(out, ",%.10g", rounded(*numbers_of(measure, &fields[i])));
    }
    for (int point = 0; point < CURVE_POINTS; point++)
        fprintf(out, ",%.10g", rounded(measure->curve_ms[point]));
    fputc('\n', out);
}
