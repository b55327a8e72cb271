/*
 * store_rows.c - rows of the log, in order of ID.
 *
 * They come from the indexes of a few topics, merged, or from a scan in order of
 * ID; the scan is also taken when the few topics hold most of the log, because it
 * reads each page once.  A merge holds IDs alone, some of each topic at a time, in
 * a heap: it costs its topics' first IDs, and then what it gives.  Of rows that do
 * not match, a scan reads no more than the topic.
 */
#include <stdlib.h>

#include "mem.h"
#include "store_reader.h"

#define WANTED " WHERE id > ?1 AND id < ?2 AND wanted(topic_id, id)"
#define OF_TOPIC                                                                                   \
    "SELECT id FROM events INDEXED BY events_topic WHERE topic_id = ?3 AND id > ?1 AND id < ?2"    \
    " ORDER BY id"
#define FIRST_IDS 4u /* of a topic: most merges end before they need more */

enum row_column { ROW_ID, ROW_TOPIC, ROW_EVENT /* store_row.c */, ROW_FLAGS, ROW_EXPIRY };

/* --- statements -------------------------------------------------------------------- */

/* Whether a filter that is still sought matches the topic. */
static bool is_sought(struct store_reader *r, uint32_t topic)
{
    struct seen_topic *seen = snapshot_seen(r, topic);
    const struct topic *t;

    if (seen->step != r->steps) {
        t = topics_at(&r->s->topics, topic);
        seen->step = r->steps;
        seen->from = t != NULL && filter_tree_any(r->seeking, t->name) ? 0 : UINT64_MAX;
    }
    return seen->from == 0;
}

/* SQLite asks this of every row that it scans, before it reads what is large in
 * it.  The row at which the scan has to stop is wanted too, to get back here. */
static bool is_wanted(void *arg, uint64_t topic, uint64_t id)
{
    struct store_reader *r = arg;

    r->rows.scanned++;
    if (rows_stopped(r) || snapshot_is_over(r)) {
        r->rows.most = r->rows.scanned;
        return true;
    }
    return r->seeking != NULL ? is_sought(r, (uint32_t)topic)
                              : matcher_test(r, (uint32_t)topic, id);
}

void rows_prepare(struct store_reader *r)
{
    db_predicate(r->db, "wanted", is_wanted, r);
    r->scan[0] = db_prepare(r->db, ROWS_SELECT WANTED " ORDER BY id");
    r->scan[1] = db_prepare(r->db, ROWS_SELECT WANTED " ORDER BY id DESC");
    r->by_topic[0] = db_prepare(r->db, OF_TOPIC " LIMIT ?4");
    r->by_topic[1] = db_prepare(r->db, OF_TOPIC " DESC LIMIT ?4");
    r->rows.cursors = mem_array(FEW_MAX, sizeof *r->rows.cursors);
}

void rows_finalize(struct store_reader *r)
{
    for (size_t down = 0; down < 2; down++) {
        db_finalize(r->scan[down]);
        db_finalize(r->by_topic[down]);
    }
    free(r->rows.cursors);
}

/* --- one topic's IDs ------------------------------------------------------------------ */

static void cursor_fill(struct store_reader *r, struct row_cursor *c, uint32_t limit)
{
    struct db_stmt *st = r->by_topic[r->rows.descending];

    c->at = c->count = 0;
    db_bind(st, 1, c->low);
    db_bind(st, 2, c->high);
    db_bind(st, 3, c->topic);
    db_bind(st, 4, limit);
    while (c->count < limit && db_step(st))
        c->ids[c->count++] = db_u64(st, 0);
    db_reset(st);
    c->last = c->count < limit;
    if (c->count == 0)
        return;
    if (r->rows.descending)
        c->high = c->ids[c->count - 1];
    else
        c->low = c->ids[c->count - 1];
}

/* False: it has no more. */
static bool cursor_step(struct store_reader *r, struct row_cursor *c)
{
    if (++c->at < c->count)
        return true;
    if (c->last)
        return false;
    cursor_fill(r, c, CHUNK_IDS);
    return c->count > 0;
}

/* --- the heap ---------------------------------------------------------------------------- */

static uint64_t heap_id(const struct rows *rows, size_t at)
{
    const struct row_cursor *c = &rows->cursors[rows->heap[at]];

    return c->ids[c->at];
}

static bool comes_before(const struct rows *rows, size_t a, size_t b)
{
    return rows->descending ? heap_id(rows, a) > heap_id(rows, b)
                            : heap_id(rows, a) < heap_id(rows, b);
}

static void heap_swap(struct rows *rows, size_t a, size_t b)
{
    uint16_t c = rows->heap[a];

    rows->heap[a] = rows->heap[b];
    rows->heap[b] = c;
}

static void heap_down(struct rows *rows, size_t at)
{
    for (;;) {
        size_t first = at, left = 2 * at + 1;

        if (left < rows->count && comes_before(rows, left, first))
            first = left;
        if (left + 1 < rows->count && comes_before(rows, left + 1, first))
            first = left + 1;
        if (first == at)
            return;
        heap_swap(rows, at, first);
        at = first;
    }
}

static void heap_make(struct rows *rows)
{
    for (size_t i = rows->count / 2; i-- > 0;)
        heap_down(rows, i);
}

/* --- opening, stepping ---------------------------------------------------------------- */

static void open_scan(struct store_reader *r, uint64_t low, uint64_t high)
{
    struct rows *rows = &r->rows;

    rows->scan = true;
    rows->st = r->scan[rows->descending];
    db_bind(rows->st, 1, low);
    db_bind(rows->st, 2, high);
}

static void open_few(struct store_reader *r, uint64_t low, uint64_t high)
{
    const struct matcher *m = &r->matcher;
    struct rows *rows = &r->rows;

    for (size_t i = 0; i < m->few_count && db_error(r->db) == DB_FINE; i++) {
        struct row_cursor *c = &rows->cursors[i];

        c->topic = m->few[i].number;
        c->low = m->few[i].from > low ? m->few[i].from : low;
        c->high = high;
        cursor_fill(r, c, FIRST_IDS);
        if (c->count > 0)
            rows->heap[rows->count++] = (uint16_t)i;
    }
    heap_make(rows);
}

static bool hold_most(struct store_reader *r)
{
    const struct matcher *m = &r->matcher;
    struct topics *topics = &r->s->topics;
    uint64_t events = 0;

    uv_rwlock_rdlock(&topics->lock);
    for (size_t i = 0; i < m->few_count; i++) {
        const struct topic *t = topics_at(topics, m->few[i].number);

        events += t != NULL ? t->stats.events : 0;
    }
    uv_rwlock_rdunlock(&topics->lock);
    return events > 0 && events >= atomic_load(&r->s->events) / 2;
}

static void rows_begin(struct store_reader *r, bool descending, uint32_t most)
{
    struct rows *rows = &r->rows;

    rows->descending = descending;
    rows->scan = rows->begun = false;
    rows->scanned = 0;
    rows->most = most;
    rows->count = 0;
    rows->id = 0;
    rows->st = NULL;
}

void rows_open(struct store_reader *r, uint64_t low, uint64_t high, bool descending, uint32_t most)
{
    const struct matcher *m = &r->matcher;

    rows_begin(r, descending, most);
    if (m->is_few && !hold_most(r))
        open_few(r, low, high);
    else
        open_scan(r, m->from_low > low ? m->from_low : low, high);
}

void rows_open_seeking(struct store_reader *r, uint64_t high, uint32_t most)
{
    rows_begin(r, true, most);
    open_scan(r, 0, high);
}

static bool scan_next(struct store_reader *r)
{
    struct rows *rows = &r->rows;

    rows->id = db_step(rows->st) ? db_u64(rows->st, ROW_ID) : 0;
    return rows->id != 0;
}

static bool merge_next(struct store_reader *r)
{
    struct rows *rows = &r->rows;

    if (rows->st != NULL)
        db_reset(rows->st);
    rows->st = NULL;
    if (rows->begun && rows->count > 0) {
        if (!cursor_step(r, &rows->cursors[rows->heap[0]]))
            rows->heap[0] = rows->heap[--rows->count];
        heap_down(rows, 0);
    }
    rows->begun = true;
    if (rows->count == 0 || db_error(r->db) != DB_FINE)
        return false;
    rows->id = heap_id(rows, 0);
    rows->scanned++;
    if (snapshot_is_over(r))
        rows->most = rows->scanned;
    return true;
}

bool rows_next(struct store_reader *r)
{
    return r->rows.scan ? scan_next(r) : merge_next(r);
}

bool rows_stopped(const struct store_reader *r)
{
    return r->rows.scanned >= r->rows.most;
}

void rows_close(struct store_reader *r)
{
    if (r->rows.st != NULL)
        db_reset(r->rows.st);
    r->rows.st = NULL;
    r->rows.count = 0;
}

bool rows_row(struct store_reader *r)
{
    if (r->rows.scan)
        return true;
    r->rows.st = r->one;
    db_bind(r->one, 1, r->rows.id);
    return db_step(r->one);
}

uint32_t rows_topic(const struct rows *rows)
{
    return (uint32_t)db_u64(rows->st, ROW_TOPIC);
}

bool rows_expired(const struct rows *rows, uint64_t now)
{
    struct event e = {
        .time = db_u64(rows->st, ROW_EVENT),
        .flags = (uint16_t)db_u64(rows->st, ROW_FLAGS),
        .expiry = (uint32_t)db_u64(rows->st, ROW_EXPIRY),
    };

    return event_expired(&e, now);
}

bool rows_event(const struct store *s, struct db_stmt *st, struct event *e)
{
    const struct topic *t = topics_at(&s->topics, (uint32_t)db_u64(st, ROW_TOPIC));

    if (t == NULL)
        return false;
    e->id = db_u64(st, ROW_ID);
    e->topic = t->name;
    row_get(st, ROW_EVENT, e);
    return true;
}
