/*
 * store_removal.c - old rows leave, a slice at a time.
 *
 *   removal_begin ─▶ removal_of_topic / removal_of_all / removal_forget … ─▶ removal_commit
 *
 * A slice is one transaction: it deletes rows, writes the rows of the topics it
 * touched, and only then does memory learn the new counts.  `removed_to` goes
 * the other way: memory knows before the commit, and readers ask after they
 * have read their rows, so a reader who misses an event always learns that it
 * was removed.  A slice that fails leaves at worst a notice too many.
 */
#include "store_removal.h"

#include <stdlib.h>

#include "mem.h"
#include "metrics.h"

/* What a slice is about to make of one topic. */
struct topic_change {
    struct topic *topic;
    struct topic_stats stats;
    uint64_t removed_to;
    bool forget;
};

struct removal {
    struct topic_change *list;
    size_t count, room;
    uint32_t forgets;
    uint64_t forgets_weight;
    uint64_t events, bytes; /* removed */
    uint64_t forgotten_to;
};

void removal_begin(struct store *s)
{
    if (s->removal == NULL)
        s->removal = mem_zalloc(sizeof *s->removal);
    s->removal->count = 0;
    s->removal->forgets = 0;
    s->removal->forgets_weight = 0;
    s->removal->events = 0;
    s->removal->bytes = 0;
    s->removal->forgotten_to = 0;
    write_begin(s);
}

void removal_free(struct store *s)
{
    if (s->removal != NULL)
        free(s->removal->list);
    free(s->removal);
    s->removal = NULL;
}

static struct topic_change *change_of(struct removal *r, struct topic *t)
{
    if (t->mark > 0 && t->mark <= r->count && r->list[t->mark - 1].topic == t)
        return &r->list[t->mark - 1];
    if (r->count == r->room) {
        r->room = r->room == 0 ? 64 : r->room * 2;
        r->list = mem_resize(r->list, r->room, sizeof *r->list);
    }
    r->list[r->count] = (struct topic_change){.topic = t, .stats = t->stats};
    t->mark = (uint32_t)++r->count;
    return &r->list[r->count - 1];
}

static void take_row(struct removal *r, struct topic_change *c, uint64_t id, uint64_t size)
{
    c->stats.events -= c->stats.events > 0;
    c->stats.bytes -= size < c->stats.bytes ? size : c->stats.bytes;
    c->removed_to = id;
    r->events++;
    r->bytes += size;
}

static void raise_removed(struct store *s, struct topic *t, uint64_t upto, enum gap_reason reason)
{
    uv_rwlock_wrlock(&s->topics.lock);
    topics_raise_removed(&s->topics, t, upto, reason);
    uv_rwlock_wrunlock(&s->topics.lock);
}

static bool must_go(const struct removal_cut *cut, const struct topic_stats *left, uint64_t id)
{
    return id <= cut->upto || left->events > cut->max_events || left->bytes > cut->max_bytes;
}

uint32_t removal_of_topic(struct store *s, struct topic *t, const struct removal_cut *cut,
                          enum gap_reason reason, uint32_t rows)
{
    struct topic_change *c = change_of(s->removal, t);
    struct db_stmt *st = s->st.oldest_of_topic, *remove = s->st.remove_of_topic;
    uint32_t n = 0;

    c->stats.oldest = 0;
    db_bind(st, 1, t->number);
    db_bind(st, 2, (uint64_t)rows + 1);
    while (db_step(st)) {
        uint64_t id = db_u64(st, 0);

        if (n == rows || !must_go(cut, &c->stats, id)) {
            c->stats.oldest = id;
            break;
        }
        take_row(s->removal, c, id, db_u64(st, 1) + EVENT_RECORD_HEAD);
        n++;
    }
    db_reset(st);
    if (n == 0)
        return 0;
    raise_removed(s, t, c->removed_to, reason);
    db_bind(remove, 1, t->number);
    db_bind(remove, 2, c->removed_to);
    db_run(remove);
    return n;
}

static void find_oldest(struct store *s, struct topic_change *c)
{
    struct db_stmt *st = s->st.first_of_topic;

    db_bind(st, 1, c->topic->number);
    c->stats.oldest = db_step(st) ? db_u64(st, 0) : 0;
    db_reset(st);
}

/* The rows at the oldest end of the log; returns the last one's ID. */
static uint64_t take_oldest(struct store *s, uint64_t upto, uint64_t max_bytes, uint32_t rows)
{
    struct db_stmt *st = s->st.oldest_of_all;
    struct removal *r = s->removal;
    uint64_t bytes = atomic_load(&s->bytes), last = 0;

    db_bind(st, 1, rows);
    while (db_step(st)) {
        uint64_t id = db_u64(st, 0), size = db_u64(st, 2) + EVENT_RECORD_HEAD;
        struct topic *t = topics_at(&s->topics, (uint32_t)db_u64(st, 1));
        uint64_t left = bytes > r->bytes ? bytes - r->bytes : 0;

        if ((id > upto && left <= max_bytes) || t == NULL)
            break;
        take_row(r, change_of(r, t), id, size);
        last = id;
    }
    db_reset(st);
    return last;
}

uint32_t removal_of_all(struct store *s, uint64_t upto, uint64_t max_bytes, uint32_t rows)
{
    struct removal *r = s->removal;
    uint64_t last = take_oldest(s, upto, max_bytes, rows);

    if (last == 0)
        return 0;
    for (size_t i = 0; i < r->count; i++)
        raise_removed(s, r->list[i].topic, r->list[i].removed_to, GAP_EXPIRED);
    db_bind(s->st.remove_of_all, 1, last);
    db_run(s->st.remove_of_all);
    for (size_t i = 0; i < r->count; i++)
        find_oldest(s, &r->list[i]);
    return (uint32_t)r->events;
}

void removal_mark(struct store *s, struct topic *t, uint64_t upto, enum gap_reason reason)
{
    (void)change_of(s->removal, t);
    raise_removed(s, t, upto, reason);
}

void removal_forget(struct store *s, struct topic *t)
{
    struct removal *r = s->removal;
    uint64_t upto = t->removed_to > t->last_volatile ? t->removed_to : t->last_volatile;

    change_of(r, t)->forget = true;
    r->forgets++;
    r->forgets_weight += topics_weight(t->name);
    if (upto > r->forgotten_to)
        r->forgotten_to = upto;
}

uint64_t removal_forgets(const struct store *s)
{
    return s->removal->forgets_weight;
}

/* --- the end of a slice ---------------------------------------------------------- */

/* Before their names go. */
static void raise_forgotten(struct store *s)
{
    struct removal *r = s->removal;

    if (r->forgets == 0)
        return;
    uv_rwlock_wrlock(&s->topics.lock);
    for (size_t i = 0; i < r->count; i++) {
        const struct topic *t = r->list[i].topic;

        if (r->list[i].forget)
            topics_raise_forgotten(
                &s->topics, t, t->removed_to > t->last_volatile ? t->removed_to : t->last_volatile);
    }
    uv_rwlock_wrunlock(&s->topics.lock);
}

static void write_changes(struct store *s)
{
    struct removal *r = s->removal;

    raise_forgotten(s);
    for (size_t i = 0; i < r->count; i++) {
        const struct topic_change *c = &r->list[i];

        if (!c->forget) {
            stats_write_row(s, c->topic, &c->stats);
            continue;
        }
        db_bind(s->st.delete_topic, 1, c->topic->number);
        db_run(s->st.delete_topic);
    }
    if (r->forgotten_to > 0)
        meta_set(s, META_FORGOTTEN_TO, s->topics.forgotten_to);
}

static void apply_change(struct store *s, const struct topic_change *c)
{
    struct topic *t = c->topic;
    bool empties = t->stats.events > 0 && c->stats.events == 0;

    t->stats = c->stats;
    if (c->forget)
        outcome_forget(s, t);
    else if (empties)
        topics_idle(&s->topics, t, true);
}

static void apply_changes(struct store *s)
{
    struct removal *r = s->removal;

    uv_rwlock_wrlock(&s->topics.lock);
    for (size_t i = 0; i < r->count; i++)
        apply_change(s, &r->list[i]);
    uv_rwlock_wrunlock(&s->topics.lock);
    atomic_fetch_sub(&s->topics.rows, r->forgets);
    atomic_fetch_sub(&s->events, r->events);
    atomic_fetch_sub(&s->bytes, r->bytes);
    metric_add(M_REMOVED, r->events);
}

bool removal_commit(struct store *s)
{
    write_changes(s);
    if (!write_commit(s))
        return false;
    apply_changes(s);
    return true;
}
