/*
 * fuzz_mqtt.c - a client's packets, of both versions.  A decoder takes a body or
 * gives a reason that has a name; what it took keeps the rules; and what a server
 * would send of it, an acknowledgement or the event itself, is read back the same
 * and as long as it was said to be.
 *
 * Input: the version (a bit), then packets as on a connection.
 */
#include <assert.h>
#include <stdlib.h>

#include "mqtt.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static const struct slice none = {"", 0};

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void check_text(struct slice s)
{
    assert(s.len == 0 || (utf8_valid(s.p, s.len) && memchr(s.p, '\0', s.len) == NULL));
}

/* --- properties ---------------------------------------------------------------------- */

static void put_again(struct buf *b, const struct mqtt_prop *prop)
{
    switch (prop->id) {
    case MQTT_PROP_USER_PROPERTY:
        mqtt_prop_put_user(b, prop->text, prop->value);
        break;
    case MQTT_PROP_CORRELATION_DATA:
    case MQTT_PROP_AUTH_DATA:
        mqtt_prop_put_text(b, prop->id, prop->text);
        break;
    case MQTT_PROP_CONTENT_TYPE:
    case MQTT_PROP_RESPONSE_TOPIC:
    case MQTT_PROP_AUTH_METHOD:
    case MQTT_PROP_REASON_STRING:
        check_text(prop->text);
        mqtt_prop_put_text(b, prop->id, prop->text);
        break;
    default:
        mqtt_prop_put_number(b, prop->id, prop->number);
    }
}

/* Each is found by its name, and written again they are the same bytes. */
static void check_props(const struct mqtt_props *props)
{
    struct slice rest = props->bytes, value;
    struct mqtt_prop prop;
    struct buf again = {0};
    uint64_t seen = 0;

    while (mqtt_prop_next(&rest, &prop)) {
        assert(mqtt_has(props, prop.id));
        seen |= UINT64_C(1) << prop.id;
        if (prop.id == MQTT_PROP_USER_PROPERTY) {
            check_text(prop.text);
            check_text(prop.value);
            assert(mqtt_user_get(props, prop.text, &value));
        } else {
            assert(mqtt_prop_number(props, prop.id, 0) == prop.number);
            assert(slice_eq(mqtt_prop_text(props, prop.id), prop.text));
        }
        put_again(&again, &prop);
    }
    assert(rest.len == 0 && seen == props->has);
    assert(slice_eq(bytes_of(&again), props->bytes));
    buf_free(&again);
}

/* --- answers --------------------------------------------------------------------------- */

/* One whole packet; its body. */
static struct slice check_whole(enum mqtt_version v, const struct buf *b, struct mqtt_head *h)
{
    int size = mqtt_head_get(h, b->p, b->len);

    assert(size > 0 && (size_t)size + h->remaining == b->len);
    assert(h->type == MQTT_SUBACK || h->type == MQTT_UNSUBACK || h->type == MQTT_CONNACK ||
           mqtt_head_check(v, h) == MQTT_OK);
    return (struct slice){(const char *)b->p + size, h->remaining};
}

static void check_ack(enum mqtt_version v, enum mqtt_type type, const struct mqtt_ack *m)
{
    struct mqtt_head h;
    struct mqtt_ack back;
    struct buf b = {0};

    mqtt_ack_put(&b, v, type, m->packet_id, m->reason, m->props.bytes);
    assert(mqtt_ack_get(v, type, check_whole(v, &b, &h), &back) == MQTT_OK);
    assert(h.type == type && back.packet_id == m->packet_id && back.reason == m->reason);
    assert(slice_eq(back.props.bytes, m->props.bytes) && back.props.has == m->props.has);
    buf_free(&b);
}

/* The properties as they follow the packet identifier. */
static void put_props(struct buf *b, enum mqtt_version v, const struct mqtt_props *props)
{
    if (v == MQTT_50) {
        mqtt_varint_put(b, (uint32_t)props->bytes.len);
        buf_put_slice(b, props->bytes);
    }
}

static void check_publish(enum mqtt_version v, const struct mqtt_publish *m)
{
    uint8_t flags = mqtt_publish_flags(m->dup, m->qos, m->retain);
    uint8_t id[2] = {(uint8_t)(m->packet_id >> 8), (uint8_t)m->packet_id};
    struct buf rest = {0}, b = {0};
    struct mqtt_publish back;
    struct mqtt_head h;

    put_props(&rest, v, &m->props);
    buf_put_slice(&rest, m->payload);
    mqtt_publish_head_put(&b, flags, m->topic, rest.len);
    buf_put(&b, id, m->qos > 0 ? sizeof id : 0);
    buf_put_slice(&b, bytes_of(&rest));
    assert(b.len == mqtt_publish_size(m->qos, m->topic.len, rest.len));

    assert(mqtt_publish_get(v, flags, check_whole(v, &b, &h), &back) == MQTT_OK);
    assert(h.flags == flags && back.packet_id == m->packet_id);
    assert(slice_eq(back.topic, m->topic) && slice_eq(back.payload, m->payload));
    buf_free(&rest);
    buf_free(&b);
}

static void check_suback(enum mqtt_version v, enum mqtt_type type, uint16_t packet_id, size_t count)
{
    static const uint8_t codes[4] = {0};
    size_t kept = count < sizeof codes ? count : sizeof codes;
    size_t said = v == MQTT_50 || type == MQTT_SUBACK ? kept : 0;
    struct mqtt_head h;
    struct buf b = {0};

    mqtt_suback_put(&b, v, type, packet_id, codes, kept, none);
    assert(check_whole(v, &b, &h).len == 2 + (v == MQTT_50 ? 1 : 0) + said);
    buf_free(&b);
}

/* --- packets ------------------------------------------------------------------------------ */

static void check_will(const struct mqtt_will *w)
{
    assert(topic_check(w->topic) == TOPIC_OK && w->qos <= 2);
    check_props(&w->props);
}

static enum mqtt_reason connect(struct slice body)
{
    struct mqtt_connect m;
    enum mqtt_reason reason = mqtt_connect_get(body, &m);

    if (reason != MQTT_OK)
        return reason;
    assert(m.version == MQTT_31 || m.version == MQTT_311 || m.version == MQTT_50);
    assert(!m.bridge || m.version != MQTT_50);
    check_text(m.client);
    check_text(m.user);
    check_props(&m.props);
    if (m.has_will)
        check_will(&m.will);
    return MQTT_OK;
}

static enum mqtt_reason publish(enum mqtt_version v, uint8_t flags, struct slice body)
{
    struct mqtt_publish m;
    enum mqtt_reason reason = mqtt_publish_get(v, flags, body, &m);

    if (reason != MQTT_OK)
        return reason;
    assert(m.qos <= 2 && (m.qos > 0) == (m.packet_id != 0));
    assert(m.topic.len == 0 || topic_check(m.topic) == TOPIC_OK);
    check_props(&m.props);
    check_publish(v, &m);
    return MQTT_OK;
}

static enum mqtt_reason ack(enum mqtt_version v, enum mqtt_type type, struct slice body)
{
    struct mqtt_ack m;
    enum mqtt_reason reason = mqtt_ack_get(v, type, body, &m);

    if (reason != MQTT_OK)
        return reason;
    assert(m.packet_id != 0);
    check_props(&m.props);
    check_ack(v, type, &m);
    return MQTT_OK;
}

static enum mqtt_reason subscribe(enum mqtt_version v, struct slice body)
{
    struct mqtt_subscribe m;
    struct mqtt_topic_option o;
    enum mqtt_reason reason = mqtt_subscribe_get(v, body, &m);
    size_t count = 0;

    if (reason != MQTT_OK)
        return reason;
    check_props(&m.props);
    for (; mqtt_subscribe_next(&m.topics, &o); count++) {
        assert(o.filter.len > 0 && o.qos <= 2 && o.retain_handling <= 2);
        check_text(o.filter);
    }
    assert(count > 0 && m.topics.len == 0);
    check_suback(v, MQTT_SUBACK, m.packet_id, count);
    return MQTT_OK;
}

static enum mqtt_reason unsubscribe(enum mqtt_version v, struct slice body)
{
    struct mqtt_subscribe m;
    struct slice filter;
    enum mqtt_reason reason = mqtt_unsubscribe_get(v, body, &m);
    size_t count = 0;

    if (reason != MQTT_OK)
        return reason;
    check_props(&m.props);
    for (; mqtt_unsubscribe_next(&m.topics, &filter); count++) {
        assert(filter.len > 0);
        check_text(filter);
    }
    assert(count > 0 && m.topics.len == 0);
    check_suback(v, MQTT_UNSUBACK, m.packet_id, count);
    return MQTT_OK;
}

static enum mqtt_reason disconnect(enum mqtt_version v, struct slice body)
{
    struct mqtt_reasoned m, back;
    struct mqtt_head h;
    struct buf b = {0};
    enum mqtt_reason reason = mqtt_disconnect_get(v, body, &m);

    if (reason != MQTT_OK)
        return reason;
    check_props(&m.props);
    mqtt_disconnect_put(&b, m.reason, m.props.bytes);
    assert(mqtt_disconnect_get(MQTT_50, check_whole(MQTT_50, &b, &h), &back) == MQTT_OK);
    assert(back.reason == m.reason && slice_eq(back.props.bytes, m.props.bytes));
    buf_free(&b);
    return MQTT_OK;
}

static enum mqtt_reason auth(struct slice body)
{
    struct mqtt_reasoned m;
    enum mqtt_reason reason = mqtt_auth_get(body, &m);

    if (reason == MQTT_OK) {
        assert(mqtt_has(&m.props, MQTT_PROP_AUTH_METHOD));
        check_props(&m.props);
    }
    return reason;
}

static enum mqtt_reason decode(enum mqtt_version v, const struct mqtt_head *h, struct slice body)
{
    switch (h->type) {
    case MQTT_CONNECT:
        return connect(body);
    case MQTT_PUBLISH:
        return publish(v, h->flags, body);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return ack(v, h->type, body);
    case MQTT_SUBSCRIBE:
        return subscribe(v, body);
    case MQTT_UNSUBSCRIBE:
        return unsubscribe(v, body);
    case MQTT_DISCONNECT:
        return disconnect(v, body);
    case MQTT_AUTH:
        return auth(body);
    default:
        return MQTT_OK;
    }
}

/* The body in memory of its own, so that a sanitizer sees a step beyond it. */
static void check_packet(enum mqtt_version v, const struct mqtt_head *h, struct slice body)
{
    char *copy = malloc(body.len);
    enum mqtt_reason reason;

    if (body.len > 0)
        memcpy(copy, body.p, body.len);
    reason = decode(v, h, (struct slice){copy, body.len});
    assert(reason == MQTT_OK || reason >= MQTT_UNSPECIFIED);
    assert(strcmp(mqtt_reason_text((uint8_t)reason), "unknown reason") != 0);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct slice in = {(const char *)p, len};
    enum mqtt_version v;
    struct mqtt_head h;
    int size;

    if (len == 0)
        return 0;
    v = (p[0] & 1) != 0 ? MQTT_50 : (p[0] & 2) != 0 ? MQTT_31 : MQTT_311;
    in = (struct slice){in.p + 1, len - 1};
    while ((size = mqtt_head_get(&h, in.p, in.len)) > 0) {
        assert(h.remaining <= MQTT_REMAINING_MAX && (size_t)size <= MQTT_HEAD_MAX);
        in = (struct slice){in.p + size, in.len - (size_t)size};
        if (h.remaining > in.len)
            break;
        if (mqtt_head_check(v, &h) == MQTT_OK)
            check_packet(v, &h, (struct slice){in.p, h.remaining});
        in = (struct slice){in.p + h.remaining, in.len - h.remaining};
    }
    return 0;
}
