/*
 * mqtt.c - the fixed header, reasons, and what clients send once connected.
 *
 * Every decoder reads its fields in order and checks the reader once: what is cut
 * short, left over or badly encoded is malformed.  What could be read but may not
 * be said is refused with the code that the specification names for it, and with
 * protocol error where it names none.
 */
#include "mqtt_bytes.h"
#include "topic.h"

#define ACK_PROPS (MQTT_PROP_BIT(REASON_STRING) | MQTT_PROP_BIT(USER_PROPERTY))

#define PUBLISH_PROPS                                                                              \
    (MQTT_PROP_BIT(PAYLOAD_FORMAT) | MQTT_PROP_BIT(MESSAGE_EXPIRY) | MQTT_PROP_BIT(TOPIC_ALIAS) |  \
     MQTT_PROP_BIT(RESPONSE_TOPIC) | MQTT_PROP_BIT(CORRELATION_DATA) |                             \
     MQTT_PROP_BIT(USER_PROPERTY) | MQTT_PROP_BIT(SUBSCRIPTION_ID) | MQTT_PROP_BIT(CONTENT_TYPE))

#define SUBSCRIBE_PROPS (MQTT_PROP_BIT(SUBSCRIPTION_ID) | MQTT_PROP_BIT(USER_PROPERTY))

#define DISCONNECT_PROPS                                                                           \
    (MQTT_PROP_BIT(SESSION_EXPIRY) | MQTT_PROP_BIT(REASON_STRING) | MQTT_PROP_BIT(USER_PROPERTY) | \
     MQTT_PROP_BIT(SERVER_REFERENCE))

#define AUTH_PROPS                                                                                 \
    (MQTT_PROP_BIT(AUTH_METHOD) | MQTT_PROP_BIT(AUTH_DATA) | MQTT_PROP_BIT(REASON_STRING) |        \
     MQTT_PROP_BIT(USER_PROPERTY))

#define FLAG_DUP 8

/* --- reasons -------------------------------------------------------------------------- */

const char *mqtt_reason_text(uint8_t reason)
{
    switch (reason) {
#define X(name, code, text)                                                                        \
    case code:                                                                                     \
        return text;
        MQTT_REASONS(X)
#undef X
    default:
        return "unknown reason";
    }
}

const char *mqtt_type_name(uint8_t type)
{
    static const char *const names[] = {
        [MQTT_CONNECT] = "CONNECT",   [MQTT_CONNACK] = "CONNACK",
        [MQTT_PUBLISH] = "PUBLISH",   [MQTT_PUBACK] = "PUBACK",
        [MQTT_PUBREC] = "PUBREC",     [MQTT_PUBREL] = "PUBREL",
        [MQTT_PUBCOMP] = "PUBCOMP",   [MQTT_SUBSCRIBE] = "SUBSCRIBE",
        [MQTT_SUBACK] = "SUBACK",     [MQTT_UNSUBSCRIBE] = "UNSUBSCRIBE",
        [MQTT_UNSUBACK] = "UNSUBACK", [MQTT_PINGREQ] = "PINGREQ",
        [MQTT_PINGRESP] = "PINGRESP", [MQTT_DISCONNECT] = "DISCONNECT",
        [MQTT_AUTH] = "AUTH",
    };

    return type < sizeof names / sizeof names[0] && names[type] != NULL ? names[type] : "packet";
}

uint8_t mqtt_return_code(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_BAD_VERSION:
        return 1;
    case MQTT_BAD_CLIENT_ID:
        return 2;
    case MQTT_UNAVAILABLE:
    case MQTT_BUSY:
    case MQTT_SHUTTING_DOWN:
    case MQTT_QUOTA:
    case MQTT_USE_ANOTHER:
    case MQTT_SERVER_MOVED:
    case MQTT_CONNECTION_RATE:
        return 3;
    case MQTT_BAD_CREDENTIALS:
        return 4;
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BAD_AUTH_METHOD:
        return 5;
    default:
        return 0;
    }
}

/* --- the fixed header ------------------------------------------------------------------ */

/* 2.1.3: the flags that each type must have. */
static bool first_byte_ok(uint8_t b)
{
    switch (b >> 4) {
    case 0:
        return false;
    case MQTT_PUBLISH:
        return true;
    case MQTT_PUBREL:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return (b & 0x0f & ~FLAG_DUP) == 2;
    default:
        return (b & 0x0f) == 0;
    }
}

int mqtt_head_get(struct mqtt_head *h, const void *p, size_t len)
{
    const uint8_t *in = p;
    uint32_t remaining;
    uint8_t type;
    int n;

    if (len == 0)
        return 0;
    if (!first_byte_ok(in[0]))
        return -1;
    n = mqtt_varint_get(&remaining, in + 1, len - 1);
    if (n <= 0)
        return n;
    type = in[0] >> 4;
    if ((type == MQTT_PINGREQ || type == MQTT_PINGRESP) && remaining != 0)
        return -1;
    *h = (struct mqtt_head){
        .type = type, .flags = in[0] & 0x0f, .size = (uint8_t)(1 + n), .remaining = remaining};
    return 1 + n;
}

enum mqtt_reason mqtt_head_check(enum mqtt_version v, const struct mqtt_head *h)
{
    switch (h->type) {
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
        return MQTT_PROTOCOL_ERROR; /* a server's */
    case MQTT_AUTH:
        if (v != MQTT_50)
            return MQTT_MALFORMED; /* a reserved type */
        break;
    case MQTT_PUBREL:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        if (v != MQTT_31 && (h->flags & FLAG_DUP) != 0)
            return MQTT_MALFORMED; /* 3.1 alone says when it is sent again */
        break;
    default:
        break;
    }
    /* 3.1.1 does not demand the shortest form. */
    if (v == MQTT_50 && h->size != 1 + mqtt_varint_size(h->remaining))
        return MQTT_MALFORMED;
    return MQTT_OK;
}

/* --- what packets share ------------------------------------------------------------------ */

/* A packet identifier, and the properties of MQTT_50. */
static enum mqtt_reason id_props_get(struct reader *r, enum mqtt_version v, uint64_t allowed,
                                     uint16_t *packet_id, struct mqtt_props *props)
{
    enum mqtt_reason reason = MQTT_OK;

    *packet_id = mqtt_u16_get(r);
    if (v == MQTT_50)
        reason = mqtt_props_get(r, allowed, props);
    if (r->bad)
        return MQTT_MALFORMED;
    return *packet_id == 0 ? MQTT_PROTOCOL_ERROR : reason;
}

/* A reason and properties that end a packet, either of which may be left out. */
static enum mqtt_reason reasoned_get(struct reader *r, uint64_t allowed, uint8_t *reason,
                                     struct mqtt_props *props)
{
    enum mqtt_reason verdict = MQTT_OK;

    *reason = r->left > 0 ? reader_u8(r) : MQTT_OK;
    if (r->left > 0)
        verdict = mqtt_props_get(r, allowed, props);
    if (verdict == MQTT_OK && !reader_done(r))
        verdict = MQTT_MALFORMED;
    return verdict;
}

/* --- PUBLISH ----------------------------------------------------------------------------- */

static enum mqtt_reason publish_flags_get(enum mqtt_version v, uint8_t flags,
                                          struct mqtt_publish *m)
{
    m->dup = (flags & FLAG_DUP) != 0;
    m->qos = flags >> 1 & 3;
    m->retain = (flags & 1) != 0;
    if (v == MQTT_31 && m->qos == 0)
        m->dup = false; /* it means nothing there */
    if (m->qos == 3 || (m->dup && m->qos == 0))
        return MQTT_MALFORMED; /* MQTT-3.3.1-4, -2 */
    return MQTT_OK;
}

/* What is wrong with a publish that could be read. */
static enum mqtt_reason publish_check(const struct mqtt_publish *m)
{
    bool alias = mqtt_has(&m->props, MQTT_PROP_TOPIC_ALIAS);

    if (m->qos > 0 && m->packet_id == 0)
        return MQTT_PROTOCOL_ERROR; /* MQTT-2.2.1-3 */
    if (mqtt_has(&m->props, MQTT_PROP_SUBSCRIPTION_ID))
        return MQTT_PROTOCOL_ERROR; /* MQTT-3.3.4-6: they travel to clients alone */
    if (m->topic.len == 0 && !alias)
        return MQTT_PROTOCOL_ERROR; /* 3.3.2.1 */
    if (m->topic.len != 0 && topic_check(m->topic) != TOPIC_OK)
        return MQTT_BAD_TOPIC;
    if (mqtt_prop_number(&m->props, MQTT_PROP_PAYLOAD_FORMAT, 0) == 1 &&
        !utf8_valid(m->payload.p, m->payload.len))
        return MQTT_BAD_PAYLOAD_FORMAT;
    return MQTT_OK;
}

enum mqtt_reason mqtt_publish_get(enum mqtt_version v, uint8_t flags, struct slice body,
                                  struct mqtt_publish *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason;

    *m = (struct mqtt_publish){0};
    reason = publish_flags_get(v, flags, m);
    if (reason != MQTT_OK)
        return reason;
    m->topic = mqtt_text_get(&r);
    if (m->qos > 0)
        m->packet_id = mqtt_u16_get(&r);
    if (v == MQTT_50)
        reason = mqtt_props_get(&r, PUBLISH_PROPS, &m->props);
    if (reason != MQTT_OK)
        return reason;
    m->payload = reader_bytes(&r, r.left);
    return r.bad ? MQTT_MALFORMED : publish_check(m);
}

/* --- PUBACK, PUBREC, PUBREL, PUBCOMP -------------------------------------------------------- */

/* 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1: those that a client may send. */
static bool ack_reason_ok(enum mqtt_type type, uint8_t reason)
{
    if (type == MQTT_PUBREL || type == MQTT_PUBCOMP)
        return reason == MQTT_OK || reason == MQTT_ID_NOT_FOUND;
    switch (reason) {
    case MQTT_OK:
    case MQTT_UNSPECIFIED:
    case MQTT_IMPLEMENTATION:
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BAD_TOPIC:
    case MQTT_ID_IN_USE:
    case MQTT_QUOTA:
    case MQTT_BAD_PAYLOAD_FORMAT:
        return true;
    default:
        return false;
    }
}

enum mqtt_reason mqtt_ack_get(enum mqtt_version v, enum mqtt_type type, struct slice body,
                              struct mqtt_ack *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason = MQTT_OK;

    *m = (struct mqtt_ack){0};
    m->packet_id = mqtt_u16_get(&r);
    if (v == MQTT_50)
        reason = reasoned_get(&r, ACK_PROPS, &m->reason, &m->props);
    if (reason == MQTT_OK && !reader_done(&r))
        reason = MQTT_MALFORMED;
    if (reason == MQTT_OK && (m->packet_id == 0 || !ack_reason_ok(type, m->reason)))
        reason = MQTT_PROTOCOL_ERROR;
    return reason;
}

/* --- SUBSCRIBE, UNSUBSCRIBE ------------------------------------------------------- */

/* 3.8.3.1; 3.1.1 reserves all but the QoS. */
static enum mqtt_reason options_check(enum mqtt_version v, uint8_t options)
{
    if ((options & (v == MQTT_50 ? 0xc0 : 0xfc)) != 0)
        return MQTT_MALFORMED;
    if ((options & 3) == 3 || (options >> 4 & 3) == 3)
        return MQTT_PROTOCOL_ERROR;
    return MQTT_OK;
}

static enum mqtt_reason filter_get(struct reader *r)
{
    struct slice filter = mqtt_text_get(r);

    if (r->bad)
        return MQTT_MALFORMED;
    return filter.len > 0 ? MQTT_OK : MQTT_BAD_FILTER; /* MQTT-4.7.3-1 */
}

enum mqtt_reason mqtt_subscribe_get(enum mqtt_version v, struct slice body,
                                    struct mqtt_subscribe *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason;

    *m = (struct mqtt_subscribe){0};
    reason = id_props_get(&r, v, SUBSCRIBE_PROPS, &m->packet_id, &m->props);
    m->topics = (struct slice){(const char *)r.p, r.left};
    if (reason == MQTT_OK && r.left == 0)
        reason = MQTT_PROTOCOL_ERROR; /* MQTT-3.8.3-2 */
    for (; reason == MQTT_OK && r.left > 0; m->count++) {
        reason = filter_get(&r);
        if (reason == MQTT_OK)
            reason = options_check(v, reader_u8(&r));
    }
    return r.bad ? MQTT_MALFORMED : reason;
}

enum mqtt_reason mqtt_unsubscribe_get(enum mqtt_version v, struct slice body,
                                      struct mqtt_subscribe *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason;

    *m = (struct mqtt_subscribe){0};
    reason = id_props_get(&r, v, MQTT_PROP_BIT(USER_PROPERTY), &m->packet_id, &m->props);
    m->topics = (struct slice){(const char *)r.p, r.left};
    if (reason == MQTT_OK && r.left == 0)
        reason = MQTT_PROTOCOL_ERROR; /* MQTT-3.10.3-2 */
    for (; reason == MQTT_OK && r.left > 0; m->count++)
        reason = filter_get(&r);
    return reason;
}

bool mqtt_subscribe_next(struct slice *topics, struct mqtt_topic_option *out)
{
    struct reader r = reader_of(topics->p, topics->len);
    uint8_t options;

    out->filter = mqtt_data_get(&r);
    options = reader_u8(&r);
    out->qos = options & 3;
    out->no_local = (options & 4) != 0;
    out->retain_as_published = (options & 8) != 0;
    out->retain_handling = options >> 4 & 3;
    *topics = (struct slice){(const char *)r.p, r.left};
    return !r.bad;
}

bool mqtt_unsubscribe_next(struct slice *topics, struct slice *filter)
{
    struct reader r = reader_of(topics->p, topics->len);

    *filter = mqtt_data_get(&r);
    *topics = (struct slice){(const char *)r.p, r.left};
    return !r.bad;
}

/* --- DISCONNECT, AUTH ------------------------------------------------------------- */

/* 3.14.2.1: those that a client may send. */
static bool disconnect_reason_ok(uint8_t reason)
{
    switch (reason) {
    case MQTT_OK:
    case MQTT_DISCONNECT_WITH_WILL:
    case MQTT_UNSPECIFIED:
    case MQTT_MALFORMED:
    case MQTT_PROTOCOL_ERROR:
    case MQTT_IMPLEMENTATION:
    case MQTT_BAD_TOPIC:
    case MQTT_RECEIVE_MAXIMUM:
    case MQTT_BAD_ALIAS:
    case MQTT_TOO_LARGE:
    case MQTT_RATE:
    case MQTT_QUOTA:
    case MQTT_ADMINISTRATIVE:
    case MQTT_BAD_PAYLOAD_FORMAT:
        return true;
    default:
        return false;
    }
}

enum mqtt_reason mqtt_disconnect_get(enum mqtt_version v, struct slice body,
                                     struct mqtt_reasoned *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason;

    *m = (struct mqtt_reasoned){0};
    if (v != MQTT_50)
        return body.len == 0 ? MQTT_OK : MQTT_MALFORMED;
    reason = reasoned_get(&r, DISCONNECT_PROPS, &m->reason, &m->props);
    if (reason != MQTT_OK)
        return reason;
    if (!disconnect_reason_ok(m->reason) || mqtt_has(&m->props, MQTT_PROP_SERVER_REFERENCE))
        return MQTT_PROTOCOL_ERROR; /* servers refer to others, clients do not */
    return MQTT_OK;
}

enum mqtt_reason mqtt_auth_get(struct slice body, struct mqtt_reasoned *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason;

    *m = (struct mqtt_reasoned){0};
    reason = reasoned_get(&r, AUTH_PROPS, &m->reason, &m->props);
    if (reason != MQTT_OK)
        return reason;
    if (m->reason != MQTT_CONTINUE_AUTHENTICATION && m->reason != MQTT_REAUTHENTICATE)
        return MQTT_PROTOCOL_ERROR; /* 3.15.2.1: success is the server's to say */
    return mqtt_has(&m->props, MQTT_PROP_AUTH_METHOD) ? MQTT_OK : MQTT_PROTOCOL_ERROR;
}
