/*
 * lookup.c - one event by its ID, and the list of topics: one question to the
 * broker each.
 */
#include "lookup.h"

#include <stdlib.h>

#include "clock.h"
#include "event_json.h"
#include "json.h"
#include "mem.h"
#include "query.h"
#include "query_param.h"
#include "topic.h"

#define TOPICS_DEFAULT 100
#define TOPICS_MAX 1000

/* --- one event ------------------------------------------------------------------------------ */

static void lookup_freed(struct query *q)
{
    free(q);
}

static void lookup_on_event(struct query *q, struct zmsg *reply)
{
    struct problem p = {.error = ERR_FORBIDDEN};
    struct buf body = {0};
    struct wire_page page;
    struct reader r;
    struct event e;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &page) || page.count != 1) {
        query_malformed(q);
        return;
    }
    r = reader_of(page.records.p, page.records.len);
    if (!event_record_get(&r, &e)) {
        query_malformed(q);
        return;
    }
    if (event_expired(&e, clock_ms())) {
        (void)problem_set(&p, ERR_NOT_FOUND, NULL, "There is no such event");
        query_fail(q, &p);
        return;
    }
    if (!caller_may(&q->x->caller, AUTH_SUBSCRIBE, e.topic)) {
        query_fail(q, &p);
        return;
    }
    event_json_put(&body, &e);
    buf_puts(&body, "\n");
    exchange_json(query_end(q), 200, &body);
}

static bool event_param(const struct exchange *x, uint64_t *id, struct problem *p)
{
    struct buf text = {0};
    bool good;

    if (query_param(x->request, "id", &text, p))
        good = subscribe_cursor(buf_slice(&text), "id", id, p);
    else
        good =
            p->error == ERR_NONE && problem_set(p, ERR_BAD_REQUEST, "id",
                                                "Name a topic in the path, or an event with ?id=");
    buf_free(&text);
    return good;
}

void lookup_event(struct exchange *x)
{
    struct problem p = {0};
    struct query *q;
    uint64_t id;

    if (!event_param(x, &id, &p)) {
        exchange_problem(x, &p);
        return;
    }
    q = mem_zalloc(sizeof *q);
    query_init(q, x, lookup_on_event, lookup_freed);
    wire_event_req_put(query_frame(q), 0, id);
    query_ask(q);
}

/* --- topics ----------------------------------------------------------------------- */

static void put_id_member(struct buf *b, const char *name, uint64_t id)
{
    buf_printf(b, ",\"%s\":", name);
    event_json_put_id(b, id);
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

static void lookup_on_topics(struct query *q, struct zmsg *reply)
{
    struct wire_topic t = {.topic = {NULL, 0}};
    struct buf body = {0};
    struct wire_topics m;

    if (!wire_topics_get(zmsg_data(reply), zmsg_size(reply), &m)) {
        query_malformed(q);
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
        v = filter_check(buf_slice(filter));
    if (v != TOPIC_OK)
        return problem_set(p, ERR_BAD_FILTER, "filter", topic_verdict_text(v));
    if (query_param(x->request, "after", after, p) && after->len > TOPIC_MAX)
        return problem_set(p, ERR_BAD_REQUEST, "after", "after is longer than a topic can be");
    one = filter->len > 0 ? buf_slice(filter) : all;
    if (p->error == ERR_NONE && !caller_may(&x->caller, AUTH_SUBSCRIBE, one))
        return problem_set(p, ERR_FORBIDDEN, "filter", "Listing these topics is not permitted");
    return p->error == ERR_NONE && query_param_number(x->request, "limit", 1, TOPICS_MAX, limit, p);
}

void lookup_topics(struct exchange *x)
{
    struct buf filter = {0}, after = {0};
    struct problem p = {0};
    uint64_t limit = TOPICS_DEFAULT;
    struct wire_topics_req m;
    struct query *q;

    if (topics_params(x, &filter, &after, &limit, &p)) {
        m = (struct wire_topics_req){
            .filter = buf_slice(&filter), .after = buf_slice(&after), .limit = (uint32_t)limit};
        q = mem_zalloc(sizeof *q);
        query_init(q, x, lookup_on_topics, lookup_freed);
        wire_topics_req_put(query_frame(q), &m);
        query_ask(q);
    } else {
        exchange_problem(x, &p);
    }
    buf_free(&filter);
    buf_free(&after);
}
