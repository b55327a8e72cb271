/*
 * hub.c - the gateway's place in the log, and the end of each turn.
 *
 * What the link brings changes three things: `upto` (how far this gateway has
 * received), which filters are live and from where, and the ring.  hub_turn
 * then hands the new events to the heads, lets everybody else pull, and only
 * then trims the ring, so that no entry disappears under a run.
 *
 * A hole in the live messages raises live_from of every filter to its far end:
 * whoever stands before it reads the store.  That is also all that happens
 * after a lost link, a paused gateway, and a DELETE.
 */
#include "hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "feed.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

#define PUMP_BYTES 1024u /* what a subscription counts that pulls and gets nothing */

struct hub *hub_new(const struct hub_link *link, const struct hub_limits *limits)
{
    struct hub *h = mem_zalloc(sizeof *h);

    h->link = *link;
    h->limits = *limits;
    h->pages.limit = limits->page_cache;
    h->tree = filter_tree_new();
    ring_init(&h->ring, limits->ring);
    return h;
}

void hub_free(struct hub *h)
{
    assert(h->subscriptions == 0);
    feeds_free(h);
    assert(h->filters == NULL);
    ring_close(&h->ring);
    filter_tree_free(h->tree);
    blocks_close(&h->blocks);
    free(h);
}

uint64_t hub_position(const struct hub *h)
{
    return h->flushed;
}

uint64_t hub_seen(const struct hub *h)
{
    return h->seen > h->upto ? h->seen : h->upto;
}

struct blocks *hub_blocks(struct hub *h)
{
    return &h->blocks;
}

/* --- delivering ------------------------------------------------------------------ */

static void hub_flush(struct hub *h)
{
    struct feed *f;

    for (f = h->dirty; f != NULL; f = f->dirty_next)
        feed_flush(f);
    bundles_flush(h);
    while ((f = h->dirty) != NULL) {
        LL_DELETE2(h->dirty, f, dirty_next);
        f->dirty = false;
        feed_settle(f);
    }
    h->flushed = h->upto;
}

static void hub_wake_ahead(struct hub *h)
{
    struct subscription *s, *next;

    DL_FOREACH_SAFE2 (h->ahead, s, next, wait_next) {
        if (s->cursor <= h->upto)
            subscription_queue(s);
    }
}

/* Each has one pump a turn.  The queue is in order, so the first that had its
 * own already is the beginning of those who queued meanwhile.  When all together
 * have had enough the rest waits for the next turn, behind what is live then:
 * false, somebody has had none. */
static bool hub_pump(struct hub *h)
{
    struct subscription *s;

    h->turn++;
    h->handed = 0;
    while ((s = h->queue) != NULL && s->pumped != h->turn) {
        if (h->handed > h->limits.turn)
            return false;
        h->handed += PUMP_BYTES;
        subscription_unwait(s);
        subscription_pump(s);
    }
    return true;
}

bool hub_turn(struct hub *h)
{
    bool pumped;

    hub_flush(h);
    if (h->ahead != NULL)
        hub_wake_ahead(h);
    pumped = hub_pump(h);
    feeds_trim(h);
    pages_trim(&h->pages, pumped);
    ring_trim(&h->ring);
    if (h->delivered > 0)
        metric_add(M_DELIVERED, h->delivered);
    h->delivered = 0;
    return h->queue != NULL;
}

/* --- from the link ---------------------------------------------------------------- */

static void hub_feeds_fall_back(struct hub *h)
{
    struct feed *f, *next;

    HASH_ITER (hh, h->feeds, f, next)
        feed_fall_back(f);
}

static void hub_queue_others(struct feed *f)
{
    struct subscription *s;

    DL_FOREACH (f->others, s) {
        if (!s->full && s->waiting == NULL)
            subscription_queue(s);
    }
}

static void hub_queue_all_others(struct hub *h)
{
    struct feed *f, *next;

    HASH_ITER (hh, h->feeds, f, next)
        hub_queue_others(f);
}

void hub_down(struct hub *h)
{
    hub_flush(h);
    h->up = false;
    feeds_filters_down(h);
    hub_feeds_fall_back(h);
}

/* Another log, or this one without its latest events: nothing that we hold is
 * true of it, and every cursor must be checked anew. */
static void hub_forget(struct hub *h)
{
    struct feed *f, *next;
    struct subscription *s;

    ring_clear(&h->ring);
    HASH_ITER (hh, h->feeds, f, next) {
        pages_invalidate(f);
        DL_FOREACH (f->others, s)
            subscription_forget(s);
    }
}

void hub_up(struct hub *h, const struct wire_hello_ok *hello)
{
    bool known = memcmp(&h->log, &hello->log, sizeof h->log) == 0;

    hub_down(h);
    if (hello->reset || (h->upto != 0 && !known))
        hub_forget(h);
    h->log = hello->log;
    h->up = true;
    h->upto = h->flushed = h->seen = hello->head;
    feeds_filters_register(h);
    hub_queue_all_others(h);
}

void hub_filter_live(struct hub *h, uint32_t ref, uint64_t live_from)
{
    struct hub_filter *f;
    uint32_t i;

    HASH_FIND(hh, h->filters, &ref, sizeof ref, f);
    if (f == NULL)
        return; /* dropped meanwhile */
    f->live = true;
    f->live_from = live_from;
    for (i = 0; i < f->feed_count; i++) {
        feed_refresh(f->feeds[i]);
        if (f->feeds[i]->live)
            hub_queue_others(f->feeds[i]);
    }
}

/* Nobody can be served from it; whoever asks again has it asked for again. */
static void hub_feed_refuse(struct feed *f, enum sluice_error error)
{
    struct subscription *s;

    while ((s = f->heads != NULL ? f->heads : f->others) != NULL) {
        s->ops->failed(s, error, SLICE("the broker refused the filter"));
        subscription_close(s);
    }
    feed_free(f);
}

void hub_filter_no(struct hub *h, uint32_t ref, enum sluice_error error)
{
    struct hub_filter *f;

    for (;;) {
        HASH_FIND(hh, h->filters, &ref, sizeof ref, f);
        if (f == NULL)
            return; /* it went with its last feed */
        hub_feed_refuse(f->feeds[0], error);
    }
}

/* Every feed's heads, and every ring reader, is behind `after` from now on. */
static void hub_hole(struct hub *h, uint64_t after)
{
    metric_add(M_HOLES, 1);
    hub_flush(h);
    feeds_filters_raise(h, after);
    hub_feeds_fall_back(h);
}

void hub_live(struct hub *h, uint64_t after, uint64_t upto, struct zmsg *m, struct reader records)
{
    struct block *b;
    size_t i;

    if (!h->up || upto < h->upto || (upto == h->upto && after == upto))
        return; /* it tells nothing new */
    if (after != h->upto)
        hub_hole(h, after);
    b = block_new(&h->blocks, m, records);
    if (b == NULL || after < h->upto) {
        log_error("a live message is malformed", LOG_U("after", after), LOG_U("upto", upto));
        metric_add(M_BAD_FRAMES, 1);
        if (b != NULL)
            block_unref(b);
        hub_hole(h, upto); /* its events are in the store */
    } else if (b->count > 0) {
        metric_add(M_RECEIVED, b->count);
        ring_append(&h->ring, b);
        for (i = 0; i < b->count; i++)
            feed_dispatch(h, &b->entries[i]);
    } else {
        block_unref(b);
    }
    h->upto = upto;
}

static void hub_removed_visit(void *value, void *arg)
{
    struct hub_filter *f = value;
    const uint64_t *upto = arg;
    uint32_t i;

    if (f->live && f->live_from < *upto)
        f->live_from = *upto;
    for (i = 0; i < f->feed_count; i++) {
        pages_invalidate(f->feeds[i]);
        feed_refresh(f->feeds[i]);
        feed_fall_back(f->feeds[i]);
    }
}

void hub_removed(struct hub *h, struct slice topic, uint64_t upto)
{
    hub_flush(h);
    filter_tree_match(h->tree, topic, hub_removed_visit, &upto);
}

/* --- once a second ------------------------------------------------------------------ */

void hub_tick(struct hub *h)
{
    feeds_linger(h, clock_mono_ms());
    if (h->idle_wake && h->up) {
        h->idle_wake = false;
        hub_queue_all_others(h);
    }
    metric_set(M_RING_BYTES, h->ring.bytes);
    metric_set(M_FILTERS, filter_tree_count(h->tree));
    metric_set(M_SUBSCRIPTIONS, h->subscriptions);
    metric_set(M_HEAD, h->flushed);
    metric_set(M_LINK_UP, h->up);
}
