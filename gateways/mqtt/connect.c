/*
 * connect.c - CONNECT, who it is, the attach at the broker, CONNACK.
 *
 *   connect_take ──▶ identity_ask ──▶ connect_go_on ──ATTACH──▶ connect_attached ──▶ let in
 *                        └──later──▶ connect_on_known ─┘
 *
 * Happy path: connect_take reads the packet and checks it, copies what the client said,
 * finds out who it is, and sends an ATTACH with the will.  The answer comes when whoever held the
 * session has let go of it; it becomes a session, CONNACK is said, and then the session starts, so
 * that what it sends comes behind.
 *
 * How it fails: each refusal is a CONNACK with its reason (5.0) or return code (3.1.1),
 * or none when the version has no word for it; then the connection is closed.
 *
 *   0x81 0x82 0x84    a packet that is wrong, or of another version
 *   0x85              an identifier that is too long or holds control characters
 *   0x86              what was shown is wrong
 *   0x87              nothing was shown, another principal's session, or a will that is not
 *                     permitted
 *   0x88              the broker is away, or has no room for the session; nobody can be asked
 *                     who the client is
 *   0x8C              a method of authentication other than jwt
 *   0x90 0x97 0x9A 0x9B   a will that could not be published
 *   0x95              CONNACK would be larger than the client takes, or what follows CONNECT is
 *   0x97              too many attempts, or connections of one principal
 *
 * A client that is gone before the answer comes leaves the attach behind, which then
 * gives the session back.  Its will is published: the broker had accepted it.
 */
#include "connect.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "attach.h"
#include "client_life.h"
#include "failpoint.h"
#include "identity.h"
#include "log.h"
#include "mem.h"
#include "message.h"
#include "metrics.h"
#include "packets.h"
#include "session_life.h"
#include "will.h"

/* What CONNACK will say. */
struct connack {
    bool present, assigned, expiry_capped;
    uint16_t keep_alive; /* seconds to tell; 0: the client's own stands */
    uint64_t head;
};

/* --- refusing ------------------------------------------------------------------------- */

/* Words for what a reason alone does not say. */
static const char *connect_why(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_BAD_CLIENT_ID:
        return "the client identifier is too long, or holds control characters";
    case MQTT_BAD_AUTH_METHOD:
        return "the method of authentication that is offered is jwt";
    case MQTT_TOO_LARGE:
        return "a packet is larger than you or the server take";
    case MQTT_NO_QOS:
    case MQTT_NO_RETAIN:
    case MQTT_BAD_TOPIC:
    case MQTT_BAD_PAYLOAD_FORMAT:
        return "the will could not be published";
    case MQTT_UNAVAILABLE:
        return "the broker is away, or has no room for the session";
    default:
        return mqtt_reason_text((uint8_t)reason);
    }
}

static size_t connect_connack_size(const struct client *c, size_t props)
{
    if (!client_is_5(c))
        return 4;
    props += mqtt_varint_size((uint32_t)props) + 2;
    return 1 + mqtt_varint_size((uint32_t)props) + props;
}

static void connect_say_refusal(struct client *c, enum mqtt_reason reason, const char *why)
{
    const char *server = c->mqtt->settings.server_reference;
    bool elsewhere = reason == MQTT_USE_ANOTHER || reason == MQTT_SERVER_MOVED;
    uint8_t code = client_is_5(c) ? (uint8_t)reason : mqtt_return_code(reason);
    struct buf props = {0}, packet = {0};

    if (c->version == 0 || code == 0)
        return;
    if (elsewhere && server != NULL)
        mqtt_prop_put_text(&props, MQTT_PROP_SERVER_REFERENCE, slice_of(server));
    else if (reason != MQTT_BAD_VERSION) /* nobody knows what it would make of words */
        mqtt_prop_put_text(&props, MQTT_PROP_REASON_STRING, slice_of(why));
    if (!client_takes(c, connect_connack_size(c, props.len)))
        props.len = 0;
    mqtt_connack_put(&packet, c->version, false, code, buf_slice(&props));
    if (client_takes(c, packet.len))
        transport_write(&c->transport, buf_slice(&packet));
    buf_free(&props);
    buf_free(&packet);
}

static void connect_refuse_why(struct client *c, enum mqtt_reason reason, const char *why)
{
    metric_add(M_MQTT_CONNECTS_REFUSED, 1);
    if (mqttd_may_log(c->mqtt))
        log_info("a client was refused", LOG_SLICE("client", client_id(c)),
                 LOG_S("reason", mqtt_reason_text((uint8_t)reason)));
    connect_say_refusal(c, reason, why);
    client_over(c);
}

void connect_refuse(struct client *c, enum mqtt_reason reason)
{
    connect_refuse_why(c, reason, connect_why(reason));
}

/* --- CONNACK ------------------------------------------------------------------------------- */

static void connect_put_limits(const struct mqttd_settings *s, struct buf *b)
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

static void connect_put_words(const struct client *c, const struct connack *k, struct buf *b)
{
    if (k->expiry_capped)
        mqtt_prop_put_number(b, MQTT_PROP_SESSION_EXPIRY, c->expiry);
    if (k->assigned)
        mqtt_prop_put_text(b, MQTT_PROP_ASSIGNED_CLIENT_ID, client_id(c));
    if (k->keep_alive != 0)
        mqtt_prop_put_number(b, MQTT_PROP_SERVER_KEEP_ALIVE, k->keep_alive);
    if (c->by_auth)
        mqtt_prop_put_text(b, MQTT_PROP_AUTH_METHOD, SLICE("jwt"));
}

static void connect_put_needed(const struct client *c, const struct connack *k, struct buf *b)
{
    if (!client_is_5(c))
        return;
    connect_put_limits(&c->mqtt->settings, b);
    connect_put_words(c, k, b);
}

/* What must be in it is no larger than the client takes. */
static bool connect_fits(const struct client *c)
{
    struct buf props = {0};
    bool fits;

    connect_put_needed(c, c->connack, &props);
    fits = client_takes(c, connect_connack_size(c, props.len));
    buf_free(&props);
    return fits;
}

/* User properties are the first to go when it would be too large for the client. */
static void connect_say_accepted(struct client *c, const struct connack *k)
{
    struct buf props = {0}, packet = {0};
    size_t needed;

    if (client_is_5(c)) {
        connect_put_needed(c, k, &props);
        needed = props.len;
        if (c->wants_ours) {
            packets_put_id(&props, k->head);
            session_connack_props(c->session, &props);
        }
        if (!client_takes(c, connect_connack_size(c, props.len)))
            props.len = needed;
    }
    mqtt_connack_put(&packet, c->version, k->present, MQTT_OK, buf_slice(&props));
    client_write(c, buf_slice(&packet));
    buf_free(&props);
    buf_free(&packet);
}

/* --- the answer ------------------------------------------------------------------------------ */

static enum mqtt_reason connect_reason_of(uint16_t error)
{
    switch (error) {
    case ERR_BAD_REQUEST:
    case ERR_BAD_EVENT:
        return MQTT_IMPLEMENTATION;
    case ERR_TOO_MANY:
        return MQTT_QUOTA;
    default:
        return MQTT_UNAVAILABLE;
    }
}

/* Another connection of the same process may still hold it, when its fence was lost. */
static void connect_end_former(struct mqttd *m, const char *id)
{
    struct session *former;

    HASH_FIND_STR(m->sessions, id, former);
    if (former == NULL)
        return;
    client_fence(former->client);
    client_over(former->client);
}

/* The session is there, and what it has lost is known. */
static void connect_let_in(struct client *c)
{
    struct connack *k = c->connack;

    if (!caller_stands(&c->caller)) {
        connect_refuse(c, MQTT_NOT_AUTHORIZED);
        return;
    }
    c->connack = NULL;
    metric_add(client_is_5(c) ? M_MQTT_CONNECTS_5 : M_MQTT_CONNECTS_311, 1);
    connect_say_accepted(c, k);
    free(k);
    client_flush(c);
    client_up(c);
    identity_look(c); /* grants may be fewer since the session's filters were looked at */
    session_start(c->session);
}

/* A session that was attached in vain; nothing is to be told of a client that was not here. */
static void connect_give_back(struct client *c, uint64_t epoch, enum mqtt_reason reason)
{
    will_withdraw(c);
    attach_give_back(c, epoch);
    connect_refuse(c, reason);
}

static void connect_attached(struct client *c, const struct wire_attached *w)
{
    FAILPOINT(mqtt_attached);
    connect_end_former(c->mqtt, c->id);
    if (!caller_connect(&c->caller)) {
        connect_give_back(c, w->epoch, MQTT_QUOTA);
        return;
    }
    c->session = session_new(c, w);
    if (c->session == NULL) {
        attach_give_back(c, w->epoch);
        connect_refuse(c, MQTT_UNAVAILABLE);
        return;
    }
    if (c->over_quota) {
        will_withdraw(c);
        connect_refuse(c, MQTT_QUOTA);
        return;
    }
    c->connack->present = w->present;
    c->connack->head = w->head;
    if (!w->present || !session_check(c->session, connect_let_in))
        connect_let_in(c);
}

static void connect_refuse_session(struct client *c, uint16_t error)
{
    static const char *const why = "the session is another principal's";
    bool anothers = error == ERR_FORBIDDEN;

    if (anothers)
        client_audit(c, "session", client_id(c), why);
    if (anothers)
        connect_refuse_why(c, MQTT_NOT_AUTHORIZED, why);
    else
        connect_refuse(c, connect_reason_of(error));
}

static void connect_on_answer(struct client *c, const struct wire_attached *w, uint16_t error)
{
    if (w != NULL)
        connect_attached(c, w);
    else
        connect_refuse_session(c, error);
}

/* --- what the client says ------------------------------------------------------------------- */

static enum mqtt_reason connect_check_will(const struct client *c, const struct mqtt_will *will)
{
    if (will->qos > c->mqtt->settings.max_qos)
        return MQTT_NO_QOS;
    return will->retain && !c->mqtt->settings.retain_available ? MQTT_NO_RETAIN : MQTT_OK;
}

/* It becomes the origin of events, and is held to what those may say. */
static bool connect_id_ok(const struct mqttd *m, struct slice id)
{
    struct event_props props = {.origin = id, .payload_format = -1};

    return id.len <= m->settings.max_client_id && event_props_check(&props) == EVENT_OK;
}

static enum mqtt_reason connect_check(const struct client *c, const struct mqtt_connect *m)
{
    const struct mqttd *mqtt = c->mqtt;

    if (mqtt->gateway->draining)
        return mqtt->settings.server_reference != NULL ? MQTT_USE_ANOTHER : MQTT_UNAVAILABLE;
    if (mqtt_has(&m->props, MQTT_PROP_AUTH_METHOD) &&
        !slice_eq(mqtt_prop_text(&m->props, MQTT_PROP_AUTH_METHOD), SLICE("jwt")))
        return MQTT_BAD_AUTH_METHOD;
    if (!connect_id_ok(mqtt, m->client))
        return MQTT_BAD_CLIENT_ID;
    if (!link_is_up(mqtt->gateway->link))
        return MQTT_UNAVAILABLE;
    return m->has_will ? connect_check_will(c, &m->will) : MQTT_OK;
}

/* Nobody can guess it, and so take the session over. */
static char *connect_assign_id(void)
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

static void connect_take_keep_alive(struct client *c, const struct mqtt_connect *m,
                                    struct connack *k)
{
    uint16_t max = c->mqtt->settings.max_keep_alive, seconds = m->keep_alive;

    /* Only 5.0 has a way to say so. */
    if (client_is_5(c) && max != 0 && (seconds == 0 || seconds > max))
        seconds = k->keep_alive = max;
    c->keep_alive_ms = seconds * UINT64_C(1500);
}

static void connect_take_expiry(struct client *c, const struct mqtt_connect *m, struct connack *k)
{
    uint32_t max = c->mqtt->settings.max_session_expiry;

    c->expiry = client_is_5(c) ? mqtt_prop_number(&m->props, MQTT_PROP_SESSION_EXPIRY, 0)
                : m->clean     ? 0
                               : UINT32_MAX;
    k->expiry_capped = c->expiry > max;
    if (k->expiry_capped)
        c->expiry = max;
}

/* User properties that nobody has asked for upset clients that compare them. */
static bool connect_asks_ours(const struct mqttd *m, const struct mqtt_props *p)
{
    struct slice value;

    if (m->settings.properties_all)
        return true;
    return mqtt_user_get(p, SLICE("sluice-properties"), &value) && slice_eq(value, SLICE("on"));
}

/* What a bridge of Mosquitto's says about itself is for its own peers: let be. */
static bool connect_has_will(const struct mqtt_connect *m)
{
    return m->has_will && !message_is_bridge_state(m->will.topic);
}

static void connect_take_words(struct client *c, const struct mqtt_connect *m)
{
    const struct mqtt_props *p = &m->props;
    struct connack *k = mem_zalloc(sizeof *k);

    c->connack = k;
    k->assigned = m->client.len == 0;
    c->id = k->assigned ? connect_assign_id() : mem_strndup(m->client.p, m->client.len);
    c->clean = m->clean;
    c->receive_maximum = (uint16_t)mqtt_prop_number(p, MQTT_PROP_RECEIVE_MAXIMUM, UINT16_MAX);
    c->alias_maximum = (uint16_t)mqtt_prop_number(p, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0);
    c->wants_ours = connect_asks_ours(c->mqtt, p);
    c->bridge = m->bridge;
    c->problem_info = mqtt_prop_number(p, MQTT_PROP_REQUEST_PROBLEM_INFO, 1) != 0;
    c->by_auth = mqtt_has(p, MQTT_PROP_AUTH_METHOD);
    if (connect_has_will(m))
        c->will_topic = mem_strndup(m->will.topic.p, m->will.topic.len);
    connect_take_keep_alive(c, m, k);
    connect_take_expiry(c, m, k);
}

static enum mqtt_reason connect_put_will(const struct client *c, const struct mqtt_will *will,
                                         struct buf *record)
{
    struct message message = {.topic = will->topic,
                              .payload = will->payload,
                              .props = &will->props,
                              .origin = client_id(c),
                              .qos = will->qos,
                              .retain = will->retain};
    enum mqtt_reason reason;

    reason = message_put(c->mqtt, &c->caller, &message, record);
    if (reason == MQTT_NOT_AUTHORIZED)
        client_audit(c, auth_verb_names[AUTH_PUBLISH], will->topic, "the will is not permitted");
    return reason;
}

static enum mqtt_reason connect_put_attach(const struct client *c, const struct mqtt_connect *m,
                                           struct buf *body)
{
    struct wire_attach w = {.client = client_id(c),
                            .principal = client_owner(c),
                            .version = client_is_5(c) ? 5 : 4,
                            .clean = m->clean,
                            .expiry = c->expiry,
                            .has_will = connect_has_will(m)};
    enum mqtt_reason reason = MQTT_OK;
    struct buf will = {0};

    if (w.has_will) {
        reason = connect_put_will(c, &m->will, &will);
        w.will = buf_slice(&will);
        w.will_delay = mqtt_prop_number(&m->will.props, MQTT_PROP_WILL_DELAY, 0);
    }
    if (reason == MQTT_OK)
        wire_attach_put(body, &w);
    buf_free(&will);
    return reason;
}

/* A client that takes its own session over needs no place more. */
static bool connect_has_place(struct client *c)
{
    struct session *former;

    if (caller_connect(&c->caller))
        return true;
    HASH_FIND_STR(c->mqtt->sessions, c->id, former);
    return former != NULL && slice_eq(client_owner(former->client), client_owner(c));
}

/* Who it is, is known. */
static void connect_attach(struct client *c, const struct mqtt_connect *m)
{
    struct buf body = {0};
    enum mqtt_reason reason = connect_has_place(c) ? MQTT_OK : MQTT_QUOTA;

    if (reason == MQTT_OK)
        reason = connect_fits(c) ? connect_put_attach(c, m, &body) : MQTT_TOO_LARGE;
    if (reason != MQTT_OK) {
        buf_free(&body);
        connect_refuse(c, reason);
        return;
    }
    c->state = CLIENT_ATTACHING;
    attach_begin(c, &body, connect_on_answer);
}

/* --- who it is ------------------------------------------------------------------------- */

static void connect_refuse_unknown(struct client *c, const struct identity_answer *answer)
{
    client_audit(c, NULL, (struct slice){0}, answer->text);
    connect_refuse_why(c, answer->reason, answer->text);
}

static void connect_go_on(struct client *c, const struct mqtt_connect *m,
                          const struct identity_answer *answer)
{
    conn_timer(c->transport.conn, 0, NULL);
    if (answer->reason == MQTT_OK)
        connect_attach(c, m);
    else
        connect_refuse_unknown(c, answer);
}

static void connect_on_known(struct client *c, const struct identity_answer *answer,
                             struct slice packet)
{
    struct mqtt_connect m;
    enum mqtt_reason again = mqtt_connect_get(packet, &m);

    assert(again == MQTT_OK); /* it was, when it came */
    (void)again;
    connect_go_on(c, &m, answer);
    gateway_wake(c->mqtt->gateway);
}

static void connect_on_timeout(struct wheel_timer *t)
{
    connect_refuse_why(conn_of_timer(t)->data, MQTT_UNAVAILABLE,
                       "who you are could not be found out in time");
}

static void connect_identify(struct client *c, const struct mqtt_connect *m, struct slice body)
{
    struct identity_answer answer;

    connect_take_words(c, m);
    if (identity_ask(c, m, body, &answer, connect_on_known)) {
        connect_go_on(c, m, &answer);
        return;
    }
    c->state = CLIENT_ASKING;
    conn_timer(c->transport.conn, c->mqtt->settings.connect_timeout_ms, connect_on_timeout);
}

/* The form of the answer: of a version that we do not speak, the nearest one.  Levels with
 * their highest bit set are bridges, which are of 3.1 and 3.1.1. */
static enum mqtt_version connect_form_of(uint8_t version)
{
    if (version == 0 || version == MQTT_31)
        return version;
    return version >= MQTT_50 && version < 0x80 ? MQTT_50 : MQTT_311;
}

void connect_take(struct client *c, struct slice body)
{
    struct mqtt_connect m;
    enum mqtt_reason reason = mqtt_connect_get(body, &m);

    c->version = connect_form_of(m.version);
    c->max_packet = mqtt_prop_number(&m.props, MQTT_PROP_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    if (reason == MQTT_OK)
        reason = connect_check(c, &m);
    if (reason == MQTT_OK)
        connect_identify(c, &m, body);
    else
        connect_refuse(c, reason);
}
