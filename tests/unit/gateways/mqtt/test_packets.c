/* test_packets.c - the bytes of a PUBLISH: whole and in pieces, both versions; what is
 * left out for a client that takes only small packets. */
#include "packets.h"

#include "mem.h"
#include "run_suite.h"

#define ROOM 10

static struct buf own, packet;
static struct blocks blocks;
static struct block *block;

static void setup(void)
{
}

static void teardown(void)
{
    buf_free(&own);
    buf_free(&packet);
    if (block != NULL)
        block_unref(block);
    block = NULL;
    blocks_close(&blocks);
}

static struct entry *entry_of(const struct event *e)
{
    struct buf b = {0};
    struct zmsg m;

    if (block != NULL)
        block_unref(block); /* of the event before */
    event_record_put(&b, e);
    zmsg_init_buf(&m, &b);
    block = block_new(&blocks, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
    return block->entries;
}

static struct entry *small_event(void)
{
    struct event e = {.id = 42, .time = 1000, .topic = SLICE("a/b"), .payload = SLICE("hi")};

    return entry_of(&e);
}

/* The pieces as they go out. */
static bool make(struct entry *e, struct packet_own *o)
{
    struct conn_piece piece;
    size_t at;

    buf_clear(&packet);
    buf_clear(&own);
    if (o->max_size == 0)
        o->max_size = UINT32_MAX;
    if (!packets_make(&own, ROOM, &piece, &at, e, o))
        return false;
    ck_assert_uint_eq(at, ROOM);
    ck_assert_ptr_eq(piece.pins, &block->pins);
    buf_put(&packet, own.p + at, piece.head.len);
    buf_put_slice(&packet, piece.shared);
    buf_put_slice(&packet, piece.rest);
    return true;
}

static struct mqtt_publish decode(enum mqtt_version v)
{
    struct mqtt_head h;
    struct mqtt_publish m;
    int n = mqtt_head_get(&h, packet.p, packet.len);
    struct slice body = {(char *)packet.p + n, packet.len - (size_t)n};

    ck_assert_int_gt(n, 0);
    ck_assert_uint_eq(h.remaining, body.len);
    ck_assert_uint_eq(mqtt_publish_get(v, h.flags, body, &m), MQTT_OK);
    return m;
}

static void assert_bytes(const char *bytes, size_t len)
{
    ck_assert_uint_eq(packet.len, len);
    ck_assert_mem_eq(packet.p, bytes, len);
}

static void assert_user(const struct mqtt_publish *m, struct slice name, struct slice value)
{
    struct slice got;

    ck_assert(mqtt_user_get(&m->props, name, &got));
    ck_assert(slice_eq(got, value));
}

/* --- 3.1.1 ------------------------------------------------------------------------------- */

START_TEST(test_311_whole)
{
    packets_encoders[PACKET_311](&packet, &small_event()->e);
    assert_bytes("\x30\x07\0\3a/bhi", 9);
}
END_TEST

START_TEST(test_311_pieces_with_an_identifier)
{
    struct packet_own o = {.version = MQTT_311, .qos = 1, .packet_id = 0x1234, .retain = true};

    ck_assert(make(small_event(), &o));
    assert_bytes("\x33\x09\0\3a/b\x12\x34hi", 11);
}
END_TEST

START_TEST(test_311_sent_again)
{
    struct packet_own o = {.version = MQTT_311, .qos = 2, .packet_id = 1, .dup = true};

    ck_assert(make(small_event(), &o));
    assert_bytes("\x3c\x09\0\3a/b\0\1hi", 11);
}
END_TEST

START_TEST(test_311_shares_the_payload_as_it_lies_in_the_record)
{
    struct packet_own o = {.version = MQTT_311, .max_size = UINT32_MAX};
    struct conn_piece piece;
    struct entry *e = small_event();
    size_t at;

    ck_assert(packets_make(&own, ROOM, &piece, &at, e, &o));
    ck_assert_ptr_eq(piece.shared.p, e->e.payload.p);
}
END_TEST

/* --- 5.0 ----------------------------------------------------------------------------------- */

START_TEST(test_50_whole_has_its_id)
{
    packets_encoders[PACKET_50](&packet, &small_event()->e);
    assert_bytes("\x30\x18\0\3a/b\x10\x26\0\x09sluice-id\0\2"
                 "42hi",
                 26);
}
END_TEST

START_TEST(test_50_framed_is_the_same_in_one_binary_frame)
{
    packets_encoders[PACKET_50_FRAMED](&packet, &small_event()->e);
    ck_assert_mem_eq(packet.p, "\x82\x1a\x30\x18", 4);
    ck_assert_uint_eq(packet.len, 28);
}
END_TEST

START_TEST(test_50_pieces_are_what_the_whole_is)
{
    struct packet_own o = {.version = MQTT_50, .ours = true};
    struct buf whole = {0};
    struct entry *e = small_event();

    packets_encoders[PACKET_50](&whole, &e->e);
    ck_assert(make(e, &o));
    assert_bytes((char *)whole.p, whole.len);
    buf_free(&whole);
}
END_TEST

START_TEST(test_50_carries_what_the_event_has)
{
    struct event_props p = {.content_type = SLICE("text/plain"),
                            .response_topic = SLICE("answer"),
                            .correlation = SLICE("\0\1"),
                            .payload_format = 1,
                            .type = SLICE("alarm"),
                            .origin = SLICE("me")};
    struct packet_own o = {.version = MQTT_50, .ours = true};
    struct buf user = {0}, props = {0};
    struct event e = {.id = 7, .time = 1, .topic = SLICE("t"), .payload = SLICE("x")};
    struct mqtt_publish m;

    event_user_put(&user, SLICE("k"), SLICE("v"));
    p.user = buf_slice(&user);
    event_props_put(&props, &p);
    e.props = buf_slice(&props);
    ck_assert(make(entry_of(&e), &o));
    m = decode(MQTT_50);
    ck_assert(slice_eq(m.payload, SLICE("x")));
    ck_assert(slice_eq(mqtt_prop_text(&m.props, MQTT_PROP_CONTENT_TYPE), SLICE("text/plain")));
    ck_assert(slice_eq(mqtt_prop_text(&m.props, MQTT_PROP_RESPONSE_TOPIC), SLICE("answer")));
    ck_assert(slice_eq(mqtt_prop_text(&m.props, MQTT_PROP_CORRELATION_DATA), SLICE("\0\1")));
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_PAYLOAD_FORMAT, 9), 1);
    assert_user(&m, SLICE("k"), SLICE("v"));
    assert_user(&m, SLICE("sluice-id"), SLICE("7"));
    assert_user(&m, SLICE("sluice-type"), SLICE("alarm"));
    ck_assert_ptr_null(memmem(packet.p, packet.len, "me", 2)); /* whose it is, nobody sees */
    buf_free(&user);
    buf_free(&props);
}
END_TEST

START_TEST(test_50_bare_has_nothing_of_ours)
{
    packets_encoders[PACKET_50_BARE](&packet, &small_event()->e);
    assert_bytes("\x30\x08\0\3a/b\0hi", 10);
}
END_TEST

/* One payload looks like a property of ours. */
START_TEST(test_50_pieces_without_what_is_ours)
{
    static const struct slice payloads[] = {{"x", 1}, {"\x26\0\x0bsluice-type\0\1x", 17}};
    struct event_props p = {.payload_format = -1, .type = SLICE("alarm")};
    struct packet_own o = {.version = MQTT_50};
    struct buf user = {0}, props = {0};
    struct mqtt_publish m;
    struct slice value;

    event_user_put(&user, SLICE("k"), SLICE("v"));
    p.user = buf_slice(&user);
    event_props_put(&props, &p);
    for (size_t i = 0; i < 4; i++) {
        struct event e = {.id = 7, .time = 1, .topic = SLICE("t"), .payload = payloads[i % 2]};

        if (i / 2 != 0)
            e.props = buf_slice(&props);
        ck_assert(make(entry_of(&e), &o));
        m = decode(MQTT_50);
        ck_assert(slice_eq(m.payload, payloads[i % 2]));
        ck_assert(!mqtt_user_get(&m.props, SLICE("sluice-id"), &value));
        ck_assert(!mqtt_user_get(&m.props, SLICE("sluice-type"), &value));
        ck_assert_int_eq(mqtt_user_get(&m.props, SLICE("k"), &value), i / 2 != 0);
    }
    buf_free(&user);
    buf_free(&props);
}
END_TEST

START_TEST(test_50_subscription_identifiers)
{
    static const uint32_t ids[] = {1, 268435455};
    struct packet_own o = {.version = MQTT_50, .ours = true, .sub_ids = ids, .sub_id_count = 2};

    ck_assert(make(small_event(), &o));
    ck_assert_ptr_nonnull(memmem(packet.p, packet.len, "\x0b\x01\x0b\xff\xff\xff\x7f", 7));
}
END_TEST

static uint32_t expiry_left(uint64_t now_ms)
{
    struct event e = {
        .id = 1, .time = 10000, .topic = SLICE("t"), .flags = EVENT_HAS_EXPIRY, .expiry = 5};
    struct packet_own o = {.version = MQTT_50, .ours = true, .now_ms = now_ms};
    struct mqtt_publish m;

    teardown();
    ck_assert(make(entry_of(&e), &o));
    m = decode(MQTT_50);
    return mqtt_prop_number(&m.props, MQTT_PROP_MESSAGE_EXPIRY, UINT32_MAX);
}

START_TEST(test_50_expiry_is_counted_down)
{
    ck_assert_uint_eq(expiry_left(10000), 5);
    ck_assert_uint_eq(expiry_left(11999), 4);
    ck_assert_uint_eq(expiry_left(14999), 1);
    ck_assert_uint_eq(expiry_left(60000), 0);
    ck_assert_uint_eq(expiry_left(9000), 5); /* our clock is behind */
}
END_TEST

START_TEST(test_50_alias_with_and_without_the_topic)
{
    struct packet_own o = {.version = MQTT_50, .ours = true, .alias = 3};
    struct mqtt_publish m;

    ck_assert(make(small_event(), &o));
    m = decode(MQTT_50);
    ck_assert(slice_eq(m.topic, SLICE("a/b")));
    ck_assert_uint_eq(mqtt_prop_number(&m.props, MQTT_PROP_TOPIC_ALIAS, 0), 3);
    o.topic_known = true;
    ck_assert(make(block->entries, &o));
    m = decode(MQTT_50);
    ck_assert_uint_eq(m.topic.len, 0);
}
END_TEST

/* --- small clients -------------------------------------------------------------------------- */

START_TEST(test_ours_are_the_first_to_go)
{
    struct packet_own o = {.version = MQTT_50, .ours = true, .gap = SLICE("{}")};
    struct mqtt_publish m;
    struct slice value;
    size_t whole;

    ck_assert(make(small_event(), &o));
    ck_assert(o.gap_told);
    whole = packet.len;

    o.max_size = (uint32_t)whole - 1;
    ck_assert(make(block->entries, &o));
    m = decode(MQTT_50);
    ck_assert(o.gap_told);
    ck_assert(!mqtt_user_get(&m.props, SLICE("sluice-id"), &value));
    assert_user(&m, SLICE("sluice-gap"), SLICE("{}"));

    o.max_size = (uint32_t)packet.len - 1;
    ck_assert(make(block->entries, &o));
    m = decode(MQTT_50);
    ck_assert(!o.gap_told);
    ck_assert_uint_eq(m.props.bytes.len, 0);

    o.max_size = (uint32_t)packet.len - 1;
    ck_assert(!make(block->entries, &o));
    ck_assert_uint_eq(own.len, 0);
}
END_TEST

START_TEST(test_311_too_large)
{
    struct packet_own o = {.version = MQTT_311, .max_size = 8};

    ck_assert(!make(small_event(), &o));
    o.max_size = 9;
    ck_assert(make(block->entries, &o));
}
END_TEST

START_TEST(test_an_empty_payload)
{
    struct event e = {.id = 42, .time = 1, .topic = SLICE("t")};
    struct packet_own o = {.version = MQTT_311};

    ck_assert(make(entry_of(&e), &o));
    assert_bytes("\x30\x03\0\1t", 5);
    o.version = MQTT_50;
    ck_assert(make(block->entries, &o));
    ck_assert_uint_eq(decode(MQTT_50).payload.len, 0);
}
END_TEST

START_TEST(test_a_message_that_is_no_event)
{
    static const uint32_t id = 5;

    packets_message_put(&packet, MQTT_311, SLICE("$SYS/x"), SLICE("1"), true, &id, 1);
    assert_bytes("\x31\x09\0\6$SYS/x1", 11);
    buf_clear(&packet);
    packets_message_put(&packet, MQTT_50, SLICE("$SYS/x"), SLICE("1"), false, &id, 1);
    assert_bytes("\x30\x0c\0\6$SYS/x\x02\x0b\x05\x31", 14);
}
END_TEST

int main(void)
{
    return RUN_TESTS("packets", setup, teardown, test_311_whole, test_311_pieces_with_an_identifier,
                     test_311_sent_again, test_311_shares_the_payload_as_it_lies_in_the_record,
                     test_50_whole_has_its_id, test_50_bare_has_nothing_of_ours,
                     test_50_pieces_without_what_is_ours,
                     test_50_framed_is_the_same_in_one_binary_frame,
                     test_50_pieces_are_what_the_whole_is, test_50_carries_what_the_event_has,
                     test_50_subscription_identifiers, test_50_expiry_is_counted_down,
                     test_50_alias_with_and_without_the_topic, test_ours_are_the_first_to_go,
                     test_311_too_large, test_an_empty_payload, test_a_message_that_is_no_event);
}
