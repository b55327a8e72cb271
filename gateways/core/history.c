/*
 * history.c - pages of events, one event, pages of topics.
 *
 * Events: with since or last the broker is asked where that begins (START);
 * then pages are read until there are `limit` rows, the end of what was asked
 * for, or as much as one answer holds.  `next` is where the following request
 * goes on, in the same direction; downwards it is absent at the beginning.
 *
 * What the cursor lost is told as in a stream (DESIGN 2.6): "gap" in the body,
 * or 410 with on_gap=fail.
 */
#include "history.h"

#include <stdlib.h>

#include "clock.h"
#include "event_json.h"
#include "json.h"
#include "mem.h"
#include "query.h"
#include "topic.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define ANSWER_BYTES (1024u * 1024) /* more than that, and the answer ends with its page */
#define ANSWER_MS 5000              /* the same for a long search */

struct events_query {
    struct query q;
    struct wire_filter *filters;
    size_t filter_count;
    char *text;              /* of the filters */
    struct start start;
    bool judge;              /* the client named a cursor: tell what it lost */
    bool on_gap_fail, descending, ndjson, ended;
    uint64_t cursor;         /* the next page's `after` */
    uint64_t until_id, until_ms; /* 0: none */
    uint64_t lowest;         /* downwards: nothing matches at or below it */
    uint64_t limit, rows;
    uint64_t give_up_at;     /* monotonic ms */
    struct gap gap;
    struct buf body;
};

static struct events_query *events_of(struct query *q)
{
    return CONTAINER_OF(q, struct events_query, q);
}

static void events_freed(struct query *q)
{
    struct events_query *e = events_of(q);

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
        return since_parse(value, "until", clock_ms(), &e->until_ms, p);
    return cursor_parse(value, "until", &e->until_id, p);
}

static bool take_order(struct events_query *e, struct slice value, struct problem *p)
{
    e->descending = slice_eq(value, SLICE("desc"));
    if (!e->descending && !slice_eq(value, SLICE("asc")))
        return problem_set(p, ERR_BAD_REQUEST, "order", "order must be asc or desc");
    return true;
}

static bool take_params(struct events_query *e, const struct http1_request *r, struct problem *p)
{
    struct buf text = {0};

    if (query_param(r, "until", &text, p))
        (void)take_until(e, (struct slice){(char *)text.p, text.len}, p);
    buf_clear(&text);
    if (query_param(r, "order", &text, p))
        (void)take_order(e, (struct slice){(char *)text.p, text.len}, p);
    buf_free(&text);
    e->limit = LIMIT_DEFAULT;
    return p->error == ERR_NONE && query_number(r, "limit", 1, LIMIT_MAX, &e->limit, p);
}

static bool may_read(const struct exchange *x, const struct subscribe *s, struct problem *p)
{
    for (size_t i = 0; i < s->filter_count; i++)
        if (!auth_may(&x->principal, AUTH_SUBSCRIBE, s->filters[i]))
            return problem_set(p, ERR_FORBIDDEN, "topic", "Reading this topic is not permitted");
    return true;
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

/* --- answers -------------------------------------------------------------------------- */

static void put_next(struct buf *b, uint64_t id)
{
    buf_puts(b, "\"next\":\"");
    buf_dec(b, id);
    buf_puts(b, "\"");
}

static bool has_next(const struct events_query *e)
{
    return !e->descending || !e->ended;
}

static void answer_json(struct events_query *e)
{
    struct buf body = e->body;

    e->body = (struct buf){0};
    buf_puts(&body, "]");
    if (has_next(e)) {
        buf_puts(&body, ",");
        put_next(&body, e->cursor);
    }
    if (e->gap.reason != GAP_NONE) {
        buf_puts(&body, ",\"gap\":");
        gap_json_put(&body, &e->gap);
    }
    buf_puts(&body, "}\n");
    exchange_json(query_end(&e->q), 200, &body);
}

static void answer_ndjson(struct events_query *e)
{
    struct answer a = {.status = 200, .content_type = "application/x-ndjson"};
    struct buf body = e->body, next = {0};

    e->body = (struct buf){0};
    buf_dec(&next, e->cursor);
    if (has_next(e))
        answer_field(&a, "Sluice-Next", (struct slice){(char *)next.p, next.len});
    exchange_answer(query_end(&e->q), &a, &body);
    buf_free(&next);
}

static void answer_gone(struct events_query *e)
{
    struct problem p = {0};
    struct gap gap = e->gap;

    (void)problem_set(&p, ERR_GONE, e->judge ? "after" : NULL, "");
    p.gap = &gap;
    query_fail(&e->q, &p);
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

static void put_event(struct events_query *e, const struct event *event)
{
    if (e->ndjson) {
        event_json_put(&e->body, event);
        buf_puts(&e->body, "\n");
    } else {
        buf_puts(&e->body, e->rows > 0 ? "," : "");
        event_json_put(&e->body, event);
    }
    e->rows++;
}

static void put_page(struct events_query *e, struct slice records)
{
    struct reader r = reader_of(records.p, records.len);
    struct event event;

    while (r.left > 0 && event_record_get(&r, &event)) {
        if (e->until_ms == 0 || event.time <= e->until_ms) {
            put_event(e, &event);
        } else if (!e->descending) {
            e->ended = true; /* times rise with the IDs */
            e->cursor = event.id - 1;
            return;
        }
    }
}

/* As in a stream: up to the first event that is there, or to all that is gone. */
static void page_gap(struct events_query *e, const struct wire_page *page)
{
    struct reader r = reader_of(page->records.p, page->records.len);
    uint64_t before = page->removed_to;
    struct event first;

    if (page->reason == GAP_FUTURE) {
        e->gap = (struct gap){e->cursor, page->head, 0, GAP_FUTURE};
        return;
    }
    if (page->removed_to <= e->cursor)
        return;
    if (page->count > 0 && event_record_get(&r, &first) && first.id - 1 < before)
        before = first.id - 1;
    if (before < e->cursor)
        before = e->cursor;
    e->gap = (struct gap){e->cursor, before, page->removed_to, page->reason};
}

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

static bool enough(const struct events_query *e)
{
    return e->ended || e->rows >= e->limit || e->body.len >= ANSWER_BYTES ||
           clock_mono_ms() >= e->give_up_at;
}

/* The first page after a cursor says what that cursor lost. */
static bool judge(struct events_query *e, const struct wire_page *page)
{
    e->judge = false;
    page_gap(e, page);
    if (e->gap.reason == GAP_NONE)
        return true;
    if (e->on_gap_fail) {
        answer_gone(e);
        return false;
    }
    if (e->ndjson) {
        buf_puts(&e->body, "{\"gap\":");
        gap_json_put(&e->body, &e->gap);
        buf_puts(&e->body, "}\n");
    }
    return true;
}

static void malformed(struct query *q)
{
    struct problem p = {.error = ERR_INTERNAL};

    query_fail(q, &p);
}

static void on_page(struct query *q, struct zmsg *reply)
{
    struct events_query *e = events_of(q);
    struct wire_page page;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &page)) {
        malformed(q);
        return;
    }
    if (e->judge && !judge(e, &page))
        return;
    put_page(e, page.records);
    advance(e, &page);
    if (!enough(e))
        ask_page(e);
    else if (e->ndjson)
        answer_ndjson(e);
    else
        answer_json(e);
}

/* --- where it begins ---------------------------------------------------------------------- */

static void on_start(struct query *q, struct zmsg *reply)
{
    struct events_query *e = events_of(q);
    uint64_t lowest = UINT64_MAX;
    struct wire_start s;
    struct reader froms;

    if (!wire_start_get(zmsg_data(reply), zmsg_size(reply), &s) || s.count != e->filter_count) {
        malformed(q);
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
    e->q.reply = on_page;
    ask_page(e);
}

static void ask_start(struct events_query *e)
{
    struct wire_start_req m = {.mode = e->start.kind == START_SINCE ? WIRE_SINCE : WIRE_LAST,
                               .arg = e->start.arg,
                               .filter_count = (uint16_t)e->filter_count,
                               .filters = e->filters};

    wire_start_req_put(query_frame(&e->q), &m);
    query_ask(&e->q);
}

static void begin(struct events_query *e)
{
    if (!e->ndjson)
        buf_puts(&e->body, "{\"events\":[");
    if (e->start.kind == START_AFTER)
        e->cursor = e->start.arg;
    e->judge = e->start.kind == START_AFTER && e->start.arg > 0 && !e->descending;
    if (e->descending && e->until_id != 0 && (e->cursor == 0 || e->until_id < e->cursor))
        e->cursor = e->until_id + 1;
    if (e->start.kind == START_SINCE || e->start.kind == START_LAST)
        ask_start(e);
    else
        ask_page(e);
}

void history_events(struct exchange *x)
{
    struct subscribe_limits limits = gateway_subscribe_limits(gateway_of(x));
    struct events_query *e;
    struct problem p = {0};
    struct subscribe s;

    if (!subscribe_request(&s, &limits, x->request, x->rest, &p)) {
        exchange_problem(x, &p);
        return;
    }
    e = mem_zalloc(sizeof *e);
    take_filters(e, &s);
    e->ndjson = request_accepts(x->request, "application/x-ndjson");
    e->give_up_at = clock_mono_ms() + ANSWER_MS;
    query_init(&e->q, x, e->start.kind == START_SINCE || e->start.kind == START_LAST ? on_start
                                                                                     : on_page,
               events_freed);
    if (may_read(x, &s, &p) && take_params(e, x->request, &p))
        begin(e);
    else
        query_fail(&e->q, &p);
}

/* --- one event ------------------------------------------------------------------------------ */

static void plain_freed(struct query *q)
{
    free(q);
}

static void on_event(struct query *q, struct zmsg *reply)
{
    struct problem p = {.error = ERR_FORBIDDEN};
    struct buf body = {0};
    struct wire_page page;
    struct reader r;
    struct event e;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &page) || page.count != 1) {
        malformed(q);
        return;
    }
    r = reader_of(page.records.p, page.records.len);
    if (!event_record_get(&r, &e)) {
        malformed(q);
        return;
    }
    if (!auth_may(&q->x->principal, AUTH_SUBSCRIBE, e.topic)) {
        query_fail(q, &p);
        return;
    }
    event_json_put(&body, &e);
    buf_puts(&body, "\n");
    exchange_json(query_end(q), 200, &body);
}

void history_event(struct exchange *x)
{
    struct problem p = {0};
    struct buf text = {0};
    struct query *q;
    uint64_t id = 0;

    if (!query_param(x->request, "id", &text, &p) && p.error == ERR_NONE)
        (void)problem_set(&p, ERR_BAD_REQUEST, "id", "Name a topic in the path, or an event with ?id=");
    if (p.error == ERR_NONE)
        (void)cursor_parse((struct slice){(char *)text.p, text.len}, "id", &id, &p);
    buf_free(&text);
    if (p.error != ERR_NONE) {
        exchange_problem(x, &p);
        return;
    }
    q = mem_zalloc(sizeof *q);
    query_init(q, x, on_event, plain_freed);
    wire_event_req_put(query_frame(q), 0, id);
    query_ask(q);
}

/* --- topics ------------------------------------------------------------------------------------ */

static void put_id_member(struct buf *b, const char *name, uint64_t id)
{
    buf_printf(b, ",\"%s\":", name);
    if (id == 0) {
        buf_puts(b, "null");
        return;
    }
    buf_puts(b, "\"");
    buf_dec(b, id);
    buf_puts(b, "\"");
}

static void put_topic(struct buf *b, const struct wire_topic *t)
{
    buf_puts(b, "{\"topic\":");
    json_put_string(b, t->topic);
    put_id_member(b, "head", t->head);
    put_id_member(b, "oldest", t->oldest);
    buf_puts(b, ",\"events\":");
    buf_dec(b, t->events);
    buf_puts(b, ",\"bytes\":");
    buf_dec(b, t->bytes);
    buf_puts(b, "}");
}

static void on_topics(struct query *q, struct zmsg *reply)
{
    struct wire_topic t = {.topic = {NULL, 0}};
    struct buf body = {0};
    struct wire_topics m;

    if (!wire_topics_get(zmsg_data(reply), zmsg_size(reply), &m)) {
        malformed(q);
        return;
    }
    buf_puts(&body, "{\"topics\":[");
    for (uint32_t i = 0; i < m.count && wire_topic_get(&m.list, &t); i++) {
        buf_puts(&body, i > 0 ? "," : "");
        put_topic(&body, &t);
    }
    buf_puts(&body, "]");
    if (m.more && m.count > 0) {
        buf_puts(&body, ",\"next\":");
        json_put_string(&body, t.topic);
    }
    buf_puts(&body, "}\n");
    exchange_json(query_end(q), 200, &body);
}

static bool topics_params(const struct exchange *x, struct buf *filter, struct buf *after,
                          uint64_t *limit, struct problem *p)
{
    struct slice all = SLICE("#"), one;
    enum topic_verdict v = TOPIC_OK;

    if (query_param(x->request, "filter", filter, p))
        v = filter_check((struct slice){(char *)filter->p, filter->len});
    if (v != TOPIC_OK)
        return problem_set(p, ERR_BAD_FILTER, "filter", topic_verdict_text(v));
    if (query_param(x->request, "after", after, p) && after->len > TOPIC_MAX)
        return problem_set(p, ERR_BAD_REQUEST, "after", "after is longer than a topic can be");
    one = filter->len > 0 ? (struct slice){(char *)filter->p, filter->len} : all;
    if (p->error == ERR_NONE && !auth_may(&x->principal, AUTH_SUBSCRIBE, one))
        return problem_set(p, ERR_FORBIDDEN, "filter", "Listing these topics is not permitted");
    return p->error == ERR_NONE && query_number(x->request, "limit", 1, LIMIT_MAX, limit, p);
}

void history_topics(struct exchange *x)
{
    struct buf filter = {0}, after = {0};
    struct problem p = {0};
    uint64_t limit = LIMIT_DEFAULT;
    struct wire_topics_req m;
    struct query *q;

    if (topics_params(x, &filter, &after, &limit, &p)) {
        m = (struct wire_topics_req){.filter = {(char *)filter.p, filter.len},
                                     .after = {(char *)after.p, after.len},
                                     .limit = (uint32_t)limit};
        q = mem_zalloc(sizeof *q);
        query_init(q, x, on_topics, plain_freed);
        wire_topics_req_put(query_frame(q), &m);
        query_ask(q);
    } else {
        exchange_problem(x, &p);
    }
    buf_free(&filter);
    buf_free(&after);
}
