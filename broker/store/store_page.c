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
 */
#include <string.h>

#include "clock.h"
#include "log.h"
#include "store_reader.h"

struct page {
    struct store_reader *r;
    const struct wire_page_req *q;
    struct buf *reply;
    size_t start;
    uint64_t head, upto, now;
    uint32_t limit, count;
    bool damaged;
};

/* The head of the reply is written twice: first to take its place, then, when
 * the rows are read, with what it has to say. */
static void put_head(struct page *p, uint64_t removed_to, enum gap_reason reason)
{
    struct buf *head = &p->r->head;
    struct wire_page m = {
        .ref = p->q->ref,
        .head = p->head,
        .removed_to = removed_to,
        .reason = (uint8_t)reason,
    };

    buf_clear(head);
    wire_page_begin(head, &m);
    if (p->reply->len == p->start)
        buf_put(p->reply, head->p, head->len);
    else
        memcpy(p->reply->p + p->start, head->p, head->len);
}

static bool is_full(const struct page *p, const struct event *e)
{
    return p->count > 0 && p->reply->len - p->start + event_record_size(e) > WIRE_PAGE_BYTES;
}

/* False: the page ends before this row. */
static bool page_put_row(struct page *p)
{
    struct store_reader *r = p->r;
    struct event e;
    uint64_t id = r->rows.at->id;

    if (!r->rows.scan || matcher_test(&r->matcher, rows_topic(&r->rows), id)) {
        p->damaged = !rows_event(r->s, r->rows.at->st, &e);
        if (p->damaged || is_full(p, &e))
            return false;
        if (!event_expired(&e, p->now)) {
            event_record_put(p->reply, &e);
            p->count++;
        }
    }
    p->upto = id;
    return true;
}

/* Reads rows between low and high; `upto` is `end` when all were read. */
static void put_rows(struct page *p, uint64_t low, uint64_t high, uint64_t end)
{
    struct rows *rows = &p->r->rows;

    rows_open(p->r, low, high, p->q->descending);
    do {
        if (!rows_next(rows)) {
            p->upto = end;
            break;
        }
    } while (page_put_row(p) && p->count < p->limit && rows->scanned < WIRE_PAGE_SCAN);
    rows_close(rows);
}

static void page_up(struct page *p)
{
    uint64_t end = p->head;

    if (p->q->until != 0 && p->q->until < end)
        end = p->q->until;
    p->upto = p->q->after;
    if (p->q->after < end)
        put_rows(p, p->q->after, end + 1, end);
}

static void page_down(struct page *p)
{
    uint64_t high = p->q->after == 0 || p->q->after > p->head ? p->head + 1 : p->q->after;

    p->upto = high;
    put_rows(p, 0, high, 0);
}

static void put_removed(struct page *p)
{
    const struct hole *hole = p->q->descending ? NULL : holes_find(&p->r->s->holes, p->q->after);
    enum gap_reason reason;
    uint64_t removed = matcher_removed(p->r, p->upto, &reason);

    if (hole != NULL) { /* whatever else was removed */
        reason = GAP_RESET;
        if (removed < hole->high - 1)
            removed = hole->high - 1;
    }
    put_head(p, removed, reason);
}

void store_read_page(struct store_reader *r, const struct wire_page_req *q, struct buf *reply)
{
    struct page p = {.r = r, .q = q, .reply = reply, .start = reply->len, .now = clock_ms()};

    p.limit = q->limit == 0 || q->limit > WIRE_PAGE_ROWS ? WIRE_PAGE_ROWS : q->limit;
    p.head = snapshot_begin(r);
    put_head(&p, 0, GAP_NONE);
    if (!q->descending && q->after > p.head) {
        p.upto = p.head;
        put_head(&p, 0, GAP_FUTURE);
    } else {
        matcher_set(r, q->filters, q->filter_count);
        if (q->descending)
            page_down(&p);
        else
            page_up(&p);
        put_removed(&p);
    }
    if (!snapshot_end(r, WIRE_PAGE, q->ref, reply, p.start))
        return;
    if (p.damaged) {
        log_error("an event's topic is missing: the database is damaged", LOG_U("after", p.upto));
        reply->len = p.start;
        wire_read_error_put(reply, WIRE_PAGE, q->ref, ERR_STORE_FAILED,
                            SLICE("The database is damaged"));
        return;
    }
    wire_page_finish(reply, p.start, p.upto, p.count);
}
