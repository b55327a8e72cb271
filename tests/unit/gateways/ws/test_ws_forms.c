/*
 * test_ws_forms.c - an event as WebSocket frames: the same message in every form,
 * packed only where that makes it shorter.
 */
#include "ws_forms.h"

#include <stdlib.h>

#include "json.h"
#include "mem.h"
#include "suite.h"
#include "ws.h"

static struct ws_forms forms;
static struct inflater *inflater;
static struct blocks blocks;
static struct block *block;
static char long_text[2000], noise[500];

/* One event of each kind: long and short text, bytes, JSON, nothing. */
enum { LONG_TEXT, SHORT_TEXT, BYTES, JSON, EMPTY, EVENTS };

static void put_event(struct buf *b, uint64_t id, struct slice payload, const char *type)
{
    struct event_props props = {.payload_format = -1, .content_type = slice_of(type)};
    struct event e = {.id = id, .time = 1, .topic = SLICE("t"), .payload = payload};
    struct buf encoded = {0};

    if (type == NULL)
        props.content_type.p = NULL;
    event_props_put(&encoded, &props);
    e.props = buf_slice(&encoded);
    event_record_put(b, &e);
    buf_free(&encoded);
}

static void setup(void)
{
    struct buf b = {0};
    struct zmsg m;

    memset(long_text, 'x', sizeof long_text);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)((i * 2654435761u) >> 7);
    put_event(&b, 1, (struct slice){long_text, sizeof long_text}, "text/plain");
    put_event(&b, 2, SLICE("x"), "text/plain");
    put_event(&b, 3, (struct slice){noise, sizeof noise}, NULL);
    put_event(&b, 4, SLICE("{\"a\":1}"), "application/json");
    put_event(&b, 5, SLICE(""), NULL);
    zmsg_init_copy(&m, b.p, b.len);
    buf_free(&b);
    block = block_new(&blocks, &m, reader_of(zmsg_data(&m), zmsg_size(&m)));
    zmsg_close(&m);
    inflater = inflater_new();
    forms.deflater = deflater_new(6);
    ws_forms_init(&forms);
}

static void teardown(void)
{
    block_unref(block);
    blocks_close(&blocks);
    ws_forms_close(&forms);
    inflater_free(inflater);
}

/* A server's frame, opened; inflated if need be into out. */
static struct slice message_of(struct slice frame, uint8_t *opcode, bool *packed, struct buf *out)
{
    struct reader r = reader_of(frame.p, frame.len);
    uint8_t first = reader_u8(&r), second = reader_u8(&r);
    size_t size = second;

    if (second == 126) {
        size = (size_t)reader_u8(&r) << 8;
        size |= reader_u8(&r);
    }
    ck_assert_uint_eq(r.left, size);
    *opcode = first & 15;
    *packed = (first & 0x40) != 0;
    if (!*packed)
        return reader_bytes(&r, size);
    ck_assert_int_eq(inflater_put(inflater, reader_bytes(&r, size), 1 << 20, out), INFLATE_OK);
    return buf_slice(out);
}

static void check_pair(enum ws_form form, int i, bool worth_packing)
{
    struct buf a = {0}, b = {0};
    uint8_t plain_opcode, opcode;
    bool packed;
    struct slice frame = ws_form_of(&block->entries[i], form);
    struct slice plain = message_of(frame, &plain_opcode, &packed, &a), other;

    ck_assert(!packed);
    other = message_of(ws_form_of(&block->entries[i], form + 1), &opcode, &packed, &b);
    ck_assert_int_eq(packed, worth_packing);
    ck_assert_int_eq(opcode, plain_opcode);
    ck_assert(slice_eq(plain, other));
    ck_assert_uint_le(ws_form_of(&block->entries[i], form + 1).len, frame.len);
    buf_free(&a);
    buf_free(&b);
}

START_TEST(raw_packed_is_the_same_message)
{
    check_pair(WS_FORM_RAW, _i, _i == LONG_TEXT);
}
END_TEST

START_TEST(json_packed_is_the_same_message)
{
    check_pair(WS_FORM_PATH, _i, true);
}
END_TEST

START_TEST(raw_keeps_text_apart_from_bytes)
{
    static const uint8_t expected[EVENTS] = {WS_TEXT, WS_TEXT, WS_BINARY, WS_TEXT, WS_BINARY};
    struct slice frame = ws_form_of(&block->entries[_i], WS_FORM_RAW);

    ck_assert_uint_eq((uint8_t)frame.p[0] & 15, expected[_i]);
}
END_TEST

/* With any refs behind it, the open form is the path's message. */
START_TEST(an_open_form_is_completed_by_its_refs)
{
    struct slice form = ws_form_of(&block->entries[_i], WS_FORM_OPEN);
    struct slice packed = ws_form_of(&block->entries[_i], WS_FORM_OPEN_PACKED);
    struct buf whole = {0}, message = {0}, out = {0};

    buf_put_slice(&whole, form);
    buf_puts(&whole, "\"path\"]}");
    ck_assert_int_eq(json_check(buf_slice(&whole)), JSON_OBJECT);
    if (packed.len > 0) {
        ck_assert_uint_lt(packed.len, form.len);
        buf_put_slice(&message, packed);
        deflate_put_rest(SLICE("\"path\"]}"), &message);
        ck_assert_int_eq(inflater_put(inflater, buf_slice(&message), 1 << 20, &out), INFLATE_OK);
        ck_assert(slice_eq(buf_slice(&out), buf_slice(&whole)));
    }
    buf_free(&whole);
    buf_free(&message);
    buf_free(&out);
}
END_TEST

START_TEST(what_is_long_is_worth_packing_before_its_refs)
{
    ck_assert_uint_gt(ws_form_of(&block->entries[LONG_TEXT], WS_FORM_OPEN_PACKED).len, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ws_forms");
    TCase *t = tcase_create("ws_forms");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, raw_packed_is_the_same_message, 0, EVENTS);
    tcase_add_loop_test(t, json_packed_is_the_same_message, 0, EVENTS);
    tcase_add_loop_test(t, raw_keeps_text_apart_from_bytes, 0, EVENTS);
    tcase_add_loop_test(t, an_open_form_is_completed_by_its_refs, 0, EVENTS);
    tcase_add_test(t, what_is_long_is_worth_packing_before_its_refs);
    suite_add_tcase(s, t);
    return suite_run(s);
}
