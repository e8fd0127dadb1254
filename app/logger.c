/*
 * logger.c: warnings and the access log, off the loop.
 *
 * An event comes on the thread where it happened, often the loop, and must not wait: its words are copied into a buffer
 * of fixed size under a leaf lock. One thread takes the buffer's contents by exchanging two buffers, and formats and
 * writes with no lock held. A disk that is slower than the requests fills the buffer: then lines are dropped, never the
 * loop delayed, and the log says how many, as soon as it can and once more at the end.
 *
 * A record is a struct followed by its strings, each with its NUL; records are aligned to 8 bytes.
 */
#include "app/logger.h"

#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 1 << 20, N_STRINGS = 6, STOP_LIMIT_S = 2 };

struct record {
    uint32_t        size; /* with the strings, rounded up */
    bool            is_request;
    int             status;
    struct timespec at;
    uint64_t        bytes_sent, queue_ns, run_ns, total_ns;
};

struct buffer {
    char  *data;
    size_t used;
};

struct logger {
    /* set before the thread starts */
    enum access_log_format format;
    FILE                  *out;
    struct ol_subscriber   subscriber;
    pthread_t              thread;

    pthread_mutex_t lock;
    pthread_cond_t  changed;

    /* guarded by lock */
    struct buffer filling;
    uint64_t      dropped;
    bool          closing;

    /* the writer's thread only */
    struct buffer writing;
    uint64_t      dropped_before; /* of `dropped`: what was told already */
};

/* ---- on the thread where it happens ---- */

static void append_locked(struct logger *logger, struct record *record, const char *const strings[N_STRINGS])
{
    struct buffer *buffer = &logger->filling;
    size_t         lengths[N_STRINGS], size = sizeof *record;
    char          *end;

    for (int i = 0; i < N_STRINGS; i++)
        size += lengths[i] = strlen(strings[i]) + 1;
    size = (size + 7) & ~(size_t)7;
    if (size > BUFFER_SIZE - buffer->used) {
        logger->dropped++;
        return;
    }
    if (buffer->used == 0)
        pthread_cond_signal(&logger->changed);
    record->size = (uint32_t)size;
    end = buffer->data + buffer->used;
    memcpy(end, record, sizeof *record);
    end += sizeof *record;
    for (int i = 0; i < N_STRINGS; i++) {
        memcpy(end, strings[i], lengths[i]);
        end += lengths[i];
    }
    buffer->used += size;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void take_event(const struct ol_event *event, void *arg)
{
    const struct ol_event_request *request = event->request;
    struct logger                 *logger = arg;
    struct record                  record = { .is_request = request != NULL };
    const char *strings[N_STRINGS] = { or_empty(event->text), or_empty(event->where), "", "", "", "" };

    clock_gettime(CLOCK_REALTIME, &record.at);
    if (request) {
        const char *const words[N_STRINGS] = { request->peer,    request->method,  request->target,
                                               request->version, request->referer, request->user_agent };

        memcpy(strings, words, sizeof strings);
        record.status = request->status;
        record.bytes_sent = request->bytes_sent;
        record.queue_ns = request->queue_ns;
        record.run_ns = request->run_ns;
        record.total_ns = request->total_ns;
    } else if (!event->text) {
        return;
    }
    pthread_mutex_lock(&logger->lock);
    append_locked(logger, &record, strings);
    pthread_mutex_unlock(&logger->lock);
}

/* ---- the writer's thread ---- */

static void print_record(struct logger *logger, const struct record *record)
{
    const char *strings[N_STRINGS], *next = (const char *)(record + 1);

    for (int i = 0; i < N_STRINGS; i++) {
        strings[i] = next;
        next += strlen(next) + 1;
    }
    if (!record->is_request) {
        error(0, 0, "%s%s%s", strings[1], *strings[1] ? ": " : "", strings[0]);
        return;
    }
    struct ol_event_request request = {
        .peer = strings[0],
        .method = strings[1],
        .target = strings[2],
        .version = strings[3],
        .referer = strings[4],
        .user_agent = strings[5],
        .status = record->status,
        .bytes_sent = record->bytes_sent,
        .queue_ns = record->queue_ns,
        .run_ns = record->run_ns,
        .total_ns = record->total_ns,
    };
    access_log_print(logger->out, logger->format, &request, &record->at);
}

static void write_out(struct logger *logger)
{
    struct buffer *buffer = &logger->writing;

    for (size_t at = 0; at < buffer->used;) {
        const struct record *record = (const struct record *)(buffer->data + at);

        print_record(logger, record);
        at += record->size;
    }
    buffer->used = 0;
    if (fflush(logger->out) != 0)
        clearerr(logger->out); /* a full disk may have room again */
}

static void tell_dropped(struct logger *logger, uint64_t dropped)
{
    if (dropped != logger->dropped_before)
        error(0, 0, "the log could not keep up: %llu lines dropped",
              (unsigned long long)(dropped - logger->dropped_before));
    logger->dropped_before = dropped;
}

static void *write_until_closed(void *arg)
{
    struct logger *logger = arg;
    bool           closing = false;

    while (!closing) {
        uint64_t      dropped;
        struct buffer full;

        pthread_mutex_lock(&logger->lock);
        while (logger->filling.used == 0 && !logger->closing)
            pthread_cond_wait(&logger->changed, &logger->lock);
        full = logger->filling;
        logger->filling = logger->writing;
        logger->writing = full;
        dropped = logger->dropped;
        closing = logger->closing;
        pthread_mutex_unlock(&logger->lock);

        write_out(logger);
        tell_dropped(logger, dropped);
    }
    return NULL;
}

/* ---- life ---- */

/* Signals are for the main thread. Returns as pthread_create. */
static int start_thread(struct logger *logger)
{
    sigset_t all, before;
    int      rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&logger->thread, NULL, write_until_closed, logger);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        pthread_setname_np(logger->thread, "log");
    return rc;
}

static void free_logger(struct logger *logger)
{
    if (logger->out)
        fclose(logger->out);
    free(logger->filling.data);
    free(logger->writing.data);
    pthread_cond_destroy(&logger->changed);
    pthread_mutex_destroy(&logger->lock);
    free(logger);
}

static void subscribe(struct logger *logger)
{
    logger->subscriber = (struct ol_subscriber){
        .kinds = OL_EVENT_POOL | OL_EVENT_DB | OL_EVENT_HTTP,
        .cb = take_event,
        .arg = logger,
    };
    if (logger->format != ACCESS_LOG_NONE)
        logger->subscriber.kinds |= OL_EVENT_HTTP_REQUEST;
    ol_events_subscribe(&logger->subscriber);
}

/*
 * Standard output through a stream of our own: the writer may stand in a write with the stream's lock, and error(3),
 * which flushes stdout first, must not wait for it.
 */
static FILE *open_output(const char *path)
{
    int   fd;
    FILE *out;

    if (path)
        return fopen(path, "ae");
    fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    out = fd < 0 ? NULL : fdopen(fd, "a");
    if (!out && fd >= 0)
        close(fd);
    return out;
}

int logger_start(struct logger **ret_logger, const struct access_log_options *access_log)
{
    struct logger *logger = calloc(1, sizeof *logger);
    int            rc;

    if (!logger) {
        error(0, ENOMEM, "cannot start the log");
        return -1;
    }
    logger->format = access_log->format;
    pthread_mutex_init(&logger->lock, NULL);
    pthread_cond_init(&logger->changed, NULL);
    logger->out = open_output(access_log->path);
    if (!logger->out) {
        error(0, errno, "cannot open the access log %s", access_log->path ? access_log->path : "on standard output");
        goto fail;
    }
    logger->filling.data = malloc(BUFFER_SIZE);
    logger->writing.data = malloc(BUFFER_SIZE);
    rc = logger->filling.data && logger->writing.data ? start_thread(logger) : ENOMEM;
    if (rc != 0) {
        error(0, rc, "cannot start the log");
        goto fail;
    }
    subscribe(logger);
    *ret_logger = logger;
    return 0;

fail:
    free_logger(logger);
    return -1;
}

/* A pipe that nobody reads would hold the writer, and us with it, for ever. */
static int join_writer(struct logger *logger)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += STOP_LIMIT_S;
    return pthread_timedjoin_np(logger->thread, NULL, &limit);
}

int logger_stop(struct logger *logger)
{
    if (!logger)
        return 0;
    ol_events_unsubscribe(&logger->subscriber);
    pthread_mutex_lock(&logger->lock);
    logger->closing = true;
    pthread_cond_signal(&logger->changed);
    pthread_mutex_unlock(&logger->lock);
    if (join_writer(logger) != 0) {
        error(0, 0, "the access log cannot be written: giving up what is left of it");
        return -1;
    }
    if (logger->dropped > 0)
        error(0, 0, "the log dropped %llu lines in all", (unsigned long long)logger->dropped);
    free_logger(logger);
    return 0;
}
