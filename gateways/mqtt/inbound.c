/*
 * inbound.c - PUBLISH, PUBREL, and their acknowledgements.
 *
 * Happy path: the packet becomes an event record in a unit of its own, which waits for
 * the broker however long; its commit makes the acknowledgement, which carries the
 * event's ID.  At QoS 2 in a stored session the unit is a WRITE of the session, with the
 * packet identifier beside the record, so that both are stored or neither is; a repeat
 * then finds the identifier and is answered with PUBREC alone.  PUBREL drops it with the
 * session's next WRITE; until that is written it counts as known.
 *
 *   PUBLISH ──▶ inbound list, in order ──commit──▶ answered ──all before it are──▶ said
 *
 * What is known at once (refusals, repeats) takes its place in the same list.
 *
 * Bounded: INBOUND_BYTES on their way from one client, the receive maximum, and the
 * link's queue.  A client of 5.0 that exceeds its receive maximum is ended (0x93);
 * otherwise the connection is not read until there is room.
 *
 * A principal that publishes faster than it may is told 0x97 at QoS 1 and 2 of 5.0; where
 * there is no such word it is not read until it may go on (inbound_wait).
 *
 * How it fails: 0x90 a topic that is none, 0x94 and 0x82 an alias, 0x9B and 0x9A what
 * CONNACK has excluded: these end the connection.  Refusals of one event are in its
 * acknowledgement, see inbound.h.
 */
#include "inbound.h"

#include <stdlib.h>

#include <utlist.h>

#include "aliases.h"
#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "message.h"
#include "metrics.h"
#include "packets.h"
#include "topic.h"

#define INBOUND_BYTES (1024u * 1024)

struct inbound {
    struct link_publish link;
    struct client *client; /* NULL: it has ended */
    struct inbound *prev, *next;
    size_t cost;
    uint64_t id; /* of the event; 0: not known */
    uint16_t packet_id;
    uint8_t qos;
    uint8_t reason;
    bool answered;
};

bool inbound_full(const struct client *c)
{
    const struct mqttd *m = c->mqtt;

    if (c->inbound_bytes >= INBOUND_BYTES || link_publish_full(m->gateway->link))
        return true;
    return !client_is_5(c) && c->inbound_count >= m->settings.receive_maximum;
}

/* --- rates ------------------------------------------------------------------------------- */

static struct account *inbound_limited_account(const struct client *c)
{
    struct account *a = c->caller.principal != NULL ? c->caller.principal->account : NULL;

    return a != NULL && (a->limits->events != 0 || a->limits->bytes != 0) ? a : NULL;
}

static bool inbound_can_be_refused(const struct client *c, uint8_t qos)
{
    return client_is_5(c) && qos > 0;
}

uint64_t inbound_wait(struct client *c, uint8_t flags, struct slice body)
{
    struct account *a = inbound_limited_account(c);
    struct mqtt_publish m;

    if (a == NULL || mqtt_publish_get(c->version, flags, body, &m) != MQTT_OK ||
        inbound_can_be_refused(c, m.qos))
        return 0;
    return account_publish(a, 1, m.payload.len);
}

/* Of what inbound_wait has let through unasked. */
static enum mqtt_reason inbound_check_rate(const struct client *c, const struct mqtt_publish *m)
{
    struct account *a = inbound_limited_account(c);

    if (a == NULL || !inbound_can_be_refused(c, m->qos))
        return MQTT_OK;
    return account_publish(a, 1, m->payload.len) == 0 ? MQTT_OK : MQTT_QUOTA;
}

/* --- identifiers of QoS 2 ------------------------------------------------------------------ */

/* As many as the client may have unacknowledged, so the list is searched as it is. */
enum received_state { RECEIVED_KNOWN, RECEIVED_RELEASING, RECEIVED_WRITING };

struct received {
    uint32_t count, cap;
    struct received_id {
        uint16_t id;
        uint8_t state; /* enum received_state */
    } * list;
};

static struct received_id *received_find(const struct session *s, uint16_t id)
{
    for (uint32_t i = 0; s->received != NULL && i < s->received->count; i++)
        if (s->received->list[i].id == id)
            return &s->received->list[i];
    return NULL;
}

static void received_put(struct session *s, uint16_t id)
{
    struct received *in = s->received;

    if (in == NULL)
        in = s->received = mem_zalloc(sizeof *in);
    if (in->count == in->cap) {
        in->cap = in->cap > 0 ? in->cap * 2 : 4;
        in->list = mem_resize(in->list, in->cap, sizeof *in->list);
    }
    in->list[in->count++] = (struct received_id){id, RECEIVED_KNOWN};
}

/* The rest stays in order, and so do their PUBCOMPs. */
static void received_forget(struct session *s, struct received_id *e)
{
    struct received *in = s->received;

    in->count--;
    memmove(e, e + 1, (size_t)(in->list + in->count - e) * sizeof *e);
    if (in->count == 0)
        inbound_free(s);
}

void inbound_free(struct session *s)
{
    if (s->received != NULL)
        free(s->received->list);
    free(s->received);
    s->received = NULL;
}

static struct slice received_key(uint8_t key[3], uint16_t id)
{
    key[0] = WIRE_ITEM_IN;
    key[1] = (uint8_t)(id >> 8);
    key[2] = (uint8_t)id;
    return (struct slice){(char *)key, 3};
}

/* Remembers it, and appends its item to `items` (of a WRITE) when the session is stored. */
static void received_add(struct session *s, uint16_t packet_id, struct buf *items)
{
    uint8_t key[3];
    struct wire_item i = {.key = received_key(key, packet_id)};

    if (received_find(s, packet_id) == NULL)
        received_put(s, packet_id);
    if (s->stored)
        wire_item_put(items, &i);
}

/* The write that carried it was refused, and wrote nothing. */
static void received_forget_refused(struct session *s, uint16_t packet_id)
{
    struct received_id *e = received_find(s, packet_id);

    if (e != NULL)
        received_forget(s, e);
}

/* --- acknowledgements --------------------------------------------------------------------- */

/* The ID is left out where the client wants no such thing, or has no room for it. */
static void inbound_say_ack(struct client *c, enum mqtt_type type, uint16_t packet_id,
                            uint8_t reason, uint64_t id, const char *why)
{
    struct mqttd *m = c->mqtt;
    struct slice props = {NULL, 0};

    buf_clear(&m->props);
    buf_clear(&m->packet);
    if (client_hears_ours(c) && c->problem_info && id != 0)
        packets_put_id(&m->props, id);
    if (client_is_5(c) && c->problem_info && why != NULL)
        mqtt_prop_put_text(&m->props, MQTT_PROP_REASON_STRING, slice_of(why));
    if (m->props.len > 0 && client_takes(c, MQTT_HEAD_MAX + 4 + m->props.len))
        props = buf_slice(&m->props);
    mqtt_ack_put(&m->packet, c->version, type, packet_id, reason, props);
    client_write(c, buf_slice(&m->packet));
}

static void inbound_done(struct client *c)
{
    if (c->receiving > 0)
        c->receiving--;
}

/* Words for what a reason alone does not say; NULL: nothing was refused. */
static const char *inbound_why(const struct inbound *in)
{
    switch (in->reason) {
    case MQTT_BAD_TOPIC:
        return "the topic, or the response topic, is none that can be published to";
    case MQTT_QUOTA:
        return "the payload or its properties are too large, there is no room, or it comes too "
               "fast";
    case MQTT_IMPLEMENTATION:
        return "control characters in a property, or the event could not be stored";
    case MQTT_BAD_PAYLOAD_FORMAT:
        return "the payload is not the UTF-8 that it is said to be";
    default:
        return in->reason >= MQTT_UNSPECIFIED ? mqtt_reason_text(in->reason) : NULL;
    }
}

static void inbound_say(struct client *c, const struct inbound *in)
{
    if (in->qos == 1) {
        inbound_done(c);
        inbound_say_ack(c, MQTT_PUBACK, in->packet_id, in->reason, in->id, inbound_why(in));
    } else if (in->qos == 2) {
        if (in->reason >= MQTT_UNSPECIFIED)
            inbound_done(c);
        inbound_say_ack(c, MQTT_PUBREC, in->packet_id, in->reason, in->id, inbound_why(in));
        FAILPOINT_AFTER(mqtt_pubrec_left, client_flush(c));
    }
}

static void inbound_leave_list(struct client *c, struct inbound *in)
{
    DL_DELETE(c->inbound, in);
    c->inbound_bytes -= in->cost;
    c->inbound_count--;
}

static void inbound_say_answered(struct client *c)
{
    struct inbound *in;

    while ((in = c->inbound) != NULL && in->answered) {
        inbound_leave_list(c, in);
        inbound_say(c, in);
        free(in);
    }
    client_unblock(c);
    if (c->waiting != NULL)
        client_pump(c);
}

/* --- refusals -------------------------------------------------------------------------------- */

/* For good: 3.1.1 has no word for it, and a repeat would not help. */
static void inbound_refuse(struct client *c, struct inbound *in, enum mqtt_reason reason)
{
    metric_add(M_MQTT_PUBLISHES_REFUSED, 1);
    c->mqtt->report.publish_dropped++;
    if (mqttd_may_log(c->mqtt))
        log_info("a client's publish was refused", LOG_SLICE("client", client_id(c)),
                 LOG_U("qos", in->qos), LOG_S("reason", mqtt_reason_text((uint8_t)reason)));
    in->answered = true;
    in->reason = client_is_5(c) ? (uint8_t)reason : MQTT_OK;
}

static bool inbound_is_temporary(uint16_t error)
{
    switch (error) {
    case ERR_BAD_TOPIC:
    case ERR_BAD_EVENT:
    case ERR_BAD_REQUEST:
    case ERR_FORBIDDEN:
    case ERR_TOO_LARGE:
        return false;
    default:
        return true;
    }
}

static enum mqtt_reason inbound_reason_of(uint16_t error)
{
    switch (error) {
    case ERR_BAD_TOPIC:
        return MQTT_BAD_TOPIC;
    case ERR_FORBIDDEN:
        return MQTT_NOT_AUTHORIZED;
    case ERR_TOO_LARGE:
    case ERR_TOO_MANY:
    case ERR_BUSY:
    case ERR_STORE_FULL:
        return MQTT_QUOTA;
    default:
        return MQTT_IMPLEMENTATION;
    }
}

static void inbound_not_stored(struct client *c, struct inbound *in, uint16_t error)
{
    bool write = in->link.kind == LINK_SESSION;

    if (in->qos == 2)
        received_forget_refused(c->session, in->packet_id);
    if (write && error == ERR_FENCED)
        client_end(c, MQTT_TAKEN_OVER, NULL);
    else if (!client_is_5(c) && in->qos > 0 && inbound_is_temporary(error))
        client_end(c, MQTT_UNSPECIFIED, "a publish could not be stored");
    inbound_refuse(c, in, inbound_reason_of(error));
}

/* --- the broker's answer --------------------------------------------------------------------- */

static uint64_t inbound_id_of(const struct inbound *in, const struct wire_ack *a)
{
    struct slice from = in->link.kind == LINK_SESSION ? a->data : a->ids;

    return from.len < 8 ? 0 : le64_get((const uint8_t *)from.p) & ~WIRE_ACK_REPEAT;
}

static void inbound_on_ack(struct link_publish *lp, const struct wire_ack *a)
{
    struct inbound *in = CONTAINER_OF(lp, struct inbound, link);
    struct client *c = in->client;

    FAILPOINT(mqtt_in_written);
    buf_free(&in->link.records);
    if (c == NULL) {
        free(in);
        return;
    }
    in->answered = true;
    if (a->error == ERR_NONE)
        in->id = inbound_id_of(in, a);
    else
        inbound_not_stored(c, in, a->error);
    inbound_say_answered(c);
}

/* --- PUBLISH ---------------------------------------------------------------------- */

static struct inbound *inbound_new(struct client *c, const struct mqtt_publish *m)
{
    struct inbound *in = mem_zalloc(sizeof *in);

    in->client = c;
    in->packet_id = m->packet_id;
    in->qos = m->qos;
    in->link.kind = LINK_EVENTS;
    in->link.count = 1;
    in->link.no_timeout = true;
    in->link.cb = inbound_on_ack;
    DL_APPEND(c->inbound, in);
    c->inbound_count++;
    c->inbound_taken++;
    return in;
}

/* The record goes along with the packet identifier, in one transaction. */
static void inbound_make_write(struct client *c, struct inbound *in)
{
    struct buf record = in->link.records, items = {0};
    struct wire_write w = {.client = client_id(c), .epoch = c->session->epoch};

    received_add(c->session, in->packet_id, &items);
    if (!c->session->stored)
        return; /* an event like any other */
    w.record = buf_slice(&record);
    w.items = buf_slice(&items);
    in->link.records = (struct buf){0};
    in->link.kind = LINK_SESSION;
    in->link.op = WIRE_WRITE;
    wire_write_put(&in->link.records, &w);
    buf_free(&record);
    buf_free(&items);
}

static void inbound_submit(struct client *c, struct inbound *in)
{
    if (in->qos == 2)
        inbound_make_write(c, in);
    in->cost = in->link.records.len + sizeof *in;
    c->inbound_bytes += in->cost;
    link_publish(c->mqtt->gateway->link, &in->link);
}

/* Where a refusal cannot be said, the close says it. */
static void inbound_end_if_unheard(struct client *c, uint8_t qos, enum mqtt_reason reason)
{
    if (reason == MQTT_NOT_AUTHORIZED && qos > 0 && !client_is_5(c))
        client_end(c, reason, "a publish is not permitted");
}

static void inbound_submit_event(struct client *c, const struct mqtt_publish *m)
{
    struct message message = {.topic = m->topic,
                              .payload = m->payload,
                              .props = &m->props,
                              .origin = client_id(c),
                              .qos = m->qos,
                              .retain = m->retain};
    struct inbound *in = inbound_new(c, m);
    enum mqtt_reason reason = inbound_check_rate(c, m);

    if (reason == MQTT_OK)
        reason = message_put(c->mqtt, &c->caller, &message, &in->link.records);
    if (reason == MQTT_OK) {
        inbound_submit(c, in);
        return;
    }
    if (reason == MQTT_NOT_AUTHORIZED)
        client_audit(c, auth_verb_names[AUTH_PUBLISH], m->topic, "not permitted");
    inbound_end_if_unheard(c, m->qos, reason);
    inbound_refuse(c, in, reason);
    inbound_say_answered(c);
}

/* Of what a bridge says about itself: taken, and no event. */
static void inbound_let_be(struct client *c, const struct mqtt_publish *m)
{
    if (m->qos == 2)
        received_put(c->session, m->packet_id);
    inbound_new(c, m)->answered = true;
    inbound_say_answered(c);
}

/* Its first copy was committed, or is on its way there and will be answered. */
static void inbound_publish_again(struct client *c, const struct mqtt_publish *m)
{
    const struct inbound *first;

    DL_FOREACH (c->inbound, first) {
        if (first->qos == 2 && first->packet_id == m->packet_id)
            return;
    }
    inbound_new(c, m)->answered = true;
    inbound_say_answered(c);
}

/* Malformed names end the connection; the decoder leaves the others' fate to us. */
static enum mqtt_reason inbound_refuse_decoded(struct client *c, const struct mqtt_publish *m,
                                               enum mqtt_reason reason)
{
    enum topic_verdict v = topic_check(m->topic);
    bool whole = reason == MQTT_BAD_PAYLOAD_FORMAT ||
                 (reason == MQTT_BAD_TOPIC && (v == TOPIC_TOO_LONG || v == TOPIC_TOO_DEEP));

    if (!whole)
        return reason;
    if (m->qos > 0)
        c->receiving++;
    inbound_refuse(c, inbound_new(c, m), reason);
    inbound_say_answered(c);
    return MQTT_OK;
}

static enum mqtt_reason inbound_resolve_alias(struct client *c, struct mqtt_publish *m)
{
    uint32_t alias;

    if (!mqtt_has(&m->props, MQTT_PROP_TOPIC_ALIAS))
        return MQTT_OK;
    alias = mqtt_prop_number(&m->props, MQTT_PROP_TOPIC_ALIAS, 0);
    return aliases_in_take(&c->aliases, c->mqtt->settings.topic_alias_maximum, (uint16_t)alias,
                           &m->topic);
}

/* What CONNACK has promised the client not to do. */
static enum mqtt_reason inbound_check_limits(const struct client *c, const struct mqtt_publish *m)
{
    const struct mqttd_settings *s = &c->mqtt->settings;

    if (m->qos > s->max_qos)
        return MQTT_NO_QOS;
    if (m->retain && !s->retain_available)
        return MQTT_NO_RETAIN;
    return MQTT_OK;
}

static enum mqtt_reason inbound_count(struct client *c, const struct mqtt_publish *m)
{
    if (m->qos == 0)
        return MQTT_OK;
    if (client_is_5(c) && c->receiving >= c->mqtt->settings.receive_maximum)
        return MQTT_RECEIVE_MAXIMUM;
    c->receiving++;
    return MQTT_OK;
}

enum mqtt_reason inbound_publish(struct client *c, uint8_t flags, struct slice body)
{
    struct mqtt_publish m;
    enum mqtt_reason decoded = mqtt_publish_get(c->version, flags, body, &m), reason;

    FAILPOINT(mqtt_publish_come);
    if (decoded != MQTT_OK)
        return inbound_refuse_decoded(c, &m, decoded);
    c->mqtt->report.publish_received++;
    reason = inbound_check_limits(c, &m);
    if (reason == MQTT_OK)
        reason = inbound_resolve_alias(c, &m);
    if (reason != MQTT_OK)
        return reason;
    if (m.qos == 2 && received_find(c->session, m.packet_id) != NULL) {
        inbound_publish_again(c, &m);
        return MQTT_OK;
    }
    reason = inbound_count(c, &m);
    if (reason != MQTT_OK)
        return reason;
    if (message_is_bridge_state(m.topic))
        inbound_let_be(c, &m);
    else
        inbound_submit_event(c, &m);
    return MQTT_OK;
}

/* --- PUBREL ----------------------------------------------------------------------- */

static void inbound_released(struct client *c, uint16_t packet_id)
{
    FAILPOINT(mqtt_in_released);
    inbound_done(c);
    inbound_say_ack(c, MQTT_PUBCOMP, packet_id, MQTT_OK, 0, NULL);
    FAILPOINT_AFTER(mqtt_pubcomp_left, client_flush(c));
}

/* Of a stored session its item goes first: inbound_written goes on. */
static void inbound_release(struct session *s, struct received_id *e)
{
    uint16_t id = e->id;

    if (e->state != RECEIVED_KNOWN)
        return;
    if (s->stored) {
        e->state = RECEIVED_RELEASING;
        session_commit_soon(s);
        return;
    }
    received_forget(s, e);
    inbound_released(s->client, id);
}

enum mqtt_reason inbound_pubrel(struct client *c, struct slice body)
{
    struct mqtt_ack m;
    enum mqtt_reason reason = mqtt_ack_get(c->version, MQTT_PUBREL, body, &m);
    struct received_id *e;

    FAILPOINT(mqtt_pubrel_come);
    if (reason != MQTT_OK)
        return reason;
    e = received_find(c->session, m.packet_id);
    if (e != NULL)
        inbound_release(c->session, e);
    else
        inbound_say_ack(c, MQTT_PUBCOMP, m.packet_id, MQTT_ID_NOT_FOUND, 0, NULL);
    return MQTT_OK;
}

/* --- items ---------------------------------------------------------------------------------- */

bool inbound_changed(const struct session *s)
{
    for (uint32_t i = 0; s->received != NULL && i < s->received->count; i++)
        if (s->received->list[i].state == RECEIVED_RELEASING)
            return true;
    return false;
}

void inbound_items_put(struct session *s, struct buf *items)
{
    uint8_t key[3];
    struct wire_item drop = {.drop = true};

    for (uint32_t i = 0; s->received != NULL && i < s->received->count; i++) {
        struct received_id *e = &s->received->list[i];

        if (e->state != RECEIVED_RELEASING)
            continue;
        drop.key = received_key(key, e->id);
        wire_item_put(items, &drop);
        e->state = RECEIVED_WRITING;
    }
}

bool inbound_item_get(struct session *s, const struct wire_item *i)
{
    uint16_t id;

    if (i->key.len != 3)
        return false;
    id = (uint16_t)((uint8_t)i->key.p[1] << 8 | (uint8_t)i->key.p[2]);
    if (id == 0 || received_find(s, id) != NULL)
        return false;
    received_put(s, id);
    return true;
}

void inbound_written(struct session *s, bool ok)
{
    uint32_t i = 0;

    while (s->received != NULL && i < s->received->count) {
        struct received_id *e = &s->received->list[i];
        uint16_t id = e->id;

        if (e->state != RECEIVED_WRITING) {
            i++;
        } else if (!ok) {
            e->state = RECEIVED_RELEASING;
        } else {
            received_forget(s, e);
            inbound_released(s->client, id);
        }
    }
}

/* --- the client's end -------------------------------------------------------------------- */

void inbound_leave(struct client *c)
{
    struct inbound *in;

    while ((in = c->inbound) != NULL) {
        inbound_leave_list(c, in);
        in->client = NULL;
        if (in->answered)
            free(in);
    }
}
