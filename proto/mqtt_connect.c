/*
 * mqtt_connect.c - CONNECT (3.1): who connects, how, and its will.
 *
 *   name, level ─▶ flags ─▶ keep alive ─▶ properties ─▶ client ─▶ will ─▶ login
 *
 * The level is read first and decides whether there is more to read: of another
 * version than ours nothing else is understood.  Its highest bit says that a bridge of
 * Mosquitto's comes.  What cannot be read, or is left at
 * the end, is malformed; flags that contradict each other are too.
 */
#include "mqtt_bytes.h"
#include "topic.h"

#define FLAG_RESERVED 0x01
#define FLAG_CLEAN 0x02
#define FLAG_WILL 0x04
#define FLAG_WILL_RETAIN 0x20
#define FLAG_PASSWORD 0x40
#define FLAG_USER 0x80
#define WILL_QOS(flags) ((flags) >> 3 & 3)

#define LEVEL_BRIDGE 0x80 /* Mosquitto's: 3.1 and 3.1.1 have no other word for it */

#define CONNECT_PROPS                                                                              \
    (MQTT_PROP_BIT(SESSION_EXPIRY) | MQTT_PROP_BIT(RECEIVE_MAXIMUM) |                              \
     MQTT_PROP_BIT(MAXIMUM_PACKET_SIZE) | MQTT_PROP_BIT(TOPIC_ALIAS_MAXIMUM) |                     \
     MQTT_PROP_BIT(REQUEST_RESPONSE_INFO) | MQTT_PROP_BIT(REQUEST_PROBLEM_INFO) |                  \
     MQTT_PROP_BIT(USER_PROPERTY) | MQTT_PROP_BIT(AUTH_METHOD) | MQTT_PROP_BIT(AUTH_DATA))

#define WILL_PROPS                                                                                 \
    (MQTT_PROP_BIT(WILL_DELAY) | MQTT_PROP_BIT(PAYLOAD_FORMAT) | MQTT_PROP_BIT(MESSAGE_EXPIRY) |   \
     MQTT_PROP_BIT(CONTENT_TYPE) | MQTT_PROP_BIT(RESPONSE_TOPIC) |                                 \
     MQTT_PROP_BIT(CORRELATION_DATA) | MQTT_PROP_BIT(USER_PROPERTY))

static enum mqtt_reason get_version(struct reader *r, struct mqtt_connect *m)
{
    struct slice name = mqtt_data_get(r);
    uint8_t level = reader_u8(r);
    bool old = slice_eq(name, SLICE("MQIsdp")); /* 3.1's */

    if (r->bad)
        return MQTT_MALFORMED;
    if (!old && !slice_eq(name, SLICE("MQTT")))
        return MQTT_BAD_VERSION;
    m->version = old ? MQTT_31 : level;
    if (level == MQTT_50 && !old)
        return MQTT_OK;
    if ((level & ~LEVEL_BRIDGE) != (old ? MQTT_31 : MQTT_311))
        return MQTT_BAD_VERSION;
    m->bridge = (level & LEVEL_BRIDGE) != 0;
    m->version = (uint8_t)(level & ~LEVEL_BRIDGE);
    return MQTT_OK;
}

/* 3.1 does not look at what it has no use for. */
static uint8_t flags_of(uint8_t version, uint8_t flags)
{
    if (version != MQTT_31)
        return flags;
    flags &= (uint8_t)~FLAG_RESERVED;
    return (flags & FLAG_WILL) != 0 ? flags : flags & (FLAG_CLEAN | FLAG_PASSWORD | FLAG_USER);
}

static enum mqtt_reason check_flags(uint8_t version, uint8_t flags)
{
    if ((flags & FLAG_RESERVED) != 0 || WILL_QOS(flags) == 3)
        return MQTT_MALFORMED;
    if ((flags & FLAG_WILL) == 0 && (WILL_QOS(flags) != 0 || (flags & FLAG_WILL_RETAIN) != 0))
        return MQTT_MALFORMED; /* MQTT-3.1.2-11, -13 */
    if (version != MQTT_50 && (flags & FLAG_PASSWORD) != 0 && (flags & FLAG_USER) == 0)
        return MQTT_MALFORMED; /* 3.1.1's MQTT-3.1.2-22 */
    return MQTT_OK;
}

static enum mqtt_reason get_props(struct reader *r, struct mqtt_connect *m)
{
    enum mqtt_reason reason;

    if (m->version != MQTT_50)
        return MQTT_OK;
    reason = mqtt_props_get(r, CONNECT_PROPS, &m->props);
    if (reason == MQTT_OK && mqtt_has(&m->props, MQTT_PROP_AUTH_DATA) &&
        !mqtt_has(&m->props, MQTT_PROP_AUTH_METHOD))
        reason = MQTT_PROTOCOL_ERROR; /* 3.1.2.11.10 */
    return reason;
}

static enum mqtt_reason get_client(struct reader *r, struct mqtt_connect *m)
{
    m->client = mqtt_text_get(r);
    if (r->bad)
        return MQTT_MALFORMED;
    /* 3.1.1's MQTT-3.1.3-8: nobody could come back to such a session.  3.1 has none. */
    if (m->client.len == 0 && (m->version == MQTT_31 || (m->version == MQTT_311 && !m->clean)))
        return MQTT_BAD_CLIENT_ID;
    return MQTT_OK;
}

static enum mqtt_reason will_check(const struct mqtt_will *w)
{
    if (topic_check(w->topic) != TOPIC_OK)
        return MQTT_BAD_TOPIC;
    if (mqtt_prop_number(&w->props, MQTT_PROP_PAYLOAD_FORMAT, 0) == 1 &&
        !utf8_valid(w->payload.p, w->payload.len))
        return MQTT_BAD_PAYLOAD_FORMAT;
    return MQTT_OK;
}

static enum mqtt_reason get_will(struct reader *r, uint8_t flags, struct mqtt_connect *m)
{
    struct mqtt_will *w = &m->will;
    enum mqtt_reason reason = MQTT_OK;

    m->has_will = (flags & FLAG_WILL) != 0;
    if (!m->has_will)
        return MQTT_OK;
    w->qos = WILL_QOS(flags);
    w->retain = (flags & FLAG_WILL_RETAIN) != 0;
    if (m->version == MQTT_50)
        reason = mqtt_props_get(r, WILL_PROPS, &w->props);
    if (reason != MQTT_OK)
        return reason;
    w->topic = mqtt_text_get(r);
    w->payload = mqtt_data_get(r);
    return r->bad ? MQTT_MALFORMED : will_check(w);
}

/* 3.1 lets both be missing though their flags are set. */
static enum mqtt_reason get_login(struct reader *r, uint8_t flags, struct mqtt_connect *m)
{
    if (m->version == MQTT_31 && r->left == 0)
        return r->bad ? MQTT_MALFORMED : MQTT_OK;
    if ((flags & FLAG_USER) != 0)
        m->user = mqtt_text_get(r);
    if ((flags & FLAG_PASSWORD) != 0 && !(m->version == MQTT_31 && r->left == 0))
        m->password = mqtt_data_get(r);
    return reader_done(r) ? MQTT_OK : MQTT_MALFORMED;
}

enum mqtt_reason mqtt_connect_get(struct slice body, struct mqtt_connect *m)
{
    struct reader r = reader_of(body.p, body.len);
    enum mqtt_reason reason;
    uint8_t flags;

    *m = (struct mqtt_connect){0};
    reason = get_version(&r, m);
    if (reason != MQTT_OK)
        return reason;
    flags = flags_of(m->version, reader_u8(&r));
    m->clean = (flags & FLAG_CLEAN) != 0;
    m->keep_alive = mqtt_u16_get(&r);

    reason = check_flags(m->version, flags);
    if (reason == MQTT_OK)
        reason = get_props(&r, m);
    if (reason == MQTT_OK)
        reason = get_client(&r, m);
    if (reason == MQTT_OK)
        reason = get_will(&r, flags, m);
    if (reason == MQTT_OK)
        reason = get_login(&r, flags, m);
    return reason;
}
