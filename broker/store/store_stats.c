/*
 * store_stats.c - how much each topic holds.
 *
 * The numbers live in memory and are exact there.  Rows follow about once a
 * second, some at a time: each says up to which ID it counts (counted_to), and
 * when a whole pass is through, meta says up to which ID all of them do.  After
 * a crash the events above that mark are counted again, each one if it is above
 * its own topic's counted_to; so a row that was written in between (removing
 * events writes it in the same transaction) counts nothing twice.
 */
#include <stdlib.h>

#include <utlist.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "store_impl.h"

static void stats_dirty(struct store *s, struct topic *t)
{
    if (t->dirty)
        return;
    t->dirty = true;
    LL_PREPEND2(s->dirty, t, next_dirty);
}

void stats_write_row(struct store *s, const struct topic *t, const struct topic_stats *stats)
{
    struct db_stmt *st = s->st.update_topic;

    db_bind(st, 1, t->number);
    db_bind(st, 2, stats->head);
    db_bind(st, 3, stats->oldest);
    db_bind(st, 4, stats->events);
    db_bind(st, 5, stats->bytes);
    db_bind(st, 6, t->removed_to);
    db_bind(st, 7, t->removed_reason);
    db_bind(st, 8, t->was_volatile || t->limits.volatile_);
    db_bind(st, 9, t->used);
    db_bind(st, 10, s->last);
    db_run(st);
}

static void count_item(struct store *s, const struct store_batch *b, uint32_t i)
{
    const struct store_item *item = &b->items[i];
    struct topic *t = topics_at(&s->topics, item->topic);
    uint64_t id = b->upto - (b->count - 1 - i), size = item->size - t->name.len;

    t->stats.head = id;
    stats_dirty(s, t);
    if (t->limits.volatile_) {
        t->was_volatile = true;
        if (t->idle)
            topics_idle(&s->topics, t, true); /* used just now */
        return;
    }
    if (t->idle)
        topics_idle(&s->topics, t, false);
    if (t->stats.oldest == 0)
        t->stats.oldest = id;
    t->stats.events++;
    t->stats.bytes += size;
    atomic_fetch_add_explicit(&s->events, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->bytes, size, memory_order_relaxed);
}

void stats_count(struct store *s, const struct store_batch *b)
{
    uv_rwlock_wrlock(&s->topics.lock);
    for (uint32_t i = 0; i < b->count; i++)
        count_item(s, b, i);
    uv_rwlock_wrunlock(&s->topics.lock);
}

/* --- writing rows ---------------------------------------------------------------- */

/* One transaction; the list is taken apart only when it has committed. */
static void write_some(struct store *s)
{
    struct topic *t = s->flushing, *end;
    uint32_t n;

    write_begin(s);
    for (n = 0; t != NULL && n < SLICE_ROWS; n++, t = t->next_dirty)
        if (t->has_row)
            stats_write_row(s, t, &t->stats);
    end = t;
    if (end == NULL)
        meta_set(s, META_STATS_UPTO, s->flush_upto);
    if (!write_commit(s))
        return;
    for (t = s->flushing; t != end; t = t->next_dirty)
        t->dirty = false;
    s->flushing = end;
}

void stats_step(struct store *s, bool all)
{
    uint64_t now = clock_mono_ms();

    do {
        if (s->flushing == NULL) {
            if (s->dirty == NULL || (!all && now < s->flush_at))
                return;
            s->flushing = s->dirty;
            s->dirty = NULL;
            s->flush_upto = s->last;
            s->flush_at = now + STATS_MS;
        }
        write_some(s);
    } while (all && s->failing == NULL);
}

/* --- at start ----------------------------------------------------------------- */

static bool load_row(struct store *s, struct db_stmt *st)
{
    struct topic *t = topics_add(&s->topics, db_slice(st, 1), (uint32_t)db_u64(st, 0));

    if (t == NULL)
        return false; /* a number or a name twice: not what we wrote */
    t->stats = (struct topic_stats){db_u64(st, 2), db_u64(st, 3), db_u64(st, 4), db_u64(st, 5)};
    t->removed_to = db_u64(st, 6);
    t->removed_reason = (enum gap_reason)db_u64(st, 7);
    t->was_volatile = db_u64(st, 8) != 0;
    t->used = db_u64(st, 9);
    t->counted_to = db_u64(st, 10);
    t->born = db_u64(st, 11);
    t->has_row = true;
    t->limits = retention_limits(s->retention, t->name);
    atomic_fetch_add(&s->topics.rows, 1);
    return true;
}

static bool load_rows(struct store *s)
{
    struct db_stmt *st = db_prepare(s->db, "SELECT id, name, head, oldest, events, bytes,"
                                           " removed_to, removed_reason, volatile, used,"
                                           " counted_to, born FROM topics ORDER BY id");
    bool ok = st != NULL;

    while (ok && db_step(st))
        ok = load_row(s, st);
    db_finalize(st);
    return ok && db_error(s->db) == DB_FINE;
}

static bool recount_row(struct store *s, struct db_stmt *st)
{
    struct topic *t = topics_at(&s->topics, (uint32_t)db_u64(st, 1));
    uint64_t id = db_u64(st, 0);

    if (t == NULL)
        return false;
    if (id <= t->counted_to)
        return true;
    if (t->stats.oldest == 0)
        t->stats.oldest = id;
    t->stats.head = id > t->stats.head ? id : t->stats.head;
    t->stats.events++;
    t->stats.bytes += db_u64(st, 3) + EVENT_RECORD_HEAD;
    t->used = db_u64(st, 2);
    stats_dirty(s, t);
    return true;
}

static bool recount(struct store *s)
{
    struct db_stmt *st = db_prepare(s->db, "SELECT id, topic_id, time, length(props) +"
                                           " length(data) FROM events WHERE id > ?1 ORDER BY id");
    bool ok = st != NULL;

    if (ok)
        db_bind(st, 1, meta_get(s->db, META_STATS_UPTO));
    while (ok && db_step(st))
        ok = recount_row(s, st);
    db_finalize(st);
    return ok && db_error(s->db) == DB_FINE;
}

static int used_compare(const void *a, const void *b)
{
    const struct topic *const *x = a, *const *y = b;

    return (*x)->used < (*y)->used ? -1 : (*x)->used > (*y)->used;
}

/* Those of which nothing is kept, in the order of their last use. */
static void load_idle(struct store *s)
{
    uint32_t count = topics_count(&s->topics), n = 0;
    struct topic **idle = mem_array(count, sizeof(struct topic *)), *t, *next;

    HASH_ITER (hh, s->topics.by_name, t, next) {
        topics_idle(&s->topics, t, false);
        if (t->stats.events == 0)
            idle[n++] = t;
    }
    qsort(idle, n, sizeof(struct topic *), used_compare);
    for (uint32_t i = 0; i < n; i++)
        topics_idle(&s->topics, idle[i], true);
    free(idle);
}

bool stats_load(struct store *s)
{
    struct topic *t, *next;
    uint64_t events = 0, bytes = 0;

    if (!load_rows(s) || !recount(s))
        return false;
    HASH_ITER (hh, s->topics.by_name, t, next) {
        events += t->stats.events;
        bytes += t->stats.bytes;
    }
    load_idle(s);
    atomic_store(&s->events, events);
    atomic_store(&s->bytes, bytes);
    return true;
}
