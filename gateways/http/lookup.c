/*
 * lookup.c - one event by its ID: one question to the broker.
 *
 * One that the client may not have is not there: an ID tells nothing of others' topics.
 */
#include "lookup.h"

#include <stdlib.h>

#include "clock.h"
#include "event_json.h"
#include "mem.h"
#include "query.h"
#include "query_param.h"

static void lookup_freed(struct query *q)
{
    free(q);
}

static void lookup_on_event(struct query *q, struct zmsg *reply)
{
    struct problem p = {0};
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
    if (event_expired(&e, clock_ms()) || !caller_may(&q->x->caller, AUTH_SUBSCRIBE, e.topic)) {
        (void)problem_set(&p, ERR_NOT_FOUND, NULL, "There is no such event");
        query_fail(q, &p);
        return;
    }
    event_json_put(&body, &e);
    buf_puts(&body, "\n");
    exchange_document(query_end(q), &body);
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
