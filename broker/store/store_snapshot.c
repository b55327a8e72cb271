/*
 * store_snapshot.c - one reading thread's connection, and its snapshots.
 *
 * Every step is one short read transaction inside the gate, so that the
 * writer can find a moment without readers.  The log's head in it is the last
 * ID that the snapshot holds or that was given out before it was taken,
 * whichever is higher: volatile events move the one and not the other.
 *
 * A failure ends in an error reply; the connection is used again for the next.
 */
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "store_reader.h"

/* --- open, close ---------------------------------------------------------------------- */

static void snapshot_prepare(struct store_reader *r)
{
    r->begin = db_prepare(r->db, "BEGIN");
    r->end = db_prepare(r->db, "COMMIT");
    r->last = db_prepare(r->db, "SELECT value FROM meta WHERE key = 2");
    r->one = db_prepare(r->db, ROWS_SELECT " WHERE id = ?1");
    r->topics = db_prepare(r->db, "SELECT name FROM topics WHERE name >= ?1 ORDER BY name");
    r->retained = db_prepare(r->db, "SELECT id, time, flags, expiry, props, data FROM retained"
                                    " WHERE topic = ?1");
    r->retained_names = db_prepare(r->db, "SELECT topic FROM retained"
                                          " WHERE topic >= ?1 ORDER BY topic");
    rows_prepare(r);
}

struct store_reader *store_reader_open(struct store *s)
{
    struct store_reader *r = mem_zalloc(sizeof *r);
    enum db_error error;

    r->s = s;
    r->db = db_open(s->path, true, &error);
    if (r->db != NULL) {
        db_exec(r->db, "PRAGMA cache_size = -8192; PRAGMA query_only = ON;");
        snapshot_prepare(r);
        if (db_error(r->db) == DB_FINE)
            return r;
    }
    log_error("a reader cannot open the database", LOG_S("path", s->path),
              LOG_S("says", r->db != NULL ? db_error_text(r->db) : schema_reason(error)));
    store_reader_close(r);
    return NULL;
}

void store_reader_close(struct store_reader *r)
{
    struct db_stmt *const all[] = {r->begin,  r->end,      r->last,          r->one,
                                   r->topics, r->retained, r->retained_names};

    matcher_free(r);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        db_finalize(all[i]);
    rows_finalize(r);
    db_close(r->db);
    buf_free(&r->head);
    free(r);
}

/* --- snapshots ------------------------------------------------------------------------- */

struct seen_topic *snapshot_seen(struct store_reader *r, uint32_t topic)
{
    struct seen_topic *seen = &r->seen[topic % SEEN_MAX];

    if (seen->topic != topic)
        seen->step = 0;
    seen->topic = topic;
    return seen;
}

bool snapshot_is_over(struct store_reader *r)
{
    if (++r->looks < STEP_LOOKS)
        return false;
    r->looks = 0;
    return uv_hrtime() >= r->step_ends;
}

uint64_t snapshot_begin(struct store_reader *r)
{
    uint64_t given, last = 0;

    gate_enter(&r->s->gate);
    given = atomic_load_explicit(&r->s->given, memory_order_acquire);
    db_run(r->begin);
    if (db_step(r->last)) /* the first read takes the snapshot */
        last = db_u64(r->last, 0);
    db_reset(r->last);
    return last > given ? last : given;
}

bool snapshot_end(struct store_reader *r, uint8_t kind, uint64_t ref, struct buf *reply)
{
    bool full;

    db_run(r->end);
    if (db_error(r->db) == DB_FINE) {
        gate_leave(&r->s->gate);
        return true;
    }
    log_error("a read failed", LOG_S("sqlite", db_error_text(r->db)));
    full = db_error(r->db) == DB_FULL;
    db_rollback(r->db);
    db_clear(r->db);
    gate_leave(&r->s->gate);
    buf_clear(reply);
    wire_read_error_put(reply, kind, ref, full ? ERR_STORE_FULL : ERR_STORE_FAILED,
                        SLICE("The database cannot be read"));
    return false;
}
