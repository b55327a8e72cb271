/*
 * store_rows.c - rows of the log, in order of ID.
 *
 * They come from the index of one topic, from several of them merged, or from a
 * scan in order of ID; the scan is also taken when the few topics hold most of
 * the log, because it reads each page once.  Of rows that do not match, a scan
 * reads no more than the topic.
 */
#include "store_reader.h"

#define WANTED " WHERE id > ?1 AND id < ?2 AND wanted(topic_id, id)"

enum row_column { ROW_ID, ROW_TOPIC, ROW_EVENT /* store_row.c */ };

static const char *const by_topic_sql[2] = {
    ROWS_SELECT " WHERE topic_id = ?3 AND id > ?1 AND id < ?2 ORDER BY id",
    ROWS_SELECT " WHERE topic_id = ?3 AND id > ?1 AND id < ?2 ORDER BY id DESC",
};

/* --- statements -------------------------------------------------------------------- */

/* SQLite asks this of every row that it scans, before it reads what is large in
 * it.  The row at which the scan has to stop is wanted too, to get back here. */
static bool is_wanted(void *arg, uint64_t topic, uint64_t id)
{
    struct store_reader *r = arg;

    return ++r->rows.scanned >= WIRE_PAGE_SCAN || matcher_test(&r->matcher, (uint32_t)topic, id);
}

void rows_prepare(struct store_reader *r)
{
    db_predicate(r->db, "wanted", is_wanted, r);
    r->scan[0] = db_prepare(r->db, ROWS_SELECT WANTED " ORDER BY id");
    r->scan[1] = db_prepare(r->db, ROWS_SELECT WANTED " ORDER BY id DESC");
}

void rows_finalize(struct store_reader *r)
{
    for (size_t down = 0; down < 2; down++) {
        db_finalize(r->scan[down]);
        for (size_t i = 0; i < CURSORS; i++)
            db_finalize(r->by_topic[down][i]);
    }
}

/* --- opening, stepping ---------------------------------------------------------------- */

static void row_cursor_step(struct row_cursor *c)
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
        row_cursor_step(&rows->cursors[i]);
}

static bool comes_before(const struct rows *rows, const struct row_cursor *a,
                         const struct row_cursor *b)
{
    return rows->descending ? a->id > b->id : a->id < b->id;
}

bool rows_next(struct rows *rows)
{
    struct row_cursor *first = NULL;

    if (rows->at != NULL)
        row_cursor_step(rows->at);
    for (size_t i = 0; i < rows->count; i++) {
        struct row_cursor *c = &rows->cursors[i];

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
