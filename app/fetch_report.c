/*
 * fetch_report.c: answers go to standard output, everything about them to standard error, so that the two can be told
 * apart.
 *
 * A request has failed when there was no answer, or when its status is 400 or more. Progress is one line that is
 * written over, ten times a second at most, and only on a terminal.
 */
#include "app/fetch_report.h"

#include <error.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FAILED_FROM = 400 };

static const uint64_t PROGRESS_NS = 100 * OL_NS_PER_MS;

int fetch_report_init(struct fetch_report *report, size_t n_expected, bool json, bool body)
{
    *report = (struct fetch_report){
        .json = json,
        .body = body,
        .progress = isatty(STDERR_FILENO),
        .same_terminal = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO),
        .n_expected = n_expected,
        .begin_ns = ol_now_ns(),
        .durations_s = calloc(n_expected ? n_expected : 1, sizeof(double)),
    };
    if (report->durations_s)
        return 0;
    error(0, errno, "cannot fetch %zu URLs", n_expected);
    return -1;
}

static bool has_failed(const struct fetch_item *item)
{
    return item->rc < 0 || ol_fetch_status(item->result) >= FAILED_FROM;
}

/* ---- one answer ---- */

static void print_line(const struct fetch_item *item)
{
    size_t size;

    if (item->rc < 0) {
        printf("--- %9.1f ms %10s    %s  %s: %s\n", item->duration_s * 1000, "-", item->url, ol_error_name(item->rc),
               item->error.text);
        return;
    }
    ol_fetch_body(item->result, &size);
    printf("%3d %9.1f ms %10zu B  %s\n", ol_fetch_status(item->result), item->duration_s * 1000, size, item->url);
}

static void print_body(const struct fetch_item *item)
{
    size_t      size;
    const void *body = ol_fetch_body(item->result, &size);

    fwrite(body, 1, size, stdout);
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648 4. The caller's to free, or NULL. */
static char *base64(const unsigned char *from, size_t size)
{
    char *text = malloc((size + 2) / 3 * 4 + 1), *to = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        unsigned n_left = size - i < 3 ? (unsigned)(size - i) : 3;
        unsigned bits = (unsigned)from[i] << 16;

        bits |= n_left > 1 ? (unsigned)from[i + 1] << 8 : 0;
        bits |= n_left > 2 ? from[i + 2] : 0;
        *to++ = base64_digits[bits >> 18];
        *to++ = base64_digits[bits >> 12 & 63];
        *to++ = '=';
        *to++ = '=';
        if (n_left > 1)
            to[-2] = base64_digits[bits >> 6 & 63];
        if (n_left > 2)
            to[-1] = base64_digits[bits & 63];
    }
    *to = '\0';
    return text;
}

/* JSON has only text: a body that is none goes as base64, under another name. */
static void add_json_body(json_t *object, const struct fetch_item *item)
{
    size_t      size;
    const void *body = ol_fetch_body(item->result, &size);
    json_t     *text = json_stringn(body, size);

    if (text) {
        json_object_set_new(object, "body", text);
        return;
    }
    char *digits = base64(body, size);
    if (digits)
        json_object_set_new(object, "body_base64", json_string(digits));
    free(digits);
}

/* A URL from the command line may be no UTF-8, and then no JSON text. */
static void print_json(const struct fetch_item *item, bool with_body)
{
    json_t *object = json_object(), *url = json_string(item->url);
    size_t  size;

    json_object_set_new(object, "url", url ? url : json_null());
    json_object_set_new(object, "seconds", json_real(item->duration_s));
    if (item->rc < 0) {
        json_object_set_new(object, "error", json_string(ol_error_name(item->rc)));
        json_object_set_new(object, "message", json_string(item->error.text));
    } else {
        ol_fetch_body(item->result, &size);
        json_object_set_new(object, "status", json_integer(ol_fetch_status(item->result)));
        json_object_set_new(object, "bytes", json_integer((json_int_t)size));
        if (with_body)
            add_json_body(object, item);
    }
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(object);
}

/* With bodies on standard output, a failure can only be told beside them. */
static void print_answer(const struct fetch_report *report, const struct fetch_item *item)
{
    if (report->json)
        print_json(item, report->body);
    else if (!report->body)
        print_line(item);
    else if (item->rc < 0)
        error(0, 0, "%s: %s", item->url, item->error.text);
    else
        print_body(item);
}

/* ---- all of them ---- */

static void clear_progress(const struct fetch_report *report)
{
    if (report->progress && report->shown_ns)
        fputs("\r\033[K", stderr);
}

static void show_progress(struct fetch_report *report)
{
    uint64_t now_ns = ol_now_ns();

    if (!report->progress || (report->shown_ns && now_ns - report->shown_ns < PROGRESS_NS))
        return;
    report->shown_ns = now_ns;
    fprintf(stderr, "\r\033[K%zu of %zu, %zu failed, %.1f s", report->n, report->n_expected, report->n_failed,
            (double)(now_ns - report->begin_ns) / 1e9);
}

void fetch_report_add(struct fetch_report *report, const struct fetch_item *item)
{
    size_t size = 0;

    if (item->rc == 0)
        ol_fetch_body(item->result, &size);
    report->durations_s[report->n++] = item->duration_s;
    report->n_failed += has_failed(item);
    report->n_bytes += size;
    if (report->same_terminal)
        clear_progress(report);
    print_answer(report, item);
    fflush(stdout); /* as it arrives, also into a pipe */
    show_progress(report);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The smallest value that so many percent do not exceed (nearest rank). */
static double percentile(const struct fetch_report *report, unsigned percent)
{
    size_t rank = (report->n * percent + 99) / 100;

    return report->durations_s[rank > 0 ? rank - 1 : 0];
}

size_t fetch_report_finish(struct fetch_report *report)
{
    double seconds = (double)(ol_now_ns() - report->begin_ns) / 1e9;
    size_t n_failed = report->n_failed;

    clear_progress(report);
    fprintf(stderr, "%zu requests in %.2f s (%.1f/s), %zu failed, %" PRIu64 " bytes", report->n, seconds,
            seconds > 0 ? (double)report->n / seconds : 0, n_failed, report->n_bytes);
    if (report->n > 0) {
        qsort(report->durations_s, report->n, sizeof(double), compare_doubles);
        fprintf(stderr, "; ms: p50 %.1f, p95 %.1f, max %.1f", percentile(report, 50) * 1000,
                percentile(report, 95) * 1000, percentile(report, 100) * 1000);
    }
    fputc('\n', stderr);
    free(report->durations_s);
    return n_failed;
}
