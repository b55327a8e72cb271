/*
 * publisher.c - numbering, window, acknowledgement and deadline of publishes.
 *
 * Happy path: publisher_add numbers a unit and appends it; publisher_frame
 * packs what is unsent and of one kind into one frame; publisher_acks finds each
 * number beside the one answered before and runs its callback.
 *
 * A publish whose deadline passes is answered by what may have become of it.
 * Never sent: certainly not stored.  Sent: unknown.  Either way it leaves the
 * list and is never sent again, because its publisher has been told, may have
 * repeated it already, and must not meet it a second time minutes later.  What
 * was sent on the living connection still fills the broker's window until its
 * acknowledgement comes, so its size stays behind as an orphan.
 *
 * One without a timeout may stay in front for as long as the broker is away, with
 * any number of others behind it; `expiring` leads past them.
 */
#include "publisher.h"

#include <assert.h>

#include <utlist.h>

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
    if (publisher_full(p)) {
        LL_PREPEND(p->refused, lp);
        return;
    }
    lp->seq = p->next_seq++;
    lp->deadline = now + p->timeout_ms;
    DL_APPEND(p->first, lp);
    if (p->unsent == NULL)
        p->unsent = lp;
    if (p->expiring == NULL && !lp->no_timeout)
        p->expiring = lp;
    p->sessions += lp->kind == LINK_SESSION;
    p->queued += publish_size(lp);
    metric_add(M_PUBLISH_PENDING, 1);
}

static struct link_publish *next_expiring(struct link_publish *lp)
{
    while (lp != NULL && lp->no_timeout)
        lp = lp->next;
    return lp;
}

static void publisher_take_out(struct publisher *p, struct link_publish *lp)
{
    if (p->unsent == lp)
        p->unsent = lp->next;
    if (p->expiring == lp)
        p->expiring = next_expiring(lp->next); /* it never turns back: each is passed once */
    if (p->ack_hint == lp)
        p->ack_hint = lp->next;
    p->sessions -= lp->kind == LINK_SESSION;
    DL_DELETE(p->first, lp);
    p->queued -= publish_size(lp);
    metric_sub(M_PUBLISH_PENDING, 1);
}

/* The last touch: the callback may free lp. */
static void publisher_answer(struct link_publish *lp, const struct wire_ack *a)
{
    if (a->error != ERR_NONE && lp->kind != LINK_SESSION)
        metric_add(M_REFUSED, 1);
    lp->cb(lp, a);
}

static void publisher_answer_error(struct link_publish *lp, enum sluice_error error)
{
    struct wire_ack a = {.seq = lp->seq, .error = (uint16_t)error};

    a.text = slice_of(error_text(error));
    publisher_answer(lp, &a);
}

/* --- sending ---------------------------------------------------------------- */

void publisher_begin(struct publisher *p, size_t window)
{
    p->window = window;
    p->in_flight = 0;
    p->units = 0;
    p->unsent = p->first;
    p->ack_hint = NULL;
    buf_free(&p->orphans);
}

/* One unit may always travel, so that no window is too small for it. */
static bool window_takes(const struct publisher *p, size_t size, unsigned units)
{
    return p->units + units == 0 ||
           (p->in_flight + size <= p->window && p->units + units < PUBLISHER_UNITS);
}

static void unit_put(struct buf *frame, const struct link_publish *lp)
{
    struct slice records = buf_slice(&lp->records);

    switch (lp->kind) {
    case LINK_EVENTS:
        if (frame->len == 0)
            wire_publish_begin(frame);
        wire_unit_begin(frame, lp->seq, lp->count);
        buf_put_slice(frame, records);
        break;
    case LINK_REMOVE:
        wire_delete_put(frame, lp->seq, records);
        break;
    case LINK_SESSION:
        if (frame->len == 0)
            wire_session_begin(frame);
        wire_session_unit_put(frame, lp->seq, lp->op, records);
        break;
    }
}

/* A removal is a whole frame; of the other kinds many units make one. */
static bool may_follow(const struct link_publish *lp, const struct link_publish *before)
{
    return lp->kind == before->kind && lp->kind != LINK_REMOVE;
}

bool publisher_frame(struct publisher *p, struct buf *frame, struct link_publish **end)
{
    struct link_publish *lp = p->unsent;
    size_t size = 0;
    unsigned units = 0;

    if (lp == NULL || !window_takes(p, publish_size(lp), 0))
        return false;
    do {
        unit_put(frame, lp);
        size += publish_size(lp);
        units++;
        lp = lp->next;
    } while (lp != NULL && may_follow(lp, lp->prev) && frame->len < PUBLISHER_FRAME &&
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

/* Acknowledgements come nearly in order, so the walk ends where it begins; only
 * what waits for something else, as an ATTACH may, is found from the front. */
static struct link_publish *publisher_find_sent(const struct publisher *p, uint64_t seq)
{
    bool behind = p->ack_hint != NULL && p->ack_hint->seq <= seq;
    struct link_publish *lp = behind ? p->ack_hint : p->first;

    for (; lp != p->unsent && lp->seq <= seq; lp = lp->next)
        if (lp->seq == seq)
            return lp;
    return NULL;
}

static void publisher_settle(struct publisher *p, struct link_publish *lp, const struct wire_ack *a)
{
    window_return(p, publish_size(lp));
    p->ack_hint = lp->next;
    publisher_take_out(p, lp);
    publisher_answer(lp, a);
}

/* A stored batch has one ID an event: anything else is not our answer. */
static bool ack_answers(const struct link_publish *lp, const struct wire_ack *a)
{
    return lp->kind != LINK_SESSION &&
           (a->error != ERR_NONE || a->count == (lp->kind == LINK_REMOVE ? 1 : lp->count));
}

bool publisher_acks(struct publisher *p, struct reader acks)
{
    struct link_publish *lp;
    struct wire_ack a;

    while (wire_ack_get(&acks, &a)) {
        lp = publisher_find_sent(p, a.seq);
        if (lp == NULL)
            orphan_acked(p, a.seq);
        else if (ack_answers(lp, &a))
            publisher_settle(p, lp, &a);
        else
            return false;
    }
    return !acks.bad;
}

static struct wire_ack ack_of_session(const struct wire_session_ack *s)
{
    struct wire_ack a = {.seq = s->seq, .error = s->error};

    if (s->error == ERR_NONE)
        a.data = s->data;
    else
        a.text = s->data;
    return a;
}

bool publisher_session_acks(struct publisher *p, struct reader acks)
{
    struct wire_session_ack s;
    struct link_publish *lp;
    struct wire_ack a;

    while (wire_session_ack_get(&acks, &s)) {
        a = ack_of_session(&s);
        lp = publisher_find_sent(p, s.seq);
        if (lp == NULL)
            orphan_acked(p, s.seq);
        else if (lp->kind == LINK_SESSION)
            publisher_settle(p, lp, &a);
        else
            return false;
    }
    return !acks.bad;
}

static bool on_connection(const struct publisher *p, const struct link_publish *lp)
{
    return p->units > 0 && (p->unsent == NULL || lp->seq < p->unsent->seq);
}

static void publisher_give_up(struct publisher *p, struct link_publish *lp)
{
    if (on_connection(p, lp))
        orphan_add(p, lp);
    publisher_take_out(p, lp);
    publisher_answer_error(lp, lp->sent ? ERR_UNKNOWN_OUTCOME : ERR_UNAVAILABLE);
}

bool publisher_expire(struct publisher *p, uint64_t now)
{
    struct link_publish *lp;
    bool ran = false;

    for (; (lp = p->expiring) != NULL && lp->deadline <= now; ran = true)
        publisher_give_up(p, lp);
    return ran;
}

bool publisher_refuse(struct publisher *p)
{
    struct link_publish *lp;
    bool ran = false;

    for (; (lp = p->refused) != NULL; ran = true) {
        LL_DELETE(p->refused, lp);
        publisher_answer_error(lp, ERR_BUSY);
    }
    return ran;
}

void publisher_abandon(struct publisher *p)
{
    (void)publisher_refuse(p);
    while (p->first != NULL)
        publisher_give_up(p, p->first);
    buf_free(&p->orphans);
}
