/*
 * store_links.c - a gateway's publishes, once each, whatever is sent again.
 *
 * Every unit that a transaction stores for a link leaves a mark: its link_seq
 * and the IDs it got.  The marks of one link and commit are one small row; the
 * last LINK_SEQS of them are kept, in memory too, because every unit asks.
 * A link's marks are loaded when it is first seen after a start.
 *
 *   marks (rising by seq): what is committed    fresh: this transaction's
 *
 * A mark stands for a run: `units` consecutive seqs of one event each with
 * consecutive IDs, or one unit of `count` events, whose IDs rise by one from
 * `id` or, when repeats are among them, are listed.
 *
 * A unit of volatile events alone is marked in memory only: it needs no
 * transaction, and after a crash it is published anew.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store_impl.h"

#define IDS_LISTED UINT64_MAX
#define REPEATED (UINT64_C(1) << 63) /* in a listed ID: a producer's repeat */
#define TOUCH_MS 60000u
#define FORGET_MS 600000u /* from memory */

struct link_mark {
    uint64_t seq;
    uint32_t units, count;
    uint64_t id;
    uint64_t *ids; /* IDS_LISTED */
};

struct marks {
    struct link_mark *list;
    size_t count, room;
};

struct link_record {
    struct wire_uuid instance;
    uint64_t row;              /* of links; 0: not inserted yet */
    uint64_t used;             /* as its row says */
    uint64_t seen;             /* ms, in memory */
    uint64_t highest, trimmed; /* seqs */
    bool row_is_fresh;         /* inserted by this transaction */
    struct marks marks, fresh;
    UT_hash_handle hh;
};

/* --- marks ------------------------------------------------------------------ */

static bool extends(const struct link_mark *m, const struct link_mark *next)
{
    return m->count == 1 && next->count == 1 && m->id != IDS_LISTED && next->id != IDS_LISTED &&
           next->seq == m->seq + m->units && next->id == m->id + m->units &&
           m->units < UINT32_MAX - next->units;
}

/* Keeps the order by seq; nearly always the new one is the last. */
static void marks_add(struct marks *m, struct link_mark mark)
{
    size_t at = m->count;

    if (m->count > 0 && extends(&m->list[m->count - 1], &mark)) {
        m->list[m->count - 1].units += mark.units;
        return;
    }
    if (m->count == m->room) {
        m->room = m->room == 0 ? 16 : m->room * 2;
        m->list = mem_resize(m->list, m->room, sizeof *m->list);
    }
    while (at > 0 && m->list[at - 1].seq > mark.seq)
        at--;
    memmove(&m->list[at + 1], &m->list[at], (m->count - at) * sizeof *m->list);
    m->list[at] = mark;
    m->count++;
}

static const struct link_mark *marks_find(const struct marks *m, uint64_t seq)
{
    size_t low = 0, high = m->count;

    while (low < high) { /* the first mark that begins above seq */
        size_t mid = low + (high - low) / 2;

        if (m->list[mid].seq > seq)
            high = mid;
        else
            low = mid + 1;
    }
    if (low == 0 || seq - m->list[low - 1].seq >= m->list[low - 1].units)
        return NULL;
    return &m->list[low - 1];
}

static void marks_clear(struct marks *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->list[i].ids);
    m->count = 0;
}

static void marks_free(struct marks *m)
{
    marks_clear(m);
    free(m->list);
    *m = (struct marks){0};
}

/* Forgets marks that end below `floor`. */
static void marks_trim(struct marks *m, uint64_t floor)
{
    size_t n = 0;

    while (n < m->count && m->list[n].seq + m->list[n].units <= floor)
        free(m->list[n++].ids);
    memmove(m->list, m->list + n, (m->count - n) * sizeof *m->list);
    m->count -= n;
}

static void mark_put(struct buf *b, const struct link_mark *m)
{
    buf_u64(b, m->seq);
    buf_u32(b, m->units);
    buf_u32(b, m->count);
    buf_u64(b, m->id);
    for (uint32_t i = 0; m->id == IDS_LISTED && i < m->count; i++)
        buf_u64(b, m->ids[i]);
}

static bool mark_get(struct reader *r, struct link_mark *m)
{
    m->seq = reader_u64(r);
    m->units = reader_u32(r);
    m->count = reader_u32(r);
    m->id = reader_u64(r);
    m->ids = NULL;
    if (r->bad || m->id != IDS_LISTED)
        return !r->bad;
    if (r->left / 8 < m->count)
        return false;
    m->ids = mem_array(m->count, sizeof *m->ids);
    for (uint32_t i = 0; i < m->count; i++)
        m->ids[i] = reader_u64(r);
    return true;
}

/* --- links ------------------------------------------------------------------ */

static void load_marks(struct store *s, struct link_record *l)
{
    struct db_stmt *st = s->st.get_acks;

    db_bind(st, 1, l->row);
    while (db_step(st)) {
        struct slice acks = db_slice(st, 0);
        struct reader r = reader_of(acks.p, acks.len);
        struct link_mark m;

        while (r.left > 0 && mark_get(&r, &m)) {
            marks_add(&l->marks, m);
            if (m.seq + m.units - 1 > l->highest)
                l->highest = m.seq + m.units - 1;
        }
    }
    db_reset(st);
}

static struct link_record *link_of(struct store *s, const struct wire_uuid *instance)
{
    struct db_stmt *st = s->st.get_link;
    struct link_record *l;

    HASH_FIND(hh, s->links, instance->b, sizeof instance->b, l);
    if (l != NULL)
        return l;
    l = mem_zalloc(sizeof *l);
    l->instance = *instance;
    db_bind_blob(st, 1, (struct slice){(const char *)l->instance.b, sizeof l->instance.b});
    if (db_step(st)) {
        l->row = db_u64(st, 0);
        l->used = db_u64(st, 1);
    }
    db_reset(st);
    if (l->row != 0)
        load_marks(s, l);
    HASH_ADD(hh, s->links, instance, sizeof l->instance, l);
    return l;
}

static void link_free(struct store *s, struct link_record *l)
{
    HASH_DEL(s->links, l);
    marks_free(&l->marks);
    marks_free(&l->fresh);
    free(l);
}

void links_free(struct store *s)
{
    struct link_record *l, *next;

    HASH_ITER (hh, s->links, l, next)
        link_free(s, l);
}

/* --- one unit ----------------------------------------------------------------- */

static uint64_t mark_id(const struct link_mark *m, uint64_t seq, uint32_t i)
{
    if (m->id == IDS_LISTED)
        return m->ids[i];
    return m->id + (m->count == 1 ? seq - m->seq : i);
}

static void answer_append(const struct link_mark *m, struct store_request *r)
{
    if (m->count != r->count) {
        r->result.error = ERR_BAD_REQUEST;
        r->result.text = "The sequence number was used for another unit";
        return;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        uint64_t id = mark_id(m, r->link_seq, i);

        r->events[i].id = id & ~REPEATED;
        r->events[i].repeat = (id & REPEATED) != 0;
    }
}

bool link_repeat(struct store *s, struct store_request *r)
{
    struct link_record *l = link_of(s, r->link);
    const struct link_mark *m = marks_find(&l->marks, r->link_seq);

    if (m == NULL)
        m = marks_find(&l->fresh, r->link_seq);
    if (m == NULL)
        return false;
    if (r->kind == STORE_APPEND)
        answer_append(m, r);
    else
        r->removed_to = mark_id(m, r->link_seq, 0);
    return true;
}

static bool ids_rise_by_one(const struct store_request *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->events[i].repeat || r->events[i].id != r->events[0].id + i)
            return false;
    return true;
}

static struct link_mark mark_of(const struct store_request *r)
{
    struct link_mark m = {.seq = r->link_seq, .units = 1, .count = 1};

    if (r->kind == STORE_DELETE) {
        m.id = r->removed_to;
        return m;
    }
    m.count = r->count;
    m.id = r->count > 0 ? r->events[0].id : 0; /* changes alone have no ID */
    if (ids_rise_by_one(r))
        return m;
    m.id = IDS_LISTED;
    m.ids = mem_array(r->count, sizeof *m.ids);
    for (uint32_t i = 0; i < r->count; i++)
        m.ids[i] = r->events[i].id | (r->events[i].repeat ? REPEATED : 0);
    return m;
}

void link_mark(struct store *s, const struct store_request *r)
{
    struct link_record *l = link_of(s, r->link);

    marks_add(&l->fresh, mark_of(r));
}

/* --- the transaction ------------------------------------------------------------ */

static void write_link_row(struct store *s, struct link_record *l, uint64_t now)
{
    struct slice instance = {(const char *)l->instance.b, sizeof l->instance.b};

    if (l->row == 0) {
        db_bind_blob(s->st.put_link, 1, instance);
        db_bind(s->st.put_link, 2, now);
        db_run(s->st.put_link);
        db_bind_blob(s->st.get_link, 1, instance);
        if (db_step(s->st.get_link))
            l->row = db_u64(s->st.get_link, 0);
        db_reset(s->st.get_link);
        l->row_is_fresh = true;
    } else if (now - l->used > TOUCH_MS) {
        db_bind(s->st.touch_link, 1, l->row);
        db_bind(s->st.touch_link, 2, now);
        db_run(s->st.touch_link);
    }
}

static uint64_t last_seq(const struct marks *m)
{
    return m->list[m->count - 1].seq + m->list[m->count - 1].units - 1;
}

static void write_marks(struct store *s, struct link_record *l)
{
    struct buf b = {0};

    for (size_t i = 0; i < l->fresh.count; i++)
        mark_put(&b, &l->fresh.list[i]);
    db_bind(s->st.put_acks, 1, l->row);
    db_bind(s->st.put_acks, 2, last_seq(&l->fresh));
    db_bind_blob(s->st.put_acks, 3, buf_slice(&b));
    db_run(s->st.put_acks);
    buf_free(&b);
}

/* Now and then, not for every commit. */
static void trim_rows(struct store *s, struct link_record *l)
{
    if (l->highest < l->trimmed + LINK_SEQS + LINK_SEQS / 4)
        return;
    db_bind(s->st.drop_acks, 1, l->row);
    db_bind(s->st.drop_acks, 2, l->highest - LINK_SEQS);
    db_run(s->st.drop_acks);
}

void links_write(struct store *s, uint64_t now)
{
    for (struct link_record *l = s->links; l != NULL; l = l->hh.next) {
        if (l->fresh.count == 0)
            continue;
        write_link_row(s, l, now);
        write_marks(s, l);
        trim_rows(s, l);
    }
}

static void keep_fresh(struct link_record *l)
{
    if (last_seq(&l->fresh) > l->highest)
        l->highest = last_seq(&l->fresh);
    for (size_t i = 0; i < l->fresh.count; i++)
        marks_add(&l->marks, l->fresh.list[i]);
    l->fresh.count = 0; /* what they own has moved */
    if (l->highest < l->trimmed + LINK_SEQS + LINK_SEQS / 4)
        return;
    l->trimmed = l->highest - LINK_SEQS;
    marks_trim(&l->marks, l->trimmed);
}

void links_settle(struct store *s, uint64_t now, bool committed)
{
    for (struct link_record *l = s->links; l != NULL; l = l->hh.next) {
        if (l->fresh.count == 0)
            continue;
        if (!committed && l->row_is_fresh)
            l->row = 0;
        if (committed && now - l->used > TOUCH_MS)
            l->used = now;
        l->row_is_fresh = false;
        l->seen = now;
        if (committed)
            keep_fresh(l);
        else
            marks_clear(&l->fresh);
    }
}

/* --- forgetting idle ones ----------------------------------------------------- */

static void drop_row(struct store *s, uint64_t row)
{
    db_bind(s->st.drop_all_acks, 1, row);
    db_run(s->st.drop_all_acks);
    db_bind(s->st.drop_link, 1, row);
    db_run(s->st.drop_link);
}

bool links_expire(struct store *s, uint64_t now, uint64_t before)
{
    struct db_stmt *st = s->st.idle_link;
    struct link_record *l, *next;
    uint64_t row = 0;

    HASH_ITER (hh, s->links, l, next)
        if (now - l->seen > FORGET_MS)
            link_free(s, l);
    db_bind(st, 1, before);
    if (db_step(st))
        row = db_u64(st, 0);
    db_reset(st);
    if (row == 0)
        return true;
    write_begin(s);
    drop_row(s, row);
    return write_commit(s);
}
