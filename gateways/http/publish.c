/*
 * publish.c - from a request to the link, and from its acknowledgement back.
 *
 * One allocation a publish, and one for its record.  The client may go away
 * meanwhile; the publish goes on, and its acknowledgement finds nobody.
 */
#include "publish.h"

#include <stdlib.h>

#include "audit.h"
#include "event_json.h"
#include "json.h"
#include "link.h"
#include "mem.h"
#include "site.h"
#include "topic.h"
#include "url.h"

enum publish_kind { PUBLISH_EVENT, PUBLISH_BATCH, PUBLISH_REMOVE };

struct publish {
    struct link_publish link;
    struct exchange *x; /* NULL: the client is gone */
    enum publish_kind kind;
    struct buf lines; /* batch: the line of each event */
};

/* --- the answer ------------------------------------------------------------------ */

static void put_event(struct buf *b, uint64_t id, struct slice topic)
{
    buf_puts(b, "{\"id\":");
    event_json_put_id(b, id & ~WIRE_ACK_REPEAT);
    buf_puts(b, ",\"topic\":");
    json_put_string(b, topic);
    buf_puts(b, "}");
}

static uint64_t ack_id(const struct wire_ack *a, uint32_t i)
{
    return le64_get((const uint8_t *)a->ids.p + (size_t)i * 8);
}

/* One object an event, in order; true when at least one was not a repeat. */
static bool put_events(struct buf *b, const struct publish *pub, const struct wire_ack *a)
{
    const uint8_t *record = pub->link.records.p;
    bool stored = false;

    for (uint32_t i = 0; i < a->count; i++, record = event_record_next(record)) {
        if (i > 0)
            buf_puts(b, ",");
        put_event(b, ack_id(a, i), event_record_topic(record));
        stored |= (ack_id(a, i) & WIRE_ACK_REPEAT) == 0;
    }
    return stored;
}

static void answer_stored(const struct publish *pub, const struct wire_ack *a)
{
    bool batch = pub->kind == PUBLISH_BATCH, stored;
    struct buf body = {0};

    if (batch)
        buf_puts(&body, "{\"events\":[");
    stored = put_events(&body, pub, a);
    if (batch)
        buf_puts(&body, "]}");
    buf_puts(&body, "\n");
    exchange_json(pub->x, stored ? 201 : 200, &body);
}

static void answer_removed(const struct publish *pub, const struct wire_ack *a)
{
    struct buf body = {0};

    buf_puts(&body, "{\"topic\":");
    json_put_string(&body, buf_slice(&pub->link.records));
    buf_puts(&body, ",\"removed_to\":");
    event_json_put_id(&body, ack_id(a, 0));
    buf_puts(&body, "}\n");
    exchange_json(pub->x, 200, &body);
}

void publish_problem(struct problem *p, const struct wire_ack *a)
{
    (void)problem_setf(p, a->error, NULL, "%.*s", (int)a->text.len, a->text.p);
    p->has_seq = a->error == ERR_PRODUCER_GAP;
    p->has_epoch = a->error == ERR_FENCED;
    p->expected_seq = a->expected_seq;
    p->received_seq = a->received_seq;
    p->epoch = a->epoch;
}

static void answer_refused(const struct publish *pub, const struct wire_ack *a)
{
    struct problem p = {0};
    size_t at = (size_t)a->index * sizeof(uint32_t);

    publish_problem(&p, a);
    if (at + sizeof(uint32_t) <= pub->lines.len)
        p.line = le32_get(pub->lines.p + at);
    exchange_problem(pub->x, &p);
}

static void publish_free(struct publish *pub)
{
    buf_free(&pub->link.records);
    buf_free(&pub->lines);
    free(pub);
}

static void publish_on_ack(struct link_publish *lp, const struct wire_ack *a)
{
    struct publish *pub = CONTAINER_OF(lp, struct publish, link);

    if (pub->x != NULL && a->error != ERR_NONE)
        answer_refused(pub, a);
    else if (pub->x != NULL && pub->kind == PUBLISH_REMOVE)
        answer_removed(pub, a);
    else if (pub->x != NULL)
        answer_stored(pub, a);
    publish_free(pub);
}

/* --- the request ------------------------------------------------------------------- */

static void publish_on_gone(struct exchange *x)
{
    struct publish *pub = x->data;

    pub->x = NULL;
}

static const struct exchange_owner publish_owner = {.gone = publish_on_gone};

static struct publish *publish_new(struct exchange *x, enum publish_kind kind)
{
    struct publish *pub = mem_zalloc(sizeof *pub);

    pub->kind = kind;
    pub->x = x;
    pub->link.cb = publish_on_ack;
    pub->link.count = 1;
    return pub;
}

static void publish_refuse(struct publish *pub, const struct problem *p)
{
    struct exchange *x = pub->x;

    publish_free(pub);
    exchange_problem(x, p);
}

static uint64_t payload_bytes(const struct buf *records)
{
    struct reader r = reader_of(records->p, records->len);
    uint64_t bytes = 0;
    struct event e;

    while (r.left > 0 && event_record_get(&r, &e))
        bytes += e.payload.len;
    return bytes;
}

/* The principal has not published too much of late. */
static bool publish_in_time(const struct publish *pub, struct problem *p)
{
    const struct principal *who = pub->x->caller.principal;

    if (who == NULL || who->account == NULL)
        return true;
    p->retry_ms = account_publish(who->account, pub->link.count, payload_bytes(&pub->link.records));
    return p->retry_ms == 0 ||
           problem_set(p, ERR_TOO_MANY, NULL, "This principal publishes too much at once");
}

static void publish_submit(struct publish *pub)
{
    struct exchange *x = pub->x;

    x->owner = &publish_owner;
    x->data = pub;
    link_publish(x->site->use.link, &pub->link);
}

void publish_event(struct exchange *x)
{
    struct publish_limits limits = site_publish_limits(x->site, &x->caller);
    struct publish *pub = publish_new(x, PUBLISH_EVENT);
    struct problem p = {0};

    if (publish_parse(x->request, x->rest, x->body, &limits, &pub->link.records, &p) &&
        publish_in_time(pub, &p))
        publish_submit(pub);
    else
        publish_refuse(pub, &p);
}

void publish_batch(struct exchange *x)
{
    struct publish_limits limits = site_publish_limits(x->site, &x->caller);
    struct publish *pub = publish_new(x, PUBLISH_BATCH);
    struct problem p = {0};

    if (publish_parse_batch(x->request, x->body, &limits, &pub->link.records, &pub->link.count,
                            &pub->lines, &p) &&
        publish_in_time(pub, &p))
        publish_submit(pub);
    else
        publish_refuse(pub, &p);
}

static bool remove_topic(const struct exchange *x, struct buf *topic, struct problem *p)
{
    enum topic_verdict v = TOPIC_EMPTY;
    struct slice name;

    if (!url_decode(x->rest, topic))
        return problem_set(p, ERR_BAD_TOPIC, "topic", "A %-escape in the path is malformed");
    name = buf_slice(topic);
    v = topic_check(name);
    if (v != TOPIC_OK)
        return problem_set(p, ERR_BAD_TOPIC, "topic", topic_verdict_text(v));
    if (!caller_may(&x->caller, AUTH_MANAGE, name))
        return problem_forbid(p, "topic", auth_verb_names[AUTH_MANAGE], name);
    return true;
}

static void audit_removal(const struct publish *pub)
{
    char address[CONN_ADDRESS_MAX];
    struct exchange *x = pub->x;
    struct audit a = {.door = x->site->door,
                      .principal = caller_name(&x->caller),
                      .verb = auth_verb_names[AUTH_MANAGE],
                      .filter = buf_slice(&pub->link.records),
                      .reason = "The history of the topic is to be deleted",
                      .request = request_note_id(&x->note)};

    if (x->ops->address != NULL)
        a.address = x->ops->address(x, address);
    audit_done(&a);
}

void publish_remove(struct exchange *x)
{
    struct publish *pub = publish_new(x, PUBLISH_REMOVE);
    struct problem p = {0};

    pub->link.kind = LINK_REMOVE;
    if (!remove_topic(x, &pub->link.records, &p)) {
        publish_refuse(pub, &p);
        return;
    }
    audit_removal(pub);
    publish_submit(pub);
}
