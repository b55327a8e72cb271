/*
 * fanout.c - see fanout.h.
 *
 *   batch ──▶ who wants any of it? ──▶ groups that want the same events and
 *   stand at the same place ──▶ each group's messages, encoded once ──▶ shared
 *
 * A message ends at WIRE_LIVE_MAX bytes (or holds one larger event); then the
 * next begins where it ended, so a batch may go out as a chain of ranges.
 *
 * A gateway for which a batch holds nothing gets nothing: its stream stays
 * where it was, and the next message reaches back to there.
 *
 * Failures: a gateway whose link has ended is left out until it is taken away.
 * One that has used up its credit is left out until it confirms.  Neither costs
 * another gateway anything.
 */
#include "fanout.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <uthash.h>

#include "interest.h"
#include "mem.h"
#include "metrics.h"
#include "topic.h"
#include "wire.h"

/* What is sent and not confirmed, oldest first.  When all places are taken the
 * two newest entries become one: credit then comes back a little later. */
#define UNCONFIRMED_MAX 1024

struct unconfirmed {
    uint64_t upto;
    uint64_t bytes;
};

struct fanout_filter {
    uint32_t ref;
    struct wanted *wanted;
    UT_hash_handle hh;
};

struct fanout_peer {
    void *gateway;
    unsigned slot;
    uint64_t sent_upto;
    bool paused;
    uint64_t bytes;        /* unconfirmed, in all */
    unsigned first, count; /* of ring */
    struct unconfirmed ring[UNCONFIRMED_MAX];
    struct fanout_filter *filters; /* by ref */
};

struct fanout {
    struct fanout_ops ops;
    uint64_t credit;
    unsigned filters_max;
    struct interest *interest;
    struct fanout_peer *peers[SLOTS_MAX];
    struct slots joined;
    struct slots reachable; /* joined, and their link has not ended */
    struct slots active;    /* reachable and not paused */
    uint32_t *picked;       /* items of the batch that the group at hand wants */
    size_t picked_count, picked_room;
};

struct fanout *fanout_new(const struct fanout_ops *ops, uint64_t credit, unsigned filters)
{
    struct fanout *f = mem_zalloc(sizeof *f);

    f->ops = *ops;
    f->credit = credit;
    f->filters_max = filters == 0 ? UINT_MAX : filters;
    f->interest = interest_new();
    return f;
}

void fanout_free(struct fanout *f)
{
    assert(slots_next(&f->joined, 0) == SLOTS_MAX);
    interest_free(f->interest);
    free(f->picked);
    free(f);
}

/* --- gateways and their filters ------------------------------------------- */

static unsigned free_slot(const struct fanout *f)
{
    unsigned slot = 0;

    while (slot < SLOTS_MAX && slots_has(&f->joined, slot))
        slot++;
    return slot;
}

struct fanout_peer *fanout_join(struct fanout *f, void *gateway, uint64_t head)
{
    unsigned slot = free_slot(f);
    struct fanout_peer *p;

    if (slot == SLOTS_MAX)
        return NULL;
    p = mem_zalloc(sizeof *p);
    p->gateway = gateway;
    p->slot = slot;
    p->sent_upto = head;
    f->peers[slot] = p;
    slots_add(&f->joined, slot);
    slots_add(&f->reachable, slot);
    slots_add(&f->active, slot);
    return p;
}

static void fanout_filter_forget(struct fanout *f, struct fanout_peer *p, struct fanout_filter *pf)
{
    HASH_DEL(p->filters, pf);
    interest_drop(f->interest, pf->wanted, p->slot);
    free(pf);
}

void fanout_leave(struct fanout *f, struct fanout_peer *p)
{
    struct fanout_filter *pf, *next;

    HASH_ITER (hh, p->filters, pf, next)
        fanout_filter_forget(f, p, pf);
    slots_remove(&f->joined, p->slot);
    slots_remove(&f->reachable, p->slot);
    slots_remove(&f->active, p->slot);
    f->peers[p->slot] = NULL;
    free(p);
}

static struct fanout_filter *fanout_filter_find(const struct fanout_peer *p, uint32_t ref)
{
    struct fanout_filter *pf;

    HASH_FIND(hh, p->filters, &ref, sizeof ref, pf);
    return pf;
}

enum sluice_error fanout_filter_add(struct fanout *f, struct fanout_peer *p, uint32_t ref,
                                    struct slice filter)
{
    struct fanout_filter *pf;

    if (filter_check(filter) != TOPIC_OK)
        return ERR_BAD_FILTER;
    if (fanout_filter_find(p, ref) != NULL)
        return ERR_BAD_REQUEST;
    if (HASH_COUNT(p->filters) >= f->filters_max)
        return ERR_TOO_MANY;
    pf = mem_zalloc(sizeof *pf);
    pf->ref = ref;
    pf->wanted = interest_add(f->interest, filter, p->slot);
    HASH_ADD(hh, p->filters, ref, sizeof pf->ref, pf);
    return ERR_NONE;
}

void fanout_filter_drop(struct fanout *f, struct fanout_peer *p, uint32_t ref)
{
    struct fanout_filter *pf = fanout_filter_find(p, ref);

    if (pf != NULL)
        fanout_filter_forget(f, p, pf);
}

/* --- credit ----------------------------------------------------------------- */

static struct unconfirmed *ring_at(struct fanout_peer *p, unsigned i)
{
    return &p->ring[(p->first + i) % UNCONFIRMED_MAX];
}

static void credit_take(struct fanout_peer *p, uint64_t upto, uint64_t bytes)
{
    p->bytes += bytes;
    if (p->count == UNCONFIRMED_MAX) {
        struct unconfirmed *newest = ring_at(p, p->count - 1);

        newest->upto = upto;
        newest->bytes += bytes;
        return;
    }
    *ring_at(p, p->count++) = (struct unconfirmed){upto, bytes};
}

static void credit_return(struct fanout_peer *p, uint64_t upto)
{
    while (p->count > 0 && ring_at(p, 0)->upto <= upto) {
        p->bytes -= ring_at(p, 0)->bytes;
        p->first = (p->first + 1) % UNCONFIRMED_MAX;
        p->count--;
    }
}

/* One message always fits, however large, when nothing is unconfirmed. */
static bool credit_left(const struct fanout *f, const struct fanout_peer *p, uint64_t bytes)
{
    return p->bytes == 0 || p->bytes + bytes <= f->credit;
}

static void fanout_pause(struct fanout *f, struct fanout_peer *p)
{
    p->paused = true;
    slots_remove(&f->active, p->slot);
    metric_add(M_PAUSES, 1);
}

/* --- sending ------------------------------------------------------------------ */

/* Moves from m. */
static void fanout_send(struct fanout *f, struct fanout_peer *p, struct zmsg *m)
{
    if (f->ops.send(p->gateway, m))
        return;
    slots_remove(&f->reachable, p->slot);
    slots_remove(&f->active, p->slot);
}

/* Shares m with one gateway of its group; the bytes stay the caller's too. */
static void fanout_send_live(struct fanout *f, struct fanout_peer *p, struct zmsg *m, uint64_t upto)
{
    size_t bytes = zmsg_size(m);
    struct zmsg copy;

    if (!credit_left(f, p, bytes)) {
        fanout_pause(f, p);
        return;
    }
    credit_take(p, upto, bytes);
    p->sent_upto = upto;
    zmsg_init(&copy);
    zmsg_share(&copy, m);
    fanout_send(f, p, &copy);
}

static void fanout_send_bare(struct fanout *f, struct fanout_peer *p, uint64_t after, uint64_t upto)
{
    struct buf b = {0};
    struct zmsg m;

    wire_live_begin(&b, after, upto);
    zmsg_init_buf(&m, &b);
    fanout_send_live(f, p, &m, upto);
    zmsg_close(&m);
}

/* (x, x] holds nothing and waits for no confirmation, so it costs no credit: it
 * shows where the stream stands, and that the link does. */
static void fanout_send_probe(struct fanout *f, struct fanout_peer *p)
{
    struct buf b = {0};
    struct zmsg m;

    wire_live_begin(&b, p->sent_upto, p->sent_upto);
    zmsg_init_buf(&m, &b);
    fanout_send(f, p, &m);
}

/* --- a batch -------------------------------------------------------------------- */

static const struct slots *item_wanted(struct fanout *f, const struct store_batch *b, uint32_t i)
{
    return interest_of_topic(f->interest, b->items[i].topic, f->ops.topic_name, f->ops.arg);
}

static void pick_begin(struct fanout *f, uint32_t most)
{
    f->picked_count = 0;
    if (f->picked_room >= most)
        return;
    f->picked = mem_resize(f->picked, most, sizeof *f->picked);
    f->picked_room = most;
}

static struct slots standing_at(const struct fanout *f, const struct slots *among, uint64_t upto)
{
    struct slots there = {{0}};

    SLOTS_EACH (slot, among) {
        if (f->peers[slot]->sent_upto == upto)
            slots_add(&there, slot);
    }
    return there;
}

/* Those of `todo` that want exactly what `first` wants, from the same place on;
 * what that is goes into f->picked. */
static struct slots group_pick(struct fanout *f, const struct store_batch *b, unsigned first,
                               const struct slots *todo)
{
    struct slots group = standing_at(f, todo, f->peers[first]->sent_upto);

    pick_begin(f, b->count);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct slots *who = item_wanted(f, b, i);

        if (!slots_has(who, first)) {
            slots_subtract(&group, who);
            continue;
        }
        slots_intersect(&group, who);
        f->picked[f->picked_count++] = i;
    }
    return group;
}

/* How many of the picked items, from the given one on, make one message. */
static size_t message_items(const struct fanout *f, const struct store_batch *b, size_t from)
{
    size_t size = WIRE_LIVE_HEAD, n = 0;

    while (from + n < f->picked_count) {
        size += b->items[f->picked[from + n]].size;
        if (n > 0 && size > WIRE_LIVE_MAX)
            break;
        n++;
    }
    return n;
}

static void message_encode(const struct fanout *f, const struct store_batch *b, size_t from,
                           size_t n, uint64_t after, uint64_t upto, struct buf *out)
{
    size_t size = WIRE_LIVE_HEAD;

    for (size_t i = from; i < from + n; i++)
        size += b->items[f->picked[i]].size;
    (void)buf_reserve(out, size);
    wire_live_begin(out, after, upto);
    for (size_t i = from; i < from + n; i++) {
        const struct store_item *item = &b->items[f->picked[i]];

        buf_put(out, item->record, item->size);
    }
}

/* One message to all of the group that have had what precedes it. */
static void group_send_message(struct fanout *f, const struct slots *group, struct buf *frame,
                               uint64_t after, uint64_t upto)
{
    struct zmsg m;

    zmsg_init_buf(&m, frame);
    SLOTS_EACH (slot, group) {
        struct fanout_peer *p = f->peers[slot];

        if (slots_has(&f->active, slot) && p->sent_upto == after)
            fanout_send_live(f, p, &m, upto);
    }
    zmsg_close(&m);
}

static void group_send(struct fanout *f, const struct store_batch *b, const struct slots *group,
                       uint64_t after)
{
    size_t at = 0;

    while (at < f->picked_count) {
        size_t n = message_items(f, b, at);
        bool last = at + n == f->picked_count;
        uint64_t upto = last ? b->upto : event_record_id(b->items[f->picked[at + n - 1]].record);
        struct buf frame = {0};

        message_encode(f, b, at, n, after, upto, &frame);
        group_send_message(f, group, &frame, after, upto);
        after = upto;
        at += n;
    }
}

void fanout_batch(struct fanout *f, const struct store_batch *b)
{
    struct slots todo = {{0}};
    unsigned first;

    for (uint32_t i = 0; i < b->count; i++)
        slots_unite(&todo, item_wanted(f, b, i));
    slots_intersect(&todo, &f->active);
    while ((first = slots_next(&todo, 0)) < SLOTS_MAX) {
        struct slots group = group_pick(f, b, first, &todo);

        group_send(f, b, &group, f->peers[first]->sent_upto);
        slots_subtract(&todo, &group);
    }
}

void fanout_topic_forgotten(struct fanout *f, uint32_t topic)
{
    interest_forget(f->interest, topic);
}

/* --- the rest of the stream ------------------------------------------------------- */

void fanout_removed(struct fanout *f, struct slice topic, uint64_t upto)
{
    struct slots who = interest_of_name(f->interest, topic);

    slots_intersect(&who, &f->reachable);
    SLOTS_EACH (slot, &who) {
        struct buf b = {0};
        struct zmsg m;

        wire_removed_put(&b, upto, topic);
        zmsg_init_buf(&m, &b);
        fanout_send(f, f->peers[slot], &m);
    }
}

void fanout_confirm(struct fanout *f, struct fanout_peer *p, uint64_t upto, uint64_t head)
{
    credit_return(p, upto);
    if (!p->paused || p->bytes > f->credit / 2 || !slots_has(&f->reachable, p->slot))
        return;
    p->paused = false;
    slots_add(&f->active, p->slot);
    p->sent_upto = head;
    fanout_send_probe(f, p);
}

void fanout_tick(struct fanout *f, uint64_t head, bool probe)
{
    struct slots all = f->reachable;

    SLOTS_EACH (slot, &all) {
        struct fanout_peer *p = f->peers[slot];

        if (!p->paused && p->sent_upto < head)
            fanout_send_bare(f, p, p->sent_upto, head);
        else if (probe)
            fanout_send_probe(f, p);
    }
}
