/*
 * stop.c: SIGTERM and SIGINT.
 *
 * ol_loop_stop may be called in a signal handler, so there is no thread for signals, no descriptor and no race: the
 * handler remembers the signal and stops the loop; what is to be done about it is straight code after ol_loop_run has
 * returned. A signal that comes before the run ends that run as soon as it begins.
 */
#include "app/stop.h"

#include <signal.h>
#include <unistd.h>

static struct ol_loop       *target; /* set before the handler is */
static volatile sig_atomic_t first;

static void handle_signal(int number)
{
    if (first)
        _exit(1);
    first = number;
    ol_loop_stop(target);
}

static void set_action(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

    /* Both at once would let the second overtake the first inside the handler. */
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(number, &action, NULL);
}

void stop_on_signals(struct ol_loop *loop)
{
    target = loop;
    set_action(SIGTERM, handle_signal);
    set_action(SIGINT, handle_signal);
    set_action(SIGPIPE, SIG_IGN);
}

void stop_ignore_signals(void)
{
    set_action(SIGTERM, SIG_IGN);
    set_action(SIGINT, SIG_IGN);
    set_action(SIGPIPE, SIG_IGN);
}

int stop_signal(void)
{
    return first;
}
