/*
 * compress.c: a library that keeps the processor busy (zlib), for many pieces at once, from fibers.
 *
 * A fiber for each piece is straight-line code: make the piece, ol_offload the compression, print. The pool has as many
 * threads as the work may take cores, at nice +10, so that a loop beside it keeps answering. No two fibers run at the
 * same time, so what they share needs no lock; what runs on a worker touches its own piece only.
 */
#include <offloop/offloop.h>
#include <stdio.h>
#include <zlib.h>

enum { PIECES = 16, PIECE_SIZE = 1 << 20 };

struct piece {
    unsigned      number;
    unsigned      seed;
    unsigned char raw[PIECE_SIZE];
    unsigned char packed[PIECE_SIZE + PIECE_SIZE / 100];
    unsigned long packed_size;
};

static struct piece pieces[PIECES];
static unsigned     n_good; /* of the fibers, all on the loop */

static void fill(struct piece *piece)
{
    uint32_t x = piece->seed;

    for (size_t i = 0; i < PIECE_SIZE; i++) {
        x = x * 1664525 + 1013904223; /* Numerical Recipes' generator */
        piece->raw[i] = (unsigned char)('a' + (x >> 29));
    }
}

/* On a worker. */
static int compress_piece(void *arg)
{
    struct piece *piece = arg;

    fill(piece);
    piece->packed_size = sizeof piece->packed;
    return compress2(piece->packed, &piece->packed_size, piece->raw, PIECE_SIZE, 9) == Z_OK ? 0 : OL_ENOMEM;
}

/* In a fiber. */
static void handle_piece(void *arg)
{
    struct piece *piece = arg;
    int           rc = ol_offload(compress_piece, piece);

    if (rc < 0) {
        printf("piece %u: %s\n", piece->number, ol_strerror(rc));
        return;
    }
    printf("piece %u: %d bytes became %lu\n", piece->number, PIECE_SIZE, piece->packed_size);
    n_good++;
}

int main(void)
{
    struct ol_loop *loop;
    struct ol_pool *pool;

    if (ol_loop_create(&loop, NULL) < 0 ||
        ol_pool_create(&pool, loop, &(struct ol_pool_config){ .name = "zlib", .threads_max = 2, .nice = 10 }) < 0)
        return 1;
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i].number = i;
        pieces[i].seed = i + 1;
        if (ol_fiber_start(loop, &(struct ol_fiber_config){ .run = handle_piece, .arg = &pieces[i], .pool = pool }) < 0)
            return 1;
    }
    ol_loop_run(loop); /* until the last fiber has returned */
    ol_pool_destroy(pool, NULL, NULL);
    ol_loop_destroy(loop);
    return n_good == PIECES ? 0 : 1;
}
