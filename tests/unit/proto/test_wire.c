/*
 * test_wire.c - the messages on link, held by golden vectors in both directions
 * (see vectors.h).
 */
#include "suite.h"
#include "vectors.h"

#define ID UINT64_C(890000000000001)
#define HEAD (ID + 100)
#define TIME UINT64_C(1795113600123)
#define LIST_MAX 16 /* more than any vector has room for */

static const struct wire_uuid INSTANCE = {{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
                                           0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f}};
static const struct wire_uuid LOG = {{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
                                      0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf}};

static bool same_uuid(struct wire_uuid a, struct wire_uuid b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

/* What a decoder found, for the expectation that follows it. */
static uint64_t seq, after, upto;
static uint32_t ref;
static uint16_t error;
static struct slice text;

/* --- hello -------------------------------------------------------------------- */

static struct wire_hello hello;

static void hello_encode(struct buf *b)
{
    struct wire_hello m = {WIRE_VERSION, INSTANCE, LOG, ID, SLICE("sse")};

    wire_hello_put(b, &m);
}

static bool hello_decode(const void *p, size_t len)
{
    return wire_hello_get(p, len, &hello);
}

static void hello_expect(void)
{
    ck_assert_uint_eq(hello.version, WIRE_VERSION);
    ck_assert(same_uuid(hello.instance, INSTANCE));
    ck_assert(same_uuid(hello.log, LOG));
    ck_assert_uint_eq(hello.seen, ID);
    assert_slice(hello.name, "sse");
}

static void hello_other_version_encode(struct buf *b)
{
    buf_u8(b, WIRE_HELLO);
    buf_u16(b, 5);
}

static void hello_other_version_expect(void)
{
    ck_assert_uint_eq(hello.version, 5);
    ck_assert_uint_eq(hello.seen, 0);
    ck_assert_uint_eq(hello.name.len, 0);
}

static struct wire_hello_ok hello_ok;

static void hello_ok_encode(struct buf *b)
{
    struct wire_hello_ok m = {WIRE_VERSION, LOG, HEAD, 8 << 20, false};

    wire_hello_ok_put(b, &m);
}

static bool hello_ok_decode(const void *p, size_t len)
{
    return wire_hello_ok_get(p, len, &hello_ok);
}

static void hello_ok_expect(void)
{
    ck_assert_uint_eq(hello_ok.version, WIRE_VERSION);
    ck_assert(same_uuid(hello_ok.log, LOG));
    ck_assert_uint_eq(hello_ok.head, HEAD);
    ck_assert_uint_eq(hello_ok.window, 8 << 20);
    ck_assert(!hello_ok.reset);
}

static void hello_ok_reset_encode(struct buf *b)
{
    struct wire_hello_ok m = {WIRE_VERSION, LOG, 0, 8 << 20, true};

    wire_hello_ok_put(b, &m);
}

static void hello_ok_reset_expect(void)
{
    ck_assert(hello_ok.reset);
    ck_assert_uint_eq(hello_ok.head, 0);
}

static void hello_no_encode(struct buf *b)
{
    wire_hello_no_put(b, ERR_NOT_IMPLEMENTED, SLICE("version 2 is spoken here"));
}

static bool hello_no_decode(const void *p, size_t len)
{
    return wire_hello_no_get(p, len, &error, &text);
}

static void hello_no_expect(void)
{
    ck_assert_uint_eq(error, ERR_NOT_IMPLEMENTED);
    assert_slice(text, "version 2 is spoken here");
}

/* --- filters ------------------------------------------------------------------ */

static void filter_add_encode(struct buf *b)
{
    wire_filter_add_put(b, 7, SLICE("sensors/+/t"));
}

static bool filter_add_decode(const void *p, size_t len)
{
    return wire_filter_add_get(p, len, &ref, &text);
}

static void filter_add_expect(void)
{
    ck_assert_uint_eq(ref, 7);
    assert_slice(text, "sensors/+/t");
}

static void filter_drop_encode(struct buf *b)
{
    wire_filter_drop_put(b, 7);
}

static bool filter_drop_decode(const void *p, size_t len)
{
    return wire_filter_drop_get(p, len, &ref);
}

static void filter_drop_expect(void)
{
    ck_assert_uint_eq(ref, 7);
}

static void filter_live_encode(struct buf *b)
{
    wire_filter_live_put(b, 7, HEAD);
}

static bool filter_live_decode(const void *p, size_t len)
{
    return wire_filter_live_get(p, len, &ref, &after);
}

static void filter_live_expect(void)
{
    ck_assert_uint_eq(ref, 7);
    ck_assert_uint_eq(after, HEAD);
}

static void filter_no_encode(struct buf *b)
{
    wire_filter_no_put(b, 8, ERR_BAD_FILTER);
}

static bool filter_no_decode(const void *p, size_t len)
{
    return wire_filter_no_get(p, len, &ref, &error);
}

static void filter_no_expect(void)
{
    ck_assert_uint_eq(ref, 8);
    ck_assert_uint_eq(error, ERR_BAD_FILTER);
}

/* --- publishing --------------------------------------------------------------- */

static struct wire_unit units[LIST_MAX];
static struct event events[LIST_MAX];
static size_t unit_count, event_count;

static void publish_encode(struct buf *b)
{
    struct event plain = {.topic = SLICE("a/b"), .payload = SLICE("hello")};
    struct event bare = {.topic = SLICE("c"), .flags = 2 << EVENT_QOS_SHIFT};
    struct event full = {
        .topic = SLICE("a/b"),
        .payload = SLICE("{\"t\":21}"),
        .flags = EVENT_RETAIN | EVENT_HAS_EXPIRY | 1 << EVENT_QOS_SHIFT,
        .expiry = 60,
    };
    struct event_props props = {
        .content_type = SLICE("application/json"),
        .type = SLICE("reading"),
        .response_topic = SLICE("replies/1"),
        .correlation = SLICE("\x00\x01\xff"),
        .payload_format = 1,
        .origin = SLICE("client-7"),
        .producer = {SLICE("p1"), 3, 42},
    };
    struct buf user = {0}, run = {0};

    event_user_put(&user, SLICE("unit"), SLICE("C"));
    event_user_put(&user, SLICE("unit"), SLICE(""));
    props.user = buf_slice(&user);
    event_props_put(&run, &props);
    full.props = buf_slice(&run);

    wire_publish_begin(b);
    wire_unit_begin(b, 1000, 1);
    event_record_put(b, &plain);
    wire_unit_begin(b, 1001, 2);
    event_record_put(b, &full);
    event_record_put(b, &bare);
    buf_free(&run);
    buf_free(&user);
}

static bool publish_decode(const void *p, size_t len)
{
    struct reader r = wire_publish_reader(p, len);

    unit_count = event_count = 0;
    while (wire_unit_get(&r, &units[unit_count])) {
        uint32_t left = units[unit_count++].count;

        while (left-- > 0 && event_record_get(&r, &events[event_count]))
            event_count++;
    }
    return reader_done(&r);
}

static void publish_expect(void)
{
    struct event_props props;

    ck_assert_uint_eq(unit_count, 2);
    ck_assert_uint_eq(units[0].seq, 1000);
    ck_assert_uint_eq(units[0].count, 1);
    ck_assert_uint_eq(units[1].seq, 1001);
    ck_assert_uint_eq(units[1].count, 2);
    ck_assert_uint_eq(event_count, 3);
    assert_slice(events[0].payload, "hello");
    assert_slice(events[1].topic, "a/b");
    ck_assert_uint_eq(events[1].expiry, 60);
    ck_assert_uint_eq(event_qos(&events[1]), 1);
    ck_assert_int_eq(event_props_get(events[1].props, &props), EVENT_OK);
    assert_slice(props.type, "reading");
    assert_slice(props.producer.id, "p1");
    ck_assert_uint_eq(props.producer.epoch, 3);
    ck_assert_uint_eq(props.producer.seq, 42);
    assert_slice(events[2].topic, "c");
    ck_assert_uint_eq(events[2].payload.len, 0);
}

static void delete_encode(struct buf *b)
{
    wire_delete_put(b, 1002, SLICE("a/b"));
}

static bool delete_decode(const void *p, size_t len)
{
    return wire_delete_get(p, len, &seq, &text);
}

static void delete_expect(void)
{
    ck_assert_uint_eq(seq, 1002);
    assert_slice(text, "a/b");
}

static struct wire_ack acks[LIST_MAX];
static size_t ack_count;

static void acks_encode(struct buf *b)
{
    static const uint64_t first[] = {ID};
    static const uint64_t again[] = {(ID + 1) | WIRE_ACK_REPEAT, WIRE_ACK_REPEAT};
    struct wire_ack refused = {
        .seq = 1002,
        .error = ERR_PRODUCER_GAP,
        .index = 1,
        .expected_seq = 5,
        .received_seq = 9,
        .epoch = 2,
        .text = SLICE("the sequence has a gap"),
    };

    wire_acks_begin(b);
    wire_ack_ok_put(b, 1000, first, 1);
    wire_ack_ok_put(b, 1001, again, 2);
    wire_ack_error_put(b, &refused);
}

static bool acks_decode(const void *p, size_t len)
{
    struct reader r = wire_acks_reader(p, len);

    ack_count = 0;
    while (wire_ack_get(&r, &acks[ack_count]))
        ack_count++;
    return reader_done(&r);
}

static void acks_expect(void)
{
    struct reader ids = reader_of(acks[1].ids.p, acks[1].ids.len);

    ck_assert_uint_eq(ack_count, 3);
    ck_assert_uint_eq(acks[0].seq, 1000);
    ck_assert_uint_eq(acks[0].error, ERR_NONE);
    ck_assert_uint_eq(acks[0].count, 1);
    ck_assert_uint_eq(acks[1].count, 2);
    ck_assert_uint_eq(reader_u64(&ids), (ID + 1) | WIRE_ACK_REPEAT);
    ck_assert_uint_eq(reader_u64(&ids), WIRE_ACK_REPEAT);
    ck_assert_uint_eq(acks[2].error, ERR_PRODUCER_GAP);
    ck_assert_uint_eq(acks[2].index, 1);
    ck_assert_uint_eq(acks[2].expected_seq, 5);
    ck_assert_uint_eq(acks[2].received_seq, 9);
    ck_assert_uint_eq(acks[2].epoch, 2);
    assert_slice(acks[2].text, "the sequence has a gap");
}

/* --- live --------------------------------------------------------------------- */

static void confirm_encode(struct buf *b)
{
    wire_confirm_put(b, ID + 1);
}

static bool confirm_decode(const void *p, size_t len)
{
    return wire_confirm_get(p, len, &upto);
}

static void confirm_expect(void)
{
    ck_assert_uint_eq(upto, ID + 1);
}

static void live_encode(struct buf *b)
{
    struct event e = {
        .id = ID,
        .time = TIME,
        .topic = SLICE("a/b"),
        .props = SLICE("\x01\x0a\x00text/plain"),
        .payload = SLICE("hello"),
        .flags = EVENT_VOLATILE | 2 << EVENT_QOS_SHIFT,
    };

    wire_live_begin(b, ID - 1, HEAD);
    event_record_put(b, &e);
}

static bool live_decode(const void *p, size_t len)
{
    struct reader r;

    event_count = 0;
    if (!wire_live_get(p, len, &after, &upto, &r))
        return false;
    while (r.left != 0)
        if (event_record_get(&r, &events[event_count]))
            event_count++;
    return reader_done(&r);
}

static void live_expect(void)
{
    ck_assert_uint_eq(after, ID - 1);
    ck_assert_uint_eq(upto, HEAD);
    ck_assert_uint_eq(event_count, 1);
    ck_assert_uint_eq(events[0].id, ID);
    ck_assert_uint_eq(events[0].time, TIME);
    ck_assert_uint_eq(events[0].flags, EVENT_VOLATILE | 2 << EVENT_QOS_SHIFT);
}

static void live_empty_encode(struct buf *b)
{
    wire_live_begin(b, ID, HEAD);
}

static void live_empty_expect(void)
{
    ck_assert_uint_eq(after, ID);
    ck_assert_uint_eq(upto, HEAD);
    ck_assert_uint_eq(event_count, 0);
}

static void removed_encode(struct buf *b)
{
    wire_removed_put(b, ID + 1, SLICE("a/b"));
}

static bool removed_decode(const void *p, size_t len)
{
    return wire_removed_get(p, len, &upto, &text);
}

static void removed_expect(void)
{
    ck_assert_uint_eq(upto, ID + 1);
    assert_slice(text, "a/b");
}

/* V(name): encode, decode and expect are named after it; V2: decodes like another. */
#define V2(n, like) .name = #n, .encode = n##_encode, .decode = like##_decode, .expect = n##_expect
#define V(n) V2(n, n)

static const struct vector table[] = {
    {V(hello)},
    {V2(hello_other_version, hello), .open = true},
    {V(hello_ok)},
    {V2(hello_ok_reset, hello_ok)},
    {V(hello_no)},
    {V(filter_add)},
    {V(filter_drop)},
    {V(filter_live)},
    {V(filter_no)},
    {V(publish), .whole = {1, 1 + 12 + 40}},
    {V(delete)},
    {V(acks), .whole = {1, 1 + 22, 1 + 22 + 30}},
    {V(confirm)},
    {V(live), .whole = {WIRE_LIVE_HEAD}},
    {V2(live_empty, live)},
    {V(removed)},
};

/* --- what no vector can show --------------------------------------------------- */

START_TEST(an_empty_frame_has_no_kind)
{
    ck_assert_uint_eq(wire_kind(NULL, 0), 0);
    ck_assert_uint_eq(wire_kind("\x46", 1), WIRE_LIVE);
}
END_TEST

START_TEST(a_live_range_does_not_run_backwards)
{
    struct buf b = {0};

    wire_live_begin(&b, 5, 9);
    ck_assert(live_decode(b.p, b.len));
    le64_put(b.p + 1, 9);
    ck_assert(live_decode(b.p, b.len));
    le64_put(b.p + 1, 10);
    ck_assert(!live_decode(b.p, b.len));
    buf_free(&b);
}
END_TEST

START_TEST(a_unit_of_no_events_is_refused)
{
    struct buf b = {0};

    wire_publish_begin(&b);
    buf_u64(&b, 1);
    buf_u32(&b, 0);
    ck_assert(!publish_decode(b.p, b.len));
    buf_free(&b);
}
END_TEST

START_TEST(an_acknowledgement_of_no_events_is_refused)
{
    struct buf b = {0};

    wire_acks_begin(&b);
    buf_u64(&b, 1);
    buf_u16(&b, ERR_NONE);
    buf_u32(&b, 0);
    ck_assert(!acks_decode(b.p, b.len));
    buf_free(&b);
}
END_TEST

START_TEST(a_flag_is_0_or_1)
{
    struct buf b = {0};

    hello_ok_encode(&b);
    b.p[b.len - 1] = 2;
    ck_assert(!hello_ok_decode(b.p, b.len));
    buf_free(&b);
}
END_TEST

static bool is_link(uint8_t kind)
{
    return kind < WIRE_PAGE && !vector_of_session(kind);
}

int main(void)
{
    Suite *s = suite_create("wire");
    TCase *t = tcase_create("rules");

    suite_add_tcase(s, vector_tests(table, sizeof table / sizeof table[0], is_link));
    tcase_add_test(t, an_empty_frame_has_no_kind);
    tcase_add_test(t, a_live_range_does_not_run_backwards);
    tcase_add_test(t, a_unit_of_no_events_is_refused);
    tcase_add_test(t, an_acknowledgement_of_no_events_is_refused);
    tcase_add_test(t, a_flag_is_0_or_1);
    suite_add_tcase(s, t);
    return suite_run(s);
}
