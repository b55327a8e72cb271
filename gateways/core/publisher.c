/*
 * publisher.c - numbering, window, acknowledgement and deadline of publishes.
 *
 * Happy path: publisher_add numbers a unit and appends it; publisher_frame
 * packs what is unsent into one PUBLISH frame; publisher_acks finds each number
 * at or near the front and runs its callback.
 *
 * A publish whose deadline passes is answered by what may have become of it.
 * Never sent: certainly not stored.  Sent: unknown.  Either way it leaves the
 * list and is never sent again, because its publisher has been told, may have
 * repeated it already, and must not meet it a second time minutes later.  What
 * was sent on the living connection still fills the broker's window until its
 * acknowledgement comes, so its size stays behind as an orphan.
 */
#include "publisher.h"

#include <assert.h>

#include "clock.h"
#include "mem.h"
#include "metrics.h"

struct orphan {
    uint64_t seq;
    size_t size;
};

static size_t publish_size(const struct link_publish *lp)
{
    return lp->records.len + 32;
}

void publisher_init(struct publisher *p, size_t queue_max, uint64_t timeout_ms)
{
    *p = (struct publisher){.next_seq = 1, .queue_max = queue_max, .timeout_ms = timeout_ms};
}

bool publisher_full(const struct publisher *p)
{
    return p->queued >= p->queue_max;
}

void publisher_add(struct publisher *p, struct link_publish *lp, uint64_t now)
{
    assert(lp->kind != LINK_EVENTS || lp->count > 0);
    lp->sent = false;
    lp->next = lp->prev = NULL;
    if (publisher_full(p)) {
        lp->next = p->refused;
        p->refused = lp;
        return;
    }
    lp->seq = p->next_seq++;
    lp->deadline = now + p->timeout_ms;
    lp->prev = p->last;
    if (p->last != NULL)
        p->last->next = lp;
    else
        p->first = lp;
    p->last = lp;
    if (p->unsent == NULL)
        p->unsent = lp;
    p->queued += publish_size(lp);
    metric_add(M_PUBLISH_PENDING, 1);
}

static void take_out(struct publisher *p, struct link_publish *lp)
{
    if (p->unsent == lp)
        p->unsent = lp->next;
    if (lp->prev != NULL)
        lp->prev->next = lp->next;
    else
        p->first = lp->next;
    if (lp->next != NULL)
        lp->next->prev = lp->prev;
    else
        p->last = lp->prev;
    p->queued -= publish_size(lp);
    metric_sub(M_PUBLISH_PENDING, 1);
}

/* The last touch: the callback may free lp. */
static void answer(struct link_publish *lp, const struct wire_ack *a)
{
    if (a->error != ERR_NONE)
        metric_add(M_REFUSED, 1);
    lp->cb(lp, a);
}

static void answer_error(struct link_publish *lp, enum sluice_error error)
{
    struct wire_ack a = {.seq = lp->seq, .error = (uint16_t)error};

    a.text = slice_of(error_text(error));
    answer(lp, &a);
}

/* --- sending ---------------------------------------------------------------- */

void publisher_begin(struct publisher *p, size_t window)
{
    p->window = window;
    p->in_flight = 0;
    p->units = 0;
    p->unsent = p->first;
    buf_free(&p->orphans);
}

/* One unit may always travel, so that no window is too small for it. */
static bool window_takes(const struct publisher *p, size_t size, unsigned units)
{
    return p->units + units == 0 ||
           (p->in_flight + size <= p->window && p->units + units < PUBLISHER_UNITS);
}

bool publisher_frame(struct publisher *p, struct buf *frame, struct link_publish **end)
{
    struct link_publish *lp = p->unsent;
    size_t size = 0;
    unsigned units = 0;

    if (lp == NULL || !window_takes(p, publish_size(lp), 0))
        return false;
    if (lp->kind == LINK_REMOVE) {
        wire_delete_put(frame, lp->seq, (struct slice){(char *)lp->records.p, lp->records.len});
        *end = lp->next;
        return true;
    }
    wire_publish_begin(frame);
    do {
        wire_unit_begin(frame, lp->seq, lp->count);
        buf_put(frame, lp->records.p, lp->records.len);
        size += publish_size(lp);
        units++;
        lp = lp->next;
    } while (lp != NULL && lp->kind == LINK_EVENTS && frame->len < PUBLISHER_FRAME &&
             window_takes(p, size + publish_size(lp), units));
    *end = lp;
    return true;
}

void publisher_sent(struct publisher *p, struct link_publish *end)
{
    for (; p->unsent != end; p->unsent = p->unsent->next) {
        p->unsent->sent = true;
        p->in_flight += publish_size(p->unsent);
        p->units++;
    }
}

/* --- answers ----------------------------------------------------------------- */

static void window_return(struct publisher *p, size_t size)
{
    assert(p->units > 0 && p->in_flight >= size);
    p->in_flight -= size;
    p->units--;
}

static void orphan_add(struct publisher *p, const struct link_publish *lp)
{
    struct orphan o = {lp->seq, publish_size(lp)};

    buf_put(&p->orphans, &o, sizeof o);
}

static void orphan_acked(struct publisher *p, uint64_t seq)
{
    struct orphan o;

    for (size_t at = 0; at < p->orphans.len; at += sizeof o) {
        memcpy(&o, p->orphans.p + at, sizeof o);
        if (o.seq != seq)
            continue;
        window_return(p, o.size);
        p->orphans.len -= sizeof o;
        memmove(p->orphans.p + at, p->orphans.p + at + sizeof o, p->orphans.len - at);
        return;
    }
}

/* Acknowledgements come nearly in order, so the walk ends at the front. */
static struct link_publish *find_sent(const struct publisher *p, uint64_t seq)
{
    for (struct link_publish *lp = p->first; lp != p->unsent && lp->seq <= seq; lp = lp->next)
        if (lp->seq == seq)
            return lp;
    return NULL;
}

bool publisher_acks(struct publisher *p, struct reader acks)
{
    struct link_publish *lp;
    struct wire_ack a;

    while (wire_ack_get(&acks, &a)) {
        lp = find_sent(p, a.seq);
        if (lp == NULL) {
            orphan_acked(p, a.seq);
            continue;
        }
        /* A stored batch has one ID an event: anything else is not our answer. */
        if (a.error == ERR_NONE && a.count != (lp->kind == LINK_REMOVE ? 1 : lp->count))
            return false;
        window_return(p, publish_size(lp));
        take_out(p, lp);
        answer(lp, &a);
    }
    return !acks.bad;
}

static bool on_connection(const struct publisher *p, const struct link_publish *lp)
{
    return p->units > 0 && (p->unsent == NULL || lp->seq < p->unsent->seq);
}

bool publisher_expire(struct publisher *p, uint64_t now)
{
    struct link_publish *lp;
    bool ran = false;

    for (; (lp = p->first) != NULL && lp->deadline <= now; ran = true) {
        if (on_connection(p, lp))
            orphan_add(p, lp);
        take_out(p, lp);
        answer_error(lp, lp->sent ? ERR_UNKNOWN_OUTCOME : ERR_UNAVAILABLE);
    }
    return ran;
}

bool publisher_refuse(struct publisher *p)
{
    struct link_publish *lp;
    bool ran = false;

    for (; (lp = p->refused) != NULL; ran = true) {
        p->refused = lp->next;
        answer_error(lp, ERR_BUSY);
    }
    return ran;
}

void publisher_abandon(struct publisher *p)
{
    (void)publisher_refuse(p);
    (void)publisher_expire(p, UINT64_MAX);
    buf_free(&p->orphans);
}
