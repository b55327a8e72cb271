/*
 * store_page.c - one page of history.
 *
 * Rows above the cursor are put into the reply until the page is full (rows,
 * bytes), enough was scanned, or the end is reached; `upto` says how far that
 * was, and only at the end is it the head.  What the page cannot contain,
 * because it was removed, is told by removed_to and reason, worked out after
 * the rows were read.
 *
 * A descending page runs down from its cursor; its `upto` is the lowest ID
 * looked at, 0 when nothing is left below.
 *
 * A page that takes several steps keeps the head of the first: what was removed in
 * between is announced like everything that was.
 */
#include <string.h>

#include "log.h"
#include "store_reader.h"
#include "wall.h"

/* The head of the reply is written twice: first to take its place, then, when
 * the rows are read, with what it has to say. */
static void put_head(struct store_read *w, struct store_reader *r, struct buf *reply,
                     uint64_t removed_to, enum gap_reason reason)
{
    struct wire_page m = {
        .ref = w->ref,
        .head = w->head,
        .removed_to = removed_to,
        .reason = (uint8_t)reason,
    };

    buf_clear(&r->head);
    wire_page_begin(&r->head, &m);
    if (reply->len == 0)
        buf_put(reply, r->head.p, r->head.len);
    else
        memcpy(reply->p, r->head.p, r->head.len);
}

static bool is_full(const struct store_read *w, const struct buf *reply, const struct event *e)
{
    return w->count > 0 && reply->len + event_record_size(e) > WIRE_PAGE_BYTES;
}

/* False: the page ends before this row. */
static bool page_put_row(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    struct event e;

    if (!rows_row(r))
        return false;
    if (!r->rows.scan || matcher_test(r, rows_topic(&r->rows), r->rows.id)) {
        w->damaged = !rows_event(r->s, r->rows.st, &e);
        if (w->damaged || is_full(w, reply, &e))
            return false;
        if (!event_expired(&e, w->now)) {
            event_record_put(reply, &e);
            w->count++;
        }
    }
    w->upto = r->rows.id;
    return true;
}

/* Reads rows between low and high; `upto` is `end` when all were read.  False: the page
 * goes on in another step. */
static bool put_rows(struct store_read *w, struct store_reader *r, struct buf *reply, uint64_t low,
                     uint64_t high, uint64_t end)
{
    bool more = false;

    rows_open(r, low, high, w->descending, WIRE_PAGE_SCAN - w->scanned);
    do {
        if (!rows_next(r)) {
            w->upto = end;
            break;
        }
        more = page_put_row(w, r, reply) && w->count < w->limit;
    } while (more && !rows_stopped(r));
    w->scanned += r->rows.scanned;
    more = more && w->upto != end && w->scanned < WIRE_PAGE_SCAN;
    rows_close(r);
    return !more;
}

static uint64_t page_end(const struct store_read *w)
{
    return w->until != 0 && w->until < w->head ? w->until : w->head;
}

static bool page_read(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    uint64_t end = page_end(w);

    if (!matcher_set(r, w->filters, w->filter_count, w->tree))
        return false;
    if (w->descending)
        return put_rows(w, r, reply, 0, w->upto, 0);
    return w->upto >= end || put_rows(w, r, reply, w->upto, end + 1, end);
}

static void put_removed(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    const struct hole *hole = w->descending ? NULL : holes_find(&r->s->holes, w->after);
    enum gap_reason reason;
    uint64_t removed = matcher_removed(r, w->upto, &reason);

    if (hole != NULL) { /* whatever else was removed */
        reason = GAP_RESET;
        if (removed < hole->high - 1)
            removed = hole->high - 1;
    }
    put_head(w, r, reply, removed, reason);
}

static void page_begin(struct store_read *w, struct store_reader *r, uint64_t head,
                       struct buf *reply)
{
    w->begun = true;
    w->head = head;
    w->now = wall_ms();
    w->upto = w->after;
    if (w->descending && (w->after == 0 || w->after > head))
        w->upto = head + 1;
    put_head(w, r, reply, 0, GAP_NONE);
}

static void page_damaged(const struct store_read *w, struct buf *reply)
{
    log_error("an event's topic is missing: the database is damaged", LOG_U("after", w->upto));
    buf_clear(reply);
    wire_read_error_put(reply, WIRE_PAGE, w->ref, ERR_STORE_FAILED,
                        SLICE("The database is damaged"));
}

bool page_step(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    uint64_t head = snapshot_begin(r);
    bool whole = true;

    if (!w->begun)
        page_begin(w, r, head, reply);
    if (!w->descending && w->after > w->head) {
        w->upto = w->head;
        put_head(w, r, reply, 0, GAP_FUTURE);
    } else {
        whole = page_read(w, r, reply);
        if (whole)
            put_removed(w, r, reply);
    }
    if (!snapshot_end(r, WIRE_PAGE, w->ref, reply))
        return true;
    if (w->damaged)
        page_damaged(w, reply);
    else if (whole)
        wire_page_finish(reply, 0, w->upto, w->count);
    return whole || w->damaged;
}
