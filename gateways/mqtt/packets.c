/*
 * packets.c - the layout of a PUBLISH.
 *
 *   ┌──────────────── head ─────────────────┬──────── shared ────────┐
 *   fixed header, topic, identifier, length │ sluice-id, the event's  │
 *   of the properties, the client's own     │ properties, the payload │
 *
 * sluice-id comes first in what is shared, so that it can be left out for a client
 * whose maximum packet size it would pass: it is the first to go, sluice-gap the next.
 *
 * How it fails: properties of a record that cannot be read (an older store's) are left
 * out; the rest is sent.
 */
#include "packets.h"

#include "transport.h"

#define SCRATCH_MAX (256u * 1024) /* kept from packet to packet */

static const struct slice id_name = {"sluice-id", 9};
static const struct slice gap_name = {"sluice-gap", 10};
static const struct slice type_name = {"sluice-type", 11};

static struct slice bytes_of(const struct buf *b)
{
    return (struct slice){(const char *)b->p, b->len};
}

/* Loop thread only, as all encoding. */
static struct buf *scratch(void)
{
    static struct buf b;

    if (b.cap > SCRATCH_MAX)
        buf_free(&b);
    buf_clear(&b);
    return &b;
}

/* --- what is shared ---------------------------------------------------------------- */

static void put_id(struct buf *b, uint64_t id)
{
    char text[24];
    struct buf digits = {(uint8_t *)text, 0, sizeof text};

    buf_dec(&digits, id);
    mqtt_prop_put_user(b, id_name, bytes_of(&digits));
}

static size_t id_size(uint64_t id)
{
    size_t digits = 1;

    for (; id >= 10; id /= 10)
        digits++;
    return 1 + 2 + id_name.len + 2 + digits;
}

static void put_text(struct buf *b, enum mqtt_property id, struct slice s)
{
    if (s.p != NULL)
        mqtt_prop_put_text(b, id, s);
}

static void put_event_props(struct buf *b, const struct event *e)
{
    struct event_props p;
    struct slice name, value;

    if (event_props_get(e->props, &p) != EVENT_OK)
        return;
    if (p.payload_format >= 0)
        mqtt_prop_put_number(b, MQTT_PROP_PAYLOAD_FORMAT, (uint32_t)p.payload_format);
    put_text(b, MQTT_PROP_CONTENT_TYPE, p.content_type);
    put_text(b, MQTT_PROP_RESPONSE_TOPIC, p.response_topic);
    put_text(b, MQTT_PROP_CORRELATION_DATA, p.correlation);
    if (p.type.p != NULL)
        mqtt_prop_put_user(b, type_name, p.type);
    while (event_user_next(&p.user, &name, &value))
        mqtt_prop_put_user(b, name, value);
}

static void put_shared_props(struct buf *b, const struct event *e)
{
    put_id(b, e->id);
    put_event_props(b, e);
}

static void put_body_50(struct buf *b, const struct event *e)
{
    put_shared_props(b, e);
    buf_put_slice(b, e->payload);
}

static void put_311(struct buf *b, const struct event *e)
{
    mqtt_publish_head_put(b, mqtt_publish_flags(false, 0, false), e->topic, e->payload.len);
    buf_put_slice(b, e->payload);
}

static void put_50(struct buf *b, const struct event *e)
{
    struct buf *props = scratch();
    size_t size;

    put_shared_props(props, e);
    size = mqtt_varint_size((uint32_t)props->len) + props->len;
    mqtt_publish_head_put(b, mqtt_publish_flags(false, 0, false), e->topic, size + e->payload.len);
    mqtt_varint_put(b, (uint32_t)props->len);
    buf_put(b, props->p, props->len);
    buf_put_slice(b, e->payload);
}

static void put_311_framed(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    put_311(b, e);
    transport_frame(b, start);
}

static void put_50_framed(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    put_50(b, e);
    transport_frame(b, start);
}

const form_encode packet_encoders[] = {
    [PACKET_311] = put_311,         [PACKET_311_FRAMED] = put_311_framed,
    [PACKET_50] = put_50,           [PACKET_50_FRAMED] = put_50_framed,
    [PACKET_BODY_50] = put_body_50,
};

/* --- what is the client's own -------------------------------------------------------- */

static uint32_t remaining_expiry(const struct event *e, uint64_t now_ms)
{
    uint64_t gone = now_ms > e->time ? (now_ms - e->time) / 1000 : 0;

    return gone < e->expiry ? e->expiry - (uint32_t)gone : 0;
}

static void put_sub_ids(struct buf *b, const uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mqtt_prop_put_number(b, MQTT_PROP_SUBSCRIPTION_ID, ids[i]);
}

static void put_own_props(struct buf *b, const struct event *e, const struct packet_own *o)
{
    if ((e->flags & EVENT_HAS_EXPIRY) != 0)
        mqtt_prop_put_number(b, MQTT_PROP_MESSAGE_EXPIRY, remaining_expiry(e, o->now_ms));
    if (o->alias != 0)
        mqtt_prop_put_number(b, MQTT_PROP_TOPIC_ALIAS, o->alias);
    put_sub_ids(b, o->sub_ids, o->sub_id_count);
}

/* Both kinds of properties, with their length, and the payload. */
static size_t rest_size(size_t own, struct slice shared, size_t payload)
{
    size_t props = own + shared.len - payload;

    return mqtt_varint_size((uint32_t)props) + props + payload;
}

static bool fits(const struct packet_own *o, struct slice topic, size_t rest)
{
    return mqtt_publish_size(o->qos, topic.len, rest) <= o->max_size;
}

/* Leaves out what is ours until the packet fits. */
static bool fit_50(struct buf *own, const struct event *e, struct slice topic, struct packet_own *o,
                   struct slice *shared)
{
    size_t without_gap, skip = id_size(e->id);

    put_own_props(own, e, o);
    without_gap = own->len;
    o->gap_told = o->gap.len > 0;
    if (o->gap_told)
        mqtt_prop_put_user(own, gap_name, o->gap);
    if (fits(o, topic, rest_size(own->len, *shared, e->payload.len)))
        return true;
    shared->p += skip;
    shared->len -= skip;
    if (fits(o, topic, rest_size(own->len, *shared, e->payload.len)))
        return true;
    own->len = without_gap;
    o->gap_told = false;
    return fits(o, topic, rest_size(own->len, *shared, e->payload.len));
}

static void put_packet_id(struct buf *b, uint16_t id)
{
    buf_u8(b, (uint8_t)(id >> 8));
    buf_u8(b, (uint8_t)id);
}

/* Fixed header, topic and identifier; returns where the head began. */
static size_t head_begin(struct buf *b, size_t room, struct slice topic, const struct packet_own *o,
                         size_t rest)
{
    size_t at;

    (void)buf_reserve(b, room);
    b->len += room;
    at = b->len;
    mqtt_publish_head_put(b, mqtt_publish_flags(o->dup, o->qos, o->retain), topic, rest);
    if (o->qos > 0)
        put_packet_id(b, o->packet_id);
    return at;
}

static bool make_50(struct buf *b, size_t room, struct conn_piece *piece, size_t *head_at,
                    struct entry *e, struct slice topic, struct packet_own *o)
{
    struct slice shared = entry_encoded(e, PACKET_BODY_50, put_body_50);
    size_t payload = e->e.payload.len;
    struct buf *own = scratch();

    if (!fit_50(own, &e->e, topic, o, &shared))
        return false;
    *head_at = head_begin(b, room, topic, o, rest_size(own->len, shared, payload));
    mqtt_varint_put(b, (uint32_t)(own->len + shared.len - payload));
    buf_put(b, own->p, own->len);
    piece->shared = shared;
    return true;
}

bool packet_make(struct buf *own, size_t room, struct conn_piece *piece, size_t *head_at,
                 struct entry *e, struct packet_own *o)
{
    struct slice topic = o->topic_known ? (struct slice){NULL, 0} : e->e.topic;

    *piece = (struct conn_piece){.pins = &e->block->pins};
    if (o->version == MQTT_50) {
        if (!make_50(own, room, piece, head_at, e, topic, o))
            return false;
    } else {
        if (!fits(o, topic, e->e.payload.len))
            return false;
        *head_at = head_begin(own, room, topic, o, e->e.payload.len);
        piece->shared = e->e.payload;
    }
    piece->head.len = own->len - *head_at;
    return true;
}

void packet_message_put(struct buf *b, enum mqtt_version version, struct slice topic,
                        struct slice payload, bool retain, const uint32_t *sub_ids,
                        size_t sub_id_count)
{
    struct buf *props = scratch();
    size_t rest = payload.len;

    put_sub_ids(props, sub_ids, sub_id_count);
    if (version == MQTT_50)
        rest += mqtt_varint_size((uint32_t)props->len) + props->len;
    mqtt_publish_head_put(b, mqtt_publish_flags(false, 0, retain), topic, rest);
    if (version == MQTT_50) {
        mqtt_varint_put(b, (uint32_t)props->len);
        buf_put(b, props->p, props->len);
    }
    buf_put_slice(b, payload);
}
