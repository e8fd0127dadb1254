/*
 * The corpus of requests from llhttp's own tests (corpus/README.md), sent to a whole server in four ways: at once, byte by
 * byte, line by line and in random pieces. The verdict must be the expected one, and the same in all four.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_case.h"
#include "support/cmocka.h"

struct entry {
    const char *id, *expect;
    char       *bytes;
    size_t      size;
    int         n;
};

enum way { WHOLE, BYTES, LINES, PIECES, N_WAYS };

static const char *const way_names[] = { "whole", "byte by byte", "line by line", "in random pieces" };

static struct server_case sc;

static int answer_ok(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    return ol_response_body(res, NULL, "ok\n", 3);
}

static void add_routes(struct ol_server *server, void *arg)
{
    (void)arg;
    add_route(server, "*", "/{rest...}", OL_RUN_BLOCKING, answer_ok, NULL);
}

/* ---- the corpus ---- */

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char       *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static void decode_base64(struct entry *entry, const char *text)
{
    unsigned bits = 0, n_bits = 0;

    entry->bytes = malloc(strlen(text) + 1);
    for (; digit_of(*text) >= 0; text++) {
        bits = bits << 6 | (unsigned)digit_of(*text);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            entry->bytes[entry->size++] = (char)(bits >> n_bits);
        }
    }
    entry->bytes[entry->size] = '\0';
}

/* ---- sending ---- */

static size_t piece_size(enum way way, const char *data, size_t left)
{
    const char *newline = memchr(data, '\n', left);
    size_t      n = left;

    if (way == BYTES)
        n = 1;
    else if (way == LINES && newline)
        n = (size_t)(newline - data) + 1;
    else if (way == PIECES)
        n = (size_t)(rand() % 12) + 1;
    return n < left ? n : left;
}

/* Each piece is a read of its own for the server: it has taken what was sent when it has answered a call on its loop. */
static void wait_for_turn(struct server_case *server, void *arg)
{
    (void)server, (void)arg;
}

static char *send_entry(const struct entry *entry, enum way way)
{
    int    fd = wire_connect(&sc);
    size_t at = 0;

    while (at < entry->size) {
        size_t n = piece_size(way, entry->bytes + at, entry->size - at);

        if (!wire_try_send(fd, entry->bytes + at, n))
            break;
        at += n;
        if (way != WHOLE)
            server_case_call(&sc, wait_for_turn, NULL);
    }
    shutdown(fd, SHUT_WR);
    char *answers = wire_read_all(fd, NULL);
    close(fd);
    return answers;
}

/* ---- the verdict ---- */

static char *verdict(const char *answers, bool is_head)
{
    char  *text = calloc(1, 256);
    size_t used = 0;

    if (is_head) { /* no body, whatever Content-Length says */
        snprintf(text, 256, "%d", atoi(answers + 9));
        return text;
    }
    if (count_answers(answers) < 0)
        return strcpy(text, "not answers");
    for (unsigned i = 0; answer_status(answers, i) && used < 200; i++)
        used += (size_t)snprintf(text + used, 256 - used, "%d ", answer_status(answers, i));
    return text;
}

static unsigned count_2xx(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '2' && text[3] <= ' ';
    return n;
}

static bool is_expected(const struct entry *entry, const char *text)
{
    unsigned n = 0;

    for (const char *c = text; *c; c++)
        n += *c == ' ';
    if (strstr(text, "not") || strstr(text, "500"))
        return false;
    if (strcmp(entry->expect, "accept") == 0)
        return (int)count_2xx(text) == entry->n && ((int)n == entry->n || !n);
    return strcmp(entry->expect, "either") == 0 || (int)count_2xx(text) <= entry->n;
}

static void check_entry(const struct entry *entry)
{
    const char *method = entry->bytes + strspn(entry->bytes, "\r\n");
    char       *verdicts[N_WAYS];

    for (enum way way = WHOLE; way < N_WAYS; way++) {
        char *answers = send_entry(entry, way);

        verdicts[way] = verdict(answers, strncmp(method, "HEAD ", 5) == 0);
        if (!is_expected(entry, verdicts[way]))
            fail_msg("%s, %s: expected %s %d, got: %s\n%s", entry->id, way_names[way], entry->expect, entry->n,
                     verdicts[way], answers);
        if (strcmp(verdicts[way], verdicts[WHOLE]) != 0)
            fail_msg("%s, %s: got %s, and whole: %s", entry->id, way_names[way], verdicts[way], verdicts[WHOLE]);
        free(answers);
    }
    for (enum way way = WHOLE; way < N_WAYS; way++)
        free(verdicts[way]);
}

static void corpus_gets_the_expected_verdict_however_it_is_cut(void **state)
{
    char     path[4096], line[65536];
    unsigned n = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/tests/http/corpus/llhttp.jsonl", getenv("OFFLOOP_SOURCE_DIR"));
    sc = (struct server_case){ .add_routes = add_routes };
    server_case_start(&sc);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    srand(1);
    while (fgets(line, sizeof line, file)) {
        json_t      *json = json_loads(line, 0, NULL);
        struct entry entry = { 0 };

        assert_non_null(json);
        entry.id = json_string_value(json_object_get(json, "id"));
        entry.expect = json_string_value(json_object_get(json, "expect"));
        entry.n = (int)json_integer_value(json_object_get(json, "n"));
        decode_base64(&entry, json_string_value(json_object_get(json, "b64")));
        check_entry(&entry);
        free(entry.bytes);
        json_decref(json);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 118);
    server_case_stop(&sc, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corpus_gets_the_expected_verdict_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
