/*
 * access_log.c: the two formats of the access log.
 *
 * What clients sent is never trusted: control bytes, quotes and whatever is not ASCII are written as \xHH, as Apache
 * does, so that no request can forge a line or steer a terminal. In the JSON format jansson does the quoting, and a
 * text that is not UTF-8 is first escaped in the same way.
 */
#include "app/access_log.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { ESCAPED_MAX = 4 * 1024 };

/* Cuts what is too long. Returns `out`. */
static const char *escape(char out[ESCAPED_MAX], const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t            used = 0;

    for (; *text && used + 5 < ESCAPED_MAX; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            out[used++] = *text;
            continue;
        }
        out[used++] = '\\';
        out[used++] = 'x';
        out[used++] = digits[byte >> 4];
        out[used++] = digits[byte & 15];
    }
    out[used] = '\0';
    return out;
}

/* "127.0.0.1:51234" without the port. */
static int host_size(const char *peer)
{
    const char *colon = strrchr(peer, ':');

    return colon ? (int)(colon - peer) : (int)strlen(peer);
}

/* The Common Log Format of NCSA httpd: host, identity, user, time, request, status, bytes. */
static void print_common(FILE *out, const struct ol_event_request *request, const struct timespec *at)
{
    char      target[ESCAPED_MAX], method[ESCAPED_MAX], when[64];
    struct tm local;

    localtime_r(&at->tv_sec, &local);
    strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S %z", &local);
    fprintf(out, "%.*s - - [%s] \"%s %s %s\" %d %llu\n", host_size(request->peer), request->peer, when,
            escape(method, request->method), escape(target, request->target), request->version, request->status,
            (unsigned long long)request->bytes_sent);
}

static json_t *text_json(const char *text)
{
    char    escaped[ESCAPED_MAX];
    json_t *json = json_string(text);

    return json ? json : json_string(escape(escaped, text));
}

static double ms(uint64_t ns)
{
    return round((double)ns / 1e3) / 1e3; /* whole microseconds */
}

static void print_json(FILE *out, const struct ol_event_request *request, const struct timespec *at)
{
    char      seconds[32], when[64];
    struct tm utc;
    json_t   *json;

    gmtime_r(&at->tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when, sizeof when, "%s.%03ldZ", seconds, at->tv_nsec / 1000000);
    json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:I, s:f, s:f, s:f, s:o, s:o}", "time", when, "peer",
                     text_json(request->peer), "method", text_json(request->method), "target",
                     text_json(request->target), "version", text_json(request->version), "status", request->status,
                     "bytes", (json_int_t)request->bytes_sent, "queue_ms", ms(request->queue_ns), "run_ms",
                     ms(request->run_ns), "total_ms", ms(request->total_ns), "referer", text_json(request->referer),
                     "user_agent", text_json(request->user_agent));
    if (!json)
        return;
    json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(12));
    fputc('\n', out);
    json_decref(json);
}

void access_log_print(FILE *out, enum access_log_format format, const struct ol_event_request *request,
                      const struct timespec *at)
{
    if (format == ACCESS_LOG_JSON)
        print_json(out, request, at);
    else
        print_common(out, request, at);
}
