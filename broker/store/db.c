/*
 * db.c - the thin layer over SQLite.
 *
 * Opening sets what must be set before the first table exists; everything else
 * is a prepared statement.  A failing call is remembered in db->error, with
 * SQLite's text, and all later calls on the connection are skipped: the caller
 * looks once, rolls back and clears.  SQLITE_FULL and a file grown beyond the
 * process's limit (EFBIG) count as "full"; CORRUPT and NOTADB as corrupt; all
 * others as failed.
 *
 * The write-ahead log is never checkpointed by SQLite itself: the hook below
 * takes the place of the one that would, only counts frames, and the owner
 * decides when (store_writer.c).  PRAGMA wal_autocheckpoint would remove it.
 */
#include "db.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

#define BUSY_MS 2000 /* somebody else's tool may hold the file for a moment */

struct db {
    sqlite3 *handle;
    bool (*predicate)(void *arg, uint64_t a, uint64_t b);
    void *predicate_arg;
    enum db_error error;
    unsigned wal_frames;
    char text[160];
};

struct db_stmt {
    struct db *db;
    sqlite3_stmt *handle;
};

/* What the system said of the last write that failed, in the log or in the
 * database; sqlite3_system_errno has forgotten by the time the rollback is done. */
static int last_errno(sqlite3 *handle)
{
    sqlite3_file *log = NULL;
    int error = 0;

    (void)sqlite3_file_control(handle, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log != NULL && log->pMethods != NULL)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
    if (error == 0)
        (void)sqlite3_file_control(handle, NULL, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error;
}

static enum db_error classify(int rc, int system_errno)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return DB_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return DB_CORRUPT;
    case SQLITE_IOERR:
        return system_errno == ENOSPC || system_errno == EFBIG || system_errno == EDQUOT
                   ? DB_FULL
                   : DB_FAILED;
    default:
        return DB_FAILED;
    }
}

static void db_fail(struct db *db, int rc)
{
    if (db->error != DB_FINE)
        return;
    db->error = classify(rc, last_errno(db->handle));
    snprintf(db->text, sizeof db->text, "%s (%d)", sqlite3_errmsg(db->handle),
             sqlite3_extended_errcode(db->handle));
}

static int count_frames(void *arg, sqlite3 *handle, const char *name, int frames)
{
    struct db *db = arg;

    (void)handle;
    (void)name;
    db->wal_frames = (unsigned)frames;
    return SQLITE_OK;
}

/* Counting SQLite's memory takes a lock at each allocation; nobody asks for it. */
static void configure(void)
{
    int rc = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);

    assert(rc == SQLITE_OK);
    (void)rc;
}

struct db *db_open(const char *path, bool read_only, enum db_error *error)
{
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    struct db *db = mem_zalloc(sizeof *db);
    int rc;

    (void)pthread_once(&configured, configure);
    rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        *error = classify(rc, db->handle != NULL ? sqlite3_system_errno(db->handle) : 0);
        db_close(db);
        return NULL;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    sqlite3_wal_hook(db->handle, count_frames, db);
    *error = DB_FINE;
    return db;
}

void db_close(struct db *db)
{
    int rc;

    if (db == NULL)
        return;
    rc = sqlite3_close(db->handle);
    assert(rc == SQLITE_OK); /* every statement was finalized */
    (void)rc;
    free(db);
}

enum db_error db_error(const struct db *db)
{
    return db->error;
}

const char *db_error_text(const struct db *db)
{
    return db->text;
}

void db_clear(struct db *db)
{
    db->error = DB_FINE;
    db->text[0] = '\0';
}

void db_exec(struct db *db, const char *sql)
{
    int rc;

    if (db->error != DB_FINE)
        return;
    rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        db_fail(db, rc);
}

uint64_t db_number(struct db *db, const char *sql)
{
    struct db_stmt *st = db_prepare(db, sql);
    uint64_t v = 0;

    if (st != NULL && db_step(st))
        v = db_u64(st, 0);
    db_finalize(st);
    return v;
}

void db_text(struct db *db, const char *sql, char *out, size_t cap)
{
    struct db_stmt *st = db_prepare(db, sql);

    out[0] = '\0';
    if (st != NULL && db_step(st)) {
        struct slice v = db_slice(st, 0);

        snprintf(out, cap, "%.*s", (int)v.len, v.p);
    }
    db_finalize(st);
}

void db_rollback(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0)
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    assert(sqlite3_get_autocommit(db->handle) != 0);
}

struct db_stmt *db_prepare(struct db *db, const char *sql)
{
    struct db_stmt *st;
    sqlite3_stmt *handle;
    int rc;

    if (db->error != DB_FINE)
        return NULL;
    rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
    if (rc != SQLITE_OK) {
        db_fail(db, rc);
        return NULL;
    }
    st = mem_zalloc(sizeof *st);
    st->db = db;
    st->handle = handle;
    return st;
}

void db_finalize(struct db_stmt *st)
{
    if (st == NULL)
        return;
    (void)sqlite3_finalize(st->handle); /* repeats the error of the last step */
    free(st);
}

void db_bind(struct db_stmt *st, int at, uint64_t v)
{
    int rc = sqlite3_bind_int64(st->handle, at, (sqlite3_int64)v);

    assert(rc == SQLITE_OK);
    (void)rc;
}

void db_bind_null(struct db_stmt *st, int at)
{
    (void)sqlite3_bind_null(st->handle, at);
}

/* A NULL pointer would bind NULL, and an empty run of bytes may have one. */
void db_bind_blob(struct db_stmt *st, int at, struct slice v)
{
    int rc = sqlite3_bind_blob64(st->handle, at, v.len > 0 ? v.p : "", v.len, SQLITE_STATIC);

    if (rc != SQLITE_OK)
        db_fail(st->db, rc);
}

void db_bind_text(struct db_stmt *st, int at, struct slice v)
{
    int rc = sqlite3_bind_text(st->handle, at, v.len > 0 ? v.p : "", (int)v.len, SQLITE_STATIC);

    if (rc != SQLITE_OK)
        db_fail(st->db, rc);
}

bool db_step(struct db_stmt *st)
{
    int rc;

    if (st->db->error != DB_FINE)
        return false;
    rc = sqlite3_step(st->handle);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        db_fail(st->db, rc);
    return false;
}

void db_reset(struct db_stmt *st)
{
    (void)sqlite3_reset(st->handle); /* repeats the error of the last step */
}

void db_run(struct db_stmt *st)
{
    bool row = db_step(st);

    assert(!row);
    (void)row;
    db_reset(st);
}

uint32_t db_changes(const struct db *db)
{
    return db->error == DB_FINE ? (uint32_t)sqlite3_changes(db->handle) : 0;
}

uint64_t db_u64(struct db_stmt *st, int column)
{
    return (uint64_t)sqlite3_column_int64(st->handle, column);
}

struct slice db_slice(struct db_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st->handle, column);

    return (struct slice){p, (size_t)sqlite3_column_bytes(st->handle, column)};
}

static void ask_predicate(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct db *db = sqlite3_user_data(context);

    assert(count == 2);
    (void)count;
    sqlite3_result_int(context,
                       db->predicate(db->predicate_arg, (uint64_t)sqlite3_value_int64(values[0]),
                                     (uint64_t)sqlite3_value_int64(values[1])));
}

void db_predicate(struct db *db, const char *name, bool (*fn)(void *arg, uint64_t a, uint64_t b),
                  void *arg)
{
    int rc;

    assert(db->predicate == NULL); /* one a connection is enough */
    db->predicate = fn;
    db->predicate_arg = arg;
    rc = sqlite3_create_function_v2(db->handle, name, 2, SQLITE_UTF8, db, ask_predicate, NULL, NULL,
                                    NULL);
    if (rc != SQLITE_OK)
        db_fail(db, rc);
}

unsigned db_wal_frames(const struct db *db)
{
    return db->wal_frames;
}

bool db_checkpoint(struct db *db)
{
    int rc;

    sqlite3_busy_timeout(db->handle, 0);
    rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    if (rc == SQLITE_OK)
        db->wal_frames = 0;
    else
        db_fail(db, rc);
    return rc == SQLITE_OK;
}
