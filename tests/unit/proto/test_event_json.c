/*
 * test_event_json.c - the JSON form of an event: shown, published, and published
 * again as it was shown; RFC 3339 times.
 */
#include <stdlib.h>

#include "event_json.h"
#include "json.h"
#include "suite.h"

static struct buf out, store, scratch;
static struct event e;
static struct event_props props;
static const char *field, *why;

static void setup(void)
{
    out = store = scratch = (struct buf){0};
    e = (struct event){.topic = SLICE("a/b")};
    props = (struct event_props){.payload_format = -1};
    field = why = NULL;
}

static void teardown(void)
{
    buf_free(&out);
    buf_free(&store);
    buf_free(&scratch);
}

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

/* --- shown ------------------------------------------------------------------- */

static void show(void)
{
    buf_clear(&scratch);
    event_props_put(&scratch, &props);
    e.props = bytes_of(&scratch);
    buf_clear(&out);
    event_json_put(&out, &e);
    ck_assert_int_eq(json_check(bytes_of(&out)), JSON_OBJECT);
}

#define assert_shown(text)                                                                         \
    do {                                                                                           \
        show();                                                                                    \
        ck_assert_msg(slice_eq(bytes_of(&out), SLICE(text)), "%.*s", (int)out.len, (char *)out.p); \
    } while (0)

START_TEST(what_is_unset_is_absent)
{
    assert_shown("{\"topic\":\"a/b\",\"data\":\"\"}");
}
END_TEST

START_TEST(every_member_has_its_form)
{
    struct buf user = {0};

    event_user_put(&user, SLICE("n"), SLICE("1"));
    event_user_put(&user, SLICE("n"), SLICE("\"2\""));
    e.id = EVENT_ID_MAX;
    e.time = 1769853600123;
    e.flags = EVENT_RETAIN | EVENT_HAS_EXPIRY | EVENT_VOLATILE | 1 << EVENT_QOS_SHIFT;
    e.expiry = 0;
    e.payload = SLICE("21.5");
    props.type = SLICE("t\xc3\xa4");
    props.content_type = SLICE("text/plain");
    props.response_topic = SLICE("r/1");
    props.correlation = SLICE("\xff\x00");
    props.payload_format = 1;
    props.origin = SLICE("secret");
    props.producer = (struct producer){SLICE("p"), 3, UINT64_MAX};
    props.user = bytes_of(&user);
    assert_shown(
        "{\"id\":\"9007199254740991\",\"topic\":\"a/b\",\"time\":\"2026-01-31T10:00:00.123Z\","
        "\"type\":\"t\xc3\xa4\",\"content_type\":\"text/plain\",\"retain\":true,\"expiry\":0,"
        "\"response_topic\":\"r/1\",\"correlation_data\":\"/wA=\","
        "\"properties\":[[\"n\",\"1\"],[\"n\",\"\\\"2\\\"\"]],"
        "\"producer\":{\"id\":\"p\",\"epoch\":3,\"seq\":18446744073709551615},"
        "\"data\":\"21.5\"}");
    buf_free(&user);
}
END_TEST

START_TEST(members_alone_have_no_braces)
{
    event_json_put_members(&out, &e);
    ck_assert(slice_eq(bytes_of(&out), SLICE("\"topic\":\"a/b\",\"data\":\"\"")));
}
END_TEST

START_TEST(a_json_payload_is_shown_byte_for_byte_on_one_line)
{
    props.content_type = SLICE("application/json");
    e.payload = SLICE("{\"a\" : 1.0,\r\n \"a\":\"\\u00e4\\n\"}");
    assert_shown("{\"topic\":\"a/b\",\"content_type\":\"application/json\","
                 "\"data\":{\"a\" : 1.0,   \"a\":\"\\u00e4\\n\"}}");
}
END_TEST

START_TEST(a_payload_that_is_called_json_and_is_none_is_shown_as_text)
{
    props.content_type = SLICE("application/json");
    e.payload = SLICE("{\"a\":");
    assert_shown(
        "{\"topic\":\"a/b\",\"content_type\":\"application/json\",\"data\":\"{\\\"a\\\":\"}");
}
END_TEST

/* Shows a payload of so many nested arrays; true when it is shown as JSON. */
static bool nested_is_json(unsigned depth)
{
    struct buf payload = {0};
    bool json;

    for (unsigned i = 0; i < depth; i++)
        buf_u8(&payload, '[');
    for (unsigned i = 0; i < depth; i++)
        buf_u8(&payload, ']');
    props.content_type = SLICE("application/json");
    e.payload = bytes_of(&payload);
    show();
    json = memmem(out.p, out.len, "\"data\":[[", 9) != NULL;
    buf_free(&payload);
    return json;
}

START_TEST(json_too_deep_to_stand_in_a_page_is_text)
{
    ck_assert(nested_is_json(EVENT_JSON_DEPTH_MAX));
    ck_assert(!nested_is_json(EVENT_JSON_DEPTH_MAX + 1));
}
END_TEST

START_TEST(json_that_is_not_called_json_is_text)
{
    e.payload = SLICE("{\"a\":1}");
    assert_shown("{\"topic\":\"a/b\",\"data\":\"{\\\"a\\\":1}\"}");
}
END_TEST

START_TEST(a_payload_that_is_not_utf8_is_base64)
{
    props.content_type = SLICE("application/json");
    e.payload = SLICE("\"\xff\"");
    assert_shown(
        "{\"topic\":\"a/b\",\"content_type\":\"application/json\",\"data_base64\":\"Iv8i\"}");
}
END_TEST

START_TEST(properties_that_a_damaged_store_returns_are_left_out)
{
    e.props = SLICE("\x09");
    e.payload = SLICE("x");
    event_json_put(&out, &e);
    ck_assert(slice_eq(bytes_of(&out), SLICE("{\"topic\":\"a/b\",\"data\":\"x\"}")));
}
END_TEST

START_TEST(json_content_types_are_known_by_name_and_suffix)
{
    static const struct slice json[] = {
        SLICE("application/json"),
        SLICE("Application/JSON"),
        SLICE("application/json; charset=utf-8"),
        SLICE("application/json ;x=\"a/b\""),
        SLICE("application/problem+json"),
        SLICE("application/cloudevents+JSON;x"),
    };
    static const struct slice other[] = {
        SLICE(""),           SLICE("text/json"),
        SLICE("json"),       SLICE("+json"),
        SLICE("x+json"),     SLICE("application/jsonx"),
        SLICE("text/plain"), SLICE("text/plain; x=application/json"),
        SLICE("a/json+x"),   SLICE("text/plain;a/b+json"),
    };

    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++)
        ck_assert_msg(event_json_is_content_type(json[i]), "%s", json[i].p);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        ck_assert_msg(!event_json_is_content_type(other[i]), "%s", other[i].p);
    ck_assert(!event_json_is_content_type((struct slice){NULL, 0}));
}
END_TEST

START_TEST(a_gap_names_its_ids_as_strings)
{
    event_json_put_gap(&out, &(struct gap){1, EVENT_ID_MAX, 2, GAP_EXPIRED});
    ck_assert(
        slice_eq(bytes_of(&out), SLICE("{\"requested\":\"1\",\"resumed_from\":\"9007199254740991\","
                                       "\"removed_to\":\"2\",\"reason\":\"expired\"}")));
}
END_TEST

/* --- published --------------------------------------------------------------- */

static bool get(const char *json, unsigned flags, const char *const *allow)
{
    buf_clear(&store);
    return event_json_get(slice_of(json), flags, allow, &store, &e, &field, &why);
}

static void get_ok(const char *json)
{
    ck_assert_msg(get(json, 0, NULL), "%s: %s", field, why);
    ck_assert_int_eq(event_props_get(e.props, &props), EVENT_OK);
}

START_TEST(a_publish_needs_no_more_than_a_topic)
{
    get_ok("{\"topic\":\"a\"}");
    ck_assert(slice_eq(e.topic, SLICE("a")));
    ck_assert_uint_eq(e.payload.len, 0);
    ck_assert_uint_eq(e.props.len, 0);
    ck_assert_uint_eq(e.id | e.time | e.expiry, 0);
}
END_TEST

START_TEST(a_publish_in_json_counts_as_qos_2)
{
    get_ok("{\"topic\":\"a\",\"retain\":false}");
    ck_assert_uint_eq(e.flags, 2 << EVENT_QOS_SHIFT);
    ck_assert_uint_eq(event_qos(&e), 2);
}
END_TEST

START_TEST(every_member_is_read)
{
    struct slice name, value;

    get_ok("{\"data_base64\":\"/wA=\",\"producer\":{\"seq\":\"18446744073709551615\",\"epoch\":3,"
           "\"id\":\"p\\u00e4\"},\"properties\":[[\"n\",\"1\"],[\"n\",\"\"]],\"retain\":true,"
           "\"correlation_data\":\"\",\"response_topic\":\"r\",\"expiry\":4294967295,"
           "\"content_type\":\"text/"
           "plain\",\"type\":\"t\",\"payload_format\":0,\"topic\":\"\\u0061/b\"}");
    ck_assert(slice_eq(e.topic, SLICE("a/b")));
    ck_assert(slice_eq(e.payload, SLICE("\xff\0")));
    ck_assert((e.flags & EVENT_RETAIN) != 0 && (e.flags & EVENT_HAS_EXPIRY) != 0);
    ck_assert_uint_eq(e.expiry, UINT32_MAX);
    ck_assert(slice_eq(props.type, SLICE("t")));
    ck_assert(slice_eq(props.content_type, SLICE("text/plain")));
    ck_assert(slice_eq(props.response_topic, SLICE("r")));
    ck_assert(props.correlation.p != NULL && props.correlation.len == 0);
    ck_assert_int_eq(props.payload_format, 0);
    ck_assert(slice_eq(props.producer.id, SLICE("p\xc3\xa4")));
    ck_assert_uint_eq(props.producer.epoch, 3);
    ck_assert_uint_eq(props.producer.seq, UINT64_MAX);
    ck_assert(event_user_next(&props.user, &name, &value));
    ck_assert(slice_eq(name, SLICE("n")) && slice_eq(value, SLICE("1")));
    ck_assert(event_user_next(&props.user, &name, &value));
    ck_assert(slice_eq(name, SLICE("n")) && value.len == 0);
    ck_assert(!event_user_next(&props.user, &name, &value));
    ck_assert(props.origin.p == NULL);
}
END_TEST

/* What becomes of `data`, and of the content type. */
static const struct {
    const char *members, *payload, *content_type;
} payloads[] = {
    {"\"data\":\"a\\nb\\u00e4\"", "a\nb\xc3\xa4", NULL},
    {"\"data\":\"21\"", "21", NULL},
    {"\"data\":21.50", "21.50", "application/json"},
    {"\"data\":null", "null", "application/json"},
    {"\"data\":{ \"a\" : [] }", "{ \"a\" : [] }", "application/json"},
    {"\"data\":\"x\",\"content_type\":\"text/plain\"", "x", "text/plain"},
    {"\"data\":[1],\"content_type\":\"text/plain\"", "[1]", "text/plain"},
    {"\"data\":\"x\\u0041\",\"content_type\":\"application/json\"", "\"x\\u0041\"",
     "application/json"},
    {"\"data\":1,\"content_type\":\"a/b+json\"", "1", "a/b+json"},
    {"\"data_base64\":\"eA==\",\"content_type\":\"application/json\"", "x", "application/json"},
    {"\"content_type\":\"application/json\"", "", "application/json"},
};

START_TEST(data_becomes_the_payload)
{
    buf_printf(&scratch, "{\"topic\":\"a\",%s}%c", payloads[_i].members, '\0');
    get_ok((char *)scratch.p);
    ck_assert(slice_eq(e.payload, slice_of(payloads[_i].payload)));
    ck_assert((props.content_type.p == NULL) == (payloads[_i].content_type == NULL));
    ck_assert(slice_eq(props.content_type, slice_of(payloads[_i].content_type)));
}
END_TEST

/* Each refused, naming the member. */
static const struct {
    const char *json, *field;
} refused[] = {
    {"", "event"},
    {"[]", "event"},
    {"{\"topic\":\"a\"}x", "event"},
    {"{\"topic\":\"a\",\"data\":\"\\ud800\"}", "data"},
    {"{\"topic\":\"a\\ud800\",\"data\":1}", "topic"},
    {"{}", "topic"},
    {"{\"topic\":1}", "topic"},
    {"{\"topic\":null}", "topic"},
    {"{\"topic\":\"a\",\"topic\":\"a\"}", "topic"},
    {"{\"topic\":\"a\",\"t\\u006fpic\":\"a\"}", "topic"},
    {"{\"topic\":\"a\",\"id\":\"1\"}", "id"},
    {"{\"topic\":\"a\",\"time\":\"2026-01-31T10:00:00Z\"}", "time"},
    {"{\"topic\":\"a\",\"qos\":1}", "qos"},
    {"{\"topic\":\"a\",\"origin\":\"x\"}", "origin"},
    {"{\"topic\":\"a\",\"Data\":\"x\"}", "Data"},
    {"{\"topic\":\"a\",\"\":1}", ""},
    {"{\"topic\":\"a\",\"type\":null}", "type"},
    {"{\"topic\":\"a\",\"type\":\"sluice.x\"}", "type"},
    {"{\"topic\":\"a\",\"type\":\"a\\nb\"}", "type"},
    {"{\"topic\":\"a\",\"content_type\":1}", "content_type"},
    {"{\"topic\":\"a\",\"content_type\":\"a\\u0000\"}", "content_type"},
    {"{\"topic\":\"a\",\"retain\":1}", "retain"},
    {"{\"topic\":\"a\",\"retain\":\"true\"}", "retain"},
    {"{\"topic\":\"a\",\"expiry\":\"1\"}", "expiry"},
    {"{\"topic\":\"a\",\"expiry\":-1}", "expiry"},
    {"{\"topic\":\"a\",\"expiry\":1.5}", "expiry"},
    {"{\"topic\":\"a\",\"expiry\":4294967296}", "expiry"},
    {"{\"topic\":\"a\",\"response_topic\":[]}", "response_topic"},
    {"{\"topic\":\"a\",\"response_topic\":\"a/#\"}", "response_topic"},
    {"{\"topic\":\"a\",\"correlation_data\":\"a\"}", "correlation_data"},
    {"{\"topic\":\"a\",\"correlation_data\":1}", "correlation_data"},
    {"{\"topic\":\"a\",\"properties\":{\"a\":\"b\"}}", "properties"},
    {"{\"topic\":\"a\",\"properties\":[\"a\"]}", "properties"},
    {"{\"topic\":\"a\",\"properties\":[[]]}", "properties"},
    {"{\"topic\":\"a\",\"properties\":[[\"a\"]]}", "properties"},
    {"{\"topic\":\"a\",\"properties\":[[\"a\",1]]}", "properties"},
    {"{\"topic\":\"a\",\"properties\":[[\"a\",\"b\",\"c\"]]}", "properties"},
    {"{\"topic\":\"a\",\"producer\":\"p\"}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":\"p\",\"seq\":1}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":\"\",\"epoch\":0,\"seq\":1}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":1,\"epoch\":0,\"seq\":1}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":\"p\",\"epoch\":0,\"seq\":-1}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":\"p\",\"epoch\":0,\"seq\":1,\"x\":1}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":\"p\",\"epoch\":0,\"seq\":1,\"seq\":1}}", "producer"},
    {"{\"topic\":\"a\",\"producer\":{\"id\":\"p\\n\",\"epoch\":0,\"seq\":1}}", "producer"},
    {"{\"topic\":\"a\",\"payload_format\":2}", "payload_format"},
    {"{\"topic\":\"a\",\"payload_format\":true}", "payload_format"},
    {"{\"topic\":\"a\",\"data\":1,\"data\":1}", "data"},
    {"{\"topic\":\"a\",\"data\":\"\",\"data_base64\":\"\"}", "data_base64"},
    {"{\"topic\":\"a\",\"data_base64\":\"-\"}", "data_base64"},
    {"{\"topic\":\"a\",\"data_base64\":null}", "data_base64"},
};

START_TEST(a_bad_member_is_named)
{
    ck_assert(!get(refused[_i].json, 0, NULL));
    ck_assert_str_eq(field, refused[_i].field);
    ck_assert_uint_gt(strlen(why), 0);
}
END_TEST

START_TEST(a_long_unknown_name_is_cut_between_characters)
{
    buf_puts(&scratch, "{\"x");
    for (int i = 0; i < 100; i++)
        buf_puts(&scratch, "\xc3\xa4");
    buf_put(&scratch, "\":1}", 5);
    ck_assert(!get((char *)scratch.p, 0, NULL));
    ck_assert_uint_eq(strlen(field), 63);
    ck_assert(utf8_valid(field, strlen(field)));
}
END_TEST

START_TEST(a_property_too_long_for_its_length_field_is_refused)
{
    buf_puts(&scratch, "{\"topic\":\"a\",\"properties\":[[\"n\",\"");
    for (int i = 0; i < 70000; i++)
        buf_u8(&scratch, 'v');
    buf_put(&scratch, "\"]]}", 5);
    ck_assert(!get((char *)scratch.p, 0, NULL));
    ck_assert_str_eq(field, "properties");
}
END_TEST

START_TEST(properties_are_bounded_together)
{
    buf_puts(&scratch, "{\"topic\":\"a\",\"properties\":[[\"n\",\"v\"]");
    for (int i = 0; i < 10000; i++)
        buf_puts(&scratch, ",[\"n\",\"v\"]");
    buf_put(&scratch, "]}", 3);
    ck_assert(!get((char *)scratch.p, 0, NULL));
    ck_assert_str_eq(field, "properties");
}
END_TEST

START_TEST(names_that_the_caller_allows_are_passed_over_once)
{
    static const char *const allow[] = {"op", "id", NULL};

    ck_assert(get("{\"op\":[1],\"topic\":\"a\",\"id\":{}}", 0, allow));
    ck_assert(!get("{\"op\":1,\"topic\":\"a\",\"op\":1}", 0, allow));
    ck_assert_str_eq(field, "op");
    ck_assert(!get("{\"ref\":1,\"topic\":\"a\"}", 0, allow));
    ck_assert_str_eq(field, "ref");
}
END_TEST

START_TEST(the_topic_may_be_given_elsewhere)
{
    ck_assert(get("{\"data\":\"x\"}", EVENT_JSON_TOPIC_OPTIONAL, NULL));
    ck_assert_uint_eq(e.topic.len, 0);
    ck_assert(get("{\"topic\":\"b\"}", EVENT_JSON_TOPIC_OPTIONAL, NULL));
    ck_assert(slice_eq(e.topic, SLICE("b")));
}
END_TEST

START_TEST(a_payload_that_travels_apart_is_not_given_twice)
{
    unsigned flags = EVENT_JSON_TOPIC_OPTIONAL | EVENT_JSON_NO_PAYLOAD;

    ck_assert(get("{}", flags, NULL));
    ck_assert(!get("{\"data\":\"\"}", flags, NULL));
    ck_assert_str_eq(field, "data");
    ck_assert(!get("{\"data_base64\":\"\"}", flags, NULL));
    ck_assert_str_eq(field, "data_base64");
}
END_TEST

/* --- published again as it was shown ------------------------------------------- */

static const struct {
    struct slice payload;
    const char *content_type;
} kept[] = {
    {SLICE(""), NULL},
    {SLICE("hello"), NULL},
    {SLICE("21"), NULL},
    {SLICE("\"21\""), NULL},
    {SLICE("\0\x01\"\\\n"), "text/plain"},
    {SLICE("\xff\xfe"), "image/png"},
    {SLICE("\xff"), "application/json"},
    {SLICE("\"a\\u00e4\\/\""), "application/json"},
    {SLICE("{\"a\":[1.0,null]}"), "application/json"},
    {SLICE("[ 1 ]"), "application/x+json"},
};

START_TEST(a_payload_survives_being_shown_and_published_again)
{
    struct slice payload;

    e.payload = kept[_i].payload;
    if (kept[_i].content_type != NULL)
        props.content_type = slice_of(kept[_i].content_type);
    show();
    ck_assert(event_json_get(bytes_of(&out), 0, NULL, &store, &e, &field, &why));
    payload = e.payload;
    ck_assert_int_eq(event_props_get(e.props, &props), EVENT_OK);
    ck_assert(slice_eq(payload, kept[_i].payload));
    ck_assert(slice_eq(props.content_type, slice_of(kept[_i].content_type)));
}
END_TEST

/* --- times ------------------------------------------------------------------- */

static const struct {
    uint64_t ms;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {951782399999, "2000-02-28T23:59:59.999Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {1769853600123, "2026-01-31T10:00:00.123Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
};

START_TEST(times_are_written_and_read)
{
    uint64_t ms;

    time_put_rfc3339(&out, times[_i].ms);
    ck_assert(slice_eq(bytes_of(&out), slice_of(times[_i].text)));
    ck_assert(time_get_rfc3339(bytes_of(&out), &ms));
    ck_assert_uint_eq(ms, times[_i].ms);
}
END_TEST

START_TEST(a_time_beyond_the_calendar_is_its_end)
{
    time_put_rfc3339(&out, UINT64_MAX);
    ck_assert(slice_eq(bytes_of(&out), SLICE("9999-12-31T23:59:59.999Z")));
}
END_TEST

static const struct {
    const char *text;
    uint64_t ms;
} readable[] = {
    {"2026-01-31T10:00:00Z", 1769853600000},
    {"2026-01-31t10:00:00z", 1769853600000},
    {"2026-01-31T12:00:00+02:00", 1769853600000},
    {"2026-01-31T04:30:00-05:30", 1769853600000},
    {"2026-01-31T10:00:00-00:00", 1769853600000},
    {"2026-01-31T10:00:00.1Z", 1769853600100},
    {"2026-01-31T10:00:00.1239999999999999999Z", 1769853600123},
    {"2016-12-31T23:59:60Z", 1483228800000},
    {"1969-12-31T23:59:59Z", 0},
    {"0001-01-01T00:00:00Z", 0},
    {"1969-12-31T23:00:00-02:00", 3600000},
};

START_TEST(any_offset_and_fraction_is_read)
{
    uint64_t ms = 1;

    ck_assert(time_get_rfc3339(slice_of(readable[_i].text), &ms));
    ck_assert_uint_eq(ms, readable[_i].ms);
}
END_TEST

static const char *const unreadable[] = {
    "",
    "2026",
    "2026-01-31",
    "2026-01-31T10:00:00",
    "2026-01-31 10:00:00Z",
    "2026-01-31T10:00Z",
    "2026-1-31T10:00:00Z",
    "2026-01-31T10:00:00.Z",
    "2026-01-31T10:00:00,5Z",
    "2026-01-31T10:00:00ZZ",
    "2026-01-31T10:00:00Z ",
    " 2026-01-31T10:00:00Z",
    "2026-00-31T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-02-29T10:00:00Z",
    "2100-02-29T10:00:00Z",
    "2026-01-00T10:00:00Z",
    "2026-04-31T10:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T10:60:00Z",
    "2026-01-31T10:00:61Z",
    "2026-01-31T10:00:00+24:00",
    "2026-01-31T10:00:00+02",
    "2026-01-31T10:00:00+0200",
    "2026-01-31T10:00:00 02:00",
    "+026-01-31T10:00:00Z",
};

START_TEST(a_time_in_any_other_form_is_refused)
{
    uint64_t ms;

    ck_assert(!time_get_rfc3339(slice_of(unreadable[_i]), &ms));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("event_json");
    TCase *put = tcase_create("put"), *read = tcase_create("get"), *time = tcase_create("time");

    tcase_add_checked_fixture(put, setup, teardown);
    tcase_add_test(put, what_is_unset_is_absent);
    tcase_add_test(put, every_member_has_its_form);
    tcase_add_test(put, members_alone_have_no_braces);
    tcase_add_test(put, a_json_payload_is_shown_byte_for_byte_on_one_line);
    tcase_add_test(put, a_payload_that_is_called_json_and_is_none_is_shown_as_text);
    tcase_add_test(put, json_too_deep_to_stand_in_a_page_is_text);
    tcase_add_test(put, json_that_is_not_called_json_is_text);
    tcase_add_test(put, a_payload_that_is_not_utf8_is_base64);
    tcase_add_test(put, properties_that_a_damaged_store_returns_are_left_out);
    tcase_add_test(put, json_content_types_are_known_by_name_and_suffix);
    tcase_add_test(put, a_gap_names_its_ids_as_strings);
    suite_add_tcase(s, put);

    tcase_add_checked_fixture(read, setup, teardown);
    tcase_add_test(read, a_publish_needs_no_more_than_a_topic);
    tcase_add_test(read, a_publish_in_json_counts_as_qos_2);
    tcase_add_test(read, every_member_is_read);
    tcase_add_loop_test(read, data_becomes_the_payload, 0, sizeof payloads / sizeof payloads[0]);
    tcase_add_loop_test(read, a_bad_member_is_named, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(read, a_long_unknown_name_is_cut_between_characters);
    tcase_add_test(read, a_property_too_long_for_its_length_field_is_refused);
    tcase_add_test(read, properties_are_bounded_together);
    tcase_add_test(read, names_that_the_caller_allows_are_passed_over_once);
    tcase_add_test(read, the_topic_may_be_given_elsewhere);
    tcase_add_test(read, a_payload_that_travels_apart_is_not_given_twice);
    tcase_add_loop_test(read, a_payload_survives_being_shown_and_published_again, 0,
                        sizeof kept / sizeof kept[0]);
    suite_add_tcase(s, read);

    tcase_add_checked_fixture(time, setup, teardown);
    tcase_add_loop_test(time, times_are_written_and_read, 0, sizeof times / sizeof times[0]);
    tcase_add_test(time, a_time_beyond_the_calendar_is_its_end);
    tcase_add_loop_test(time, any_offset_and_fraction_is_read, 0,
                        sizeof readable / sizeof readable[0]);
    tcase_add_loop_test(time, a_time_in_any_other_form_is_refused, 0,
                        sizeof unreadable / sizeof unreadable[0]);
    suite_add_tcase(s, time);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
