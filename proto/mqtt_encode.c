/*
 * mqtt_encode.c - the packets that a server sends.
 *
 * Each is appended whole, its length in the shortest form; where the specification
 * lets a reason or an empty list of properties be left out, it is.  Nothing fails:
 * a packet that its receiver would not take, by its size or by the rules, is for
 * the caller to avoid, and those that no receiver could read are asserted.
 */
#include "mqtt_bytes.h"

static void head_put(struct buf *b, enum mqtt_type type, uint8_t flags, size_t remaining)
{
    assert(remaining <= MQTT_REMAINING_MAX);
    buf_u8(b, (uint8_t)(type << 4 | flags));
    mqtt_varint_put(b, (uint32_t)remaining);
}

/* Of properties with the length before them. */
static size_t props_size(struct slice props)
{
    assert(props.len <= MQTT_REMAINING_MAX);
    return mqtt_varint_size((uint32_t)props.len) + props.len;
}

static void props_put(struct buf *b, struct slice props)
{
    mqtt_varint_put(b, (uint32_t)props.len);
    buf_put_slice(b, props);
}

void mqtt_connack_put(struct buf *b, enum mqtt_version v, bool session_present, uint8_t code,
                      struct slice props)
{
    assert(!session_present || code == 0); /* MQTT-3.2.2-6 */
    head_put(b, MQTT_CONNACK, 0, 2 + (v == MQTT_50 ? props_size(props) : 0));
    buf_u8(b, session_present ? 1 : 0);
    buf_u8(b, code);
    if (v == MQTT_50)
        props_put(b, props);
}

/* Bytes of a reason and properties at the end of a packet, as short as can be. */
static size_t reasoned_size(uint8_t reason, struct slice props)
{
    if (props.len > 0)
        return 1 + props_size(props);
    return reason != MQTT_OK ? 1 : 0;
}

static void reasoned_put(struct buf *b, uint8_t reason, struct slice props)
{
    if (props.len > 0 || reason != MQTT_OK)
        buf_u8(b, reason);
    if (props.len > 0)
        props_put(b, props);
}

void mqtt_ack_put(struct buf *b, enum mqtt_version v, enum mqtt_type type, uint16_t packet_id,
                  uint8_t reason, struct slice props)
{
    uint8_t flags = type == MQTT_PUBREL ? 2 : 0;

    assert(type >= MQTT_PUBACK && type <= MQTT_PUBCOMP && packet_id != 0);
    head_put(b, type, flags, 2 + (v == MQTT_50 ? reasoned_size(reason, props) : 0));
    mqtt_u16_put(b, packet_id);
    if (v == MQTT_50)
        reasoned_put(b, reason, props);
}

void mqtt_suback_put(struct buf *b, enum mqtt_version v, enum mqtt_type type, uint16_t packet_id,
                     const uint8_t *codes, size_t count, struct slice props)
{
    assert((type == MQTT_SUBACK || type == MQTT_UNSUBACK) && packet_id != 0);
    if (v != MQTT_50 && type == MQTT_UNSUBACK)
        count = 0;
    head_put(b, type, 0, 2 + (v == MQTT_50 ? props_size(props) : 0) + count);
    mqtt_u16_put(b, packet_id);
    if (v == MQTT_50)
        props_put(b, props);
    buf_put(b, codes, count);
}

void mqtt_pingresp_put(struct buf *b)
{
    head_put(b, MQTT_PINGRESP, 0, 0);
}

void mqtt_disconnect_put(struct buf *b, uint8_t reason, struct slice props)
{
    head_put(b, MQTT_DISCONNECT, 0, reasoned_size(reason, props));
    reasoned_put(b, reason, props);
}

void mqtt_auth_put(struct buf *b, uint8_t reason, struct slice props)
{
    head_put(b, MQTT_AUTH, 0, reasoned_size(reason, props));
    reasoned_put(b, reason, props);
}

/* --- PUBLISH in pieces ------------------------------------------------------------- */

static size_t publish_remaining(uint8_t qos, size_t topic_len, size_t rest_len)
{
    return 2 + topic_len + (qos > 0 ? 2 : 0) + rest_len;
}

void mqtt_publish_head_put(struct buf *b, uint8_t flags, struct slice topic, size_t rest_len)
{
    uint8_t qos = flags >> 1 & 3;

    assert(flags <= 0x0f && qos <= 2 && (qos > 0 || flags <= 1)); /* no DUP with QoS 0 */
    head_put(b, MQTT_PUBLISH, flags, publish_remaining(qos, topic.len, rest_len));
    mqtt_data_put(b, topic);
}

size_t mqtt_publish_size(uint8_t qos, size_t topic_len, size_t rest_len)
{
    size_t remaining = publish_remaining(qos, topic_len, rest_len);

    assert(remaining <= MQTT_REMAINING_MAX);
    return 1 + mqtt_varint_size((uint32_t)remaining) + remaining;
}
