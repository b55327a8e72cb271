/*
 * pages.c - the page cache and the requests behind it.
 *
 * A page that comes wakes all its waiters; each then finds it by pages_get.
 * An error of the broker's is passed to the waiters, and the page is forgotten.
 */
#include "pages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "feed.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "quota.h"

static struct page_cache *page_cache(const struct page *p)
{
    return &p->feed->hub->pages;
}

static void page_free(struct page *p)
{
    assert(p->waiters == NULL);
    DL_DELETE2(p->feed->pages, p, prev, next);
    if (p->block != NULL) {
        DL_DELETE2(page_cache(p)->lru, p, lru_prev, lru_next);
        block_evict(p->block);
    }
    free(p);
}

static void page_wake(struct page *p)
{
    struct subscription *s;

    while ((s = p->waiters) != NULL)
        subscription_queue(s);
}

static void page_fail(struct page *p, enum sluice_error error, struct slice text)
{
    struct subscription *s;

    assert(p->block == NULL);
    DL_DELETE2(p->feed->pages, p, prev, next); /* who closes in failed() drops its pages */
    while ((s = p->waiters) != NULL) {
        subscription_unwait(s);
        s->ops->failed(s, error, text);
    }
    free(p);
}

/* The reply is here: lay a block over its records. */
static bool page_fill(struct page *p, struct zmsg *reply)
{
    struct wire_page m;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &m) || m.error != 0)
        return false;
    p->upto = m.upto;
    p->head = m.head;
    if (p->feed->hub->seen < m.head)
        p->feed->hub->seen = m.head;
    p->removed_to = m.removed_to;
    p->reason = m.reason;
    p->block = block_new(&p->feed->hub->blocks, reply, reader_of(m.records.p, m.records.len));
    if (p->block == NULL)
        return false;
    p->block->account = &page_cache(p)->bytes;
    page_cache(p)->bytes += p->block->size;
    p->fresh = page_cache(p)->any_fresh = true;
    DL_APPEND2(page_cache(p)->lru, p, lru_prev, lru_next);
    return true;
}

static void page_done(struct link_read *r, enum sluice_error error, struct slice text,
                      struct zmsg *reply)
{
    struct page *p = r->data;

    metric_add(M_PAGES, 1);
    if (error == ERR_NONE && !page_fill(p, reply)) {
        metric_add(M_BAD_FRAMES, 1);
        log_error("the broker's history page is malformed");
        error = ERR_INTERNAL;
        text = SLICE("a history page is malformed");
    }
    if (error != ERR_NONE)
        page_fail(p, error, text);
    else
        page_wake(p);
}

static struct page *page_ask(struct feed *f, uint64_t after, const struct subscription *owner,
                             const void *asker)
{
    struct page *p = mem_zalloc(sizeof *p);
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct wire_page_req q = {
        .after = after, .filter_count = (uint16_t)f->filter_count, .filters = filters};
    size_t i;

    assert(f->filter_count <= WIRE_FILTERS_MAX);
    for (i = 0; i < f->filter_count; i++) {
        filters[i].from = owner != NULL ? owner->froms[i] : 0;
        filters[i].filter = (struct slice){f->filters[i]->name, f->filters[i]->len};
    }
    p->feed = f;
    p->after = after;
    p->owner = owner;
    wire_page_req_put(&p->read.frame, &q);
    p->read.cb = page_done;
    p->read.data = p;
    p->read.asker = asker;
    DL_APPEND2(f->pages, p, prev, next);
    f->hub->link.read(f->hub->link.link, &p->read);
    return p;
}

/* Being read, or read: covers what follows the cursor. */
static bool page_serves(const struct page *p, uint64_t cursor)
{
    if (p->fresh && p->after == cursor)
        return true; /* also when it found nothing: its waiters must hear that */
    if (p->stale)
        return false;
    if (p->block == NULL)
        return p->after == cursor;
    return p->after <= cursor && cursor < p->upto;
}

struct entry *page_entry_after(const struct page *p, uint64_t cursor)
{
    size_t low = 0, high = p->block->count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (p->block->entries[mid].e.id <= cursor)
            low = mid + 1;
        else
            high = mid;
    }
    return p->block->entries + low;
}

/* A page checks the cursor that it was asked for: only the broker knows whether
 * one lies in a hole, and a page may well reach over one.  The ID of an event
 * that is kept lies in none. */
static bool page_checks(const struct page *p, uint64_t cursor)
{
    const struct entry *e;

    if (p->after == cursor)
        return true;
    e = page_entry_after(p, cursor - 1);
    return e < p->block->entries + p->block->count && e->e.id == cursor;
}

struct page *pages_get(struct subscription *s, uint64_t cursor)
{
    struct feed *f = s->feed;
    const struct subscription *owner = s->froms != NULL ? s : NULL;
    struct page *p;

    DL_FOREACH2 (f->pages, p, next) {
        if (p->owner == owner && page_serves(p, cursor) && (s->checked || page_checks(p, cursor)))
            break;
    }
    if (p == NULL)
        p = page_ask(f, cursor, owner, quota_asker(s));
    if (p->block == NULL) {
        subscription_wait(s, &p->waiters);
        return NULL;
    }
    DL_DELETE2(page_cache(p)->lru, p, lru_prev, lru_next);
    DL_APPEND2(page_cache(p)->lru, p, lru_prev, lru_next);
    return p;
}

void pages_ahead(struct page *p)
{
    struct page_cache *c = page_cache(p);
    struct page *q;

    if (p->owner != NULL || p->stale || p->upto >= p->head || c->bytes > c->limit / 2)
        return;
    DL_FOREACH2 (p->feed->pages, q, next) {
        if (q->owner == NULL && page_serves(q, p->upto))
            return;
    }
    (void)page_ask(p->feed, p->upto, NULL, p->read.asker);
}

/* What came has been seen by all who waited.  A page that found
 * nothing, or that a DELETE overtook, is of no use to anybody else. */
static void pages_settle(struct page_cache *c)
{
    struct page *p, *next;

    DL_FOREACH_SAFE2 (c->lru, p, next, lru_next) {
        if (!p->fresh)
            continue;
        p->fresh = false;
        if (p->stale || p->upto <= p->after || p->reason == GAP_FUTURE)
            page_free(p);
    }
    c->any_fresh = false;
}

void pages_trim(struct page_cache *c, bool pumped)
{
    struct page *p, *next;

    if (c->any_fresh && pumped)
        pages_settle(c);
    DL_FOREACH_SAFE2 (c->lru, p, next, lru_next) {
        if (c->bytes <= c->limit)
            break;
        if (!p->fresh)
            page_free(p);
    }
}

static void page_drop(struct page *p)
{
    page_wake(p); /* whoever waited asks anew */
    if (p->block == NULL)
        p->feed->hub->link.read_cancel(p->feed->hub->link.link, &p->read);
    page_free(p);
}

void pages_drop_feed(struct feed *f)
{
    struct page *p, *next;

    DL_FOREACH_SAFE2 (f->pages, p, next, next)
        page_drop(p);
}

void pages_drop_owned(struct subscription *s)
{
    struct page *p, *next;

    DL_FOREACH_SAFE2 (s->feed->pages, p, next, next) {
        if (p->owner == s)
            page_drop(p);
    }
}

void pages_invalidate(struct feed *f)
{
    struct page *p, *next;

    DL_FOREACH_SAFE2 (f->pages, p, next, next) {
        if (p->block != NULL)
            page_free(p);
        else
            p->stale = true;
    }
}
