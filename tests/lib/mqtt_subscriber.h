/*
 * mqtt_subscriber.h - one client, "me", of the gateway in mqtt_world.h: it subscribes, gets
 * packets and acknowledges them; what the broker keeps of its session is looked at.  Included
 * once.
 *
 * What is not answered yet has not happened; settle() answers all.
 */
#ifndef TESTS_MQTT_SUBSCRIBER_H
#define TESTS_MQTT_SUBSCRIBER_H

#include "mqtt_world.h"
#include "run_suite.h"

static struct peer *const me = &w.peers[0];

/* What CONNECT says. */
struct wish {
    uint8_t version;  /* 0: 5.0 */
    uint32_t expiry;  /* 0: the session lives here alone */
    uint16_t maximum; /* of what it has not acknowledged; 0: as many as may be */
    uint32_t size;    /* of its largest packet; 0: any */
};

/* --- the client ------------------------------------------------------------------------ */

/* All that is asked is answered, until nothing is asked any more. */
static inline void settle(void)
{
    for (int i = 0; i < 20; i++) {
        played_filters_live(w.gateway.hub, w.head);
        while (played.reads != NULL)
            world_answer_read(0);
        while (played.publishes != NULL)
            world_answer(ERR_NONE);
        world_turn();
    }
}

static inline void put_connect(struct buf *b, const struct wish *wish)
{
    struct buf props = {0};

    packet_put_text(b, SLICE("MQTT"));
    buf_u8(b, wish->version == 0 ? MQTT_50 : wish->version);
    buf_u8(b, wish->version == MQTT_311 && wish->expiry == 0 ? 2 : 0);
    packet_put_u16(b, 0);
    if (wish->expiry != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_SESSION_EXPIRY, wish->expiry);
    if (wish->maximum != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_RECEIVE_MAXIMUM, wish->maximum);
    if (wish->size != 0)
        mqtt_prop_put_number(&props, MQTT_PROP_MAXIMUM_PACKET_SIZE, wish->size);
    mqtt_prop_put_user(&props, SLICE("sluice-properties"), SLICE("on"));
    if (wish->version != MQTT_311)
        packet_put_props(b, &props);
    packet_put_text(b, SLICE("me"));
    buf_free(&props);
}

/* CONNACK is looked at elsewhere. */
static inline void forget_connack(void)
{
    struct mqtt_head h;
    int n = mqtt_head_get(&h, me->written.p, me->written.len);

    ck_assert_int_gt(n, 0);
    ck_assert_uint_eq(h.type, MQTT_CONNACK);
    buf_consume(&me->written, (size_t)n + h.remaining);
}

/* What follows CONNACK is there by then, but for what the broker is asked. */
static inline void connect_begin(struct wish wish)
{
    struct buf b = {0};

    peer_open(me);
    put_connect(&b, &wish);
    me->version = wish.version == 0 ? MQTT_50 : wish.version;
    peer_send(me, MQTT_CONNECT << 4, &b);
    buf_free(&b);
    world_answer(ERR_NONE);
    world_turn();
    while (played.reads != NULL && me->written.len == 0)
        world_answer_read(0); /* what was lost is found out first */
    world_turn();
    forget_connack();
}

static inline void connect_as(struct wish wish)
{
    connect_begin(wish);
    settle();
}

static inline void leave(void)
{
    peer_leave(me);
    settle();
    peer_free(me);
}

static inline void subscribe(const char *filter, uint8_t options)
{
    struct buf b = {0};

    packet_put_u16(&b, 1);
    if (me->version == MQTT_50)
        buf_u8(&b, 0);
    packet_put_text(&b, slice_of(filter));
    buf_u8(&b, options);
    peer_send(me, MQTT_SUBSCRIBE << 4 | 2, &b);
    buf_free(&b);
    settle();
    buf_clear(&me->written); /* SUBACK */
}

/* --- events ---------------------------------------------------------------------------- */

static inline uint64_t publish_event(struct event e)
{
    world_live(&e);
    world_turn();
    return w.head;
}

/* Published at QoS 2, so that the filter's decides. */
static inline uint64_t publish(const char *topic, const char *payload)
{
    return publish_event((struct event){
        .topic = slice_of(topic), .payload = slice_of(payload), .flags = 2 << EVENT_QOS_SHIFT});
}

/* --- what the client gets ---------------------------------------------------------------- */

static inline struct mqtt_head next_head(struct slice *body)
{
    struct mqtt_head h;
    int n = mqtt_head_get(&h, me->written.p, me->written.len);

    ck_assert_msg(n > 0, "nothing came");
    ck_assert_uint_ge(me->written.len, (size_t)n + h.remaining);
    *body = (struct slice){(char *)me->written.p + n, h.remaining};
    return h;
}

static inline void next_over(struct slice body)
{
    buf_consume(&me->written, (size_t)(body.p + body.len - (char *)me->written.p));
}

/* The next packet; its identifier. */
static inline uint16_t expect_publish(uint8_t qos, bool dup, const char *payload)
{
    struct slice body;
    struct mqtt_head h = next_head(&body);
    struct mqtt_publish m;

    ck_assert_uint_eq(h.type, MQTT_PUBLISH);
    ck_assert_uint_eq(mqtt_publish_get(me->version, h.flags, body, &m), MQTT_OK);
    ck_assert_uint_eq(m.qos, qos);
    ck_assert(m.dup == dup);
    ck_assert(slice_eq(m.payload, slice_of(payload)));
    next_over(body);
    return m.packet_id;
}

static inline void expect_pubrel(uint16_t id, enum mqtt_reason reason)
{
    struct slice body;
    struct mqtt_head h = next_head(&body);
    struct mqtt_ack m;

    ck_assert_uint_eq(h.type, MQTT_PUBREL);
    ck_assert_uint_eq(mqtt_ack_get(me->version, MQTT_PUBREL, body, &m), MQTT_OK);
    ck_assert_uint_eq(m.packet_id, id);
    ck_assert_uint_eq(m.reason, reason);
    next_over(body);
}

static inline void expect_nothing(void)
{
    ck_assert_uint_eq(me->written.len, 0);
}

/* The end of the turn: what is said gathers until then. */
static inline void acknowledge(enum mqtt_type type, uint16_t id)
{
    peer_send_ack(me, (uint8_t)type, id);
    world_turn();
}

static inline void pubrec_refuses(uint16_t id)
{
    struct buf b = {0};

    packet_put_u16(&b, id);
    buf_u8(&b, MQTT_UNSPECIFIED);
    peer_send(me, MQTT_PUBREC << 4, &b);
    buf_free(&b);
    world_turn();
}

/* --- what the broker keeps ------------------------------------------------------------------ */

static inline bool kept_item(struct slice key, struct slice *value)
{
    const struct kept *k = keep(SLICE("me"));
    struct reader r = reader_of(k->items.p, k->items.len);
    struct wire_item i;

    while (wire_item_get(&r, &i)) {
        if (!slice_eq(i.key, key))
            continue;
        *value = i.value;
        return true;
    }
    return false;
}

static inline bool kept_in_flight(uint16_t id)
{
    const char key[] = {'O', (char)(id >> 8), (char)id};
    struct slice value;

    return kept_item((struct slice){key, sizeof key}, &value);
}

/* Its cursor there; *follows: it moves on with the position. */
static inline uint64_t kept_cursor(bool *follows)
{
    struct slice value = {NULL, 0};
    struct reader r;
    uint64_t cursor;

    ck_assert(kept_item(SLICE("P"), &value));
    r = reader_of(value.p, value.len);
    cursor = reader_u64(&r);
    *follows = reader_u8(&r) != 0;
    return cursor;
}

static inline struct session *session(void)
{
    const struct mqttd *m = w.gateway.protocol;

    ck_assert_ptr_nonnull(m->sessions);
    return m->sessions;
}

/* The process's tick, whose WRITEs are on the way then. */
static inline void checkpoint(void)
{
    ck_assert_ptr_null(played.publishes);
    world_pass_time(1100);
    world_turn();
}

static inline size_t units(void)
{
    const struct link_publish *p;
    int n = 0;

    DL_COUNT(played.publishes, p, n);
    return (size_t)n;
}

#endif
