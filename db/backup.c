/*
 * backup.c: a copy of the database while it is in use.
 *
 * The source is the writing connection itself: what is written through it while the copy is under way is mirrored
 * into the copy by SQLite, while a write through any other connection would restart it. So steps run on the writer
 * thread, between two groups, and a write waits for at most one step. The pause between steps is the throttle.
 *
 * The copy must not exist: it is created before anything else, so two backups cannot meet in one file, and removed
 * again on every failure. One backup runs at a time; the others wait in their order, and are withdrawn when their
 * scope ends.
 */
#include "db/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/database.h"
#include "db/failure.h"
#include "db/writer.h"
#include "loop/wait.h"

enum {
    PAGES_PER_STEP = 256,
    BACKUPS_MAX = 16 /* with the one that runs */
};

struct ol__backup {
    /* set by the caller */
    const struct ol_db_backup *order;
    struct ol__wait           *wait;

    /* guarded by the writer's lock */
    struct ol_link link;
    bool           is_queued;
    int            reason;  /* why its scope ended, or 0 */
    uint64_t       next_ns; /* when the next step is due */

    /* the writer thread's until it has been answered, then the caller's */
    sqlite3        *copy;
    sqlite3_backup *handle;
    bool            is_created;
    int             rc;
    struct ol_error error;
};

/* ---- the writer's side ---- */

static void close_copy(struct ol__backup *backup)
{
    sqlite3_backup_finish(backup->handle);
    backup->handle = NULL;
    if (sqlite3_close(backup->copy) != SQLITE_OK && backup->rc == 0)
        backup->rc = ol__failure(&backup->error, OL_EIO, 0, "the copy could not be closed");
    backup->copy = NULL;
}

static void remove_copy(const struct ol__backup *backup)
{
    static const char *const suffixes[] = { "", "-journal", "-wal", "-shm" };
    char                    *name;

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        name = sqlite3_mprintf("%s%s", backup->order->path, suffixes[i]);
        if (name)
            unlink(name);
        sqlite3_free(name);
    }
}

static void end(struct ol__writer *writer, struct ol__backup *backup)
{
    close_copy(backup);
    if (backup->rc < 0 && backup->is_created)
        remove_copy(backup);
    writer->backup = NULL;
    pthread_mutex_lock(&writer->lock);
    ol_list_remove(&backup->link);
    writer->n_backups--;
    pthread_mutex_unlock(&writer->lock);
    ol__wait_signal(backup->wait);
}

static int create_copy(struct ol__backup *backup)
{
    int fd = open(backup->order->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0)
        return ol__failure(&backup->error,
                           errno == EEXIST   ? OL_EINVAL
                           : errno == ENOENT ? OL_ENOENT
                                             : OL_EIO,
                           errno, "cannot create the copy %s", backup->order->path);
    close(fd);
    backup->is_created = true;
    return 0;
}

static int begin(struct ol__writer *writer, struct ol__backup *backup)
{
    int rc;

    if (!writer->conn)
        return ol__failure(&backup->error, OL_EIO, 0, "the writing connection was lost");
    if ((rc = create_copy(backup)) < 0)
        return rc;
    rc = sqlite3_open_v2(backup->order->path, &backup->copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        backup->handle = sqlite3_backup_init(backup->copy, "main", writer->conn->sqlite, "main");
    if (!backup->handle)
        return ol__failure(&backup->error, ol__code_of(rc ? rc : sqlite3_errcode(backup->copy)), rc,
                           "cannot open the copy %s: %s", backup->order->path,
                           backup->copy ? sqlite3_errmsg(backup->copy) : "out of memory");
    return 0;
}

static int report(struct ol__backup *backup)
{
    uint64_t                     total = (uint64_t)sqlite3_backup_pagecount(backup->handle);
    struct ol_db_backup_progress progress = { total - (uint64_t)sqlite3_backup_remaining(backup->handle), total };
    int                          rc;

    if (!backup->order->on_progress)
        return 0;
    rc = backup->order->on_progress(&progress, backup->order->arg);
    return rc < 0 ? ol__failure(&backup->error, rc, 0, "the backup was given up by its progress function") : 0;
}

/* Returns 1 when it goes on, 0 when the copy is whole. */
static int step(struct ol__backup *backup)
{
    unsigned pages = backup->order->pages_per_step ? backup->order->pages_per_step : PAGES_PER_STEP;
    int      rc = sqlite3_backup_step(backup->handle, (int)pages);

    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
        return ol__failure(&backup->error, ol__code_of(rc), rc, "the backup to %s failed: %s", backup->order->path,
                           sqlite3_errstr(rc));
    if (report(backup) < 0)
        return backup->error.code;
    return rc != SQLITE_DONE;
}

static struct ol__backup *first_due(struct ol__writer *writer, int *ret_reason)
{
    struct ol__backup *backup = NULL;

    pthread_mutex_lock(&writer->lock);
    if (!ol_list_empty(&writer->backups)) {
        backup = OL_CONTAINER_OF(writer->backups.next, struct ol__backup, link);
        *ret_reason = backup->reason;
        if (!backup->reason && ol_now_ns() < backup->next_ns)
            backup = NULL;
        else
            backup->is_queued = false;
    }
    pthread_mutex_unlock(&writer->lock);
    return backup;
}

static void schedule(struct ol__writer *writer, struct ol__backup *backup)
{
    pthread_mutex_lock(&writer->lock);
    backup->next_ns = ol_now_ns() + ol__seconds_to_ns(backup->order->pause_s);
    pthread_mutex_unlock(&writer->lock);
}

void ol__backup_step_if_due(struct ol__writer *writer)
{
    int                reason = 0;
    struct ol__backup *backup = first_due(writer, &reason);
    int                rc = 0;

    if (!backup)
        return;
    if (reason)
        rc = ol__failure(&backup->error, reason, 0, "the backup's scope ended");
    else if (!writer->backup)
        rc = begin(writer, backup);
    writer->backup = backup;
    if (rc == 0)
        rc = step(backup);
    if (rc == 1) {
        schedule(writer, backup);
        return;
    }
    backup->rc = rc;
    end(writer, backup);
}

uint64_t ol__backup_next_ns_locked(const struct ol__writer *writer)
{
    const struct ol__backup *backup;

    if (ol_list_empty(&writer->backups))
        return 0;
    backup = OL_CONTAINER_OF(writer->backups.next, struct ol__backup, link);
    return backup->reason ? 1 : backup->next_ns | 1;
}

void ol__backup_abort(struct ol__writer *writer)
{
    struct ol__backup *backup = writer->backup;

    if (!backup)
        return;
    backup->rc = ol__failure(&backup->error, OL_EIO, 0, "the writing connection was lost while the backup ran");
    end(writer, backup);
}

void ol__backup_abort_all(struct ol__writer *writer)
{
    struct ol_link *link = NULL;

    do {
        pthread_mutex_lock(&writer->lock);
        link = ol_list_empty(&writer->backups) ? NULL : writer->backups.next;
        pthread_mutex_unlock(&writer->lock);
        if (link) {
            struct ol__backup *backup = OL_CONTAINER_OF(link, struct ol__backup, link);

            backup->rc = ol__failure(&backup->error, OL_ECLOSED, 0, "the database is closed");
            end(writer, backup);
        }
    } while (link);
}

/* ---- the caller's side ---- */

static int submit(struct ol__writer *writer, struct ol__backup *backup)
{
    int rc = 0;

    pthread_mutex_lock(&writer->lock);
    if (writer->is_closing) {
        rc = ol__fail(OL_ECLOSED, 0, "the database is closed");
    } else if (writer->n_backups == BACKUPS_MAX) {
        rc = ol__fail(OL_EBUSY, 0, "too many backups are waiting");
    } else {
        backup->is_queued = true;
        ol_list_append(&writer->backups, &backup->link);
        writer->n_backups++;
        writer->is_asleep = false;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    return rc;
}

/* True: it had not begun, and nobody will answer. False: it ends at its next step. */
static bool withdraw(struct ol__writer *writer, struct ol__backup *backup, int reason)
{
    bool withdrawn;

    pthread_mutex_lock(&writer->lock);
    withdrawn = backup->is_queued;
    if (withdrawn) {
        ol_list_remove(&backup->link);
        writer->n_backups--;
    }
    backup->reason = reason;
    writer->is_asleep = false;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    return withdrawn;
}

static int wait_for(struct ol__writer *writer, struct ol__backup *backup)
{
    int rc = ol__wait_until(backup->wait);

    if (rc < 0 && withdraw(writer, backup, rc))
        return ol__fail(rc, 0, "the backup was still queued when its scope ended");
    if (rc < 0)
        ol__wait_uninterrupted(backup->wait);
    return backup->rc < 0 ? ol__fail_with(&backup->error) : 0;
}

int ol_db_backup(struct ol_db *db, const struct ol_db_backup *order)
{
    struct ol__wait   wait;
    struct ol__backup backup = { .order = order, .wait = &wait };
    int               rc = ol__db_may_wait(db);

    if (rc < 0)
        return rc;
    if (!order || !order->path || !ol__seconds_valid(order->pause_s))
        return ol__fail(OL_EINVAL, 0, "a backup needs a path, and a pause that is not negative");
    ol__wait_init(&wait);
    rc = submit(&db->writer, &backup);
    if (rc == 0)
        rc = wait_for(&db->writer, &backup);
    ol__wait_fini(&wait);
    return rc;
}
