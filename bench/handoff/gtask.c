/* GTask has one pool for the process, of ten threads, and no way to ask for fewer: `threads` is not heard here. */
#include <gio/gio.h>

#include "system.h"

static struct round *current;
static GMainLoop    *loop;
static unsigned      n_in_flight;

static void work(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source, (void)data, (void)cancellable;
    g_task_return_boolean(task, TRUE);
}

static void done(GObject *source, GAsyncResult *result, gpointer data);

static void submit(void)
{
    GTask *task = g_task_new(NULL, NULL, done, NULL);

    g_task_run_in_thread(task, work);
    g_object_unref(task);
}

static void done(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)source, (void)result, (void)data;
    if (!round_is_over(current))
        submit();
    else if (--n_in_flight == 0)
        g_main_loop_quit(loop);
}

static int run(struct round *round)
{
    current = round;
    loop = g_main_loop_new(NULL, FALSE);
    n_in_flight = round->outstanding;
    for (unsigned i = 0; i < round->outstanding; i++)
        submit();
    g_main_loop_run(loop);
    return 0;
}

const struct system system_gtask = { "gtask", run };
