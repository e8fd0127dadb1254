/*
 * inbox.pml: the inbox of loop/inbox.c, its wake-up and its end, for spin.
 *
 * Posters push, and wake the loop when they pushed on the mark `asleep`. The loop marks the empty list, sleeps until
 * the eventfd is written (or, a few times, until a socket of the program has something), takes all, and in the end
 * waits for the wake-ups on their way and closes. An `atomic` stands for one compare-and-swap or exchange on the
 * list's head.
 *
 * Claimed: the loop never sleeps for ever while a post is there (spin: no invalid end state), and no poster touches the
 * inbox after it was closed (the assertion). run.sh proves both, and refutes each variant that leaves something out:
 *
 *     LOOK_THEN_MARK   the loop looks and marks in two steps
 *     NO_MARK          posters never find the mark
 *     HASTY_END        the loop closes without waiting for wake-ups on their way
 */

#define N_POSTERS 3
#define POSTS_EACH 2
#define SOCKET_EVENTS 2

byte n_listed;       /* nodes on the list */
bool mark;           /* the list's bottom is the mark: the loop sleeps, or slept when the first node was pushed */
byte eventfd;
bool closed;
byte n_delivered;
byte n_sockets = SOCKET_EVENTS;

active [N_POSTERS] proctype poster()
{
    byte i;
    bool found_mark;

    for (i : 1 .. POSTS_EACH) {
        atomic { /* the push */
            assert(!closed);
            found_mark = (mark && n_listed == 0);
            n_listed++;
        }
#ifndef NO_MARK
        if
        :: found_mark ->
            assert(!closed);
            eventfd++
        :: else
        fi
#endif
    }
}

active proctype loop()
{
    bool sleeps;
    short n_on_way;

    do
    :: n_delivered == N_POSTERS * POSTS_EACH -> break
    :: else ->
        /* ol__inbox_may_sleep */
#ifdef LOOK_THEN_MARK
        sleeps = (n_listed == 0);
        if
        :: sleeps -> mark = true
        :: else
        fi;
#else
        atomic {
            sleeps = (n_listed == 0);
            mark = mark || sleeps
        }
#endif
        if
        :: sleeps ->
            if
            :: eventfd > 0
            :: n_sockets > 0 -> n_sockets--
            fi
        :: else
        fi;
        /* ol__inbox_awake, or not: a loop may be broken off in between */
        if
        :: atomic { mark = (mark && n_listed > 0) }
        :: skip
        fi;
        /* wake_cb, which libev may call late */
        if
        :: atomic { eventfd > 0 -> n_on_way = n_on_way - eventfd; eventfd = 0 }
        :: skip
        fi;
        /* take */
        atomic {
            if
            :: mark && n_listed > 0 -> n_on_way++
            :: else
            fi;
            n_delivered = n_delivered + n_listed;
            n_listed = 0;
            mark = false
        }
    od;

    /* ol__inbox_fini */
#ifndef HASTY_END
    do
    :: n_on_way > 0 -> atomic { eventfd > 0 -> n_on_way = n_on_way - eventfd; eventfd = 0 }
    :: else -> break
    od;
    assert(n_on_way == 0);
#endif
    closed = true
}
