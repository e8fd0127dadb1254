/* Events: only the kinds asked for, and nothing after unsubscribing, however busy the emitters are. */
#include "support/cmocka.h"

#include <stdatomic.h>
#include <string.h>

#include "base/event.h"
#include "support/crew.h"

struct listener {
    struct ol_subscriber subscriber;
    atomic_uint          n;
    struct ol_event      last;
};

static void listen_to(const struct ol_event *event, void *arg)
{
    struct listener *listener = arg;

    listener->last = *event;
    atomic_fetch_add(&listener->n, 1);
}

static void subscribe(struct listener *listener, unsigned kinds)
{
    *listener = (struct listener){ .subscriber = { .kinds = kinds, .cb = listen_to, .arg = listener } };
    ol_events_subscribe(&listener->subscriber);
}

static void emit(enum ol_event_kind kind)
{
    if (ol__event_wanted(kind))
        ol__event_emit(&(struct ol_event){ .kind = kind, .name = "n" });
}

static void a_subscriber_gets_the_kinds_it_asked_for(void **state)
{
    struct listener pool, both;

    (void)state;
    assert_false(ol__event_wanted(OL_EVENT_POOL));
    subscribe(&pool, OL_EVENT_POOL);
    subscribe(&both, OL_EVENT_POOL | OL_EVENT_DB);
    assert_true(ol__event_wanted(OL_EVENT_DB));
    assert_false(ol__event_wanted(OL_EVENT_HTTP));
    emit(OL_EVENT_POOL);
    emit(OL_EVENT_DB);
    emit(OL_EVENT_HTTP);
    assert_int_equal(pool.n, 1);
    assert_int_equal(both.n, 2);
    assert_int_equal(both.last.kind, OL_EVENT_DB);
    assert_string_equal(both.last.name, "n");

    ol_events_unsubscribe(&both.subscriber);
    assert_false(ol__event_wanted(OL_EVENT_DB));
    emit(OL_EVENT_POOL);
    assert_int_equal(pool.n, 2);
    assert_int_equal(both.n, 2);
    ol_events_unsubscribe(&pool.subscriber);
    ol_events_unsubscribe(&pool.subscriber); /* not subscribed: harmless */
    assert_false(ol__event_wanted(OL_EVENT_POOL));
}

static void the_time_is_filled_in_unless_it_was_given(void **state)
{
    struct listener listener;
    uint64_t        before_ns = ol_now_ns();

    (void)state;
    subscribe(&listener, OL_EVENT_DB);
    ol__event_emit(&(struct ol_event){ .kind = OL_EVENT_DB });
    assert_true(listener.last.at_ns >= before_ns && listener.last.at_ns <= ol_now_ns());
    ol__event_emit(&(struct ol_event){ .kind = OL_EVENT_DB, .at_ns = 42 });
    assert_true(listener.last.at_ns == 42);
    ol_events_unsubscribe(&listener.subscriber);
}

/* ---- while others emit ---- */

enum { ROUNDS = 300, N_EMITTERS = 4 };

static atomic_bool stop;

static void emit_on(unsigned index, void *arg)
{
    (void)index, (void)arg;
    while (!atomic_load(&stop))
        emit(OL_EVENT_POOL);
}

struct checking {
    struct ol_subscriber subscriber;
    atomic_uint          n;
    atomic_bool          gone;
    atomic_uint         *n_late;
};

static void check_not_gone(const struct ol_event *event, void *arg)
{
    struct checking *checking = arg;

    (void)event;
    atomic_fetch_add(&checking->n, 1);
    if (atomic_load(&checking->gone))
        atomic_fetch_add(checking->n_late, 1);
}

static void subscribe_checking(struct checking *checking, atomic_uint *n_late)
{
    *checking = (struct checking){ .n_late = n_late };
    checking->subscriber = (struct ol_subscriber){ .kinds = OL_EVENT_POOL, .cb = check_not_gone, .arg = checking };
    ol_events_subscribe(&checking->subscriber);
}

/* Never quiet: a subscriber that stays makes every emission take its turn. */
static void no_callback_runs_after_unsubscribe_while_others_emit(void **state)
{
    struct checking stays;
    struct crew     crew;
    atomic_uint     n_late = 0;
    unsigned        n_heard = 0;

    (void)state;
    atomic_store(&stop, false);
    subscribe_checking(&stays, &n_late);
    crew_start(&crew, N_EMITTERS, emit_on, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct checking checking;

        subscribe_checking(&checking, &n_late);
        emit(OL_EVENT_POOL);
        ol_events_unsubscribe(&checking.subscriber);
        atomic_store(&checking.gone, true);
        n_heard += atomic_load(&checking.n) > 0;
        memset(&checking, 0, sizeof checking); /* a late one would call NULL */
    }
    atomic_store(&stop, true);
    crew_join(&crew);
    ol_events_unsubscribe(&stays.subscriber);
    assert_int_equal(n_heard, ROUNDS);
    assert_int_equal(n_late, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscriber_gets_the_kinds_it_asked_for),
        cmocka_unit_test(the_time_is_filled_in_unless_it_was_given),
        cmocka_unit_test(no_callback_runs_after_unsubscribe_while_others_emit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
