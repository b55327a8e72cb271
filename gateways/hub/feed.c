/*
 * feed.c - filters, feeds, and the way of one event to those at the head.
 *
 *   hub_live ─▶ feed_dispatch: topic ─▶ the feeds that match it (kept with the
 *   topic, rebuilt when filters come or go) ─▶ their `turn`; at the turn's end
 *   feed_flush makes runs of it and hands each run to every head.
 */
#include "feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "mem.h"
#include "metrics.h"
#include "topic.h"

static struct slice filter_name(const struct hub_filter *f)
{
    return (struct slice){f->name, f->len};
}

/* --- filters ------------------------------------------------------------------ */

static struct hub_filter *filter_get(struct hub *h, struct slice name)
{
    struct hub_filter *f = filter_tree_get(h->tree, name);

    if (f != NULL)
        return f;
    f = mem_zalloc(sizeof *f + name.len + 1);
    f->ref = ++h->next_ref;
    f->len = name.len;
    memcpy(f->name, name.p, name.len);
    (void)filter_tree_put(h->tree, name, f);
    HASH_ADD(hh, h->filters, ref, sizeof f->ref, f);
    if (h->up)
        h->link.filter_add(h->link.link, f->ref, name);
    return f;
}

static void filter_free(struct hub *h, struct hub_filter *f)
{
    if (h->up)
        h->link.filter_drop(h->link.link, f->ref);
    (void)filter_tree_remove(h->tree, filter_name(f));
    HASH_DELETE(hh, h->filters, f);
    free(f->feeds);
    free(f);
}

static void filter_join(struct hub_filter *f, struct feed *feed)
{
    if (f->feed_count == f->feed_cap) {
        f->feed_cap = f->feed_cap > 0 ? f->feed_cap * 2 : 2;
        f->feeds = mem_resize(f->feeds, f->feed_cap, sizeof *f->feeds);
    }
    f->feeds[f->feed_count++] = feed;
}

static void filter_leave(struct hub *h, struct hub_filter *f, const struct feed *feed)
{
    uint32_t i;

    for (i = 0; f->feeds[i] != feed; i++)
        assert(i + 1 < f->feed_count);
    f->feeds[i] = f->feeds[--f->feed_count];
    if (f->feed_count == 0)
        filter_free(h, f);
}

static void feeds_refresh(struct hub *h)
{
    struct feed *f, *next;

    HASH_ITER (hh, h->feeds, f, next)
        feed_refresh(f);
}

void feeds_filters_down(struct hub *h)
{
    struct hub_filter *f, *next;

    HASH_ITER (hh, h->filters, f, next)
        f->live = false;
    feeds_refresh(h);
}

void feeds_filters_register(struct hub *h)
{
    struct hub_filter *f, *next;

    HASH_ITER (hh, h->filters, f, next)
        h->link.filter_add(h->link.link, f->ref, filter_name(f));
}

void feeds_filters_raise(struct hub *h, uint64_t live_from)
{
    struct hub_filter *f, *next;

    HASH_ITER (hh, h->filters, f, next) {
        if (f->live && f->live_from < live_from)
            f->live_from = live_from;
    }
    feeds_refresh(h);
}

/* --- feeds -------------------------------------------------------------------- */

static int name_compare(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int c = memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

/* Sorted, without repeats, each followed by a NUL (no filter holds one). */
static size_t key_make(struct buf *key, struct slice *names, size_t count)
{
    size_t i, n = 0;

    qsort(names, count, sizeof *names, name_compare);
    for (i = 0; i < count; i++) {
        if (i > 0 && slice_eq(names[i], names[i - 1]))
            continue;
        names[n++] = names[i];
        buf_put_slice(key, names[i]);
        buf_u8(key, 0);
    }
    return n;
}

static struct feed *feed_new(struct hub *h, const struct buf *key, const struct slice *names,
                             size_t count)
{
    struct feed *f = mem_zalloc(sizeof *f + key->len);
    size_t i;

    f->hub = h;
    f->key_len = key->len;
    memcpy(f->key, key->p, key->len);
    f->filters = mem_array(count, sizeof(struct hub_filter *));
    f->filter_count = count;
    f->exact = count == 1 && filter_is_exact(names[0]);
    for (i = 0; i < count; i++) {
        f->filters[i] = filter_get(h, names[i]);
        filter_join(f->filters[i], f);
    }
    HASH_ADD_KEYPTR(hh, h->feeds, f->key, f->key_len, f);
    h->generation++;
    feed_refresh(f);
    return f;
}

static void feed_idle_leave(struct feed *f)
{
    DL_DELETE2(f->hub->idle, f, idle_prev, idle_next);
    f->hub->idle_filters -= f->filter_count;
}

struct feed *feed_get(struct hub *h, const struct slice *filters, size_t count)
{
    struct slice names[WIRE_FILTERS_MAX];
    struct buf key = {0};
    struct feed *f;

    assert(count > 0 && count <= WIRE_FILTERS_MAX);
    memcpy(names, filters, count * sizeof *names);
    count = key_make(&key, names, count);
    HASH_FIND(hh, h->feeds, key.p, key.len, f);
    if (f == NULL)
        f = feed_new(h, &key, names, count);
    else if (f->members == 0)
        feed_idle_leave(f);
    f->members++;
    buf_free(&key);
    return f;
}

void feed_put(struct feed *f)
{
    struct hub *h = f->hub;

    assert(f->members > 0);
    if (--f->members > 0)
        return;
    f->idle_since = clock_mono_ms();
    DL_APPEND2(h->idle, f, idle_prev, idle_next);
    h->idle_filters += f->filter_count;
}

void feed_free(struct feed *f)
{
    struct hub *h = f->hub;
    size_t i;

    assert(f->members == 0);
    feed_idle_leave(f);
    pages_drop_feed(f);
    if (f->dirty)
        LL_DELETE2(h->dirty, f, dirty_next);
    for (i = 0; i < f->filter_count; i++)
        filter_leave(h, f->filters[i], f);
    HASH_DELETE(hh, h->feeds, f);
    h->generation++;
    free(f->filters);
    free(f->turn);
    free(f);
}

void feeds_linger(struct hub *h, uint64_t now_ms)
{
    while (h->idle != NULL && now_ms >= h->idle->idle_since + h->limits.linger_ms)
        feed_free(h->idle);
}

void feeds_trim(struct hub *h)
{
    size_t most = h->limits.filters / IDLE_SHARE;

    while (h->idle_filters > (most > 0 ? most : IDLE_FILTERS_MAX))
        feed_free(h->idle);
}

void feeds_free(struct hub *h)
{
    while (h->idle != NULL)
        feed_free(h->idle);
    assert(h->feeds == NULL);
}

void feed_refresh(struct feed *f)
{
    size_t i;

    f->live = true;
    f->live_from = 0;
    for (i = 0; i < f->filter_count; i++) {
        f->live = f->live && f->filters[i]->live;
        if (f->live_from < f->filters[i]->live_from)
            f->live_from = f->filters[i]->live_from;
    }
}

bool feed_covers(const struct feed *f, uint64_t cursor)
{
    return f->live && cursor >= f->live_from && cursor >= f->hub->ring.evicted_to;
}

bool feed_matches(const struct feed *f, struct slice topic)
{
    size_t i;

    for (i = 0; i < f->filter_count; i++) {
        if (filter_match(filter_name(f->filters[i]), topic))
            return true;
    }
    return false;
}

/* One exact topic: its chain, from the hint if that is the event at the cursor. */
static struct entry *feed_chain_after(const struct feed *f, uint64_t cursor, uint64_t seq)
{
    const struct ring *r = &f->hub->ring;
    struct entry *e = ring_at(r, seq);
    struct topic_entry *t;

    if (e != NULL && e->e.id == cursor && slice_eq(e->e.topic, filter_name(f->filters[0])))
        return e->topic_next;
    t = ring_topic_find(r, filter_name(f->filters[0]));
    return t != NULL ? ring_topic_after(r, t, cursor) : NULL;
}

/* To pass an event over takes about the time in which so many bytes are handed on: those who
 * look for what is rare take turns as those who get much do. */
#define PASSED_COST 32

struct entry *feed_ring_after(const struct feed *f, uint64_t cursor, uint64_t *seq)
{
    const struct ring *r = &f->hub->ring;
    struct entry *e;

    if (f->exact) {
        e = feed_chain_after(f, cursor, *seq);
    } else {
        e = ring_at(r, *seq);
        e = e != NULL && e->e.id == cursor ? ring_at(r, *seq + 1) : ring_after(r, cursor);
        while (e != NULL && !feed_matches(f, e->e.topic)) {
            f->hub->handed += PASSED_COST;
            e = ring_at(r, e->seq + 1);
        }
    }
    if (e != NULL)
        *seq = e->seq;
    return e;
}

/* --- the head ------------------------------------------------------------------ */

void feed_fall_back(struct feed *f)
{
    if (feed_covers(f, f->hub->flushed))
        return;
    while (f->heads != NULL)
        subscription_leave_head(f->heads, f->hub->flushed, SUB_STORE);
}

struct feed_match {
    struct topic_entry *topic;
    uint64_t mark;
};

static void feed_match_add(void *value, void *arg)
{
    const struct hub_filter *filter = value;
    const struct feed_match *m = arg;
    struct topic_entry *t = m->topic;
    uint32_t i;

    for (i = 0; i < filter->feed_count; i++) {
        struct feed *f = filter->feeds[i];
        if (f->mark == m->mark)
            continue; /* another of its filters matched too */
        f->mark = m->mark;
        if (t->feed_count == t->feed_cap) {
            t->feed_cap = t->feed_cap > 0 ? t->feed_cap * 2 : 2;
            t->feeds = mem_resize(t->feeds, t->feed_cap, sizeof *t->feeds);
        }
        t->feeds[t->feed_count++] = f;
    }
}

static void feed_topic_refresh(struct hub *h, struct topic_entry *t)
{
    struct feed_match m = {t, ++h->mark};

    t->feed_count = 0;
    t->generation = h->generation;
    filter_tree_match(h->tree, (struct slice){t->name, t->len}, feed_match_add, &m);
}

void feed_dispatch(struct hub *h, struct entry *e)
{
    struct topic_entry *t = e->topic;
    uint32_t i;

    if (t->generation != h->generation)
        feed_topic_refresh(h, t);
    for (i = 0; i < t->feed_count; i++) {
        struct feed *f = t->feeds[i];
        if (f->heads == NULL)
            continue; /* the others pull */
        if (f->turn_count == f->turn_cap) {
            f->turn_cap = f->turn_cap > 0 ? f->turn_cap * 2 : 8;
            f->turn = mem_resize(f->turn, f->turn_cap, sizeof(struct entry *));
        }
        f->turn[f->turn_count++] = e;
        if (!f->dirty) {
            f->dirty = true;
            LL_PREPEND2(h->dirty, f, dirty_next);
        }
    }
}

/* Whoever takes less than all is from now on behind, in the ring. */
static void feed_run_to_heads(struct feed *f, struct run *r, uint64_t before)
{
    struct hub *h = f->hub;
    struct subscription *s;
    size_t n;

    for (s = f->heads; s != NULL; s = h->next_head) {
        h->next_head = s->next;
        if (s->bundle != NULL) {
            bundle_note(s);
            continue;
        }
        n = subscription_hand(s, r);
        if (n == r->count || s->state != SUB_HEAD)
            continue;
        metric_add(M_FALLBACKS, 1);
        s->full = true;
        if (n > 0)
            s->seq = r->entries[n - 1]->seq;
        subscription_leave_head(s, n > 0 ? r->entries[n - 1]->e.id : before, SUB_RING);
    }
    h->next_head = NULL;
}

void feed_flush(struct feed *f)
{
    struct hub *h = f->hub;
    uint64_t before = h->flushed;
    size_t i = 0;

    while (i < f->turn_count) {
        run_clear(&h->run);
        while (i < f->turn_count && run_add(&h->run, f->turn[i]))
            i++;
        feed_run_to_heads(f, &h->run, before);
        before = h->run.entries[h->run.count - 1]->e.id;
    }
}

void feed_settle(struct feed *f)
{
    f->turn_count = 0;
}
