/*
 * store_reader.c - one reading thread's connection, its snapshots and its rows.
 *
 * Every request is one short read transaction inside the gate, so that the
 * writer can find a moment without readers.  The log's head in it is the last
 * ID that the snapshot holds or that was given out before it was taken,
 * whichever is higher: volatile events move the one and not the other.
 *
 * Rows come from the index of one topic, from several of them merged, or from a
 * scan in order of ID; the scan is also taken when the few topics hold most of
 * the log, because it reads each page once.  Of rows that do not match, a scan
 * reads no more than the topic.
 *
 * A failure ends in an error reply; the connection is used again for the next.
 */
#include "store_reader.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

#define ROW "SELECT id, topic_id, time, flags, expiry, props, data FROM events"

#define WANTED " WHERE id > ?1 AND id < ?2 AND wanted(topic_id, id)"

enum row_column { ROW_ID, ROW_TOPIC, ROW_TIME, ROW_FLAGS, ROW_EXPIRY, ROW_PROPS, ROW_DATA };

static const char *const by_topic_sql[2] = {
    ROW " WHERE topic_id = ?3 AND id > ?1 AND id < ?2 ORDER BY id",
    ROW " WHERE topic_id = ?3 AND id > ?1 AND id < ?2 ORDER BY id DESC",
};

/* --- open, close ---------------------------------------------------------------------- */

/* SQLite asks this of every row that it scans, before it reads what is large in
 * it.  The row at which the scan has to stop is wanted too, to get back here. */
static bool is_wanted(void *arg, uint64_t topic, uint64_t id)
{
    struct store_reader *r = arg;

    return ++r->rows.scanned >= WIRE_PAGE_SCAN || matcher_test(&r->matcher, (uint32_t)topic, id);
}

static void prepare(struct store_reader *r)
{
    db_predicate(r->db, "wanted", is_wanted, r);
    r->begin = db_prepare(r->db, "BEGIN");
    r->end = db_prepare(r->db, "COMMIT");
    r->last = db_prepare(r->db, "SELECT value FROM meta WHERE key = 2");
    r->one = db_prepare(r->db, ROW " WHERE id = ?1");
    r->topics = db_prepare(r->db, "SELECT id, name FROM topics"
                                  " WHERE name >= ?1 ORDER BY name");
    r->retained = db_prepare(r->db, "SELECT id, time, flags, expiry, props, data FROM retained"
                                    " WHERE topic = ?1");
    r->retained_names = db_prepare(r->db, "SELECT topic FROM retained"
                                          " WHERE topic >= ?1 ORDER BY topic");
    r->scan[0] = db_prepare(r->db, ROW WANTED " ORDER BY id");
    r->scan[1] = db_prepare(r->db, ROW WANTED " ORDER BY id DESC");
}

struct store_reader *store_reader_open(struct store *s)
{
    struct store_reader *r = mem_zalloc(sizeof *r);
    enum db_error error;

    r->s = s;
    r->db = db_open(s->path, true, &error);
    if (r->db != NULL) {
        db_exec(r->db, "PRAGMA cache_size = -8192; PRAGMA query_only = ON;");
        prepare(r);
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
    struct filter_set *set, *next;
    struct db_stmt *const all[] = {r->begin,   r->end,     r->last,     r->one,           r->topics,
                                   r->scan[0], r->scan[1], r->retained, r->retained_names};

    HASH_ITER (hh, r->sets, set, next)
        filter_set_free(r, set);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        db_finalize(all[i]);
    for (size_t i = 0; i < CURSORS; i++) {
        db_finalize(r->by_topic[0][i]);
        db_finalize(r->by_topic[1][i]);
    }
    db_close(r->db);
    buf_free(&r->head);
    free(r);
}

/* --- snapshots ------------------------------------------------------------------------- */

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

bool snapshot_end(struct store_reader *r, uint8_t kind, uint64_t ref, struct buf *reply,
                  size_t start)
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
    reply->len = start;
    wire_read_error_put(reply, kind, ref, full ? ERR_STORE_FULL : ERR_STORE_FAILED,
                        SLICE("The database cannot be read"));
    return false;
}

/* --- rows ------------------------------------------------------------------------------ */

static void cursor_step(struct cursor *c)
{
    c->id = db_step(c->st) ? db_u64(c->st, ROW_ID) : 0;
}

static void open_scan(struct store_reader *r, uint64_t low, uint64_t high)
{
    struct rows *rows = &r->rows;
    uint64_t from = matcher_lowest(&r->matcher);

    rows->scan = true;
    rows->count = 1;
    rows->cursors[0].st = r->scan[rows->descending];
    db_bind(rows->cursors[0].st, 1, from > low ? from : low);
    db_bind(rows->cursors[0].st, 2, high);
}

static void open_topic(struct store_reader *r, size_t at, uint32_t topic, uint64_t low,
                       uint64_t high)
{
    struct db_stmt **st = &r->by_topic[r->rows.descending][at];

    if (*st == NULL)
        *st = db_prepare(r->db, by_topic_sql[r->rows.descending]);
    r->rows.cursors[at].st = *st;
    if (*st == NULL)
        return;
    db_bind(*st, 1, low);
    db_bind(*st, 2, high);
    db_bind(*st, 3, topic);
}

struct few {
    size_t count;
    struct {
        uint32_t topic;
        uint64_t from;
    } list[CURSORS];
};

/* False: there are too many. */
static bool few_add(struct few *few, uint32_t topic, uint64_t from)
{
    for (size_t i = 0; i < few->count; i++) {
        if (few->list[i].topic != topic)
            continue;
        if (from < few->list[i].from)
            few->list[i].from = from;
        return true;
    }
    if (few->count == CURSORS)
        return false;
    few->list[few->count].topic = topic;
    few->list[few->count++].from = from;
    return true;
}

static bool few_topics(const struct matcher *m, struct few *few)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct match *one = &m->list[i];

        if (one->set == NULL) {
            if (one->exact != NULL && !few_add(few, one->exact->number, one->from))
                return false;
            continue;
        }
        if (one->set->matched > CURSORS)
            return false;
        for (uint32_t k = 0; k < one->set->matched; k++)
            if (!few_add(few, one->set->few[k], one->from))
                return false;
    }
    return true;
}

static bool hold_most(struct store *s, const struct few *few)
{
    struct topics *topics = &s->topics;
    uint64_t events = 0;

    uv_rwlock_rdlock(&topics->lock);
    for (size_t i = 0; i < few->count; i++)
        events += topics_at(topics, few->list[i].topic)->stats.events;
    uv_rwlock_rdunlock(&topics->lock);
    return events > 0 && events >= atomic_load(&s->events) / 2;
}

void rows_open(struct store_reader *r, uint64_t low, uint64_t high, bool descending)
{
    struct rows *rows = &r->rows;
    struct few few = {0};

    *rows = (struct rows){.descending = descending};
    if (!few_topics(&r->matcher, &few) || hold_most(r->s, &few)) {
        open_scan(r, low, high);
    } else {
        rows->count = few.count;
        for (size_t i = 0; i < few.count; i++)
            open_topic(r, i, few.list[i].topic, few.list[i].from > low ? few.list[i].from : low,
                       high);
    }
    for (size_t i = 0; i < rows->count && db_error(r->db) == DB_FINE; i++)
        cursor_step(&rows->cursors[i]);
}

static bool comes_before(const struct rows *rows, const struct cursor *a, const struct cursor *b)
{
    return rows->descending ? a->id > b->id : a->id < b->id;
}

bool rows_next(struct rows *rows)
{
    struct cursor *first = NULL;

    if (rows->at != NULL)
        cursor_step(rows->at);
    for (size_t i = 0; i < rows->count; i++) {
        struct cursor *c = &rows->cursors[i];

        if (c->id != 0 && (first == NULL || comes_before(rows, c, first)))
            first = c;
    }
    rows->at = first;
    rows->scanned += !rows->scan;
    return first != NULL;
}

void rows_close(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->cursors[i].st != NULL)
            db_reset(rows->cursors[i].st);
    rows->count = 0;
    rows->at = NULL;
}

uint32_t rows_topic(const struct rows *rows)
{
    return (uint32_t)db_u64(rows->at->st, ROW_TOPIC);
}

bool row_event(const struct store *s, struct db_stmt *st, struct event *e)
{
    const struct topic *t = topics_at(&s->topics, (uint32_t)db_u64(st, ROW_TOPIC));

    if (t == NULL)
        return false;
    e->id = db_u64(st, ROW_ID);
    e->time = db_u64(st, ROW_TIME);
    e->topic = t->name;
    e->flags = (uint16_t)db_u64(st, ROW_FLAGS);
    e->expiry = (uint32_t)db_u64(st, ROW_EXPIRY); /* NULL reads as 0 */
    e->props = db_slice(st, ROW_PROPS);
    e->payload = db_slice(st, ROW_DATA);
    return true;
}

/* --- names ----------------------------------------------------------------------------- */

bool name_above(struct slice name, struct slice other)
{
    size_t common = name.len < other.len ? name.len : other.len;
    int order = common > 0 ? memcmp(name.p, other.p, common) : 0;

    return order > 0 || (order == 0 && name.len > other.len);
}
