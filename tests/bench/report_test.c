/* What is made of a run: JSON and back, the comparison's verdict, the findings, and a page that needs nothing else. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"

#include "app/bench/compare.h"
#include "app/bench/findings.h"

static struct measure make(const char *section, const char *mode, const char *call, double concurrency, double rate,
                           double p50_ms)
{
    struct measure measure = { .concurrency = concurrency, .requests = 100, .rate = rate, .p50_ms = p50_ms };

    snprintf(measure.section, sizeof measure.section, "%s", section);
    snprintf(measure.mode, sizeof measure.mode, "%s", mode);
    snprintf(measure.call, sizeof measure.call, "%s", call);
    for (int i = 0; i < CURVE_POINTS; i++)
        measure.curve_ms[i] = p50_ms * (i + 1);
    return measure;
}

static void add(struct report *report, struct measure measure)
{
    assert_int_equal(measures_add(&report->measures, &measure), 0);
}

static struct report make_report(double rate, double p50_ms)
{
    struct report  report = { .plan = "quick", .started = "2026-01-01", .delay_s = 0.5 };
    struct measure fetch = make("load", "async", "fetch", 20, rate, p50_ms);

    fetch.call_ms = 500;
    fetch.ideal = 40;
    add(&report, make("idle", "-", "hello", 0, 100, 0.1));
    add(&report, fetch);
    add(&report, make("client", "-", "hello", 20, rate * 100, 1));
    return report;
}

/* Compare, throw the text away, and return the verdict. */
static int compare(struct report old_report, struct report new_report, double tolerance)
{
    char  *text;
    size_t size;
    FILE  *out = open_memstream(&text, &size);
    int    falls = compare_reports(out, &old_report, &new_report, tolerance);

    fclose(out);
    free(text);
    report_fini(&old_report);
    report_fini(&new_report);
    return falls;
}

static void a_run_falls_only_by_more_than_the_tolerance(void **state)
{
    (void)state;
    assert_int_equal(compare(make_report(40, 500), make_report(40, 500), 0), 0);
    assert_int_equal(compare(make_report(40, 500), make_report(37, 500), 10), 0);
    assert_int_equal(compare(make_report(40, 500), make_report(35, 500), 10), 1);
    assert_int_equal(compare(make_report(40, 500), make_report(40, 540), 10), 0);
    assert_int_equal(compare(make_report(40, 500), make_report(40, 600), 10), 1);
    assert_int_equal(compare(make_report(40, 500), make_report(20, 1000), 10), 2);
    assert_int_equal(compare(make_report(40, 500), make_report(80, 250), 10), 0);
}

static void a_mode_that_stopped_answering_falls(void **state)
{
    (void)state;
    assert_int_equal(compare(make_report(40, 500), make_report(0, 0), 20), 1);
}

static void runs_without_a_common_row_cannot_be_compared(void **state)
{
    struct report old_report = { .plan = "full" }, new_report = { .plan = "quick" };

    (void)state;
    add(&old_report, make("load", "async", "fetch", 5, 10, 1));
    add(&new_report, make("load", "async", "fetch", 6, 10, 1));
    assert_int_equal(compare(old_report, new_report, 20), -1);
}

static void a_report_survives_json(void **state)
{
    struct report report = make_report(39.25, 501.125), back;
    char          why[NOTE_SIZE] = "";
    json_t       *json;

    (void)state;
    snprintf(report.environment.processor, LABEL_MAX, "a \"quoted\" one");
    report_note(&report, "%d of %d failed", 1, 2);
    json = report_to_json(&report);
    assert_non_null(json);
    assert_int_equal(report_from_json(&back, json, why), 0);
    assert_string_equal(back.plan, "quick");
    assert_string_equal(back.environment.processor, report.environment.processor);
    assert_int_equal(back.n_notes, 1);
    assert_string_equal(back.notes[0], "1 of 2 failed");
    assert_int_equal(back.measures.count, report.measures.count);
    assert_true(fabs(back.measures.rows[1].p50_ms - 501.125) < 1e-9);
    assert_true(fabs(back.measures.rows[1].curve_ms[CURVE_POINTS - 1] - 501.125 * CURVE_POINTS) < 1e-3);
    json_decref(json);
    report_fini(&report);
    report_fini(&back);
}

static void what_is_no_report_is_refused_with_a_reason(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"offloop_bench\": 2, \"measures\": []}",
        "{\"offloop_bench\": 1, \"measures\": [{}]}",
        "{\"offloop_bench\": 1, \"measures\": [7]}",
        "{\"offloop_bench\": 1, \"measures\": [{\"section\": \"a word that is longer than any of ours\"}]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t       *json = json_loads(texts[i], 0, NULL);
        struct report report;
        char          why[NOTE_SIZE] = "";

        assert_non_null(json);
        assert_true(report_from_json(&report, json, why) < 0);
        assert_true(why[0] != '\0');
        json_decref(json);
    }
}

static void the_modes_of_a_load_come_side_by_side_and_each_row_once(void **state)
{
    struct measures       measures = { 0 };
    const struct measure *row;
    char                  order[64] = "";
    size_t                at = 0;
    struct measure        rows[] = {
               make("load", "a", "x", 5, 1, 1), make("load", "a", "x", 10, 1, 1), make("sweep", "a", "x", 5, 1, 1),
               make("load", "b", "x", 5, 1, 1), make("load", "b", "y", 5, 1, 1),  make("load", "b", "x", 10, 1, 1),
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(measures_add(&measures, &rows[i]), 0);
    while ((row = measures_next_by_load(&measures, "load", &at)))
        snprintf(order + strlen(order), sizeof order - strlen(order), "%s%s%.0f ", row->mode, row->call,
                 row->concurrency);
    assert_string_equal(order, "ax5 bx5 ax10 bx10 by5 ");
    measures_fini(&measures);
}

static void a_crossing_names_every_mode_within_a_tenth_of_the_best(void **state)
{
    struct report   report = { .plan = "quick" };
    struct crossing crossing;

    (void)state;
    add(&report, make("crossover", "blocking", "query", 20, 1000, 1));
    add(&report, make("crossover", "offload", "query", 20, 1850, 1));
    add(&report, make("crossover", "async", "query", 20, 2000, 1));
    assert_true(find_crossing(&crossing, &report, "query", 0, 20));
    assert_int_equal(crossing.best, MODE_ASYNC);
    assert_false(crossing.is_good[MODE_BLOCKING]);
    assert_true(crossing.is_good[MODE_OFFLOAD]);
    assert_true(crossing.is_good[MODE_ASYNC]);
    assert_false(find_crossing(&crossing, &report, "query", 0, 21));
    report_fini(&report);
}

static void a_goal_that_is_missed_is_said_to_be_missed(void **state)
{
    struct report report = make_report(39.5, 500), poor = make_report(30, 600);
    struct goal   goals[GOALS_MAX];

    (void)state;
    assert_int_equal(find_goals(goals, &report), 1);
    assert_true(goals[0].is_met);
    assert_int_equal(find_goals(goals, &poor), 1);
    assert_false(goals[0].is_met);
    assert_true(fabs(goals[0].measured - 75) < 1e-9);
    report_fini(&report);
    report_fini(&poor);
}

static char *render(const struct report *report)
{
    char  *text;
    size_t size;
    FILE  *out = open_memstream(&text, &size);

    assert_int_equal(report_html(out, report), 0);
    fclose(out);
    return text;
}

static void the_page_asks_for_no_other_file(void **state)
{
    static const char *const ways_out[] = { "src=", "href=", "@import", "url(", "<link", "https://" };
    struct report            report = make_report(39.5, 500);
    char                    *page = render(&report);

    (void)state;
    for (size_t i = 0; i < sizeof ways_out / sizeof ways_out[0]; i++)
        assert_null(strstr(page, ways_out[i]));
    /* The one address is the name of SVG's namespace, which nobody fetches. */
    for (const char *at = page; (at = strstr(at, "http://")); at++)
        assert_int_equal(strncmp(at, "http://www.w3.org/2000/svg", 26), 0);
    free(page);
    report_fini(&report);
}

static void text_from_outside_cannot_become_markup(void **state)
{
    struct report report = make_report(39.5, 500);
    char         *page;

    (void)state;
    snprintf(report.environment.processor, LABEL_MAX, "</script><b id=x>&");
    report_note(&report, "<img id=y>");
    page = render(&report);
    assert_null(strstr(page, "<b id=x>"));
    assert_null(strstr(page, "<img"));
    assert_non_null(strstr(page, "&lt;img id=y&gt;"));
    free(page);
    report_fini(&report);
}

static void an_empty_run_still_makes_a_page_and_tables(void **state)
{
    struct report report = { .plan = "quick", .delay_s = 0.5 };
    char         *page = render(&report), *text;
    size_t        size;
    FILE         *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(strstr(page, "</html>"));
    assert_null(strstr(page, "nan"));
    assert_int_equal(report_markdown(out, &report), 0);
    assert_int_equal(report_csv(out, &report), 0);
    fclose(out);
    free(text);
    free(page);
    report_fini(&report);
}

static void every_plan_fits_and_ends_in_time(void **state)
{
    struct plan *plan = malloc(sizeof *plan);

    (void)state;
    assert_non_null(plan);
    for (int full = 0; full < 2; full++) {
        plan_make(plan, &(struct plan_wish){ .is_full = full, .modes = { true, true, true } });
        assert_true(plan->count > 0 && plan->count < STEPS_MAX);
        assert_true(full || plan->estimate_s < 40);
    }
    free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_falls_only_by_more_than_the_tolerance),
        cmocka_unit_test(a_mode_that_stopped_answering_falls),
        cmocka_unit_test(runs_without_a_common_row_cannot_be_compared),
        cmocka_unit_test(a_report_survives_json),
        cmocka_unit_test(what_is_no_report_is_refused_with_a_reason),
        cmocka_unit_test(the_modes_of_a_load_come_side_by_side_and_each_row_once),
        cmocka_unit_test(a_crossing_names_every_mode_within_a_tenth_of_the_best),
        cmocka_unit_test(a_goal_that_is_missed_is_said_to_be_missed),
        cmocka_unit_test(the_page_asks_for_no_other_file),
        cmocka_unit_test(text_from_outside_cannot_become_markup),
        cmocka_unit_test(an_empty_run_still_makes_a_page_and_tables),
        cmocka_unit_test(every_plan_fits_and_ends_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
