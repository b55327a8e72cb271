/*
 * packets.c - the layout of a PUBLISH.
 *
 *   ┌──────────────── head ─────────────────┬──────── shared ────────┐
 *   fixed header, topic, identifier, length │ sluice-id, the event's  │
 *   of the properties, the client's own     │ properties, the payload │
 *
 * sluice-id comes first in what is shared, sluice-type behind it, so that they can be left
 * out for a client that has not asked for them, and the ID for one whose maximum packet
 * size it would pass: it is the first to go, sluice-gap the next.
 *
 * How it fails: properties of a record that cannot be read (an older store's) are left
 * out; the rest is sent.
 */
#include "packets.h"

#include <assert.h>

#include "transport.h"

/* What a head has beyond its topic: fixed header, lengths, identifier. */
#define HEAD_ROOM (MQTT_HEAD_MAX + 2 + 2 + 4)

static const struct slice id_name = {"sluice-id", 9};
static const struct slice gap_name = {"sluice-gap", 10};
static const struct slice type_name = {"sluice-type", 11};

/* --- heads -------------------------------------------------------------------------- */

/* Properties are written first, for the head says their length: room is left before them,
 * and they move down by what the head did not need of it. */
struct packets_head {
    uint8_t flags;
    uint16_t packet_id; /* QoS 1 and 2 */
    struct slice topic;
    size_t more;    /* bytes of properties that lie elsewhere */
    size_t payload; /* behind all properties */
};

/* Of a packet that begins at the end of b; where its properties begin. */
static size_t packets_head_room(struct buf *b, struct slice topic)
{
    (void)buf_reserve(b, HEAD_ROOM + topic.len);
    b->len += HEAD_ROOM + topic.len;
    return b->len;
}

static void packets_put_packet_id(struct buf *b, uint16_t id)
{
    buf_u8(b, (uint8_t)(id >> 8));
    buf_u8(b, (uint8_t)id);
}

/* The properties, with their length, and the payload. */
static size_t packets_rest_size(size_t props, size_t payload)
{
    return mqtt_varint_size((uint32_t)props) + props + payload;
}

/* b ends with the properties, which begin at `props`; the packet begins at `start`. */
static void packets_head_put(struct buf *b, size_t start, size_t props,
                             const struct packets_head *h)
{
    uint8_t qos = h->flags >> 1 & 3;
    size_t here = b->len - props, all = here + h->more;
    size_t rest = packets_rest_size(all, h->payload);
    size_t head = mqtt_publish_size(qos, h->topic.len, rest) - all - h->payload;

    memmove(b->p + start + head, b->p + props, here);
    b->len = start;
    mqtt_publish_head_put(b, h->flags, h->topic, rest);
    if (qos > 0)
        packets_put_packet_id(b, h->packet_id);
    mqtt_varint_put(b, (uint32_t)all);
    assert(b->len == start + head);
    b->len += here;
}

/* --- what is shared ---------------------------------------------------------------- */

void packets_put_id(struct buf *b, uint64_t id)
{
    char text[24];
    struct buf digits = {(uint8_t *)text, 0, sizeof text};

    buf_dec(&digits, id);
    mqtt_prop_put_user(b, id_name, buf_slice(&digits));
}

static size_t packets_id_size(uint64_t id)
{
    size_t digits = 1;

    for (; id >= 10; id /= 10)
        digits++;
    return 1 + 2 + id_name.len + 2 + digits;
}

static void packets_put_text(struct buf *b, enum mqtt_property id, struct slice s)
{
    if (s.p != NULL)
        mqtt_prop_put_text(b, id, s);
}

static void packets_put_event_props(struct buf *b, const struct event *e, bool ours)
{
    struct event_props p;
    struct slice name, value;

    if (event_props_get(e->props, &p) != EVENT_OK)
        return;
    if (ours && p.type.p != NULL)
        mqtt_prop_put_user(b, type_name, p.type);
    if (p.payload_format >= 0)
        mqtt_prop_put_number(b, MQTT_PROP_PAYLOAD_FORMAT, (uint32_t)p.payload_format);
    packets_put_text(b, MQTT_PROP_CONTENT_TYPE, p.content_type);
    packets_put_text(b, MQTT_PROP_RESPONSE_TOPIC, p.response_topic);
    packets_put_text(b, MQTT_PROP_CORRELATION_DATA, p.correlation);
    while (event_user_next(&p.user, &name, &value))
        if (!event_user_is_ours(name))
            mqtt_prop_put_user(b, name, value);
}

static void packets_put_shared_props(struct buf *b, const struct event *e)
{
    packets_put_id(b, e->id);
    packets_put_event_props(b, e, true);
}

static void packets_encode_body_50(struct buf *b, const struct event *e)
{
    packets_put_shared_props(b, e);
    buf_put_slice(b, e->payload);
}

static void packets_encode_311(struct buf *b, const struct event *e)
{
    mqtt_publish_head_put(b, mqtt_publish_flags(false, 0, false), e->topic, e->payload.len);
    buf_put_slice(b, e->payload);
}

static void packets_encode_50(struct buf *b, const struct event *e)
{
    size_t start = b->len, props = packets_head_room(b, e->topic);
    struct packets_head h = {.topic = e->topic, .payload = e->payload.len};

    packets_put_shared_props(b, e);
    packets_head_put(b, start, props, &h);
    buf_put_slice(b, e->payload);
}

static void packets_encode_50_bare(struct buf *b, const struct event *e)
{
    size_t start = b->len, props = packets_head_room(b, e->topic);
    struct packets_head h = {.topic = e->topic, .payload = e->payload.len};

    packets_put_event_props(b, e, false);
    packets_head_put(b, start, props, &h);
    buf_put_slice(b, e->payload);
}

static void packets_encode_311_framed(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    packets_encode_311(b, e);
    transport_frame(b, start);
}

static void packets_encode_50_framed(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    packets_encode_50(b, e);
    transport_frame(b, start);
}

static void packets_encode_50_bare_framed(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    packets_encode_50_bare(b, e);
    transport_frame(b, start);
}

const form_encode packets_encoders[] = {
    [PACKET_311] = packets_encode_311,
    [PACKET_311_FRAMED] = packets_encode_311_framed,
    [PACKET_50] = packets_encode_50,
    [PACKET_50_FRAMED] = packets_encode_50_framed,
    [PACKET_50_BARE] = packets_encode_50_bare,
    [PACKET_50_BARE_FRAMED] = packets_encode_50_bare_framed,
    [PACKET_BODY_50] = packets_encode_body_50,
};

/* --- what is the client's own -------------------------------------------------------- */

static uint32_t packets_remaining_expiry(const struct event *e, uint64_t now_ms)
{
    uint64_t gone = now_ms > e->time ? (now_ms - e->time) / 1000 : 0;

    return gone < e->expiry ? e->expiry - (uint32_t)gone : 0;
}

static void packets_put_sub_ids(struct buf *b, const uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mqtt_prop_put_number(b, MQTT_PROP_SUBSCRIPTION_ID, ids[i]);
}

static void packets_put_own_props(struct buf *b, const struct event *e, const struct packet_own *o)
{
    if ((e->flags & EVENT_HAS_EXPIRY) != 0)
        mqtt_prop_put_number(b, MQTT_PROP_MESSAGE_EXPIRY, packets_remaining_expiry(e, o->now_ms));
    if (o->alias != 0)
        mqtt_prop_put_number(b, MQTT_PROP_TOPIC_ALIAS, o->alias);
    packets_put_sub_ids(b, o->sub_ids, o->sub_id_count);
}

/* `own` bytes of the client's own before what is shared, in which the payload is. */
static bool packets_fit(const struct packet_own *o, struct slice topic, size_t own,
                        struct slice shared, size_t payload)
{
    size_t rest = packets_rest_size(own + shared.len - payload, payload);

    return mqtt_publish_size(o->qos, topic.len, rest) <= o->max_size;
}

static void packets_skip(struct slice *s, size_t n)
{
    *s = (struct slice){s->p + n, s->len - n};
}

/* Of what is shared, the properties that are ours: they come first, the ID, then the type. */
static size_t packets_ours_size(const struct event *e, struct slice shared)
{
    size_t size = packets_id_size(e->id);
    struct slice props = {shared.p + size, shared.len - size - e->payload.len};
    struct mqtt_prop p;

    if (mqtt_prop_next(&props, &p) && p.id == MQTT_PROP_USER_PROPERTY &&
        slice_eq(p.text, type_name))
        size = shared.len - e->payload.len - props.len;
    return size;
}

/* Appends the client's own properties; leaves out what is ours until the packet fits. */
static bool packets_put_fitting(struct buf *b, const struct event *e, struct slice topic,
                                struct packet_own *o, struct slice *shared)
{
    size_t props = b->len, without_gap, skip = packets_id_size(e->id);

    packets_put_own_props(b, e, o);
    if (!o->ours) {
        packets_skip(shared, packets_ours_size(e, *shared));
        return packets_fit(o, topic, b->len - props, *shared, e->payload.len);
    }
    without_gap = b->len;
    o->gap_told = o->gap.len > 0;
    if (o->gap_told)
        mqtt_prop_put_user(b, gap_name, o->gap);
    if (packets_fit(o, topic, b->len - props, *shared, e->payload.len))
        return true;
    packets_skip(shared, skip);
    if (packets_fit(o, topic, b->len - props, *shared, e->payload.len))
        return true;
    b->len = without_gap;
    o->gap_told = false;
    return packets_fit(o, topic, b->len - props, *shared, e->payload.len);
}

/* Appends from `start` on, or nothing behind it when it does not fit. */
static bool packets_make_50(struct buf *b, size_t start, struct conn_piece *piece, struct entry *e,
                            struct packet_own *o)
{
    struct slice topic = o->topic_known ? (struct slice){NULL, 0} : e->e.topic;
    struct slice shared = block_encoded(e, PACKET_BODY_50, packets_encode_body_50);
    size_t payload = e->e.payload.len, props = packets_head_room(b, topic);
    struct packets_head h = {.flags = mqtt_publish_flags(o->dup, o->qos, o->retain),
                             .packet_id = o->packet_id,
                             .topic = topic,
                             .payload = payload};

    if (!packets_put_fitting(b, &e->e, topic, o, &shared))
        return false;
    h.more = shared.len - payload;
    packets_head_put(b, start, props, &h);
    piece->shared = shared;
    return true;
}

static bool packets_make_311(struct buf *b, struct conn_piece *piece, struct entry *e,
                             const struct packet_own *o)
{
    size_t payload = e->e.payload.len;

    if (mqtt_publish_size(o->qos, e->e.topic.len, payload) > o->max_size)
        return false;
    mqtt_publish_head_put(b, mqtt_publish_flags(o->dup, o->qos, o->retain), e->e.topic, payload);
    if (o->qos > 0)
        packets_put_packet_id(b, o->packet_id);
    piece->shared = e->e.payload;
    return true;
}

bool packets_make(struct buf *own, size_t room, struct conn_piece *piece, size_t *head_at,
                  struct entry *e, struct packet_own *o)
{
    size_t had = own->len, start = had + room;
    bool fits;

    *piece = (struct conn_piece){.pins = &e->block->pins};
    (void)buf_reserve(own, room);
    own->len = start;
    fits = o->version == MQTT_50 ? packets_make_50(own, start, piece, e, o)
                                 : packets_make_311(own, piece, e, o);
    if (!fits) {
        own->len = had;
        return false;
    }
    *head_at = start;
    piece->head.len = own->len - start;
    return true;
}

void packets_message_put(struct buf *b, enum mqtt_version version, struct slice topic,
                         struct slice payload, bool retain, const uint32_t *sub_ids,
                         size_t sub_id_count)
{
    struct packets_head h = {
        .flags = mqtt_publish_flags(false, 0, retain), .topic = topic, .payload = payload.len};
    size_t start = b->len, props;

    if (version == MQTT_50) {
        props = packets_head_room(b, topic);
        packets_put_sub_ids(b, sub_ids, sub_id_count);
        packets_head_put(b, start, props, &h);
    } else {
        mqtt_publish_head_put(b, h.flags, topic, payload.len);
    }
    buf_put_slice(b, payload);
}
