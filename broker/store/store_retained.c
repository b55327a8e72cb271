/*
 * store_retained.c - of each topic the last event published with EVENT_RETAIN.
 *
 * A copy, in a table of its own: whatever becomes of the history and of the
 * topic, it stays until an empty payload takes it away, another event takes its
 * place, or it expires.  It changes in its event's transaction, so what a
 * reader finds is exactly what the log's head, in the same snapshot, says.
 *
 *   filter a/b     ─▶ look up a/b
 *   filter a/#     ─▶ look up a, then walk the names that begin with a/
 *   filter a/+/c   ─▶ walk the names that begin with a/
 *
 * A walk reads names from their index and a message only where one matches.  It
 * ends at the request's limit, when the reply is full, after WIRE_PAGE_SCAN names or
 * with its step, and says where: a filter that matches nothing costs bounded work.
 */
#include "store_reader.h"
#include "topic.h"
#include "wall.h"

/* --- the writer's side -------------------------------------------------------- */

/* True: a row has it now. */
static bool retained_put(struct store *s, struct db_stmt *st, const struct event *e)
{
    db_bind_text(st, 1, e->topic);
    db_bind(st, 2, e->id);
    row_bind(st, e);
    db_run(st);
    return db_changes(s->db) > 0;
}

static bool retained_drop(struct store *s, struct slice topic)
{
    db_bind_text(s->st.drop_retained, 1, topic);
    db_run(s->st.drop_retained);
    return db_changes(s->db) > 0;
}

int64_t retained_growth(struct store *s, const struct event *e)
{
    int64_t size = 0;

    db_bind_text(s->st.retained_size, 1, e->topic);
    if (db_step(s->st.retained_size))
        size -= (int64_t)db_u64(s->st.retained_size, 0);
    db_reset(s->st.retained_size);
    if (e->payload.len > 0)
        size += (int64_t)(e->topic.len + e->props.len + e->payload.len);
    return size;
}

int retained_set(struct store *s, const struct event *e)
{
    if (e->payload.len == 0)
        return retained_drop(s, e->topic) ? -1 : 0;
    if (retained_put(s, s->st.set_retained, e))
        return 0;
    return retained_put(s, s->st.add_retained, e) ? 1 : 0;
}

bool retained_expire(struct store *s, uint64_t now, uint32_t rows)
{
    uint32_t dropped = 0;
    uint64_t bytes = 0;
    bool due;

    db_bind(s->st.find_stale, 1, now);
    due = db_step(s->st.find_stale);
    db_reset(s->st.find_stale);
    if (!due && db_error(s->db) == DB_FINE)
        return false;
    write_begin(s);
    db_bind(s->st.drop_stale, 1, now);
    db_bind(s->st.drop_stale, 2, rows);
    for (; db_step(s->st.drop_stale); dropped++)
        bytes += db_u64(s->st.drop_stale, 0);
    db_reset(s->st.drop_stale);
    if (!write_commit(s))
        return false;
    atomic_fetch_sub(&s->retained, dropped);
    atomic_fetch_sub(&s->retained_bytes, bytes);
    return dropped == rows;
}

/* --- the readers' side ---------------------------------------------------------- */

enum retained_column { RETAINED_ID, RETAINED_EVENT /* store_row.c */ };

struct retained_walk {
    struct store_reader *r;
    const struct store_read *q;
    struct buf *reply;
    uint64_t now;
    uint32_t limit, count;
    bool full;       /* the reply ends before this name */
    struct buf upto; /* the last name looked at */
};

static void retained_get(struct db_stmt *st, struct slice topic, struct event *e)
{
    e->id = db_u64(st, RETAINED_ID);
    e->topic = topic;
    row_get(st, RETAINED_EVENT, e);
}

static bool walk_has_room(const struct retained_walk *w, const struct event *e)
{
    return w->count < w->limit &&
           (w->count == 0 || w->reply->len + event_record_size(e) <= WIRE_PAGE_BYTES);
}

/* A name that the filter matches. */
static void walk_put(struct retained_walk *w, struct slice name)
{
    struct db_stmt *st = w->r->retained;
    struct event e;

    db_bind_text(st, 1, name);
    if (db_step(st)) {
        retained_get(st, name, &e);
        if (!event_expired(&e, w->now)) {
            w->full = !walk_has_room(w, &e);
            if (!w->full) {
                event_record_put(w->reply, &e);
                w->count++;
            }
        }
    }
    db_reset(st);
}

static void walk_look(struct retained_walk *w, struct slice name)
{
    if (filter_match(w->q->filter, name))
        walk_put(w, name);
    if (w->full)
        return;
    buf_clear(&w->upto);
    buf_put_slice(&w->upto, name);
}

/* The names above `after` that begin with prefix. */
static void walk_names(struct retained_walk *w, struct slice prefix)
{
    struct db_stmt *st = w->r->retained_names;
    struct slice after = buf_slice(&w->q->name);

    db_bind_text(st, 1, name_above(after, prefix) ? after : prefix);
    for (uint32_t looked = 0; !w->full && db_step(st); looked++) {
        struct slice name = db_slice(st, 0);

        if (!slice_starts(name, prefix))
            break;
        if (slice_eq(name, after))
            continue;
        w->full = looked == WIRE_PAGE_SCAN || (w->upto.len > 0 && snapshot_is_over(w->r));
        if (!w->full)
            walk_look(w, name);
    }
    db_reset(st);
}

static void walk_filter(struct retained_walk *w)
{
    struct slice filter = w->q->filter, prefix = {filter.p, 0}, single = {NULL, 0};

    while (prefix.len < filter.len && filter.p[prefix.len] != '+' && filter.p[prefix.len] != '#')
        prefix.len++;
    if (prefix.len == filter.len)
        single = filter;
    else if (prefix.len > 0 && filter.p[prefix.len] == '#')
        single = (struct slice){filter.p, prefix.len - 1};
    if (single.len > 0 && name_above(single, buf_slice(&w->q->name)))
        walk_look(w, single);
    if (prefix.len < filter.len && !w->full)
        walk_names(w, prefix);
}

bool retained_read(struct store_read *q, struct store_reader *r, struct buf *reply)
{
    struct retained_walk w = {.r = r, .q = q, .reply = reply, .now = wall_ms()};

    w.limit = q->limit == 0 || q->limit > WIRE_PAGE_ROWS ? WIRE_PAGE_ROWS : q->limit;
    wire_retained_begin(reply, q->ref, snapshot_begin(r));
    walk_filter(&w);
    if (snapshot_end(r, WIRE_RETAINED, q->ref, reply))
        wire_retained_finish(reply, 0, w.full, w.count, buf_slice(&w.upto));
    buf_free(&w.upto);
    return true;
}
