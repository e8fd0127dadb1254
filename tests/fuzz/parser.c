/*
 * Any bytes, read at once and cut in two places that the bytes themselves choose: no crash, no read outside (each read lies
 * in a block of its own size), and the same verdict.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/parser.h"

static const struct ol__parser_limits limits = { .request_line_max = 256, .head_max = 1024, .headers_max = 16 };

struct verdict {
    enum ol__parse result;
    int            status;
    size_t         used, body_size;
};

/* Sanitizers see a read past the end of exactly this block. */
static enum ol__parse read_head(struct ol__parser *parser, const uint8_t *data, size_t size)
{
    char *block = malloc(size ? size : 1);

    memcpy(block, data, size);
    enum ol__parse result = ol__parser_head(parser, block, size);
    if (result == OL__PARSE_HEAD) {
        struct ol__request_line line;
        struct ol__field       *fields = calloc(parser->n_fields + 1u, sizeof *fields);

        ol__parser_index(parser, block, &line, fields);
        promise(strlen(line.path) == line.path_size && strlen(line.method) == line.method_size,
                "a string ends at its NUL");
        for (unsigned i = 0; i < parser->n_fields; i++)
            promise(strlen(fields[i].name) == fields[i].name_size && strlen(fields[i].value) == fields[i].value_size,
                    "a field ends at its NUL");
        free(fields);
    }
    free(block);
    return result;
}

static enum ol__parse read_body(struct ol__parser *parser, const uint8_t *data, size_t size, struct verdict *verdict)
{
    enum ol__parse result = OL__PARSE_BODY;
    char          *block = malloc(size ? size : 1);
    size_t         at = 0;

    memcpy(block, data, size);
    while (result == OL__PARSE_BODY) {
        const char *piece;
        size_t      used, piece_size = 0;

        result = ol__parser_body(parser, block + at, size - at, &used, &piece, &piece_size);
        promise(used <= size - at, "no more is used than there is");
        at += used;
        verdict->used += used;
        if (result == OL__PARSE_BODY) {
            promise(piece >= block && piece + piece_size <= block + size, "a piece lies in what was read");
            verdict->body_size += piece_size;
        }
    }
    free(block);
    return result;
}

/* `cuts`: where what is there ends, at most `size`, growing; the last is `size`. */
static struct verdict read_message(const uint8_t *data, const size_t *cuts, int n_cuts)
{
    struct ol__parser parser;
    struct verdict    verdict = { .result = OL__PARSE_MORE };
    int               i = 0;

    ol__parser_init(&parser, &limits);
    while (verdict.result == OL__PARSE_MORE && i < n_cuts)
        verdict.result = read_head(&parser, data, cuts[i++]);
    if (verdict.result == OL__PARSE_HEAD) {
        verdict.used = parser.head_size;
        for (i--; i < n_cuts && (verdict.result == OL__PARSE_HEAD || verdict.result == OL__PARSE_MORE); i++)
            verdict.result = read_body(&parser, data + verdict.used, cuts[i] - verdict.used, &verdict);
    }
    if (verdict.result == OL__PARSE_FAILED) {
        verdict.status = parser.status;
        verdict.used = verdict.body_size = 0; /* how far it came before it noticed is its own business */
    }
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first = size ? data[0] % (size + 1) : 0, second = size ? data[size - 1] % (size + 1) : 0;
    size_t cuts[] = { first < second ? first : second, first < second ? second : first, size };

    struct verdict whole = read_message(data, &size, 1), cut = read_message(data, cuts, 3);
    promise(whole.result == cut.result && whole.status == cut.status, "the verdict does not depend on the cuts");
    promise(whole.used == cut.used && whole.body_size == cut.body_size, "neither does the message's end");
    return 0;
}
