/*
 * connect.c - CONNECT, the attach at the broker, CONNACK.
 *
 * Happy path: connect_take reads the packet and checks it, copies what the client said,
 * and sends an ATTACH with the will.  The answer comes when whoever held the session has
 * let go of it; it becomes a session, CONNACK is said, and then the session starts, so
 * that what it sends comes behind.
 *
 * How it fails: each refusal is a CONNACK with its reason (5.0) or return code (3.1.1),
 * or none when the version has no word for it; then the connection is closed.
 *
 *   0x81 0x82 0x84    a packet that is wrong, or of another version
 *   0x85              an identifier that is too long or holds control characters
 *   0x87              another principal's session, or a will that is not permitted
 *   0x88              the broker is away, or has no room for the session
 *   0x8C              a method of authentication: none is offered
 *   0x90 0x97 0x9A 0x9B   a will that could not be published
 *
 * A client that is gone before the answer comes leaves the attach behind, which then
 * gives the session back.  Its will is published: the broker had accepted it.
 */
#include "connect.h"

#include <stdlib.h>
#include <sys/random.h>

#include "failpoint.h"
#include "log.h"
#include "mem.h"
#include "message.h"
#include "metrics.h"
#include "session.h"

/* An ATTACH under way. */
struct attach {
    struct link_publish link;
    struct mqttd *mqtt;
    struct client *client;  /* NULL: gone */
    char *id;               /* its own then */
    bool answered, present; /* what CONNACK says of the answer */
    uint64_t head;
    uint32_t expiry;
    bool assigned, expiry_capped;
    uint16_t keep_alive; /* seconds to tell; 0: the client's own stands */
};

/* A session that nobody came for. */
struct release {
    struct link_publish link;
};

/* --- refusing ------------------------------------------------------------------------- */

static void say_refusal(struct client *c, enum mqtt_reason reason)
{
    const char *server = c->mqtt->settings.server_reference;
    bool elsewhere = reason == MQTT_USE_ANOTHER || reason == MQTT_SERVER_MOVED;
    uint8_t code = c->version == MQTT_50 ? (uint8_t)reason : mqtt_return_code(reason);
    struct buf props = {0}, packet = {0};

    if (c->version == 0 || code == 0)
        return;
    if (elsewhere && server != NULL)
        mqtt_prop_put_text(&props, MQTT_PROP_SERVER_REFERENCE, slice_of(server));
    mqtt_connack_put(&packet, c->version, false, code, (struct slice){(char *)props.p, props.len});
    transport_write(&c->transport, (struct slice){(char *)packet.p, packet.len});
    buf_free(&props);
    buf_free(&packet);
}

void connect_refuse(struct client *c, enum mqtt_reason reason)
{
    metric_add(M_MQTT_CONNECTS_REFUSED, 1);
    if (mqttd_may_log(c->mqtt))
        log_info("a client was refused", LOG_SLICE("client", client_id(c)),
                 LOG_S("reason", mqtt_reason_text((uint8_t)reason)));
    say_refusal(c, reason);
    client_over(c);
}

/* --- giving a session back ---------------------------------------------------------------- */

static void on_released(struct link_publish *lp, const struct wire_ack *a)
{
    struct release *r = CONTAINER_OF(lp, struct release, link);

    (void)a; /* refused: it has been taken over, and is not ours to release */
    buf_free(&r->link.records);
    free(r);
}

static void give_back(struct link *l, const struct attach *a, uint64_t epoch)
{
    struct release *r = mem_zalloc(sizeof *r);
    struct wire_detach m = {
        .client = slice_of(a->id), .epoch = epoch, .will = true, .expiry = a->expiry};

    r->link.kind = LINK_SESSION;
    r->link.op = WIRE_DETACH;
    r->link.patient = true;
    r->link.cb = on_released;
    wire_detach_put(&r->link.records, &m);
    link_publish(l, &r->link);
}

/* --- CONNACK ------------------------------------------------------------------------------- */

static void put_limits(const struct mqttd_settings *s, struct buf *b)
{
    if (s->receive_maximum < UINT16_MAX)
        mqtt_prop_put_number(b, MQTT_PROP_RECEIVE_MAXIMUM, s->receive_maximum);
    if (s->max_qos < 2)
        mqtt_prop_put_number(b, MQTT_PROP_MAXIMUM_QOS, s->max_qos);
    if (!s->retain_available)
        mqtt_prop_put_number(b, MQTT_PROP_RETAIN_AVAILABLE, 0);
    mqtt_prop_put_number(b, MQTT_PROP_MAXIMUM_PACKET_SIZE, s->max_packet);
    if (s->topic_alias_maximum > 0)
        mqtt_prop_put_number(b, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, s->topic_alias_maximum);
}

static void put_words(const struct client *c, const struct attach *a, struct buf *b)
{
    if (a->expiry_capped)
        mqtt_prop_put_number(b, MQTT_PROP_SESSION_EXPIRY, c->expiry);
    if (a->assigned)
        mqtt_prop_put_text(b, MQTT_PROP_ASSIGNED_CLIENT_ID, client_id(c));
    if (a->keep_alive != 0)
        mqtt_prop_put_number(b, MQTT_PROP_SERVER_KEEP_ALIVE, a->keep_alive);
}

static void put_id(struct buf *b, uint64_t id)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)id);

    mqtt_prop_put_user(b, SLICE("sluice-id"), (struct slice){text, (size_t)n});
}

/* User properties are the first to go when it would be too large for the client. */
static void say_accepted(struct client *c, const struct attach *a)
{
    struct buf props = {0}, packet = {0};
    size_t needed;

    if (c->version == MQTT_50) {
        put_limits(&c->mqtt->settings, &props);
        put_words(c, a, &props);
        needed = props.len;
        put_id(&props, a->head);
        session_connack_props(c->session, &props);
        if (!client_takes(c, MQTT_HEAD_MAX + 2 + mqtt_varint_size((uint32_t)props.len) + props.len))
            props.len = needed;
    }
    mqtt_connack_put(&packet, c->version, a->present, MQTT_OK,
                     (struct slice){(char *)props.p, props.len});
    client_write(c, (struct slice){(char *)packet.p, packet.len});
    buf_free(&props);
    buf_free(&packet);
}

/* --- the answer ------------------------------------------------------------------------------ */

static enum mqtt_reason reason_of(uint16_t error)
{
    switch (error) {
    case ERR_FORBIDDEN:
        return MQTT_NOT_AUTHORIZED;
    case ERR_BAD_REQUEST:
    case ERR_BAD_EVENT:
        return MQTT_IMPLEMENTATION;
    default:
        return MQTT_UNAVAILABLE;
    }
}

/* Another connection of the same process may still hold it, when its fence was lost. */
static void end_former(struct mqttd *m, const char *id)
{
    struct session *former;

    HASH_FIND_STR(m->sessions, id, former);
    if (former == NULL)
        return;
    client_fence(former->client);
    client_over(former->client);
}

static void attach_free(struct attach *a)
{
    buf_free(&a->link.records);
    free(a->id);
    free(a);
}

/* The session is there, and what it has lost is known. */
static void let_in(struct client *c)
{
    struct attach *a = c->attach;

    c->attach = NULL;
    metric_add(c->version == MQTT_50 ? M_MQTT_CONNECTS_5 : M_MQTT_CONNECTS_311, 1);
    say_accepted(c, a);
    attach_free(a);
    client_flush(c);
    client_up(c);
    session_start(c->session);
}

/* a is the client's until let_in. */
static void attached(struct client *c, struct attach *a, const struct wire_attached *w)
{
    struct mqttd *m = c->mqtt;

    FAILPOINT(mqtt_attached);
    end_former(m, c->id);
    c->session = session_new(c, w);
    if (c->session == NULL) {
        a->id = c->id; /* still the client's */
        give_back(m->gateway->link, a, w->epoch);
        a->id = NULL;
        attach_free(a);
        connect_refuse(c, MQTT_UNAVAILABLE);
        return;
    }
    a->answered = true;
    a->present = w->present;
    a->head = w->head;
    c->attach = a;
    if (!w->present || !session_check(c->session, let_in))
        let_in(c);
}

static void on_attached(struct link_publish *lp, const struct wire_ack *ack)
{
    struct attach *a = CONTAINER_OF(lp, struct attach, link);
    struct client *c = a->client;
    enum mqtt_reason reason = reason_of(ack->error);
    bool stored = ack->error == ERR_NONE;
    struct wire_attached w;

    if (c != NULL)
        c->attach = NULL;
    if (stored && !wire_attached_get(ack->data, &w)) {
        metric_add(M_BAD_FRAMES, 1);
        stored = false;
    }
    if (c != NULL && stored) {
        attached(c, a, &w);
        return;
    }
    if (c != NULL)
        connect_refuse(c, reason);
    else if (stored)
        give_back(a->mqtt->gateway->link, a, w.epoch);
    attach_free(a);
}

void connect_leave(struct client *c)
{
    struct attach *a = c->attach;

    if (a == NULL)
        return;
    c->attach = NULL;
    if (a->answered) {
        attach_free(a);
        return;
    }
    a->client = NULL;
    a->id = c->id;
    c->id = NULL;
}

/* --- what the client says ------------------------------------------------------------------- */

static enum mqtt_reason check_will(const struct client *c, const struct mqtt_will *will)
{
    if (will->qos > c->mqtt->settings.max_qos)
        return MQTT_NO_QOS;
    return will->retain && !c->mqtt->settings.retain_available ? MQTT_NO_RETAIN : MQTT_OK;
}

/* It becomes the origin of events, and is held to what those may say. */
static bool id_ok(const struct mqttd *m, struct slice id)
{
    struct event_props props = {.origin = id, .payload_format = -1};

    return id.len <= m->settings.max_client_id && event_props_check(&props) == EVENT_OK;
}

static enum mqtt_reason check(const struct client *c, const struct mqtt_connect *m)
{
    const struct mqttd *mqtt = c->mqtt;

    if (mqtt->gateway->draining)
        return mqtt->settings.server_reference != NULL ? MQTT_USE_ANOTHER : MQTT_UNAVAILABLE;
    if (mqtt_has(&m->props, MQTT_PROP_AUTH_METHOD))
        return MQTT_BAD_AUTH_METHOD;
    if (!id_ok(mqtt, m->client))
        return MQTT_BAD_CLIENT_ID;
    if (!link_is_up(mqtt->gateway->link))
        return MQTT_UNAVAILABLE;
    return m->has_will ? check_will(c, &m->will) : MQTT_OK;
}

/* Nobody can guess it, and so take the session over. */
static char *assign_id(void)
{
    uint8_t random[16];
    struct buf b = {0};

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort(); /* 16 bytes are never short once the kernel has booted */
    buf_puts(&b, "sluice-");
    for (size_t i = 0; i < sizeof random; i++)
        buf_printf(&b, "%02x", random[i]);
    buf_u8(&b, '\0');
    return (char *)b.p;
}

static void take_keep_alive(struct client *c, const struct mqtt_connect *m, struct attach *a)
{
    uint16_t max = c->mqtt->settings.max_keep_alive, seconds = m->keep_alive;

    /* Only 5.0 has a way to say so. */
    if (c->version == MQTT_50 && max != 0 && (seconds == 0 || seconds > max))
        seconds = a->keep_alive = max;
    c->keep_alive_ms = seconds * UINT64_C(1500);
}

static void take_expiry(struct client *c, const struct mqtt_connect *m, struct attach *a)
{
    uint32_t max = c->mqtt->settings.max_session_expiry;

    c->expiry = c->version == MQTT_50 ? mqtt_prop_number(&m->props, MQTT_PROP_SESSION_EXPIRY, 0)
                : m->clean            ? 0
                                      : UINT32_MAX;
    a->expiry_capped = c->expiry > max;
    if (a->expiry_capped)
        c->expiry = max;
}

/* Who it is by its certificate, else who it says it is. */
static void take_principal(struct client *c, struct slice user)
{
    struct slice subject = conn_peer_subject(c->transport.conn);
    struct slice name = subject.len > 0 ? subject : user;

    if (name.p == NULL)
        return;
    c->user = mem_strndup(name.p, name.len);
    c->principal.name = (struct slice){c->user, name.len};
}

static void take_words(struct client *c, const struct mqtt_connect *m, struct attach *a)
{
    const struct mqtt_props *p = &m->props;

    a->assigned = m->client.len == 0;
    c->id = a->assigned ? assign_id() : mem_strndup(m->client.p, m->client.len);
    c->clean = m->clean;
    c->max_packet = mqtt_prop_number(p, MQTT_PROP_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    c->receive_maximum = (uint16_t)mqtt_prop_number(p, MQTT_PROP_RECEIVE_MAXIMUM, UINT16_MAX);
    c->alias_maximum = (uint16_t)mqtt_prop_number(p, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0);
    c->problem_info = mqtt_prop_number(p, MQTT_PROP_REQUEST_PROBLEM_INFO, 1) != 0;
    take_principal(c, m->user);
    take_keep_alive(c, m, a);
    take_expiry(c, m, a);
    a->expiry = c->expiry;
}

static enum mqtt_reason put_will(const struct client *c, const struct mqtt_will *will,
                                 struct buf *record)
{
    struct message message = {.topic = will->topic,
                              .payload = will->payload,
                              .props = &will->props,
                              .origin = client_id(c),
                              .qos = will->qos,
                              .retain = will->retain};

    return message_put(c->mqtt, &c->principal, &message, record);
}

static enum mqtt_reason put_attach(const struct client *c, const struct mqtt_connect *m,
                                   struct buf *body)
{
    struct wire_attach w = {.client = client_id(c),
                            .principal = c->principal.name,
                            .version = (uint8_t)c->version,
                            .clean = m->clean,
                            .expiry = c->expiry,
                            .has_will = m->has_will};
    enum mqtt_reason reason = MQTT_OK;
    struct buf will = {0};

    if (m->has_will) {
        reason = put_will(c, &m->will, &will);
        w.will = (struct slice){(char *)will.p, will.len};
        w.will_delay = mqtt_prop_number(&m->will.props, MQTT_PROP_WILL_DELAY, 0);
    }
    if (reason == MQTT_OK)
        wire_attach_put(body, &w);
    buf_free(&will);
    return reason;
}

static void attach(struct client *c, const struct mqtt_connect *m)
{
    struct attach *a = mem_zalloc(sizeof *a);
    enum mqtt_reason reason;

    a->mqtt = c->mqtt;
    take_words(c, m, a);
    reason = put_attach(c, m, &a->link.records);
    if (reason != MQTT_OK) {
        attach_free(a);
        connect_refuse(c, reason);
        return;
    }
    a->client = c;
    a->link.kind = LINK_SESSION;
    a->link.op = WIRE_ATTACH;
    a->link.cb = on_attached;
    c->attach = a;
    c->state = CLIENT_ATTACHING;
    link_publish(c->mqtt->gateway->link, &a->link);
}

/* The form of the answer: of a version that we do not speak, the nearest one. */
static enum mqtt_version form_of(uint8_t version)
{
    if (version == 0)
        return 0;
    return version >= MQTT_50 ? MQTT_50 : MQTT_311;
}

void connect_take(struct client *c, struct slice body)
{
    struct mqtt_connect m;
    enum mqtt_reason reason = mqtt_connect_get(body, &m);

    c->version = form_of(m.version);
    if (reason == MQTT_OK)
        reason = check(c, &m);
    if (reason == MQTT_OK)
        attach(c, &m);
    else
        connect_refuse(c, reason);
}
