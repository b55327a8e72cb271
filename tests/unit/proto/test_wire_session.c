/*
 * test_wire_session.c - the messages of sessions on link, held by golden vectors in
 * both directions (see vectors.h).
 */
#include "wire_session.h"

#include "suite.h"
#include "vectors.h"

#define ID UINT64_C(890000000000001)
#define HEAD (ID + 100)
#define TIME UINT64_C(1795113600123)
#define LIST_MAX 64 /* more than any vector has room for */
#define CLIENT "device-7"
#define GROUP "$share/g/a/#"

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static struct buf record_of(struct event e)
{
    struct buf b = {0};

    event_record_put(&b, &e);
    return b;
}

/* --- what several messages hold ---------------------------------------------------- */

static struct wire_item items[LIST_MAX];
static size_t item_count;

/* A cursor that follows, a filter, and an entry in flight that goes. */
static struct buf items_of_three(void)
{
    struct buf b = {0}, progress = {0};

    buf_u64(&progress, ID);
    buf_u8(&progress, 1);
    wire_item_put(&b, &(struct wire_item){.key = SLICE("P"), .value = bytes_of(&progress)});
    wire_item_put(&b, &(struct wire_item){.key = SLICE("Fa/+"), .value = SLICE("\x01")});
    wire_item_put(&b, &(struct wire_item){.key = SLICE("O\x00\x07"), .drop = true});
    buf_free(&progress);
    return b;
}

/* The body's decoder has looked at each: none can be bad. */
static void items_decode(struct slice list)
{
    struct reader r = reader_of(list.p, list.len);

    item_count = 0;
    while (wire_item_get(&r, &items[item_count]))
        item_count++;
    ck_assert(reader_done(&r));
}

static void items_expect(void)
{
    struct reader progress = reader_of(items[0].value.p, items[0].value.len);

    ck_assert_uint_eq(item_count, 3);
    assert_slice(items[0].key, "P");
    ck_assert_uint_eq(items[0].value.len, WIRE_PROGRESS_HEAD);
    ck_assert_uint_eq(reader_u64(&progress), ID);
    ck_assert_uint_eq(reader_u8(&progress), 1);
    assert_slice(items[1].key, "Fa/+");
    assert_slice(items[1].value, "\x01");
    ck_assert(!items[1].drop);
    assert_slice(items[2].key, "O\x00\x07");
    ck_assert(items[2].drop);
}

static void expect_record(struct slice record, uint64_t id, const char *payload)
{
    struct reader r = reader_of(record.p, record.len);
    struct event e;

    ck_assert(event_record_get(&r, &e));
    ck_assert(reader_done(&r));
    ck_assert_uint_eq(e.id, id);
    assert_slice(e.topic, "a/b");
    ck_assert(slice_eq(e.payload, slice_of(payload)));
}

/* --- units -------------------------------------------------------------------------- */

static struct wire_session_unit units[LIST_MAX];
static struct wire_attach attaches[LIST_MAX];
static struct wire_write writes[LIST_MAX];
static struct wire_detach detach;
static uint64_t position;
static struct slice withdrawn;
static uint64_t withdrawn_epoch;
static size_t unit_count;

static bool body_decode(const struct wire_session_unit *u, size_t at)
{
    switch (u->op) {
    case WIRE_ATTACH:
        return wire_attach_get(u->body, &attaches[at]);
    case WIRE_WRITE:
        return wire_write_get(u->body, &writes[at]);
    case WIRE_DETACH:
        return wire_detach_get(u->body, &detach);
    case WIRE_WITHDRAW:
        return wire_withdraw_get(u->body, &withdrawn, &withdrawn_epoch);
    default:
        return wire_position_get(u->body, &position);
    }
}

static bool session_decode(const void *p, size_t len)
{
    struct reader r = wire_session_reader(p, len);
    bool good = true;

    unit_count = 0;
    while (wire_session_unit_get(&r, &units[unit_count])) {
        good = good && body_decode(&units[unit_count], unit_count);
        unit_count++;
    }
    return good && reader_done(&r);
}

static void put_unit(struct buf *b, uint64_t seq, enum wire_session_op op, struct buf *body)
{
    wire_session_unit_put(b, seq, (uint8_t)op, bytes_of(body));
    buf_clear(body);
}

static void session_attach_encode(struct buf *b)
{
    struct buf body = {0},
               will = record_of((struct event){.topic = SLICE("a/b"),
                                               .payload = SLICE("gone"),
                                               .flags = EVENT_RETAIN | 1 << EVENT_QOS_SHIFT});
    struct wire_attach full = {.client = SLICE(CLIENT),
                               .principal = SLICE("alice"),
                               .version = 5,
                               .expiry = 3600,
                               .has_will = true,
                               .will_delay = 30,
                               .will = bytes_of(&will)};
    struct wire_attach bare = {.client = SLICE("ger\xc3\xa4t"), .version = 4, .clean = true};

    wire_session_begin(b);
    wire_attach_put(&body, &full);
    put_unit(b, 1000, WIRE_ATTACH, &body);
    wire_attach_put(&body, &bare);
    put_unit(b, 1001, WIRE_ATTACH, &body);
    buf_free(&body);
    buf_free(&will);
}

static void session_attach_expect(void)
{
    ck_assert_uint_eq(unit_count, 2);
    ck_assert_uint_eq(units[0].seq, 1000);
    ck_assert_uint_eq(units[0].op, WIRE_ATTACH);
    assert_slice(attaches[0].client, CLIENT);
    assert_slice(attaches[0].principal, "alice");
    ck_assert_uint_eq(attaches[0].version, 5);
    ck_assert(!attaches[0].clean);
    ck_assert_uint_eq(attaches[0].expiry, 3600);
    ck_assert(attaches[0].has_will);
    ck_assert_uint_eq(attaches[0].will_delay, 30);
    expect_record(attaches[0].will, 0, "gone");
    ck_assert_uint_eq(units[1].seq, 1001);
    assert_slice(attaches[1].client, "ger\xc3\xa4t");
    ck_assert_uint_eq(attaches[1].principal.len, 0);
    ck_assert_uint_eq(attaches[1].version, 4);
    ck_assert(attaches[1].clean);
    ck_assert(!attaches[1].has_will);
    ck_assert_uint_eq(attaches[1].will.len, 0);
}

static void session_write_encode(struct buf *b)
{
    struct buf body = {0}, groups = {0}, list = items_of_three();
    struct buf event = record_of((struct event){
        .topic = SLICE("a/b"), .payload = SLICE("hello"), .flags = 2 << EVENT_QOS_SHIFT});
    struct wire_write full = {
        .client = SLICE(CLIENT), .epoch = 3, .record = bytes_of(&event), .items = bytes_of(&list)};
    struct wire_write bare = {.client = SLICE(CLIENT), .epoch = 4};

    wire_taken_put(&groups, SLICE(GROUP), ID + 1);
    full.groups = bytes_of(&groups);
    wire_session_begin(b);
    wire_write_put(&body, &full);
    put_unit(b, 1002, WIRE_WRITE, &body);
    wire_write_put(&body, &bare);
    put_unit(b, 1003, WIRE_WRITE, &body);
    buf_free(&event);
    buf_free(&list);
    buf_free(&groups);
    buf_free(&body);
}

static void session_write_expect(void)
{
    struct reader groups = reader_of(writes[0].groups.p, writes[0].groups.len);
    struct wire_taken taken;

    ck_assert_uint_eq(unit_count, 2);
    assert_slice(writes[0].client, CLIENT);
    ck_assert_uint_eq(writes[0].epoch, 3);
    expect_record(writes[0].record, 0, "hello");
    ck_assert(wire_taken_get(&groups, &taken));
    ck_assert(reader_done(&groups));
    assert_slice(taken.group, GROUP);
    ck_assert_uint_eq(taken.id, ID + 1);
    items_decode(writes[0].items);
    items_expect();
    ck_assert_uint_eq(writes[1].epoch, 4);
    ck_assert_uint_eq(writes[1].record.len, 0);
    ck_assert_uint_eq(writes[1].groups.len, 0);
    ck_assert_uint_eq(writes[1].items.len, 0);
}

static void session_detach_encode(struct buf *b)
{
    struct buf body = {0}, list = items_of_three();
    struct wire_detach m = {.client = SLICE(CLIENT),
                            .epoch = 3,
                            .will = true,
                            .expiry = UINT32_MAX,
                            .items = bytes_of(&list)};

    wire_session_begin(b);
    wire_detach_put(&body, &m);
    put_unit(b, 1004, WIRE_DETACH, &body);
    wire_position_put(&body, HEAD);
    put_unit(b, 1005, WIRE_POSITION, &body);
    wire_withdraw_put(&body, SLICE(CLIENT), 3);
    put_unit(b, 1006, WIRE_WITHDRAW, &body);
    buf_free(&list);
    buf_free(&body);
}

static void session_detach_expect(void)
{
    ck_assert_uint_eq(unit_count, 3);
    assert_slice(detach.client, CLIENT);
    ck_assert_uint_eq(detach.epoch, 3);
    ck_assert(detach.will);
    ck_assert_uint_eq(detach.expiry, UINT32_MAX);
    items_decode(detach.items);
    items_expect();
    ck_assert_uint_eq(units[1].op, WIRE_POSITION);
    ck_assert_uint_eq(position, HEAD);
    ck_assert_uint_eq(units[2].op, WIRE_WITHDRAW);
    assert_slice(withdrawn, CLIENT);
    ck_assert_uint_eq(withdrawn_epoch, 3);
}

/* --- acknowledgements ----------------------------------------------------------------- */

static struct wire_session_ack acks[LIST_MAX];
static size_t ack_count;

static void session_acks_encode(struct buf *b)
{
    struct buf answer = {0}, list = items_of_three();
    struct wire_attached m = {.epoch = 3, .head = HEAD, .present = true, .items = bytes_of(&list)};

    wire_session_acks_begin(b);
    wire_attached_put(&answer, &m);
    wire_session_ack_put(b, &(struct wire_session_ack){.seq = 1000, .data = bytes_of(&answer)});
    buf_clear(&answer);
    buf_u64(&answer, ID + 2);
    wire_session_ack_put(b, &(struct wire_session_ack){.seq = 1002, .data = bytes_of(&answer)});
    wire_session_ack_put(
        b, &(struct wire_session_ack){.seq = 1003,
                                      .error = ERR_FENCED,
                                      .data = SLICE("Another connection has the session")});
    buf_free(&list);
    buf_free(&answer);
}

static bool session_acks_decode(const void *p, size_t len)
{
    struct reader r = wire_session_acks_reader(p, len);

    ack_count = 0;
    while (wire_session_ack_get(&r, &acks[ack_count]))
        ack_count++;
    return reader_done(&r);
}

static void session_acks_expect(void)
{
    struct wire_attached attached;
    struct reader id = reader_of(acks[1].data.p, acks[1].data.len);

    ck_assert_uint_eq(ack_count, 3);
    ck_assert_uint_eq(acks[0].seq, 1000);
    ck_assert_uint_eq(acks[0].error, ERR_NONE);
    ck_assert(wire_attached_get(acks[0].data, &attached));
    ck_assert_uint_eq(attached.epoch, 3);
    ck_assert_uint_eq(attached.head, HEAD);
    ck_assert(attached.present);
    items_decode(attached.items);
    items_expect();
    ck_assert_uint_eq(reader_u64(&id), ID + 2);
    ck_assert_uint_eq(acks[2].seq, 1003);
    ck_assert_uint_eq(acks[2].error, ERR_FENCED);
    assert_slice(acks[2].data, "Another connection has the session");
}

/* --- tell ------------------------------------------------------------------------------- */

static struct wire_hold holds[LIST_MAX];
static struct wire_credit credits[LIST_MAX];
static struct wire_done dones[LIST_MAX];
static struct wire_report report;
static size_t entry_count;

/* A decoder of one op's frame, entry by entry. */
#define TELL_DECODE(name, code, list)                                                              \
    static bool name##_decode(const void *p, size_t len)                                           \
    {                                                                                              \
        struct reader r;                                                                           \
                                                                                                   \
        entry_count = 0;                                                                           \
        if (wire_tell_get(p, len, &r) != (code))                                                   \
            return false;                                                                          \
        while (wire_##name##_get(&r, &(list)[entry_count]))                                        \
            entry_count++;                                                                         \
        return reader_done(&r);                                                                    \
    }
TELL_DECODE(hold, WIRE_TELL_HOLD, holds)
TELL_DECODE(credit, WIRE_TELL_CREDIT, credits)
TELL_DECODE(done, WIRE_TELL_DONE, dones)

static void tell_hold_encode(struct buf *b)
{
    wire_tell_begin(b, WIRE_TELL_HOLD);
    wire_hold_put(b, &(struct wire_hold){SLICE(CLIENT), 3, 3600, SLICE("user:alice")});
    wire_hold_put(b, &(struct wire_hold){SLICE("device-8"), 1, 0, SLICE("")});
}

static void tell_hold_expect(void)
{
    ck_assert_uint_eq(entry_count, 2);
    assert_slice(holds[0].client, CLIENT);
    ck_assert_uint_eq(holds[0].epoch, 3);
    ck_assert_uint_eq(holds[0].expiry, 3600);
    assert_slice(holds[0].principal, "user:alice");
    ck_assert_uint_eq(holds[1].principal.len, 0);
    assert_slice(holds[1].client, "device-8");
    ck_assert_uint_eq(holds[1].epoch, 1);
    ck_assert_uint_eq(holds[1].expiry, 0);
}

static void tell_credit_encode(struct buf *b)
{
    wire_tell_begin(b, WIRE_TELL_CREDIT);
    wire_credit_put(b, &(struct wire_credit){SLICE(CLIENT), 3, 20});
    wire_credit_put(b, &(struct wire_credit){SLICE("device-8"), 1, 0});
}

static void tell_credit_expect(void)
{
    ck_assert_uint_eq(entry_count, 2);
    assert_slice(credits[0].client, CLIENT);
    ck_assert_uint_eq(credits[0].epoch, 3);
    ck_assert_uint_eq(credits[0].credit, 20);
    assert_slice(credits[1].client, "device-8");
    ck_assert_uint_eq(credits[1].credit, 0);
}

static void tell_done_encode(struct buf *b)
{
    wire_tell_begin(b, WIRE_TELL_DONE);
    wire_done_put(b, &(struct wire_done){SLICE(CLIENT), 3, SLICE(GROUP), ID, false});
    wire_done_put(b, &(struct wire_done){SLICE(CLIENT), 3, SLICE(GROUP), ID + 1, true});
}

static void tell_done_expect(void)
{
    ck_assert_uint_eq(entry_count, 2);
    assert_slice(dones[0].client, CLIENT);
    ck_assert_uint_eq(dones[0].epoch, 3);
    assert_slice(dones[0].group, GROUP);
    ck_assert_uint_eq(dones[0].id, ID);
    ck_assert(!dones[0].returned);
    ck_assert_uint_eq(dones[1].id, ID + 1);
    ck_assert(dones[1].returned);
}

static void tell_report_encode(struct buf *b)
{
    struct wire_report m = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    wire_tell_begin(b, WIRE_TELL_REPORT);
    wire_report_put(b, &m);
}

static bool tell_report_decode(const void *p, size_t len)
{
    struct reader r;

    return wire_tell_get(p, len, &r) == WIRE_TELL_REPORT && wire_report_get(&r, &report);
}

static void tell_report_expect(void)
{
    ck_assert_uint_eq(report.clients_connected, 1);
    ck_assert_uint_eq(report.messages_received, 2);
    ck_assert_uint_eq(report.publish_dropped, 6);
    ck_assert_uint_eq(report.subscriptions, 9);
}

/* --- call ------------------------------------------------------------------------------- */

static struct slice client, topics[LIST_MAX], values[LIST_MAX];
static struct wire_assign assigned;
static uint64_t epoch;

static void call_fence_encode(struct buf *b)
{
    wire_call_begin(b, WIRE_CALL_FENCE);
    wire_fence_put(b, SLICE(CLIENT), 3);
}

static bool call_fence_decode(const void *p, size_t len)
{
    struct reader r;

    return wire_call_get(p, len, &r) == WIRE_CALL_FENCE && wire_fence_get(&r, &client, &epoch);
}

static void call_fence_expect(void)
{
    assert_slice(client, CLIENT);
    ck_assert_uint_eq(epoch, 3);
}

static void call_assign_encode(struct buf *b)
{
    struct buf event = record_of((struct event){.id = ID,
                                                .time = TIME,
                                                .topic = SLICE("a/b"),
                                                .payload = SLICE("hello"),
                                                .flags = 1 << EVENT_QOS_SHIFT});

    wire_call_begin(b, WIRE_CALL_ASSIGN);
    wire_assign_put(b, &(struct wire_assign){SLICE(CLIENT), 3, SLICE(GROUP), bytes_of(&event)});
    buf_free(&event);
}

static bool call_assign_decode(const void *p, size_t len)
{
    struct reader r;

    return wire_call_get(p, len, &r) == WIRE_CALL_ASSIGN && wire_assign_get(&r, &assigned);
}

static void call_assign_expect(void)
{
    assert_slice(assigned.client, CLIENT);
    ck_assert_uint_eq(assigned.epoch, 3);
    assert_slice(assigned.group, GROUP);
    expect_record(assigned.record, ID, "hello");
}

static void call_sys_encode(struct buf *b)
{
    wire_call_begin(b, WIRE_CALL_SYS);
    wire_sys_put(b, SLICE("$SYS/broker/uptime"), SLICE("61 seconds"));
    wire_sys_put(b, SLICE("$SYS/broker/version"), SLICE(""));
}

static bool call_sys_decode(const void *p, size_t len)
{
    struct reader r;

    entry_count = 0;
    if (wire_call_get(p, len, &r) != WIRE_CALL_SYS)
        return false;
    while (wire_sys_get(&r, &topics[entry_count], &values[entry_count]))
        entry_count++;
    return reader_done(&r);
}

static void call_sys_expect(void)
{
    ck_assert_uint_eq(entry_count, 2);
    assert_slice(topics[0], "$SYS/broker/uptime");
    assert_slice(values[0], "61 seconds");
    assert_slice(topics[1], "$SYS/broker/version");
    ck_assert_uint_eq(values[1].len, 0);
}

/* V(name): encode, decode and expect are named after it; V2: decodes like another. */
#define V2(n, like) .name = #n, .encode = n##_encode, .decode = like##_decode, .expect = n##_expect
#define V(n) V2(n, n)

#define UNIT_HEAD 13   /* of a unit: seq, op, size */
#define ACK_HEAD 14    /* of an acknowledgement: seq, error, size */
#define ATTACH_SIZE 67 /* of the first unit's body in its vector */
#define WRITE_SIZE 116
#define DETACH_SIZE 54
#define ATTACHED_SIZE 48

static const struct vector table[] = {
    {V2(session_attach, session), .whole = {1, 1 + UNIT_HEAD + ATTACH_SIZE}},
    {V2(session_write, session), .whole = {1, 1 + UNIT_HEAD + WRITE_SIZE}},
    {V2(session_detach, session),
     .whole = {1, 1 + UNIT_HEAD + DETACH_SIZE, 1 + UNIT_HEAD + DETACH_SIZE + UNIT_HEAD + 8}},
    {V(session_acks),
     .whole = {1, 1 + ACK_HEAD + ATTACHED_SIZE, 1 + ACK_HEAD + ATTACHED_SIZE + ACK_HEAD + 8}},
    {V2(tell_hold, hold), .whole = {2, 2 + 34}},
    {V2(tell_credit, credit), .whole = {2, 2 + 22}},
    {V2(tell_done, done), .whole = {2, 2 + 41}},
    {V(tell_report)},
    {V(call_fence)},
    {V(call_assign), .whole = {34}}, /* without its record: that of the one before */
    {V(call_sys), .whole = {2, 2 + 32}},
};

/* --- what no vector can show --------------------------------------------------------------- */

static struct buf b;

static void setup(void)
{
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
}

/* Bodies are decoded apart from their frame, so they are cut apart from it too:
 * only between two items may one end. */
static size_t prefixes_taken(const struct wire_session_unit *u)
{
    struct guard g = guard_new(u->body.len + 1);
    struct wire_session_unit cut = *u;
    size_t taken = 0;

    for (size_t n = 0; n < u->body.len; n++) {
        cut.body = (struct slice){(const char *)guard_put(&g, u->body.p, n), n};
        taken += body_decode(&cut, 0);
    }
    guard_free(&g);
    return taken;
}

static size_t prefixes_of(void (*encode)(struct buf *b), size_t unit)
{
    buf_clear(&b);
    encode(&b);
    ck_assert(session_decode(b.p, b.len));
    return prefixes_taken(&units[unit]);
}

START_TEST(a_body_ends_only_between_items)
{
    ck_assert_uint_eq(prefixes_of(session_attach_encode, 0), 0);
    ck_assert_uint_eq(prefixes_of(session_attach_encode, 1), 0);
    ck_assert_uint_eq(prefixes_of(session_write_encode, 0), 3);
    ck_assert_uint_eq(prefixes_of(session_write_encode, 1), 0);
    ck_assert_uint_eq(prefixes_of(session_detach_encode, 0), 3);
    ck_assert_uint_eq(prefixes_of(session_detach_encode, 1), 0);
}
END_TEST

START_TEST(a_malformed_body_leaves_the_frame_whole)
{
    struct reader r;

    wire_session_begin(&b);
    wire_session_unit_put(&b, 1, WIRE_ATTACH, SLICE("nonsense"));
    wire_session_unit_put(&b, 2, WIRE_POSITION, SLICE("12345678"));
    ck_assert(!session_decode(b.p, b.len));
    r = wire_session_reader(b.p, b.len);
    ck_assert(wire_session_unit_get(&r, &units[0]));
    ck_assert(wire_session_unit_get(&r, &units[1]));
    ck_assert(reader_done(&r));
}
END_TEST

START_TEST(an_unknown_op_is_refused)
{
    struct reader r;

    for (unsigned op = 0; op <= UINT8_MAX; op++) {
        buf_clear(&b);
        wire_session_begin(&b);
        wire_session_unit_put(&b, 1, (uint8_t)op, SLICE(""));
        r = wire_session_reader(b.p, b.len);
        ck_assert(wire_session_unit_get(&r, &units[0]) ==
                  (op >= WIRE_ATTACH && op <= WIRE_WITHDRAW));
        b.p[0] = WIRE_TELL;
        b.p[1] = (uint8_t)op;
        ck_assert_uint_eq(wire_tell_get(b.p, 2, &r), op <= WIRE_TELL_REPORT ? op : 0);
        b.p[0] = WIRE_CALL;
        ck_assert_uint_eq(wire_call_get(b.p, 2, &r), op <= WIRE_CALL_SYS ? op : 0);
    }
}
END_TEST

/* In an ATTACH the client comes first: so does it everywhere. */
static bool client_is_taken(struct slice name)
{
    struct wire_attach m;

    buf_clear(&b);
    buf_str16(&b, name);
    buf_str16(&b, SLICE(""));
    buf_u8(&b, 4);
    buf_u8(&b, 1);
    buf_u32(&b, 0);
    buf_u8(&b, 0);
    return wire_attach_get(bytes_of(&b), &m);
}

START_TEST(a_client_is_1_to_65535_bytes_of_utf8)
{
    char *longest = malloc(UINT16_MAX);

    memset(longest, 'x', UINT16_MAX);
    ck_assert(client_is_taken((struct slice){longest, UINT16_MAX}));
    ck_assert(client_is_taken(SLICE("x")));
    ck_assert(!client_is_taken(SLICE("")));
    ck_assert(!client_is_taken(SLICE("\xff")));
    ck_assert(!client_is_taken(SLICE("\xc3")));
    free(longest);
}
END_TEST

static bool item_is_taken(uint8_t put, size_t key_len)
{
    char key[WIRE_ITEM_KEY_MAX + 1] = {0};
    struct reader r;

    buf_clear(&b);
    buf_u8(&b, put);
    buf_str16(&b, (struct slice){key, key_len});
    buf_str16(&b, SLICE(""));
    r = reader_of(b.p, b.len);
    return wire_item_get(&r, &items[0]);
}

START_TEST(an_item_has_a_key_and_is_put_or_dropped)
{
    ck_assert(item_is_taken(1, 1));
    ck_assert(item_is_taken(0, WIRE_ITEM_KEY_MAX));
    ck_assert(!item_is_taken(1, WIRE_ITEM_KEY_MAX + 1));
    ck_assert(!item_is_taken(1, 0));
    ck_assert(!item_is_taken(2, 1));
}
END_TEST

START_TEST(the_largest_item_comes_back)
{
    char *bytes = calloc(1, WIRE_ITEM_VALUE_MAX);
    struct wire_item m = {.key = {bytes, WIRE_ITEM_KEY_MAX}, .value = {bytes, WIRE_ITEM_VALUE_MAX}};

    wire_item_put(&b, &m);
    items_decode(bytes_of(&b));
    ck_assert_uint_eq(item_count, 1);
    ck_assert_uint_eq(items[0].value.len, WIRE_ITEM_VALUE_MAX);
    free(bytes);
}
END_TEST

START_TEST(only_a_session_that_was_there_has_items)
{
    struct wire_attached m = {.epoch = 1, .head = HEAD};
    struct wire_item item = {.key = SLICE("P"), .value = SLICE("123456789")};

    wire_attached_put(&b, &m);
    ck_assert(wire_attached_get(bytes_of(&b), &m));
    wire_item_put(&b, &item);
    ck_assert(!wire_attached_get(bytes_of(&b), &m));
    b.p[16] = 1; /* present */
    ck_assert(wire_attached_get(bytes_of(&b), &m));
    buf_u8(&b, 1);
    ck_assert(!wire_attached_get(bytes_of(&b), &m));
}
END_TEST

START_TEST(a_flag_or_a_version_is_nothing_else)
{
    struct wire_attach m = {.client = SLICE("x"), .version = 5};
    size_t version = 2 + 1 + 2, clean = version + 1, has_will = clean + 1 + 4;

    wire_attach_put(&b, &m);
    ck_assert(wire_attach_get(bytes_of(&b), &m));
    for (size_t at = version; at <= has_will; at += at == clean ? has_will - clean : 1) {
        uint8_t was = b.p[at];

        b.p[at] = 3;
        ck_assert(!wire_attach_get(bytes_of(&b), &m));
        b.p[at] = was;
    }
}
END_TEST

START_TEST(events_taken_over_are_whole)
{
    struct wire_write m = {.client = SLICE("x"), .groups = SLICE("\x01\x00g12345678")};

    wire_write_put(&b, &m);
    ck_assert(wire_write_get(bytes_of(&b), &m));
    buf_clear(&b);
    m.groups.len--;
    wire_write_put(&b, &m);
    ck_assert(!wire_write_get(bytes_of(&b), &m));
}
END_TEST

START_TEST(a_gateway_without_sessions_holds_none)
{
    wire_tell_begin(&b, WIRE_TELL_HOLD);
    ck_assert(hold_decode(b.p, b.len));
    ck_assert_uint_eq(entry_count, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire_session");
    TCase *t = tcase_create("rules");

    suite_add_tcase(s, vector_tests(table, sizeof table / sizeof table[0], vector_of_session));
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_body_ends_only_between_items);
    tcase_add_test(t, a_malformed_body_leaves_the_frame_whole);
    tcase_add_test(t, an_unknown_op_is_refused);
    tcase_add_test(t, a_client_is_1_to_65535_bytes_of_utf8);
    tcase_add_test(t, an_item_has_a_key_and_is_put_or_dropped);
    tcase_add_test(t, the_largest_item_comes_back);
    tcase_add_test(t, only_a_session_that_was_there_has_items);
    tcase_add_test(t, a_flag_or_a_version_is_nothing_else);
    tcase_add_test(t, events_taken_over_are_whole);
    tcase_add_test(t, a_gateway_without_sessions_holds_none);
    suite_add_tcase(s, t);
    return suite_run(s);
}
