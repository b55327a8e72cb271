/*
 * store_schema.c - the database file: settings, tables, is it ours and whole?
 *
 * A new file gets its settings (page size, auto_vacuum) before its first table.
 * A file that is there is checked: our application ID, a known version, and
 * SQLite's quick_check: of everything while the file is small, else of the
 * tables that are, for a start must not take seconds.  Damage further inside is
 * met later and makes the store refuse publishes.  Whatever is wrong at the
 * start ends in one sentence that says what to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "store_impl.h"

#define APPLICATION_ID 0x736c6365 /* "slce" */
#define SCHEMA_VERSION 2
#define CHECK_ALL_BYTES (16u << 20)

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(key INTEGER PRIMARY KEY, value);"
    "CREATE TABLE holes(low INTEGER PRIMARY KEY, high INTEGER NOT NULL);"
    "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " head INTEGER NOT NULL DEFAULT 0, oldest INTEGER NOT NULL DEFAULT 0,"
    " events INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
    " removed_to INTEGER NOT NULL DEFAULT 0, removed_reason INTEGER NOT NULL DEFAULT 0,"
    " volatile INTEGER NOT NULL, used INTEGER NOT NULL,"
    " counted_to INTEGER NOT NULL DEFAULT 0, born INTEGER NOT NULL);"
    "CREATE TABLE events(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,"
    " time INTEGER NOT NULL, flags INTEGER NOT NULL, expiry INTEGER,"
    " props BLOB NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX events_topic ON events(topic_id);"
    "CREATE TABLE producers(key BLOB NOT NULL, topic INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, last_seq INTEGER NOT NULL, last_id INTEGER NOT NULL,"
    " seqs INTEGER NOT NULL, used INTEGER NOT NULL,"
    " PRIMARY KEY(key, topic)) WITHOUT ROWID;"
    "CREATE TABLE producer_seqs(seqs INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " id INTEGER NOT NULL, PRIMARY KEY(seqs, seq)) WITHOUT ROWID;"
    "CREATE TABLE links(id INTEGER PRIMARY KEY, instance BLOB NOT NULL UNIQUE,"
    " used INTEGER NOT NULL);"
    "CREATE TABLE link_acks(link INTEGER NOT NULL, last_seq INTEGER NOT NULL,"
    " acks BLOB NOT NULL, PRIMARY KEY(link, last_seq)) WITHOUT ROWID;"
    "INSERT INTO meta(key, value) VALUES(2, 0), (3, 0), (4, 0), (5, 0);";

/* Version 2 adds these to what version 1 has, and changes nothing of it.  A
 * retained message keeps its topic by name: it outlives the topic's row. */
static const char schema_2[] =
    "CREATE TABLE IF NOT EXISTS state(space INTEGER NOT NULL, owner BLOB NOT NULL,"
    " key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(space, owner, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS retained(n INTEGER PRIMARY KEY, topic TEXT NOT NULL UNIQUE,"
    " id INTEGER NOT NULL, time INTEGER NOT NULL, flags INTEGER NOT NULL, expiry INTEGER,"
    " props BLOB NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS retained_expiry ON retained(time + expiry * 1000)"
    " WHERE expiry IS NOT NULL;";

static const char why_corrupt[] =
    "the database is damaged: restore it from a backup, or move sluice.db away to start a new "
    "log (subscribers are told that history was lost)";
static const char why_foreign[] = "the file sluice.db was not written by sluice: move it away";
static const char why_version[] = "the database was written by a newer version of sluice";

const char *schema_reason(enum db_error e)
{
    switch (e) {
    case DB_FINE: /* SQLite is content, but the rows do not fit together */
    case DB_CORRUPT:
        return why_corrupt;
    case DB_FULL:
        return "the disk is full: make room and start again";
    default:
        return "the database cannot be opened: see the log for SQLite's words, and check the "
               "owner and permissions of the data folder";
    }
}

static void apply_settings(struct db *db, bool fsync, bool fresh)
{
    /* No effect once there is a table, but the second would write all the same,
     * to a file that has yet to be checked. */
    if (fresh)
        db_exec(db, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;");
    db_exec(db, "PRAGMA journal_mode = WAL;"
                "PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;"
                "PRAGMA cache_size = -32768; PRAGMA locking_mode = NORMAL;"
                "PRAGMA journal_size_limit = 33554432;");
    db_exec(db, fsync ? "PRAGMA synchronous = FULL;" : "PRAGMA synchronous = NORMAL;");
}

/* Ends the transaction that made the tables what they are now. */
static void end_schema(struct db *db)
{
    char sql[96];

    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
             APPLICATION_ID, SCHEMA_VERSION);
    db_exec(db, sql);
}

static void create_tables(struct db *db)
{
    uint8_t identity[16];
    struct db_stmt *st;

    if (getrandom(identity, sizeof identity, 0) != (ssize_t)sizeof identity)
        abort(); /* the kernel never fails a read this short */
    db_exec(db, schema);
    db_exec(db, schema_2);
    st = db_prepare(db, "INSERT INTO meta(key, value) VALUES(1, ?1)");
    if (st != NULL) {
        db_bind_blob(st, 1, (struct slice){(const char *)identity, sizeof identity});
        db_run(st);
        db_finalize(st);
    }
    end_schema(db);
}

static void upgrade(struct db *db, uint64_t version)
{
    log_info("the database is brought to this version's form", LOG_U("from", version),
             LOG_U("to", SCHEMA_VERSION));
    db_exec(db, "BEGIN IMMEDIATE");
    db_exec(db, schema_2);
    end_schema(db);
}

static bool check_passes(struct db *db, const char *sql)
{
    char verdict[128];

    db_text(db, sql, verdict, sizeof verdict);
    if (strcmp(verdict, "ok") == 0)
        return true;
    log_error("the database failed its check", LOG_S("check", sql), LOG_S("says", verdict));
    return false;
}

static bool is_whole(struct db *db, const char *path)
{
    static const char *const small[] = {
        "PRAGMA quick_check(meta)",
        "PRAGMA quick_check(holes)",
        "PRAGMA quick_check(topics)",
        "PRAGMA quick_check(links)",
    };
    struct stat file;

    if (stat(path, &file) == 0 && file.st_size <= (off_t)CHECK_ALL_BYTES)
        return check_passes(db, "PRAGMA quick_check(1)");
    for (size_t i = 0; i < ARRAY_LEN(small); i++)
        if (!check_passes(db, small[i]))
            return false;
    return true;
}

static const char *check_and_upgrade(struct db *db, const char *path)
{
    uint64_t id = db_number(db, "PRAGMA application_id");
    uint64_t version = db_number(db, "PRAGMA user_version");

    if (db_error(db) != DB_FINE)
        return schema_reason(db_error(db));
    if (id != APPLICATION_ID)
        return why_foreign;
    if (version > SCHEMA_VERSION)
        return why_version;
    if (!is_whole(db, path))
        return db_error(db) == DB_FINE ? why_corrupt : schema_reason(db_error(db));
    if (version < SCHEMA_VERSION)
        upgrade(db, version);
    return db_error(db) == DB_FINE ? NULL : schema_reason(db_error(db));
}

static const char *make_ready(struct db *db, const char *path, bool fsync)
{
    uint64_t tables = db_number(db, "SELECT count(*) FROM sqlite_schema");

    apply_settings(db, fsync, tables == 0);
    if (tables == 0)
        create_tables(db);
    if (db_error(db) != DB_FINE)
        return schema_reason(db_error(db));
    return tables == 0 ? NULL : check_and_upgrade(db, path);
}

struct db *schema_open(const char *path, bool fsync, const char **why)
{
    enum db_error error;
    struct db *db = db_open(path, false, &error);

    if (db == NULL) {
        *why = schema_reason(error);
        return NULL;
    }
    *why = make_ready(db, path, fsync);
    if (*why == NULL)
        return db;
    if (db_error(db) != DB_FINE)
        log_error("the database cannot be opened", LOG_S("path", path),
                  LOG_S("says", db_error_text(db)));
    db_rollback(db);
    db_close(db);
    return NULL;
}

bool schema_prepare(struct store *s)
{
#define X(name, sql) s->st.name = db_prepare(s->db, sql);
    WRITER_STATEMENTS(X)
#undef X
    return db_error(s->db) == DB_FINE;
}

void schema_finalize(struct store *s)
{
#define X(name, sql) db_finalize(s->st.name);
    WRITER_STATEMENTS(X)
#undef X
}
