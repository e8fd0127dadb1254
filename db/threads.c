/*
 * threads.c: a connection of its own for each thread that reads where it is.
 *
 * Who may have one: any thread that is not a worker, and the workers of pools that were declared with
 * ol_db_serve_pool; at most connections_max in all. It is opened at the thread's first read and found again in a
 * table of the thread, keyed by the database's id. Ids are never used twice, so an entry of a database that is gone
 * cannot be mistaken for a new one's.
 *
 * Two things end such a connection: the thread ends, or the database is closed, and either may come first. One lock
 * of the process settles it. A database is on the list of open ones until ol_db_close has taken it off, under that
 * lock; a thread that ends looks there, under that lock, for the database of each of its entries. What it finds it
 * closes; what it does not find is closed already.
 */
#include "db/threads.h"

#include <stdlib.h>

#include "db/connection.h"
#include "db/database.h"
#include "loop/here.h"

struct entry {
    uint64_t               db_id;
    struct ol__connection *conn;
};

/* One thread's connections: few, so a scan is the quickest search. */
struct table {
    unsigned     n, capacity;
    struct entry entries[];
};

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ol_link  open_databases = { &open_databases, &open_databases }; /* guarded by process_lock */
static pthread_key_t   key;
static pthread_once_t  key_once = PTHREAD_ONCE_INIT;

static _Thread_local struct table *my_table;

static struct ol_db *find_open_locked(uint64_t id)
{
    for (struct ol_link *link = open_databases.next; link != &open_databases; link = link->next) {
        struct ol_db *db = OL_CONTAINER_OF(link, struct ol_db, threads.open);

        if (db->id == id)
            return db;
    }
    return NULL;
}

static void give_up_place(struct ol_db *db, struct ol__connection *conn)
{
    pthread_mutex_lock(&db->threads.lock);
    if (conn)
        ol_list_remove(&conn->link);
    db->threads.n_connections--;
    pthread_mutex_unlock(&db->threads.lock);
}

static void on_thread_exit(void *arg)
{
    struct table *table = arg;

    pthread_mutex_lock(&process_lock);
    for (unsigned i = 0; i < table->n; i++) {
        struct ol_db *db = find_open_locked(table->entries[i].db_id);

        if (db) {
            give_up_place(db, table->entries[i].conn);
            ol__db_connection_close(table->entries[i].conn);
        }
    }
    pthread_mutex_unlock(&process_lock);
    my_table = NULL;
    free(table);
}

static void make_key(void)
{
    pthread_key_create(&key, on_thread_exit);
}

void ol__threads_init(struct ol_db *db)
{
    static uint64_t last_id; /* guarded by process_lock */

    pthread_once(&key_once, make_key);
    pthread_mutex_init(&db->threads.lock, NULL);
    ol_link_init(&db->threads.connections);
    pthread_mutex_lock(&process_lock);
    db->id = ++last_id;
    ol_list_append(&open_databases, &db->threads.open);
    pthread_mutex_unlock(&process_lock);
}

void ol__threads_close(struct ol_db *db)
{
    struct ol_link *link;

    pthread_mutex_lock(&process_lock);
    ol_list_remove(&db->threads.open);
    pthread_mutex_lock(&db->threads.lock);
    while ((link = ol_list_pop(&db->threads.connections)))
        ol__db_connection_close(OL_CONTAINER_OF(link, struct ol__connection, link));
    pthread_mutex_unlock(&db->threads.lock);
    pthread_mutex_unlock(&process_lock);
}

void ol__threads_fini(struct ol_db *db)
{
    pthread_mutex_destroy(&db->threads.lock);
}

/* ---- this thread's table ---- */

static struct ol__connection *find_mine(uint64_t db_id)
{
    for (unsigned i = 0; my_table && i < my_table->n; i++)
        if (my_table->entries[i].db_id == db_id)
            return my_table->entries[i].conn;
    return NULL;
}

/* Drop what belongs to databases that are closed, so that a thread that opens and closes many keeps a short table. */
static void purge(struct table *table)
{
    unsigned n = 0;

    pthread_mutex_lock(&process_lock);
    for (unsigned i = 0; i < table->n; i++)
        if (find_open_locked(table->entries[i].db_id))
            table->entries[n++] = table->entries[i];
    pthread_mutex_unlock(&process_lock);
    table->n = n;
}

static bool make_room(void)
{
    unsigned      capacity;
    struct table *table = my_table;

    if (table)
        purge(table);
    if (table && table->n < table->capacity)
        return true;
    capacity = table ? table->capacity * 2 : 4;
    table = realloc(table, sizeof *table + capacity * sizeof table->entries[0]);
    if (!table)
        return false;
    if (!my_table)
        table->n = 0;
    table->capacity = capacity;
    my_table = table;
    /* else the table works, and its connections end with their databases */
    return pthread_setspecific(key, table) == 0;
}

static bool may_have_one(const struct ol_db *db)
{
    if (!ol__here.pool)
        return true;
    for (unsigned i = 0; i < db->n_pools; i++)
        if (db->pools[i] == ol__here.pool)
            return true;
    return false;
}

static bool take_place(struct ol_db *db)
{
    bool taken;

    pthread_mutex_lock(&db->threads.lock);
    taken = db->threads.n_connections < db->config.connections_max;
    if (taken)
        db->threads.n_connections++;
    pthread_mutex_unlock(&db->threads.lock);
    return taken;
}

static struct ol__connection *open_mine(struct ol_db *db)
{
    struct ol__connection *conn;
    struct ol_error        error;

    if (!make_room() || !take_place(db))
        return NULL;
    if (ol__db_connection_open(&conn, db, OL__READS, &error) < 0) {
        give_up_place(db, NULL);
        return NULL;
    }
    pthread_mutex_lock(&db->threads.lock);
    ol_list_append(&db->threads.connections, &conn->link);
    pthread_mutex_unlock(&db->threads.lock);
    my_table->entries[my_table->n++] = (struct entry){ db->id, conn };
    return conn;
}

struct ol__connection *ol__threads_connection(struct ol_db *db)
{
    struct ol__connection *conn = find_mine(db->id);

    if (conn)
        return conn;
    return may_have_one(db) ? open_mine(db) : NULL;
}
