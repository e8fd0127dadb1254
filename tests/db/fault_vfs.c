#include "fault_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

struct fault_file {
    sqlite3_file  base;
    bool          counts; /* a database or its log, and none of the copies */
    sqlite3_file *real;   /* follows the structure */
};

static sqlite3_vfs *system_vfs;

static _Atomic(unsigned)      armed_ops;
static _Atomic(int)           countdown, armed_rc;
static atomic_bool            is_sticky, has_fired, read_only;
static _Atomic(struct gate *) readers_gate;

static pthread_mutex_t writers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t       writers[16]; /* guarded by writers_lock */
static unsigned        n_writers;   /* guarded by writers_lock */

/* ---- the knobs ---- */

void fault_arm(unsigned ops, unsigned nth, int rc, bool sticky)
{
    atomic_store(&armed_ops, 0);
    atomic_store(&has_fired, false);
    atomic_store(&countdown, (int)nth);
    atomic_store(&armed_rc, rc);
    atomic_store(&is_sticky, sticky);
    atomic_store(&armed_ops, ops);
}

bool fault_disarm(void)
{
    atomic_store(&armed_ops, 0);
    return atomic_load(&has_fired);
}

void fault_hold_readers(struct gate *gate)
{
    atomic_store(&readers_gate, gate);
}

void fault_read_only(bool on)
{
    atomic_store(&read_only, on);
}

void fault_watch_writers(void)
{
    pthread_mutex_lock(&writers_lock);
    n_writers = 0;
    pthread_mutex_unlock(&writers_lock);
}

unsigned fault_writers(void)
{
    unsigned n;

    pthread_mutex_lock(&writers_lock);
    n = n_writers;
    pthread_mutex_unlock(&writers_lock);
    return n;
}

static int fault(enum fault_op op)
{
    int left;

    if (!(atomic_load(&armed_ops) & op))
        return SQLITE_OK;
    left = atomic_fetch_sub(&countdown, 1);
    if (left > 1 || (left < 1 && !atomic_load(&is_sticky)))
        return SQLITE_OK;
    atomic_store(&has_fired, true);
    return atomic_load(&armed_rc);
}

static int fault_of(struct fault_file *file, enum fault_op op)
{
    return file->counts ? fault(op) : SQLITE_OK;
}

static void note_writer(struct fault_file *file)
{
    unsigned i;

    if (!file->counts)
        return;
    pthread_mutex_lock(&writers_lock);
    for (i = 0; i < n_writers && !pthread_equal(writers[i], pthread_self()); i++)
        ;
    if (i == n_writers && n_writers < 16)
        writers[n_writers++] = pthread_self();
    pthread_mutex_unlock(&writers_lock);
}

static void hold_reader(void)
{
    struct gate *gate = atomic_load(&readers_gate);
    char         name[16];

    if (gate && pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strncmp(name, "ol-db-r", 7) == 0)
        gate_wait(gate);
}

/* ---- a file ---- */

#define SELF ((struct fault_file *)(void *)base)
#define REAL (SELF->real)

static int f_close(sqlite3_file *base)
{
    return REAL->pMethods ? REAL->pMethods->xClose(REAL) : SQLITE_OK;
}

static int f_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
    int rc = fault_of(SELF, FAULT_READ);

    if (SELF->counts)
        hold_reader();
    return rc ? rc : REAL->pMethods->xRead(REAL, to, n, at);
}

static int f_write(sqlite3_file *base, const void *from, int n, sqlite3_int64 at)
{
    int rc = fault_of(SELF, FAULT_WRITE);

    note_writer(SELF);
    return rc ? rc : REAL->pMethods->xWrite(REAL, from, n, at);
}

static int f_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int rc = fault_of(SELF, FAULT_TRUNCATE);

    note_writer(SELF);
    return rc ? rc : REAL->pMethods->xTruncate(REAL, size);
}

static int f_sync(sqlite3_file *base, int flags)
{
    int rc = fault_of(SELF, FAULT_SYNC);

    return rc ? rc : REAL->pMethods->xSync(REAL, flags);
}

static int f_size(sqlite3_file *base, sqlite3_int64 *size)
{
    int rc = fault_of(SELF, FAULT_OTHER);

    return rc ? rc : REAL->pMethods->xFileSize(REAL, size);
}

static int f_lock(sqlite3_file *base, int level)
{
    int rc = fault_of(SELF, FAULT_OTHER);

    return rc ? rc : REAL->pMethods->xLock(REAL, level);
}

static int f_unlock(sqlite3_file *base, int level)
{
    return REAL->pMethods->xUnlock(REAL, level);
}

static int f_check_lock(sqlite3_file *base, int *result)
{
    return REAL->pMethods->xCheckReservedLock(REAL, result);
}

static int f_control(sqlite3_file *base, int op, void *arg)
{
    return REAL->pMethods->xFileControl(REAL, op, arg);
}

static int f_sector(sqlite3_file *base)
{
    return REAL->pMethods->xSectorSize(REAL);
}

static int f_characteristics(sqlite3_file *base)
{
    return REAL->pMethods->xDeviceCharacteristics(REAL);
}

static int f_shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **to)
{
    int rc = fault_of(SELF, FAULT_SHM);

    return rc ? rc : REAL->pMethods->xShmMap(REAL, page, size, extend, to);
}

static int f_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    return REAL->pMethods->xShmLock(REAL, offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *base)
{
    REAL->pMethods->xShmBarrier(REAL);
}

static int f_shm_unmap(sqlite3_file *base, int delete)
{
    return REAL->pMethods->xShmUnmap(REAL, delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_characteristics,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

/* ---- the VFS ---- */

static bool counts(const char *path, int flags)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) && slash && strncmp(slash + 1, "copy", 4) != 0;
}

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
    struct fault_file *file = SELF;
    int                rc;

    (void)vfs;
    file->base.pMethods = NULL;
    file->counts = counts(path, flags);
    file->real = (sqlite3_file *)(void *)(file + 1);
    rc = fault_of(file, FAULT_OPEN);
    if (rc)
        return rc;
    if (atomic_load(&read_only) && (flags & SQLITE_OPEN_MAIN_DB)) {
        flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        flags |= SQLITE_OPEN_READONLY;
    }
    rc = system_vfs->xOpen(system_vfs, path, file->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &methods;
    return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    (void)vfs;
    return system_vfs->xDelete(system_vfs, path, sync_dir);
}

static int v_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
    int rc = fault(FAULT_OTHER);

    (void)vfs;
    return rc ? rc : system_vfs->xAccess(system_vfs, path, flags, result);
}

static int v_full_path(sqlite3_vfs *vfs, const char *path, int n, char *to)
{
    (void)vfs;
    return system_vfs->xFullPathname(system_vfs, path, n, to);
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;

    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(struct fault_file) + system_vfs->szOsFile;
    vfs.pNext = NULL;
    vfs.xOpen = v_open;
    vfs.xDelete = v_delete;
    vfs.xAccess = v_access;
    vfs.xFullPathname = v_full_path;
    sqlite3_vfs_register(&vfs, 1);
}
