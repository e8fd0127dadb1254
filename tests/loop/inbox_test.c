/* The one door into a loop: nothing lost, each thread's order kept, no wake-up missed or doubled, no socket starved. */
#include "support/cmocka.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <offloop/loop.h>
#include "base/list.h"
#include "loop/inbox.h"
#include "loop/turn.h"
#include "support/crew.h"
#include "support/gate.h"

static atomic_uint  n_writes;
static struct gate *before_write; /* NULL: write at once */

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (size == sizeof(uint64_t))
        atomic_fetch_add(&n_writes, 1);
    if (before_write)
        gate_wait(before_write);
    return __real_write(fd, data, size);
}

/* ---- order ---- */

enum { N_POSTERS = 8, POSTS_EACH = 10000 };

struct numbered {
    struct ol_post  post;
    struct arrival *arrival;
    unsigned        thread, number;
};

struct arrival {
    struct ol_loop *loop;
    struct numbered posts[N_POSTERS][POSTS_EACH];
    unsigned        next[N_POSTERS];
    unsigned        n, n_out_of_order;
};

static void arrived(struct ol_post *post)
{
    struct numbered *numbered = OL_CONTAINER_OF(post, struct numbered, post);
    struct arrival  *arrival = numbered->arrival;

    if (arrival->next[numbered->thread]++ != numbered->number)
        arrival->n_out_of_order++;
    if (++arrival->n == N_POSTERS * POSTS_EACH)
        ol__loop_release(arrival->loop);
}

static void post_all(unsigned index, void *arg)
{
    struct arrival *arrival = arg;

    for (unsigned i = 0; i < POSTS_EACH; i++) {
        struct numbered *numbered = &arrival->posts[index][i];

        *numbered = (struct numbered){ .post.cb = arrived, .arrival = arrival, .thread = index, .number = i };
        ol_loop_post(arrival->loop, &numbered->post);
    }
}

static void posts_of_many_threads_all_arrive_and_each_threads_in_order(void **state)
{
    struct arrival *arrival = calloc(1, sizeof *arrival);
    struct crew     crew;

    (void)state;
    assert_int_equal(ol_loop_create(&arrival->loop, NULL), 0);
    ol__loop_hold(arrival->loop);
    crew_start(&crew, N_POSTERS, post_all, arrival);
    assert_int_equal(ol_loop_run(arrival->loop), 0);
    crew_join(&crew);
    assert_int_equal(arrival->n, N_POSTERS * POSTS_EACH);
    assert_int_equal(arrival->n_out_of_order, 0);
    assert_int_equal(ol_loop_destroy(arrival->loop), 0);
    free(arrival);
}

/* ---- waking ---- */

static unsigned n_delivered;

static void count_delivery(struct ol_post *post)
{
    (void)post;
    n_delivered++;
}

static void only_the_first_post_to_a_sleeping_loop_writes_the_eventfd(void **state)
{
    enum { N = 1000 };
    struct ol_post   posts[N];
    struct ol__inbox inbox;

    (void)state;
    assert_int_equal(ol__inbox_init(&inbox), 0);
    n_writes = n_delivered = 0;
    for (unsigned i = 0; i < N; i++)
        posts[i] = (struct ol_post){ .cb = count_delivery };

    ol__inbox_post(&inbox, &posts[0]);
    assert_int_equal(n_writes, 0); /* awake: nobody to wake */
    assert_false(ol__inbox_may_sleep(&inbox));
    assert_int_equal(ol__inbox_deliver(&inbox, ol_now_ns() + OL_NS_PER_S), 1);

    assert_true(ol__inbox_may_sleep(&inbox));
    assert_false(ol__inbox_pending(&inbox));
    for (unsigned i = 0; i < N; i++)
        ol__inbox_post(&inbox, &posts[i]);
    assert_int_equal(n_writes, 1);
    ol__inbox_awake(&inbox);
    ol__inbox_read_wakes(&inbox);
    while (ol__inbox_pending(&inbox))
        ol__inbox_deliver(&inbox, ol_now_ns());
    assert_int_equal(n_delivered, N + 1);

    assert_true(ol__inbox_may_sleep(&inbox));
    ol__inbox_awake(&inbox);
    ol__inbox_post(&inbox, &posts[0]);
    assert_int_equal(n_writes, 1); /* awake again without a post */
    ol__inbox_deliver(&inbox, ol_now_ns());
    ol__inbox_fini(&inbox);
}

struct late_poster {
    struct ol__inbox inbox;
    struct ol_post   post;
};

static void post_late(unsigned index, void *arg)
{
    struct late_poster *late = arg;

    (void)index;
    ol__inbox_post(&late->inbox, &late->post);
}

/* Delivered, because something else woke the loop, while the poster stands before its write: the eventfd must stay. */
static void a_wake_up_on_its_way_is_waited_for_at_the_end(void **state)
{
    struct late_poster late = { .post.cb = count_delivery };
    struct gate        gate;
    struct crew        crew;

    (void)state;
    n_delivered = 0;
    gate_init(&gate, "the poster is about to write");
    before_write = &gate;
    assert_int_equal(ol__inbox_init(&late.inbox), 0);
    assert_true(ol__inbox_may_sleep(&late.inbox));
    crew_start(&crew, 1, post_late, &late);
    gate_wait_for_n(&gate, 1);
    ol__inbox_awake(&late.inbox);
    assert_int_equal(ol__inbox_deliver(&late.inbox, ol_now_ns()), 1);
    assert_int_equal(late.inbox.n_on_way, 1);
    gate_open(&gate);
    ol__inbox_fini(&late.inbox);
    assert_int_equal(late.inbox.n_on_way, 0);
    crew_join(&crew);
    before_write = NULL;
    gate_fini(&gate);
}

struct player {
    struct ol_post  post;
    struct ol_loop *loop;
    struct player  *other;
    unsigned       *n_left;
};

static struct gate both_ready;

static void hit_back(struct ol_post *post)
{
    struct player *player = OL_CONTAINER_OF(post, struct player, post);

    if (*player->n_left == 0) {
        ol_loop_stop(player->loop);
        ol_loop_stop(player->other->loop);
        return;
    }
    --*player->n_left;
    ol_loop_post(player->other->loop, &player->other->post);
}

static void play(unsigned index, void *arg)
{
    struct player *player = (struct player *)arg + index;

    if (ol_loop_create(&player->loop, NULL) < 0)
        abort();
    ol__loop_hold(player->loop);
    gate_wait(&both_ready);
    ol_loop_run(player->loop);
    gate_wait(&both_ready); /* the other may still call ol_loop_stop */
    ol__loop_release(player->loop);
    if (ol_loop_destroy(player->loop) < 0)
        abort();
}

/* Each post finds the other loop asleep or just falling asleep; one lost wake-up and this never ends. */
static void no_wake_up_is_lost_between_two_loops_on_two_threads(void **state)
{
    unsigned      n_left = 20000;
    struct player players[2] = { { .post.cb = hit_back, .other = &players[1], .n_left = &n_left },
                                 { .post.cb = hit_back, .other = &players[0], .n_left = &n_left } };
    struct crew   crew;

    (void)state;
    gate_init(&both_ready, "both loops exist");
    crew_start(&crew, 2, play, players);
    gate_wait_for_n(&both_ready, 2);
    gate_open(&both_ready);
    ol_loop_post(players[0].loop, &players[0].post);
    crew_join(&crew);
    assert_int_equal(n_left, 0);
    gate_fini(&both_ready);
}

struct farewell {
    struct ol_post  post;
    struct ol_loop *loop;
};

static void last_word(struct ol_post *post)
{
    ol__loop_release(OL_CONTAINER_OF(post, struct farewell, post)->loop);
}

static void say_farewell(unsigned index, void *arg)
{
    struct farewell *farewell = arg;

    (void)index;
    ol_loop_post(farewell->loop, &farewell->post);
}

/* The poster may still be inside ol_loop_post when its node has arrived: the sanitizers watch what it touches there. */
static void a_loop_may_go_as_soon_as_the_last_post_has_arrived(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 1000; round++) {
        struct farewell *farewell = calloc(1, sizeof *farewell);
        struct crew      crew;

        farewell->post.cb = last_word;
        assert_int_equal(ol_loop_create(&farewell->loop, NULL), 0);
        ol__loop_hold(farewell->loop);
        crew_start(&crew, 1, say_farewell, farewell);
        assert_int_equal(ol_loop_run(farewell->loop), 0);
        assert_int_equal(ol_loop_destroy(farewell->loop), 0);
        crew_join(&crew);
        free(farewell);
    }
}

/* ---- budget ---- */

enum { BURST = 100000, MOST_A_TURN = 1024 };

struct starving {
    struct ol__io   io;
    struct ol_loop *loop;
    unsigned        n_at_first_look, n_looks;
};

static void look_at_socket(struct ol__io *io, int events)
{
    struct starving *starving = OL_CONTAINER_OF(io, struct starving, io);

    (void)events;
    if (starving->n_looks++ == 0)
        starving->n_at_first_look = n_delivered;
    if (n_delivered == BURST)
        ol__io_stop(io); /* unread until then: it stays readable, so each turn looks at it */
}

static void a_burst_of_posts_does_not_starve_a_socket(void **state)
{
    struct ol_post *posts = calloc(BURST, sizeof *posts);
    struct starving starving = { .io.cb = look_at_socket };
    int             fds[2];

    (void)state;
    n_delivered = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(__real_write(fds[1], "x", 1), 1);
    assert_int_equal(ol_loop_create(&starving.loop, NULL), 0);
    ol__io_set(starving.loop, &starving.io, fds[0], OL__READ);
    for (unsigned i = 0; i < BURST; i++) {
        posts[i].cb = count_delivery;
        ol_loop_post(starving.loop, &posts[i]);
    }
    assert_int_equal(ol_loop_run(starving.loop), 0);
    assert_int_equal(n_delivered, BURST);
    assert_in_range(starving.n_at_first_look, 1, MOST_A_TURN);
    assert_true(starving.n_looks >= BURST / MOST_A_TURN);
    assert_int_equal(ol_loop_destroy(starving.loop), 0);
    close(fds[0]);
    close(fds[1]);
    free(posts);
}

static void dawdle(struct ol_post *post)
{
    uint64_t until_ns = ol_now_ns() + 2 * OL_NS_PER_MS;

    count_delivery(post);
    while (n_delivered == 1 && ol_now_ns() < until_ns)
        ;
}

static void slow_callbacks_use_up_the_budget_after_a_few(void **state)
{
    enum { N = 64, A_FEW = 8 };
    struct ol_post   posts[N];
    struct ol__inbox inbox;

    (void)state;
    n_delivered = 0;
    assert_int_equal(ol__inbox_init(&inbox), 0);
    for (unsigned i = 0; i < N; i++) {
        posts[i] = (struct ol_post){ .cb = dawdle };
        ol__inbox_post(&inbox, &posts[i]);
    }
    assert_in_range(ol__inbox_deliver(&inbox, ol_now_ns()), 1, A_FEW);
    assert_false(ol__inbox_may_sleep(&inbox)); /* the rest keeps the loop awake */
    while (ol__inbox_pending(&inbox))
        ol__inbox_deliver(&inbox, ol_now_ns());
    assert_int_equal(n_delivered, N);
    ol__inbox_fini(&inbox);
}

/* ---- the node ---- */

struct again {
    struct ol_post  post;
    struct ol_loop *loop;
    unsigned        n_left;
};

static void post_again_or_free(struct ol_post *post)
{
    struct again *again = OL_CONTAINER_OF(post, struct again, post);

    if (again->n_left-- > 0) {
        ol_loop_post(again->loop, post);
        return;
    }
    ol__loop_release(again->loop);
    free(again);
}

static void a_node_is_the_callers_again_when_its_callback_begins(void **state)
{
    struct ol_loop *loop;

    (void)state;
    assert_int_equal(ol_loop_create(&loop, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct again *again = malloc(sizeof *again);

        *again = (struct again){ .post.cb = post_again_or_free, .loop = loop, .n_left = 100 };
        ol__loop_hold(loop);
        ol_loop_post(loop, &again->post);
    }
    assert_int_equal(ol_loop_run(loop), 0);
    assert_int_equal(ol_loop_destroy(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_many_threads_all_arrive_and_each_threads_in_order),
        cmocka_unit_test(only_the_first_post_to_a_sleeping_loop_writes_the_eventfd),
        cmocka_unit_test(a_wake_up_on_its_way_is_waited_for_at_the_end),
        cmocka_unit_test(no_wake_up_is_lost_between_two_loops_on_two_threads),
        cmocka_unit_test(a_loop_may_go_as_soon_as_the_last_post_has_arrived),
        cmocka_unit_test(a_burst_of_posts_does_not_starve_a_socket),
        cmocka_unit_test(slow_callbacks_use_up_the_budget_after_a_few),
        cmocka_unit_test(a_node_is_the_callers_again_when_its_callback_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
