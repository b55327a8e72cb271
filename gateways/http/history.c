/*
 * history.c - the events that are kept: a page as JSON, or a range as NDJSON.
 *
 * With since or last the broker is asked where that begins (START); then pages
 * are read, one after the other, until there are `limit` rows or the end of what
 * was asked for.
 *
 * JSON: one document, which also ends when it holds as much as one answer may.
 * `next` is where the following request goes on, in the same direction;
 * downwards it is absent at the beginning.
 *
 * NDJSON: the whole range, unless limit says less, up to the head at the time of
 * the first page.  A page's events are written as the socket takes them; the
 * page is forgotten when it takes no more, and the next one is asked for from
 * there once it does.  So a reader that is slow or has stopped costs the rest of
 * one event.  Upwards the last line is {"upto":"ID"}: everything up to there was
 * sent, and the next request goes on after it.
 *
 * What a cursor lost is told as in a stream (DESIGN 2.6): "gap" in the document, a
 * gap line in NDJSON, or 410 with on_gap=fail.  What fails once lines are out
 * cuts the answer before its last chunk.
 */
#include "history.h"

#include <stdlib.h>

#include <utlist.h>

#include "clock.h"
#include "event_json.h"
#include "mem.h"
#include "metrics.h"
#include "page_json.h"
#include "query.h"
#include "query_param.h"
#include "sse.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define ANSWER_BYTES (1024u * 1024) /* more than that, and the document ends with its page */
#define ANSWER_MS 5000              /* the same for a long search */
#define DOCUMENT_BYTES (ANSWER_BYTES + WIRE_PAGE_BYTES)
#define ANSWER_SMALL (64u * 1024) /* so much is sent as it is, and costs nothing any more */
#define WAITING_MAX 256           /* documents that wait for memory; further ones are refused */
#define WAITING_MS 20             /* between two looks at it */
#define LINE_FORM 0               /* of our own blocks; no subscriber sees them */

struct events_query {
    struct query q;
    struct wire_filter *filters;
    size_t filter_count;
    char *text; /* of the filters */
    struct start start;
    bool on_gap_fail, descending, ndjson, ended;
    bool quiet;                  /* no cursor was named: what was gone before is not told */
    uint64_t cursor;             /* the next page's `after` */
    uint64_t told;               /* removed IDs up to here were announced */
    uint64_t until_id, until_ms; /* 0: none */
    uint64_t lowest;             /* downwards: nothing matches at or below it */
    uint64_t limit, rows;
    uint64_t give_up_at; /* monotonic ms */
    struct gap gap;
    struct buf body;
    size_t charged; /* of the site's document bytes: for the body and a page on its way */
    bool waiting;   /* for room there */
    uint64_t waits_until;
    struct events_query *prev, *next;
};

static struct events_query *events_of(struct query *q)
{
    return CONTAINER_OF(q, struct events_query, q);
}

/* --- what documents may take ----------------------------------------------------------- */

/* A document is charged for what it may become before its first page is asked for, then
 * for what it is, until the client has been sent it.  Who finds no room waits in line; who
 * has begun goes on, so that those in line never wait for each other. */
static void documents_charge(struct events_query *e, size_t bytes)
{
    struct site_documents *all = &e->q.x->site->documents;

    all->bytes = all->bytes - e->charged + bytes;
    e->charged = bytes;
    metric_set(M_HISTORY_BYTES, all->bytes);
}

static bool documents_have_room(const struct events_query *e)
{
    const struct site *site = e->q.x->site;

    return site->documents.bytes == 0 || site->documents.bytes + DOCUMENT_BYTES <=
                                             config_num(site->use.config, CFG_HISTORY_MEMORY);
}

static void documents_leave(struct events_query *e)
{
    struct site_documents *all = &e->q.x->site->documents;

    if (!e->waiting)
        return;
    DL_DELETE(all->waiting, e);
    all->waiting_count--;
    e->waiting = false;
}

static void events_freed(struct query *q)
{
    struct events_query *e = events_of(q);

    documents_leave(e);
    documents_charge(e, 0);
    free(e->filters);
    free(e->text);
    buf_free(&e->body);
    free(e);
}

/* --- parameters ------------------------------------------------------------------- */

static bool take_until(struct events_query *e, struct slice value, struct problem *p)
{
    uint64_t n;

    if (!slice_u64(value, &n))
        return subscribe_since(value, "until", clock_ms(), &e->until_ms, p);
    return subscribe_cursor(value, "until", &e->until_id, p);
}

static bool take_order(struct events_query *e, struct slice value, struct problem *p)
{
    e->descending = slice_eq(value, SLICE("desc"));
    if (!e->descending && !slice_eq(value, SLICE("asc")))
        return problem_set(p, ERR_BAD_REQUEST, "order", "order must be asc or desc");
    return true;
}

static bool take_params(struct events_query *e, const struct http_request *r, struct problem *p)
{
    struct buf text = {0};

    if (query_param(r, "until", &text, p))
        (void)take_until(e, buf_slice(&text), p);
    buf_clear(&text);
    if (query_param(r, "order", &text, p))
        (void)take_order(e, buf_slice(&text), p);
    buf_free(&text);
    e->limit = e->ndjson ? UINT64_MAX : LIMIT_DEFAULT;
    return p->error == ERR_NONE &&
           query_param_number(r, "limit", 1, e->ndjson ? EVENT_ID_MAX : LIMIT_MAX, &e->limit, p);
}

static void take_filters(struct events_query *e, struct subscribe *s)
{
    e->filter_count = s->filter_count;
    e->filters = mem_array(s->filter_count, sizeof *e->filters);
    for (size_t i = 0; i < s->filter_count; i++)
        e->filters[i].filter = s->filters[i];
    e->text = s->text;
    e->start = s->start;
    e->on_gap_fail = s->on_gap_fail;
}

/* --- pages ------------------------------------------------------------------------------ */

static void ask_page(struct events_query *e)
{
    uint64_t left = e->limit - e->rows;
    struct wire_page_req m = {.after = e->cursor,
                              .until = e->descending ? 0 : e->until_id,
                              .limit = left < WIRE_PAGE_ROWS ? (uint32_t)left : WIRE_PAGE_ROWS,
                              .descending = e->descending,
                              .filter_count = (uint16_t)e->filter_count,
                              .filters = e->filters};

    wire_page_req_put(query_frame(&e->q), &m);
    query_ask(&e->q);
}

static void documents_refuse(struct events_query *e)
{
    struct problem p = {0};

    metric_add(M_HISTORY_REFUSED, 1);
    (void)problem_set(&p, ERR_BUSY, NULL, "Too many history documents are being composed");
    query_fail(&e->q, &p);
}

static void history_on_waited(struct wheel_timer *t);

static void documents_wait(struct events_query *e)
{
    wheel_start(e->q.x->site->use.wheel, &e->q.timer, WAITING_MS, history_on_waited);
}

static void document_begin(struct events_query *e)
{
    struct site_documents *all = &e->q.x->site->documents;

    if (all->waiting == NULL && documents_have_room(e)) {
        documents_charge(e, DOCUMENT_BYTES);
        ask_page(e);
        return;
    }
    if (all->waiting_count == WAITING_MAX) {
        documents_refuse(e);
        return;
    }
    DL_APPEND(all->waiting, e);
    all->waiting_count++;
    e->waiting = true;
    e->waits_until = clock_mono_ms() + config_num(e->q.x->site->use.config, CFG_PUBLISH_TIMEOUT);
    documents_wait(e);
}

/* The first in line goes on once there is room. */
static void history_on_waited(struct wheel_timer *t)
{
    struct events_query *e = CONTAINER_OF(t, struct events_query, q.timer);

    if (e->q.x->site->documents.waiting == e && documents_have_room(e)) {
        documents_leave(e);
        documents_charge(e, DOCUMENT_BYTES);
        e->give_up_at = clock_mono_ms() + ANSWER_MS;
        ask_page(e);
    } else if (clock_mono_ms() >= e->waits_until) {
        documents_refuse(e);
    } else {
        documents_wait(e);
    }
}

static void ask_first(struct events_query *e)
{
    if (e->ndjson)
        ask_page(e);
    else
        document_begin(e);
}

/* All of the page is taken. */
static void advance(struct events_query *e, const struct wire_page *page)
{
    if (e->ended)
        return;
    e->cursor = page->upto;
    if (e->descending)
        e->ended = page->upto <= e->lowest + 1;
    else
        e->ended = page->upto >= page->head || (e->until_id != 0 && page->upto >= e->until_id);
}

/* Times rise with the IDs: upwards the first one too late is the end, downwards
 * those too late come first. */
static bool too_late(struct events_query *e, const struct event *event)
{
    if (e->until_ms == 0 || event->time <= e->until_ms)
        return false;
    if (!e->descending) {
        e->ended = true;
        e->cursor = event->id - 1;
    }
    return true;
}

/* --- gaps --------------------------------------------------------------------------------- */

/* As in a stream: up to the first event that is there, or to all that is gone. */
static bool page_gap(struct events_query *e, const struct wire_page *page, struct gap *gap)
{
    struct reader r = reader_of(page->records.p, page->records.len);
    uint64_t before = page->removed_to;
    bool quiet = e->quiet;
    struct event first;

    e->quiet = false;
    if (page->reason == GAP_FUTURE) {
        *gap = (struct gap){e->cursor, page->head, 0, GAP_FUTURE};
        return true;
    }
    if (e->descending || page->removed_to <= e->cursor || page->removed_to <= e->told)
        return false;
    e->told = page->removed_to;
    if (page->count > 0 && event_record_get(&r, &first) && first.id - 1 < before)
        before = first.id - 1;
    if (before < e->cursor)
        before = e->cursor;
    *gap = (struct gap){e->cursor, before, page->removed_to, page->reason};
    return !quiet;
}

static void fail_on_gap(struct events_query *e, const struct gap *gap)
{
    struct problem p = {.gap = gap};

    (void)problem_set(&p, ERR_GONE, e->start.kind == START_AFTER ? "after" : NULL, "");
    query_fail(&e->q, &p);
}

/* --- one JSON document --------------------------------------------------------------------- */

/* It is charged for until the last of it is sent. */
static void answer_large(struct events_query *e, struct buf *body)
{
    struct answer a = {.status = 200, .content_type = "application/json"};
    struct shared *large = shared_of(body);

    answer_field(&a, "Cache-Control", SLICE("no-store"));
    documents_charge(e, large->bytes.cap);
    shared_charge(large, &e->q.x->site->documents.bytes, e->charged);
    e->charged = 0; /* the bytes' now */
    exchange_answer_shared(query_end(&e->q), &a, large);
    shared_unref(large);
}

static void answer_document(struct events_query *e)
{
    struct buf body = e->body;

    e->body = (struct buf){0};
    page_json_end(&body, !e->descending || !e->ended, e->cursor, &e->gap);
    if (body.len <= ANSWER_SMALL)
        exchange_document(query_end(&e->q), &body);
    else
        answer_large(e, &body);
}

static void put_page(struct events_query *e, struct slice records)
{
    struct reader r = reader_of(records.p, records.len);
    struct event event;

    while (!e->ended && r.left > 0 && event_record_get(&r, &event)) {
        if (too_late(e, &event))
            continue;
        page_json_comma(&e->body, e->rows++);
        event_json_put(&e->body, &event);
    }
}

static bool enough(const struct events_query *e)
{
    return e->ended || e->rows >= e->limit || e->body.len >= ANSWER_BYTES ||
           clock_mono_ms() >= e->give_up_at;
}

/* A second gap in the same document continues the first. */
static void document_page(struct events_query *e, const struct wire_page *page,
                          const struct gap *gap)
{
    uint64_t requested = e->gap.requested;

    if (gap != NULL) {
        e->gap = e->gap.reason != GAP_NONE
                     ? (struct gap){requested, gap->resumed_from, gap->removed_to, gap->reason}
                     : *gap;
    }
    put_page(e, page->records);
    documents_charge(e, e->body.cap > DOCUMENT_BYTES ? e->body.cap : DOCUMENT_BYTES);
    advance(e, page);
    if (enough(e))
        answer_document(e);
    else
        ask_page(e);
}

/* --- its client may not go on --------------------------------------------------------------- */

/* A document is not begun with what may be had and ended with what may not. */
static void history_expire(struct events_query *e, const struct problem *p)
{
    uint64_t at = e->descending ? 0 : e->cursor;
    struct buf line = {0};

    if (!e->q.streaming) {
        query_fail(&e->q, p);
        return;
    }
    ndjson_put_expired(&line, gatekeeper_reason(&e->q.x->caller), at);
    exchange_write(e->q.x, buf_slice(&line));
    buf_free(&line);
    exchange_end(query_end(&e->q));
}

static void history_on_changed(struct query *q)
{
    struct events_query *e = events_of(q);
    struct problem p = {0};

    for (size_t i = 0; i < e->filter_count; i++)
        if (!caller_may(&q->x->caller, AUTH_SUBSCRIBE, e->filters[i].filter)) {
            (void)problem_forbid(&p, "topic", auth_verb_names[AUTH_SUBSCRIBE],
                                 e->filters[i].filter);
            history_expire(e, &p);
            return;
        }
}

/* --- lines ------------------------------------------------------------------------------------ */

static void history_on_gone(struct exchange *x)
{
    (void)query_end(x->data);
}

static void history_on_writable(struct exchange *x)
{
    struct query *q = x->data;

    if (!q->asking)
        ask_page(events_of(q));
}

static const struct exchange_owner stream_owner = {.gone = history_on_gone,
                                                   .writable = history_on_writable};

static struct answer lines_answer(void)
{
    struct answer a = {.status = 200, .content_type = "application/x-ndjson"};

    answer_field(&a, "Cache-Control", SLICE("no-store"));
    answer_field(&a, "X-Accel-Buffering", SLICE("no"));
    return a;
}

static void answer_head(struct events_query *e)
{
    struct answer a = lines_answer();
    struct buf none = {0};

    exchange_answer(query_end(&e->q), &a, &none);
}

static void lines_begin(struct events_query *e, uint64_t head)
{
    struct answer a = lines_answer();
    struct exchange *x = e->q.x;

    if (!e->descending && (e->until_id == 0 || e->until_id > head))
        e->until_id = head;
    x->owner = &stream_owner;
    x->chunks = true;
    exchange_begin(x, &a);
    e->q.streaming = true;
}

static void write_line(struct events_query *e, struct buf *line)
{
    exchange_write(e->q.x, buf_slice(line));
    buf_free(line);
}

static void lines_end(struct events_query *e)
{
    struct buf line = {0};

    if (!e->descending) {
        ndjson_put_upto(&line, e->cursor);
        write_line(e, &line);
    }
    exchange_end(query_end(&e->q));
}

/* The block's entries from *at on that belong to the answer, as many as fit. */
static void fill_run(struct events_query *e, struct block *b, size_t *at, struct run *run)
{
    run_clear(run);
    for (; !e->ended && *at < b->count; ++*at)
        if (!too_late(e, &b->entries[*at].e) && !run_add(run, &b->entries[*at]))
            return;
}

/* True when the socket took all of it. */
static bool write_block(struct events_query *e, struct block *b)
{
    struct run *run = site_run(e->q.x->site);
    form_encode encode = e->q.x->chunks ? ndjson_put_event_chunk : ndjson_put_event;
    uint64_t cursor = e->cursor;
    size_t at = 0, n;

    for (fill_run(e, b, &at, run); run->count > 0; fill_run(e, b, &at, run)) {
        n = exchange_run(e->q.x, run, LINE_FORM, encode);
        e->rows += n;
        if (n > 0)
            cursor = run->entries[n - 1]->e.id;
        if (n < run->count) {
            e->cursor = cursor;
            e->ended = false; /* what made it so is looked at again */
            return false;
        }
    }
    return true;
}

static void lines_page(struct events_query *e, const struct wire_page *page, struct zmsg *reply,
                       const struct gap *gap)
{
    struct reader records = reader_of(page->records.p, page->records.len);
    struct blocks *blocks = hub_blocks(e->q.x->site->use.hub);
    struct block *b = e->descending ? block_new_falling(blocks, reply, records)
                                    : block_new(blocks, reply, records);
    struct buf line = {0};
    bool all;

    if (b == NULL) {
        query_malformed(&e->q);
        return;
    }
    if (!e->q.streaming)
        lines_begin(e, page->head);
    if (gap != NULL) {
        ndjson_put_gap(&line, gap);
        write_line(e, &line);
    }
    all = write_block(e, b);
    block_evict(b);
    if (!all)
        return; /* history_on_writable goes on */
    advance(e, page);
    if (e->ended || e->rows >= e->limit)
        lines_end(e);
    else
        ask_page(e);
}

/* --- what the broker says --------------------------------------------------------- */

static void history_on_page(struct query *q, struct zmsg *reply)
{
    struct events_query *e = events_of(q);
    struct wire_page page;
    struct gap gap;
    bool lost;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &page)) {
        query_malformed(q);
        return;
    }
    lost = page_gap(e, &page, &gap);
    if (lost && e->on_gap_fail)
        fail_on_gap(e, &gap);
    else if (e->ndjson)
        lines_page(e, &page, reply, lost ? &gap : NULL);
    else
        document_page(e, &page, lost ? &gap : NULL);
}

static void history_on_start(struct query *q, struct zmsg *reply)
{
    struct events_query *e = events_of(q);
    uint64_t lowest = UINT64_MAX;
    struct wire_start s;
    struct reader froms;

    if (!wire_start_get(zmsg_data(reply), zmsg_size(reply), &s) || s.count != e->filter_count) {
        query_malformed(q);
        return;
    }
    froms = reader_of(s.froms.p, s.froms.len);
    for (size_t i = 0; i < e->filter_count; i++) {
        e->filters[i].from = reader_u64(&froms);
        if (e->filters[i].from < lowest)
            lowest = e->filters[i].from;
    }
    e->lowest = lowest;
    if (!e->descending)
        e->cursor = lowest;
    e->q.reply = history_on_page;
    ask_first(e);
}

/* --- where it begins ---------------------------------------------------------------------- */

static void ask_start(struct events_query *e)
{
    struct wire_start_req m = {.mode = e->start.kind == START_SINCE ? WIRE_SINCE : WIRE_LAST,
                               .arg = e->start.arg,
                               .filter_count = (uint16_t)e->filter_count,
                               .filters = e->filters};

    wire_start_req_put(query_frame(&e->q), &m);
    query_ask(&e->q);
}

static bool starts_at_broker(const struct events_query *e)
{
    return e->start.kind == START_SINCE || e->start.kind == START_LAST;
}

static void history_begin(struct events_query *e)
{
    if (!e->ndjson)
        page_json_begin(&e->body);
    if (e->start.kind == START_AFTER)
        e->cursor = e->start.arg;
    e->quiet = e->start.kind != START_AFTER || e->start.arg == 0;
    if (e->descending && e->until_id != 0 && (e->cursor == 0 || e->until_id < e->cursor))
        e->cursor = e->until_id + 1;
    if (starts_at_broker(e))
        ask_start(e);
    else
        ask_first(e);
}

void history_events(struct exchange *x)
{
    struct subscribe_limits limits = site_subscribe_limits(x->site);
    struct events_query *e;
    struct problem p = {0};
    struct subscribe s;

    if (!subscribe_request(&s, &limits, x->request, x->rest, &p)) {
        exchange_problem(x, &p);
        return;
    }
    e = mem_zalloc(sizeof *e);
    take_filters(e, &s);
    e->ndjson = http_request_accepts(x->request, "application/x-ndjson");
    e->give_up_at = clock_mono_ms() + ANSWER_MS;
    query_init(&e->q, x, starts_at_broker(e) ? history_on_start : history_on_page, events_freed);
    e->q.changed = history_on_changed;
    if (!subscribe_permitted(&s, &x->caller, &p) || !take_params(e, x->request, &p))
        query_fail(&e->q, &p);
    else if (e->ndjson && slice_eq(x->request->method, SLICE("HEAD")))
        answer_head(e);
    else
        history_begin(e);
}
