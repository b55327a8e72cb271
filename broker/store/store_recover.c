/*
 * store_recover.c - what an open database says, and the transaction that makes this
 * start safe.
 *
 * Memory reads what it holds (topics, holes).  With L the last ID that the file
 * knows, the first new ID is F, above L, above every ID that may have been given out
 * without being stored, and not below the clock; the hole (L, F) is stored with it.
 * Whatever was lost with a database, or since the copy that was restored, had IDs in
 * that hole, so none of them is ever given out again, and a cursor in it is told.
 *
 * Nothing else has to be repaired: SQLite rolls back what was not committed.
 */
#include <string.h>

#include "log.h"
#include "store_impl.h"
#include "wall.h"

#define CLOCK_WAIT_MS 1000u

/* --- what is there ----------------------------------------------------------------- */

static bool load_identity(struct store *s)
{
    struct db_stmt *st = db_prepare(s->db, "SELECT value FROM meta WHERE key = 1");
    bool ok = false;

    if (st != NULL && db_step(st)) {
        struct slice v = db_slice(st, 0);

        ok = v.len == sizeof s->identity.b;
        if (ok)
            memcpy(s->identity.b, v.p, v.len);
    }
    db_finalize(st);
    return ok;
}

static void load_holes(struct store *s)
{
    struct db_stmt *st = db_prepare(s->db, "SELECT low, high FROM holes ORDER BY low");

    while (st != NULL && db_step(st))
        holes_add(&s->holes, db_u64(st, 0), db_u64(st, 1));
    db_finalize(st);
}

/* --- the start's transaction --------------------------------------------------------- */

/* After an unclean stop IDs up to `limit` may be out there, unstored. */
static void wait_for_clock(uint64_t limit)
{
    if (limit == 0)
        return;
    for (unsigned waited = 0; waited < CLOCK_WAIT_MS; waited += 5) {
        if (id_of_ms(wall_ms()) > limit)
            return;
        uv_sleep(5);
    }
    log_warn("the clock is behind the IDs given out; going on above them");
}

static uint64_t first_id(uint64_t last, uint64_t limit)
{
    uint64_t first = id_of_ms(wall_ms());

    if (first <= last)
        first = last + 1;
    if (first <= limit)
        first = limit + 1;
    return first;
}

static void store_holes(struct store *s)
{
    struct db_stmt *st;

    db_exec(s->db, "DELETE FROM holes");
    st = db_prepare(s->db, "INSERT INTO holes(low, high) VALUES(?1, ?2)");
    for (size_t i = 0; st != NULL && i < s->holes.count; i++) {
        db_bind(st, 1, s->holes.list[i].low);
        db_bind(st, 2, s->holes.list[i].high);
        db_run(st);
    }
    db_finalize(st);
}

/* What a volatile topic published before this start is gone. */
static void settle_volatile(struct store *s, uint64_t upto)
{
    struct topic *t, *next;

    HASH_ITER (hh, s->topics.by_name, t, next) {
        if (!t->was_volatile)
            continue;
        topics_raise_volatile(&s->topics, t, upto);
        if (t->limits.volatile_)
            continue;
        t->was_volatile = false;
        t->removed_to = upto;
        t->removed_reason = GAP_VOLATILE;
        stats_write_row(s, t, &t->stats);
    }
}

/* The log's own time: no event, start or clean stop that it knows of was later. */
static uint64_t last_time(struct store *s, uint64_t last)
{
    uint64_t event = ms_of_id(last), seen = meta_get(s->db, META_SEEN);

    return event > seen ? event : seen;
}

/* NULL, or why not. */
static const char *begin_life(struct store *s, const struct wall_rules *clock)
{
    uint64_t last = meta_get(s->db, META_LAST), limit = meta_get(s->db, META_ID_LIMIT), first;

    if (clock->step_ms != 0)
        wall_begin(clock, last_time(s, last));
    wait_for_clock(limit);
    first = first_id(last, limit);
    if (first >= EVENT_ID_MAX)
        return "the event IDs are used up (they end in 2089): is the clock right?";
    holes_add(&s->holes, last, first);
    s->last = s->head = first - 1;
    atomic_store(&s->given, s->last);
    write_begin(s);
    store_holes(s);
    meta_set(s, META_LAST, s->last);
    meta_set(s, META_ID_LIMIT, 0);
    meta_set(s, META_SEEN, wall_ms());
    settle_volatile(s, s->last);
    db_run(s->st.commit);
    return db_error(s->db) == DB_FINE ? NULL : schema_reason(db_error(s->db));
}

/* Of which topics is no longer known. */
static void load_forgotten(struct store *s, uint64_t upto)
{
    s->topics.forgotten_to = upto;
    for (size_t i = 0; i < TOPICS_KINDS; i++)
        s->topics.forgotten_of[i] = upto;
}

static bool load(struct store *s)
{
    if (!schema_prepare(s) || !load_identity(s))
        return false;
    load_holes(s);
    atomic_store(&s->retained, db_number(s->db, "SELECT count(*) FROM retained"));
    atomic_store(&s->retained_bytes,
                 db_number(s->db, "SELECT coalesce(sum(" RETAINED_SIZE "), 0) FROM retained"));
    state_load(s);
    producers_load(s);
    load_forgotten(s, meta_get(s->db, META_FORGOTTEN_TO));
    return stats_load(s) && db_error(s->db) == DB_FINE;
}

const char *recover_log(struct store *s, const struct wall_rules *clock)
{
    const char *reason = load(s) ? begin_life(s, clock) : schema_reason(db_error(s->db));

    if (reason == NULL)
        return NULL;
    log_error("the log cannot be opened", LOG_S("path", s->path),
              LOG_S("sqlite", db_error_text(s->db)));
    db_rollback(s->db);
    return reason;
}
