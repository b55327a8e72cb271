/*
 * ws_publish.c - what a client publishes, until it is acknowledged.
 *
 * One allocation a publish, and one for its record.  The connection may end
 * meanwhile; the publish goes on, and its acknowledgement finds nobody.
 *
 * A client of sluice.json hears of each by its ref: an ack with the ID after the
 * commit, or an error.  sluice.raw has no words for that; there silence means that
 * all is well, and what fails closes the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "mem.h"
#include "topic.h"
#include "ws_session.h"

/* Its acknowledgement will take memory as well, if the client reads none. */
static size_t cost_of(size_t record, size_t ref)
{
    return record + sizeof(struct ws_publish) + 256 + 4 * ref;
}

static void publish_free(struct ws_publish *pub)
{
    buf_free(&pub->link.records);
    free(pub);
}

/* --- the answer ------------------------------------------------------------------- */

static void answer_json(struct ws_session *s, struct slice ref, const struct wire_ack *a)
{
    struct ws_refusal why = {.error = a->error,
                             .text = a->text,
                             .has_seq = a->error == ERR_PRODUCER_GAP,
                             .has_epoch = a->error == ERR_FENCED,
                             .expected_seq = a->expected_seq,
                             .received_seq = a->received_seq,
                             .epoch = a->epoch};
    size_t start = ws_session_message_begin(s);

    if (a->error != ERR_NONE)
        ws_json_put_error(&s->out, ref, &why);
    else
        ws_json_put_published(&s->out, ref, le64_get((const uint8_t *)a->ids.p) & ~WIRE_ACK_REPEAT);
    ws_session_message_end(s, start);
}

static void close_raw(struct ws_session *s, enum sluice_error error)
{
    unsigned code = error == ERR_UNAVAILABLE ? WS_CLOSE_RESTART : WS_CLOSE_INTERNAL;

    ws_session_close(s, code, error_text(error));
}

static void ws_publish_on_ack(struct link_publish *lp, const struct wire_ack *a)
{
    struct ws_publish *pub = CONTAINER_OF(lp, struct ws_publish, link);
    struct ws_session *s = pub->session;

    if (s != NULL) {
        ws_session_published(s, pub);
        if (!s->raw)
            answer_json(s, (struct slice){pub->ref, pub->ref_len}, a);
        else if (a->error != ERR_NONE)
            close_raw(s, a->error);
        ws_session_acknowledged(s);
    }
    publish_free(pub);
}

/* --- the publish ------------------------------------------------------------------ */

static bool may_publish(const struct ws_session *s, const struct event *e, struct problem *p)
{
    struct publish_limits limits = s->ws->publish;

    limits.who = &s->caller;
    if (!publish_check(e, &limits, p))
        return false;
    p->retry_ms = account_publish(s->caller.principal->account, 1, e->payload.len);
    return p->retry_ms == 0 ||
           problem_set(p, ERR_TOO_MANY, NULL, "This principal publishes too much at once");
}

static void ws_publish_submit(struct ws_session *s, struct slice ref, const struct event *e)
{
    struct ws_publish *pub = mem_zalloc(sizeof *pub + ref.len);

    event_record_put(&pub->link.records, e);
    pub->link.count = 1;
    pub->link.cb = ws_publish_on_ack;
    pub->cost = cost_of(pub->link.records.len, ref.len);
    pub->ref_len = ref.len;
    if (ref.len > 0)
        memcpy(pub->ref, ref.p, ref.len);
    ws_session_publishes(s, pub);
    link_publish(s->ws->site->use.link, &pub->link);
}

void ws_publish_event(struct ws_session *s)
{
    const struct ws_request *r = &s->ws->request;
    struct event e = r->event;
    struct problem p = {0};
    struct buf owned = {0};

    if (may_publish(s, &e, &p) && publish_own(&e, &s->caller, &owned, &p))
        ws_publish_submit(s, r->ref, &e);
    else
        ws_session_refuse(s, r->ref, &p);
    buf_free(&owned);
}

static void refuse_raw(struct ws_session *s, const struct problem *p)
{
    ws_session_audit(s, p);
    if (p->error == ERR_FORBIDDEN)
        ws_session_close(s, WS_CLOSE_FORBIDDEN, "publishing here is not permitted");
    else if (p->error == ERR_TOO_MANY)
        ws_session_close(s, WS_CLOSE_TOO_MANY, "this principal publishes too much at once");
    else
        ws_session_close(s, WS_CLOSE_POLICY, "this address cannot be published to");
}

void ws_publish_raw(struct ws_session *s, bool text, struct slice payload)
{
    struct event_props props = {.payload_format = text ? 1 : -1};
    struct event e = {
        .topic = buf_slice(&s->topic), .payload = payload, .flags = 2 << EVENT_QOS_SHIFT};
    struct problem p = {0};
    struct buf encoded = {0};

    event_props_put(&encoded, &props);
    e.props = buf_slice(&encoded);
    if (may_publish(s, &e, &p))
        ws_publish_submit(s, (struct slice){NULL, 0}, &e);
    else
        refuse_raw(s, &p);
    buf_free(&encoded);
}
