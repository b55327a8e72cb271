/*
 * test_sse.c - events as Server-Sent Events and NDJSON, to the byte.
 */
#include <stdlib.h>

#include "mem.h"
#include "sse.h"
#include "suite.h"

static struct buf b, props;
static struct event e;

static void setup(void)
{
    b = props = (struct buf){0};
    e = (struct event){.id = 42, .topic = SLICE("a")};
}

static void teardown(void)
{
    buf_free(&b);
    buf_free(&props);
}

static void set_type(const char *type)
{
    struct event_props p = {.type = slice_of(type), .payload_format = -1};

    event_props_put(&props, &p);
    e.props = buf_slice(&props);
}

#define assert_bytes(text)                                                                         \
    ck_assert_msg(slice_eq(buf_slice(&b), SLICE(text)), "%.*s", (int)b.len, (char *)b.p)

/* --- raw --------------------------------------------------------------------- */

START_TEST(one_line_is_one_data_field)
{
    e.payload = SLICE("hello");
    sse_put_raw(&b, &e);
    assert_bytes("id: 42\ndata: hello\n\n");
}
END_TEST

START_TEST(the_type_comes_first)
{
    set_type("t");
    e.payload = SLICE("hello");
    sse_put_raw(&b, &e);
    assert_bytes("event: t\nid: 42\ndata: hello\n\n");
}
END_TEST

START_TEST(an_empty_type_is_none)
{
    set_type("");
    sse_put_raw(&b, &e);
    assert_bytes("id: 42\ndata:\n\n");
}
END_TEST

START_TEST(every_line_feed_begins_a_data_field)
{
    e.payload = SLICE("a\n b\n\nc\n");
    sse_put_raw(&b, &e);
    assert_bytes("id: 42\ndata: a\ndata:  b\ndata:\ndata: c\ndata:\n\n");
}
END_TEST

START_TEST(an_empty_payload_is_dispatched_all_the_same)
{
    e.payload = (struct slice){NULL, 0};
    sse_put_raw(&b, &e);
    assert_bytes("id: 42\ndata:\n\n");
}
END_TEST

START_TEST(text_that_looks_like_a_field_stays_data)
{
    e.payload = SLICE("id: 7\n: x\n\xef\xbb\xbf\xe2\x80\xa8");
    sse_put_raw(&b, &e);
    assert_bytes("id: 42\ndata: id: 7\ndata: : x\ndata: \xef\xbb\xbf\xe2\x80\xa8\n\n");
}
END_TEST

START_TEST(what_lines_cannot_carry_goes_as_json)
{
    set_type("t");
    e.payload = SLICE("a\r\nb");
    sse_put_raw(&b, &e);
    assert_bytes("event: sluice.json\nid: 42\n"
                 "data: {\"id\":\"42\",\"topic\":\"a\",\"type\":\"t\",\"data\":\"a\\r\\nb\"}\n\n");
    buf_clear(&b);
    e.payload = SLICE("\0");
    sse_put_raw(&b, &e);
    assert_bytes("event: sluice.json\nid: 42\n"
                 "data: {\"id\":\"42\",\"topic\":\"a\",\"type\":\"t\",\"data\":\"\\u0000\"}\n\n");
    buf_clear(&b);
    e.payload = SLICE("\xff");
    sse_put_raw(&b, &e);
    assert_bytes(
        "event: sluice.json\nid: 42\n"
        "data: {\"id\":\"42\",\"topic\":\"a\",\"type\":\"t\",\"data_base64\":\"/w==\"}\n\n");
}
END_TEST

/* --- json and the rest -------------------------------------------------------- */

START_TEST(the_json_form_names_the_type_too)
{
    set_type("t");
    e.payload = SLICE("a\nb");
    sse_put_json(&b, &e);
    assert_bytes("event: t\nid: 42\n"
                 "data: {\"id\":\"42\",\"topic\":\"a\",\"type\":\"t\",\"data\":\"a\\nb\"}\n\n");
}
END_TEST

START_TEST(a_json_payload_over_several_lines_is_one)
{
    struct event_props p = {.content_type = SLICE("application/json"), .payload_format = -1};

    event_props_put(&props, &p);
    e.props = buf_slice(&props);
    e.payload = SLICE("[1,\r\n2]");
    sse_put_json(&b, &e);
    assert_bytes(
        "id: 42\ndata: {\"id\":\"42\",\"topic\":\"a\",\"content_type\":\"application/json\","
        "\"data\":[1,  2]}\n\n");
}
END_TEST

START_TEST(a_place_is_an_event_with_its_id)
{
    sse_put_retry(&b, 2000);
    sse_put_start(&b, EVENT_ID_MAX, NULL);
    sse_put_position(&b, 7);
    assert_bytes("retry: 2000\nevent: sluice.start\nid: 9007199254740991\n"
                 "data: {\"start\":\"9007199254740991\"}\n\n"
                 "event: sluice.position\nid: 7\ndata: {\"position\":\"7\"}\n\n");
}
END_TEST

START_TEST(a_start_behind_a_gap_says_so)
{
    sse_put_start(&b, 3, &(struct gap){1, 3, 2, GAP_DELETED});
    assert_bytes("event: sluice.start\nid: 3\ndata: {\"start\":\"3\",\"gap\":{\"requested\":\"1\","
                 "\"resumed_from\":\"3\",\"removed_to\":\"2\",\"reason\":\"deleted\"}}\n\n");
}
END_TEST

static const struct {
    struct slice payload;
    const char *lines;
} texts[] = {
    {{"plain\n", 6}, "data: plain\ndata:\n"},
    {{"a\rb\r\nc\n\rd", 9}, "data: a\ndata: b\ndata: c\ndata:\ndata: d\n"},
    {{"a\0b\r", 4},
     "data: a\xef\xbf\xbd"
     "b\ndata:\n"},
    {{"\xe2\x82", 2}, "data: \xef\xbf\xbd\n"},
    {{"\xe2\x82x\xff\xf0\x9f\x98\x80", 8}, "data: \xef\xbf\xbdx\xef\xbf\xbd\xf0\x9f\x98\x80\n"},
    {{"\xed\xa0\x80", 3}, "data: \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n"},
};

START_TEST(text_is_lines_whatever_it_holds)
{
    e.payload = texts[_i].payload;
    sse_put_text(&b, &e);
    ck_assert(slice_starts(buf_slice(&b), SLICE("id: 42\n")));
    ck_assert_msg(slice_eq((struct slice){(char *)b.p + 7, b.len - 8}, slice_of(texts[_i].lines)),
                  "%.*s", (int)b.len, (char *)b.p);
}
END_TEST

START_TEST(a_gap_is_an_event_at_the_place_where_the_stream_goes_on)
{
    sse_put_gap(&b, &(struct gap){1, 3, 2, GAP_DELETED});
    assert_bytes("event: sluice.gap\nid: 3\ndata: {\"requested\":\"1\",\"resumed_from\":\"3\","
                 "\"removed_to\":\"2\",\"reason\":\"deleted\"}\n\n");
}
END_TEST

START_TEST(retry_and_comments_are_lines_without_a_block)
{
    sse_put_retry(&b, 2000);
    sse_put_comment(&b, "waiting");
    assert_bytes("retry: 2000\n: waiting\n");
}
END_TEST

START_TEST(ndjson_has_a_line_for_each)
{
    e.payload = SLICE("x\ny");
    ndjson_put_event(&b, &e);
    ndjson_put_gap(&b, &(struct gap){1, 3, 2, GAP_RESET});
    ndjson_put_upto(&b, 44);
    assert_bytes("{\"id\":\"42\",\"topic\":\"a\",\"data\":\"x\\ny\"}\n"
                 "{\"gap\":{\"requested\":\"1\",\"resumed_from\":\"3\",\"removed_to\":\"2\","
                 "\"reason\":\"reset\"}}\n"
                 "{\"upto\":\"44\"}\n");
}
END_TEST

START_TEST(an_event_that_is_pushed_has_a_line_that_says_where)
{
    sse_put_push(&b, &e);
    ndjson_put_push(&b, &e);
    assert_bytes("event: sluice.push\nid: 42\ndata: /history?id=42\n\n"
                 "{\"push\":\"/history?id=42\"}\n");
}
END_TEST

/* --- chunks ------------------------------------------------------------------ */

START_TEST(a_chunk_begins_with_its_size_in_hexadecimal)
{
    buf_puts(&b, "HEADhello");
    chunk_wrap(&b, 4);
    assert_bytes("HEAD5\r\nhello\r\n");
}
END_TEST

START_TEST(sizes_have_no_leading_zero)
{
    for (int i = 0; i < 0x1af; i++)
        buf_u8(&b, 'x');
    chunk_wrap(&b, 0);
    ck_assert_uint_eq(b.len, 5 + 0x1af + 2);
    ck_assert(slice_starts(buf_slice(&b), SLICE("1af\r\nx")));
    ck_assert(memcmp(b.p + b.len - 3, "x\r\n", 3) == 0);
}
END_TEST

START_TEST(nothing_is_no_chunk_since_that_would_end_the_body)
{
    buf_puts(&b, "HEAD");
    chunk_wrap(&b, 4);
    assert_bytes("HEAD");
}
END_TEST

START_TEST(the_end_of_what_a_client_may_says_why_and_where)
{
    sse_put_expired(&b, "expired", 7);
    assert_bytes("event: sluice.expired\nid: 7\n"
                 "data: {\"reason\":\"expired\",\"position\":\"7\"}\n\n");
    buf_clear(&b);
    sse_put_expired(&b, "revoked", 0);
    assert_bytes("event: sluice.expired\ndata: {\"reason\":\"revoked\"}\n\n");
    buf_clear(&b);
    ndjson_put_expired(&b, "expired", 7);
    assert_bytes("{\"expired\":{\"reason\":\"expired\",\"position\":\"7\"}}\n");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sse");
    TCase *t = tcase_create("sse");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, one_line_is_one_data_field);
    tcase_add_test(t, the_type_comes_first);
    tcase_add_test(t, an_empty_type_is_none);
    tcase_add_test(t, every_line_feed_begins_a_data_field);
    tcase_add_test(t, an_empty_payload_is_dispatched_all_the_same);
    tcase_add_test(t, text_that_looks_like_a_field_stays_data);
    tcase_add_test(t, what_lines_cannot_carry_goes_as_json);
    tcase_add_test(t, the_json_form_names_the_type_too);
    tcase_add_test(t, a_json_payload_over_several_lines_is_one);
    tcase_add_test(t, a_place_is_an_event_with_its_id);
    tcase_add_test(t, a_start_behind_a_gap_says_so);
    tcase_add_loop_test(t, text_is_lines_whatever_it_holds, 0, ARRAY_LEN(texts));
    tcase_add_test(t, a_gap_is_an_event_at_the_place_where_the_stream_goes_on);
    tcase_add_test(t, retry_and_comments_are_lines_without_a_block);
    tcase_add_test(t, ndjson_has_a_line_for_each);
    tcase_add_test(t, an_event_that_is_pushed_has_a_line_that_says_where);
    tcase_add_test(t, a_chunk_begins_with_its_size_in_hexadecimal);
    tcase_add_test(t, sizes_have_no_leading_zero);
    tcase_add_test(t, nothing_is_no_chunk_since_that_would_end_the_body);
    tcase_add_test(t, the_end_of_what_a_client_may_says_why_and_where);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
