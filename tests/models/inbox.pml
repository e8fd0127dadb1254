/*
 * inbox.pml: how a completion gets from a worker to a sleeping loop, and how everything ends. For spin.
 *
 * The inbox (loop/inbox.c) is a stack of posts in one word, which may have the mark "asleep" at its bottom; an eventfd
 * wakes the loop. The pool (pool/deliver.c) keeps its completed jobs in a list under its lock, and one post of its own
 * stands for all of them. WORKERS workers finish JOBS jobs each; one more thread posts a node of its own (a scope's
 * wake). The loop delivers all of it, joins the workers, frees the pool, waits for wake-ups that are still on their
 * way, and closes the eventfd.
 *
 * What is proved, over every interleaving: the loop does not sleep for ever (spin's invalid end states), no job is
 * delivered twice, no node is pushed while it is in the inbox, nobody touches the pool or the eventfd when it is gone.
 *
 * Each step between arrows in the C code (a compare-and-swap, a system call, a critical section) is one atomic step
 * here. Variants, each with one thing wrong, are chosen by -D; run.sh has the list, and spin must refute every one.
 */
#define WORKERS 2
#define JOBS 2
#define NODES 2 /* the pool's, and the other poster's */
#define POOL_NODE 0
#define OTHER_NODE 1

/* the inbox: which nodes are in it, and whether the mark lies below them */
bool in_inbox[NODES];
byte n_in_inbox;
bool mark;
byte eventfd;
bool eventfd_closed;

/* the pool, under its lock (a critical section is one step) */
byte n_completed; /* jobs in the list */
bool post_due;
bool pool_freed;

byte n_finished;  /* all that workers ever completed */
byte n_delivered; /* all that the loop ever delivered */
bool other_delivered;
byte n_workers_gone;

#define HEAD_IS_MARK (mark && n_in_inbox == 0)
#define HEAD_IS_NULL (!mark && n_in_inbox == 0)

/* ol__inbox_post */
inline post(node)
{
#ifdef WAKE_BEFORE_PUBLISH
    was_asleep = HEAD_IS_MARK; /* asked first, published later */
    atomic {
        assert(!in_inbox[node]);
        in_inbox[node] = true;
        n_in_inbox++
    };
#else
    atomic { /* one compare-and-swap: the push tells what it was pushed on */
        was_asleep = HEAD_IS_MARK;
        assert(!in_inbox[node]);
        in_inbox[node] = true;
        n_in_inbox++
    };
#endif
    if
    :: was_asleep ->
        atomic {
            assert(!eventfd_closed);
            eventfd++
        }
    :: else
    fi
}

proctype worker()
{
    byte job = 0;
    bool due, was_asleep;

    do
    :: job < JOBS ->
        job++;
        atomic { /* finish_locked, and the errand that ol__pool_unlock runs */
            assert(!pool_freed);
            n_completed++;
            n_finished++;
#ifdef POST_EACH
            due = true;
#else
            due = !post_due;
#endif
            post_due = true
        };
        if
        :: due ->
            assert(!pool_freed); /* the node lies in the pool */
            post(POOL_NODE)
        :: else
        fi
    :: else -> break
    od;
    assert(!pool_freed); /* the lock once more, to find that nothing is left */
    n_workers_gone++
}

proctype other_poster()
{
    bool was_asleep;

    post(OTHER_NODE)
}

/* ol__deliver_post_cb: take the list */
inline deliver_pool()
{
#ifdef CLEAR_DUE_LATE
    atomic {
        n_delivered = n_delivered + n_completed;
        n_completed = 0
    };
    post_due = false; /* what was completed in between saw "due", and posted nothing */
#else
    atomic {
        n_delivered = n_delivered + n_completed;
        n_completed = 0;
        post_due = false
    };
#endif
    assert(n_delivered <= WORKERS * JOBS)
}

/* ol__inbox_deliver */
inline deliver()
{
    atomic {
        if
        :: n_in_inbox > 0 ->
            if
            :: mark -> n_on_way++ /* somebody pushed on the mark, and owes a wake-up */
            :: else
            fi;
            got[POOL_NODE] = in_inbox[POOL_NODE];
            got[OTHER_NODE] = in_inbox[OTHER_NODE];
            in_inbox[POOL_NODE] = false;
            in_inbox[OTHER_NODE] = false;
            n_in_inbox = 0;
            mark = false
        :: else -> /* the mark alone, or nothing */
            mark = false
        fi
    };
    if
    :: got[OTHER_NODE] ->
        got[OTHER_NODE] = false;
        assert(!other_delivered);
        other_delivered = true
    :: else
    fi;
    if
    :: got[POOL_NODE] ->
        got[POOL_NODE] = false;
        deliver_pool()
    :: else
    fi
}

inline read_wakes()
{
    atomic {
        n_on_way = n_on_way - eventfd;
        eventfd = 0
    }
}

#define ALL_DONE (n_delivered == WORKERS * JOBS && other_delivered)

proctype loop()
{
    int  n_on_way = 0;
    bool got[NODES];
    bool may_sleep;
    byte n_sockets = 1; /* not more: else a lost wake-up would be found by chance */

    do
    :: deliver();
        if
        :: ALL_DONE -> break
        :: else
        fi;
#ifdef LOOK_THEN_DECLARE
        may_sleep = n_in_inbox == 0;
        if
        :: may_sleep -> mark = true /* whoever posted in between saw no mark */
        :: else
        fi;
#else
        atomic { /* one compare-and-swap from "empty" to "asleep" */
            may_sleep = n_in_inbox == 0;
            mark = mark || may_sleep
        };
#endif
#ifdef DRAIN_BEFORE_SLEEP
        read_wakes(); /* takes down a wake-up that came after the mark */
#endif
        if
        :: may_sleep ->
            if /* epoll */
            :: eventfd > 0
            :: n_sockets > 0 -> n_sockets-- /* awake for another reason */
            fi;
            atomic {
                if
                :: HEAD_IS_MARK -> mark = false
                :: else
                fi
            }
        :: else
        fi;
        deliver();
        read_wakes();
        if
        :: ALL_DONE -> break
        :: else
        fi
    od;

    /* ol_pool_destroy: no job is in flight */
#ifndef FREE_BEFORE_JOIN
    n_workers_gone == WORKERS ->
#endif
    pool_freed = true;

    /* ol_loop_destroy */
#ifndef CLOSE_AT_ONCE
    do
    :: n_on_way > 0 ->
        eventfd > 0 ->
        read_wakes()
    :: else -> break
    od;
#endif
    eventfd_closed = true;
    assert(n_finished == WORKERS * JOBS && n_delivered == n_finished && n_completed == 0)
}

init
{
    atomic {
        byte i = 0;

        run loop();
        run other_poster();
        do
        :: i < WORKERS ->
            run worker();
            i++
        :: else -> break
        od
    }
}
