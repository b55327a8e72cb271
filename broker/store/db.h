/*
 * db.h - SQLite with a face of ours; db.c is the only file that knows sqlite3.h.
 *
 * Errors stick: after the first failure of a connection every call on it does
 * nothing and every read returns 0 or nothing, until db_clear.  So a
 * transaction is written as a chain of calls and checked once, at its end.
 *
 * A connection and its statements belong to one thread at a time.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "bytes.h"

struct db;
struct db_stmt;

enum db_error {
    DB_FINE,
    DB_FULL,    /* no room: disk, quota or file size limit */
    DB_FAILED,  /* I/O, permissions, a read-only disk */
    DB_CORRUPT, /* the file is not what SQLite wrote */
};

/* NULL: *error says which, db_open_text why (static). */
struct db *db_open(const char *path, bool read_only, enum db_error *error) MUST_CHECK;
void db_close(struct db *db); /* statements first; NULL does nothing */

enum db_error db_error(const struct db *db);
const char *db_error_text(const struct db *db); /* SQLite's words, owned by db */
void db_clear(struct db *db);

void db_exec(struct db *db, const char *sql);
/* First column of the first row; 0 without a row. */
uint64_t db_number(struct db *db, const char *sql);
/* First column of the first row as text into out, NUL-terminated. */
void db_text(struct db *db, const char *sql, char *out, size_t cap);

/* Ends an open transaction by undoing it, also after an error; clears nothing. */
void db_rollback(struct db *db);

struct db_stmt *db_prepare(struct db *db, const char *sql); /* NULL after an error */
void db_finalize(struct db_stmt *st);                       /* NULL does nothing */
/* Parameters count from 1, columns from 0.  Bound bytes must stay until the
 * statement is reset; an empty slice is an empty blob. */
void db_bind(struct db_stmt *st, int at, uint64_t v);
void db_bind_null(struct db_stmt *st, int at);
void db_bind_blob(struct db_stmt *st, int at, struct slice v);
void db_bind_text(struct db_stmt *st, int at, struct slice v);
bool db_step(struct db_stmt *st) MUST_CHECK; /* true: a row is there; false: the end or an error */
void db_reset(struct db_stmt *st);
void db_run(struct db_stmt *st); /* a statement without rows: step and reset */
/* Rows that the last statement inserted, updated or deleted; 0 after an error. */
uint32_t db_changes(const struct db *db);
/* Columns are valid until the next step or reset. */
uint64_t db_u64(struct db_stmt *st, int column);
struct slice db_slice(struct db_stmt *st, int column);

/* Statements of this connection may ask name(a, b); fn answers. */
void db_predicate(struct db *db, const char *name, bool (*fn)(void *arg, uint64_t a, uint64_t b),
                  void *arg);

/* Frames in the write-ahead log after this connection's last commit. */
unsigned db_wal_frames(const struct db *db);
/* Moves the write-ahead log into the database so that it starts anew, without
 * waiting for anybody; false, and an error, when that was not possible. */
bool db_checkpoint(struct db *db) MUST_CHECK;

#endif
