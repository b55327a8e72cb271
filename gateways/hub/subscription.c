/*
 * subscription.c - one cursor on the log, wherever it is served from.
 *
 * pump() moves a subscription as far as it goes: it resolves the start, then
 * takes runs from the ring where the ring covers its cursor and else from
 * pages, until it stands at the head, is full, has had its share of this turn,
 * or has to wait: for a page, for its filters to be live, for the gateway to
 * catch up with its cursor.  Whatever ends the waiting queues it again.
 *
 * A page's removed_to that passes both the cursor and what was told is a gap:
 * it is announced before the page's events.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "clock.h"
#include "feed.h"
#include "mem.h"
#include "metrics.h"
#include "quota.h"

#define TURN_RUNS 4 /* runs for one subscription in a turn, then others have theirs */

struct start_read {
    struct link_read read;
    struct subscription *subscription;
};

/* --- opening and closing ---------------------------------------------------------- */

void subscription_open(struct subscription *s, struct hub *h, const struct slice *filters,
                       size_t count, struct start start, const struct subscription_ops *ops,
                       void *data)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->data = data;
    s->hub = h;
    s->start = start;
    s->cursor = h->upto; /* for START_NOW: now is when it was opened */
    s->state = SUB_STARTING;
    s->feed = feed_get(h, filters, count);
    h->subscriptions++;
    DL_APPEND2(s->feed->others, s, prev, next);
    subscription_queue(s);
}

static void asking_cancel(struct subscription *s)
{
    if (s->asking == NULL)
        return;
    s->hub->link.read_cancel(s->hub->link.link, &s->asking->read);
    free(s->asking);
    s->asking = NULL;
}

static void froms_drop(struct subscription *s)
{
    if (s->froms == NULL)
        return;
    pages_drop_owned(s);
    free(s->froms);
    s->froms = NULL;
}

void subscription_close(struct subscription *s)
{
    struct feed *f = s->feed;

    if (s->state == SUB_CLOSED)
        return;
    subscription_unwait(s);
    quota_release(s);
    bundle_leave(s);
    asking_cancel(s);
    froms_drop(s);
    if (s->hub->next_head == s)
        s->hub->next_head = s->next;
    if (s->state == SUB_HEAD)
        DL_DELETE2(f->heads, s, prev, next);
    else
        DL_DELETE2(f->others, s, prev, next);
    s->state = SUB_CLOSED;
    s->hub->subscriptions--;
    feed_put(f);
}

void subscription_resume(struct subscription *s)
{
    if (s->state == SUB_CLOSED || !s->full)
        return;
    s->full = false;
    subscription_queue(s);
}

bool subscription_filter(const struct subscription *s, size_t i, struct slice *filter)
{
    if (s->state == SUB_CLOSED || i >= s->feed->filter_count)
        return false;
    *filter = (struct slice){s->feed->filters[i]->name, s->feed->filters[i]->len};
    return true;
}

uint64_t subscription_cursor(const struct subscription *s)
{
    return s->state == SUB_HEAD ? s->hub->flushed : s->cursor;
}

bool subscription_at_head(const struct subscription *s)
{
    return s->state == SUB_HEAD;
}

/* The log is another one: the broker must check the cursor anew. */
void subscription_forget(struct subscription *s)
{
    s->checked = false;
    if (s->state == SUB_STARTING)
        s->cursor = 0;
    if (s->waiting == &s->hub->ahead)
        subscription_queue(s);
}

/* --- starting ----------------------------------------------------------------------- */

static void subscription_fail(struct subscription *s, enum sluice_error error, struct slice text)
{
    s->ops->failed(s, error, text);
}

static void subscription_start_done(struct link_read *r, enum sluice_error error, struct slice text,
                                    struct zmsg *reply)
{
    struct start_read *a = r->data;
    struct subscription *s = a->subscription;
    struct feed *f = s->feed;
    struct wire_start m;
    struct reader froms;
    size_t i;

    free(a);
    s->asking = NULL;
    if (error == ERR_NONE &&
        (!wire_start_get(zmsg_data(reply), zmsg_size(reply), &m) || m.count != f->filter_count)) {
        error = ERR_INTERNAL;
        text = SLICE("the broker's answer is malformed");
    }
    if (error != ERR_NONE) {
        subscription_fail(s, error, text);
        return;
    }
    if (s->hub->seen < m.head)
        s->hub->seen = m.head;
    s->froms = mem_array(f->filter_count, sizeof *s->froms);
    froms = reader_of(m.froms.p, m.froms.len);
    s->cursor = UINT64_MAX;
    for (i = 0; i < f->filter_count; i++) {
        s->froms[i] = reader_u64(&froms);
        if (s->cursor > s->froms[i])
            s->cursor = s->froms[i];
    }
    if (s->start.kind == START_LAST)
        s->store_until = m.head;
    else
        froms_drop(s); /* all alike: the cursor says it */
    s->quiet = s->checked = true;
    s->state = SUB_STORE;
    subscription_queue(s);
}

static void start_ask(struct subscription *s)
{
    struct feed *f = s->feed;
    struct wire_filter filters[WIRE_FILTERS_MAX] = {0};
    struct wire_start_req q = {.mode = s->start.kind == START_LAST ? WIRE_LAST : WIRE_SINCE,
                               .arg = s->start.arg,
                               .filter_count = (uint16_t)f->filter_count,
                               .filters = filters};
    size_t i;

    for (i = 0; i < f->filter_count; i++)
        filters[i].filter = (struct slice){f->filters[i]->name, f->filters[i]->len};
    s->asking = mem_zalloc(sizeof *s->asking);
    s->asking->subscription = s;
    s->asking->read.cb = subscription_start_done;
    s->asking->read.data = s->asking;
    s->asking->read.asker = quota_asker(s);
    wire_start_req_put(&s->asking->read.frame, &q);
    s->hub->link.read(s->hub->link.link, &s->asking->read);
}

/* True when the cursor is known and pumping may go on. */
static bool start_resolve(struct subscription *s)
{
    const struct feed *f = s->feed;

    switch (s->start.kind) {
    case START_NOW:
        if (!f->live)
            return false; /* hub_filter_live queues it */
        if (s->cursor < f->live_from)
            s->cursor = f->live_from;
        s->quiet = s->checked = true;
        break;
    case START_AFTER:
        s->cursor = s->start.arg;
        s->quiet = s->checked = s->cursor == 0;
        break;
    case START_SINCE:
    case START_LAST:
        if (s->asking == NULL)
            start_ask(s);
        return false;
    }
    s->state = SUB_STORE;
    return true;
}

static void subscription_caught_up(struct subscription *s)
{
    if (s->ops->caught_up != NULL)
        s->ops->caught_up(s);
}

static void subscription_started(struct subscription *s, const struct gap *gap)
{
    s->started = true;
    if (gap != NULL)
        metric_add(M_GAPS, 1);
    s->ops->started(s, s->cursor, gap);
}

/* --- handing over ------------------------------------------------------------------- */

/* Hands the run over; false when it must stop here (full or closed). */
static bool subscription_hand_run(struct subscription *s, struct run *r)
{
    size_t n = subscription_hand(s, r);

    if (s->state == SUB_CLOSED)
        return false;
    if (n > 0) {
        s->cursor = r->entries[n - 1]->e.id;
        s->seq = r->entries[n - 1]->seq;
    }
    s->full = n < r->count;
    return !s->full;
}

/* What was removed from under the cursor, if it has not been told. */
static bool page_gap(struct subscription *s, const struct page *p, struct gap *gap)
{
    const struct entry *e = page_entry_after(p, s->cursor);
    uint64_t before = p->upto;

    if (p->reason == GAP_FUTURE) {
        *gap = (struct gap){s->cursor, p->head, 0, GAP_FUTURE};
        s->cursor = p->head;
        return true;
    }
    if (p->removed_to <= s->cursor || p->removed_to <= s->announced)
        return false;
    s->announced = p->removed_to;
    if (s->quiet && !s->started)
        return false;
    if (e < p->block->entries + p->block->count)
        before = e->e.id - 1;
    if (before > p->removed_to)
        before = p->removed_to;
    if (before < s->cursor)
        before = s->cursor;
    *gap = (struct gap){s->cursor, before, p->removed_to, p->reason};
    s->cursor = before; /* the client is told so */
    return true;
}

/* Tells what the page tells before its events; false when s is closed by it. */
static bool page_announce(struct subscription *s, const struct page *p)
{
    struct gap gap;
    bool have = page_gap(s, p, &gap);

    s->checked = true;
    if (!s->started) {
        subscription_started(s, have ? &gap : NULL);
    } else if (have) {
        metric_add(M_GAPS, 1);
        s->ops->gap(s, &gap);
    }
    return s->state != SUB_CLOSED;
}

/* --- the three places ------------------------------------------------------------- */

enum pump { PUMP_ON, PUMP_STOP };

static enum pump pump_ring(struct subscription *s)
{
    struct run *r = &s->hub->run;
    uint64_t at = s->cursor, now = clock_ms();
    uint64_t seq = s->seq;
    struct entry *e;

    s->state = SUB_RING;
    if (!s->started) {
        subscription_started(s, NULL);
        if (s->state == SUB_CLOSED)
            return PUMP_STOP;
    }
    run_clear(r);
    while ((e = feed_ring_after(s->feed, at, &seq)) != NULL) {
        at = e->e.id;
        if (!event_expired(&e->e, now) && !run_add(r, e))
            break;
    }
    if (r->count > 0)
        return subscription_hand_run(s, r) ? PUMP_ON : PUMP_STOP;
    subscription_join_head(s);
    subscription_caught_up(s);
    return PUMP_STOP;
}

/* What is later comes live, for all filters. */
static bool subscription_is_covered(const struct subscription *s)
{
    return feed_covers(s->feed, s->cursor) && s->cursor >= s->store_until;
}

/* The filters are not live yet, or the store has nothing new to tell. */
static enum pump wait_for_coverage(struct subscription *s)
{
    s->state = SUB_STORE;
    s->hub->idle_wake = true;
    return PUMP_STOP;
}

static enum pump pump_page(struct subscription *s)
{
    struct run *r = &s->hub->run;
    struct page *p;
    struct entry *e, *end;
    uint64_t from = s->cursor;

    s->state = SUB_STORE;
    p = pages_get(s, s->cursor);
    if (p == NULL || !page_announce(s, p))
        return PUMP_STOP;
    if (p->reason == GAP_FUTURE)
        return PUMP_ON;
    pages_ahead(p);
    end = p->block->entries + p->block->count;
    e = page_entry_after(p, s->cursor);
    while (e < end) {
        run_clear(r);
        while (e < end && run_add(r, e))
            e++;
        if (!subscription_hand_run(s, r))
            return PUMP_STOP;
    }
    if (s->cursor < p->upto)
        s->cursor = p->upto;
    if (s->froms != NULL && s->cursor >= s->store_until)
        froms_drop(s);
    if (s->cursor > from || subscription_is_covered(s)) /* covered: it was only to be checked */
        return PUMP_ON;
    return wait_for_coverage(s);
}

static enum pump pump_ahead(struct subscription *s)
{
    if (!s->started)
        subscription_started(s, NULL);
    if (s->state != SUB_CLOSED) {
        s->state = SUB_AHEAD;
        subscription_wait(s, &s->hub->ahead);
        subscription_caught_up(s); /* with the broker, which is ahead of us */
    }
    return PUMP_STOP;
}

/* The gateway's upto was given out by the broker, so a cursor that it has passed
 * needs no check; one beyond it may be from the future: only a page can tell. */
static enum pump pump_once(struct subscription *s)
{
    bool covered = subscription_is_covered(s);

    if (covered && s->cursor <= s->hub->upto)
        return pump_ring(s);
    if (covered && s->checked)
        return pump_ahead(s);
    return pump_page(s);
}

void subscription_pump(struct subscription *s)
{
    int turns = TURN_RUNS;

    s->pumped = s->hub->turn;
    if (s->full || s->state == SUB_HEAD || s->state == SUB_CLOSED)
        return;
    if (s->state == SUB_STARTING && !start_resolve(s))
        return;
    while (pump_once(s) == PUMP_ON) {
        if (--turns == 0) {
            subscription_queue(s);
            return;
        }
    }
}
