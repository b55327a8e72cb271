/*
 * inbound.c - PUBLISH, PUBREL, and their acknowledgements.
 *
 * Happy path: the packet becomes an event record in a unit of its own, which waits for
 * the broker however long; its commit makes the acknowledgement, which carries the
 * event's ID.  At QoS 2 in a stored session the unit is a WRITE of the session, with the
 * packet identifier beside the record, so that both are stored or neither is; a repeat
 * then finds the identifier and is answered with PUBREC alone.
 *
 *   PUBLISH ──▶ inbound list, in order ──commit──▶ answered ──all before it are──▶ said
 *
 * What is known at once (refusals, repeats) takes its place in the same list.
 *
 * Bounded: INBOUND_BYTES on their way from one client, the receive maximum, and the
 * link's queue.  A client of 5.0 that exceeds its receive maximum is ended (0x93);
 * otherwise the connection is not read until there is room.
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
#include "session.h"
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
    return c->version == MQTT_311 && c->inbound_count >= m->settings.receive_maximum;
}

/* --- acknowledgements --------------------------------------------------------------------- */

static void put_sluice_id(struct buf *props, uint64_t id)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)id);

    mqtt_prop_put_user(props, SLICE("sluice-id"), (struct slice){text, (size_t)n});
}

/* The ID is left out where the client wants no such thing, or has no room for it. */
static void say_ack(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason,
                    uint64_t id)
{
    struct mqttd *m = c->mqtt;
    struct slice props = {NULL, 0};

    buf_clear(&m->props);
    buf_clear(&m->packet);
    if (c->version == MQTT_50 && c->problem_info && id != 0)
        put_sluice_id(&m->props, id);
    if (m->props.len > 0 && client_takes(c, MQTT_HEAD_MAX + 4 + m->props.len))
        props = (struct slice){(char *)m->props.p, m->props.len};
    mqtt_ack_put(&m->packet, c->version, type, packet_id, reason, props);
    client_write(c, (struct slice){(char *)m->packet.p, m->packet.len});
}

static void received_done(struct client *c)
{
    if (c->receiving > 0)
        c->receiving--;
}

static void say(struct client *c, const struct inbound *in)
{
    if (in->qos == 1) {
        received_done(c);
        say_ack(c, MQTT_PUBACK, in->packet_id, in->reason, in->id);
    } else if (in->qos == 2) {
        if (in->reason >= MQTT_UNSPECIFIED)
            received_done(c);
        say_ack(c, MQTT_PUBREC, in->packet_id, in->reason, in->id);
        FAILPOINT_AFTER(mqtt_pubrec_left, client_flush(c));
    }
}

static void leave_list(struct client *c, struct inbound *in)
{
    DL_DELETE(c->inbound, in);
    c->inbound_bytes -= in->cost;
    c->inbound_count--;
}

static void say_answered(struct client *c)
{
    struct inbound *in;

    while ((in = c->inbound) != NULL && in->answered) {
        leave_list(c, in);
        say(c, in);
        free(in);
    }
    client_unblock(c);
}

/* --- refusals -------------------------------------------------------------------------------- */

/* For good: 3.1.1 has no word for it, and a repeat would not help. */
static void refuse(struct client *c, struct inbound *in, enum mqtt_reason reason)
{
    metric_add(M_MQTT_PUBLISHES_REFUSED, 1);
    c->mqtt->report.publish_dropped++;
    if (mqttd_may_log(c->mqtt))
        log_info("a client's publish was refused", LOG_SLICE("client", client_id(c)),
                 LOG_U("qos", in->qos), LOG_S("reason", mqtt_reason_text((uint8_t)reason)));
    in->answered = true;
    in->reason = c->version == MQTT_50 ? (uint8_t)reason : MQTT_OK;
}

static bool is_temporary(uint16_t error)
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

static enum mqtt_reason reason_of(uint16_t error)
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

static void not_stored(struct client *c, struct inbound *in, uint16_t error)
{
    bool write = in->link.kind == LINK_SESSION;

    if (in->qos == 2)
        session_incoming_refused(c->session, in->packet_id);
    if (write && error == ERR_FENCED)
        client_end(c, MQTT_TAKEN_OVER, NULL);
    else if (c->version == MQTT_311 && in->qos > 0 && is_temporary(error))
        client_end(c, MQTT_UNSPECIFIED, "a publish could not be stored");
    refuse(c, in, reason_of(error));
}

/* --- the broker's answer --------------------------------------------------------------------- */

static uint64_t id_of(const struct inbound *in, const struct wire_ack *a)
{
    struct slice from = in->link.kind == LINK_SESSION ? a->data : a->ids;

    return from.len < 8 ? 0 : le64_get((const uint8_t *)from.p) & ~WIRE_ACK_REPEAT;
}

static void on_ack(struct link_publish *lp, const struct wire_ack *a)
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
        in->id = id_of(in, a);
    else
        not_stored(c, in, a->error);
    say_answered(c);
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
    in->link.patient = true;
    in->link.cb = on_ack;
    DL_APPEND(c->inbound, in);
    c->inbound_count++;
    return in;
}

/* The record goes along with the packet identifier, in one transaction. */
static void make_write(struct client *c, struct inbound *in)
{
    struct buf record = in->link.records, items = {0};
    struct wire_write w = {.client = client_id(c), .epoch = c->session->epoch};

    session_incoming_add(c->session, in->packet_id, &items);
    if (!c->session->stored)
        return; /* an event like any other */
    w.record = (struct slice){(char *)record.p, record.len};
    w.items = (struct slice){(char *)items.p, items.len};
    in->link.records = (struct buf){0};
    in->link.kind = LINK_SESSION;
    in->link.op = WIRE_WRITE;
    wire_write_put(&in->link.records, &w);
    buf_free(&record);
    buf_free(&items);
}

static void submit(struct client *c, struct inbound *in)
{
    if (in->qos == 2)
        make_write(c, in);
    in->cost = in->link.records.len + sizeof *in;
    c->inbound_bytes += in->cost;
    link_publish(c->mqtt->gateway->link, &in->link);
}

static void publish(struct client *c, const struct mqtt_publish *m)
{
    struct message message = {.topic = m->topic,
                              .payload = m->payload,
                              .props = &m->props,
                              .origin = client_id(c),
                              .qos = m->qos,
                              .retain = m->retain};
    struct inbound *in = inbound_new(c, m);
    enum mqtt_reason reason = message_put(c->mqtt, &c->principal, &message, &in->link.records);

    if (reason == MQTT_OK) {
        submit(c, in);
        return;
    }
    refuse(c, in, reason);
    say_answered(c);
}

/* Its first copy was committed, or is on its way there and will be answered. */
static void publish_again(struct client *c, const struct mqtt_publish *m)
{
    const struct inbound *first;

    DL_FOREACH (c->inbound, first) {
        if (first->qos == 2 && first->packet_id == m->packet_id)
            return;
    }
    inbound_new(c, m)->answered = true;
    say_answered(c);
}

/* Malformed names end the connection; the decoder leaves the others' fate to us. */
static enum mqtt_reason refuse_decoded(struct client *c, const struct mqtt_publish *m,
                                       enum mqtt_reason reason)
{
    bool whole = reason == MQTT_BAD_PAYLOAD_FORMAT ||
                 (reason == MQTT_BAD_TOPIC && topic_check(m->topic) == TOPIC_TOO_LONG);

    if (!whole)
        return reason;
    if (m->qos > 0)
        c->receiving++;
    refuse(c, inbound_new(c, m), reason);
    say_answered(c);
    return MQTT_OK;
}

static enum mqtt_reason resolve_alias(struct client *c, struct mqtt_publish *m)
{
    uint32_t alias;

    if (!mqtt_has(&m->props, MQTT_PROP_TOPIC_ALIAS))
        return MQTT_OK;
    alias = mqtt_prop_number(&m->props, MQTT_PROP_TOPIC_ALIAS, 0);
    return aliases_in_take(&c->aliases, c->mqtt->settings.topic_alias_maximum, (uint16_t)alias,
                           &m->topic);
}

/* What CONNACK has promised the client not to do. */
static enum mqtt_reason check_limits(const struct client *c, const struct mqtt_publish *m)
{
    const struct mqttd_settings *s = &c->mqtt->settings;

    if (m->qos > s->max_qos)
        return MQTT_NO_QOS;
    if (m->retain && !s->retain_available)
        return MQTT_NO_RETAIN;
    return MQTT_OK;
}

static enum mqtt_reason count(struct client *c, const struct mqtt_publish *m)
{
    if (m->qos == 0)
        return MQTT_OK;
    if (c->version == MQTT_50 && c->receiving >= c->mqtt->settings.receive_maximum)
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
        return refuse_decoded(c, &m, decoded);
    c->mqtt->report.publish_received++;
    reason = check_limits(c, &m);
    if (reason == MQTT_OK)
        reason = resolve_alias(c, &m);
    if (reason != MQTT_OK)
        return reason;
    if (m.qos == 2 && session_incoming_known(c->session, m.packet_id)) {
        publish_again(c, &m);
        return MQTT_OK;
    }
    reason = count(c, &m);
    if (reason == MQTT_OK)
        publish(c, &m);
    return reason;
}

/* --- PUBREL ----------------------------------------------------------------------- */

enum mqtt_reason inbound_release(struct client *c, struct slice body)
{
    struct mqtt_ack m;
    enum mqtt_reason reason = mqtt_ack_get(c->version, MQTT_PUBREL, body, &m);

    FAILPOINT(mqtt_pubrel_come);
    if (reason != MQTT_OK)
        return reason;
    if (session_incoming_known(c->session, m.packet_id))
        session_incoming_release(c->session, m.packet_id);
    else
        say_ack(c, MQTT_PUBCOMP, m.packet_id, MQTT_ID_NOT_FOUND, 0);
    return MQTT_OK;
}

void client_released(struct client *c, uint16_t packet_id)
{
    FAILPOINT(mqtt_in_released);
    received_done(c);
    say_ack(c, MQTT_PUBCOMP, packet_id, MQTT_OK, 0);
    FAILPOINT_AFTER(mqtt_pubcomp_left, client_flush(c));
}

void inbound_leave(struct client *c)
{
    struct inbound *in;

    while ((in = c->inbound) != NULL) {
        leave_list(c, in);
        in->client = NULL;
        if (in->answered)
            free(in);
    }
}
