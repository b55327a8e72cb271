/*
 * test_event.c - records and properties: what was put comes back, and nothing
 * else is taken.
 */
#include <stdlib.h>

#include "event.h"
#include "guard.h"
#include "suite.h"

static struct buf b;
static struct buf props;

static void setup(void)
{
    b = (struct buf){0};
    props = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
    buf_free(&props);
}

static struct slice encoded(const struct buf *from)
{
    return buf_slice(from);
}

static bool get(struct event *e)
{
    struct reader r = reader_of(b.p, b.len);

    return event_record_get(&r, e) && reader_done(&r);
}

static void put_sample(void)
{
    struct event e = {
        .id = 0x1122334455,
        .time = 1767225600123,
        .topic = SLICE("a/b"),
        .props = SLICE("\x01\x0a\x00text/plain"),
        .payload = SLICE("hello"),
        .flags = EVENT_RETAIN | EVENT_HAS_EXPIRY | 2 << EVENT_QOS_SHIFT,
        .expiry = 60,
    };

    size_t before = b.len;

    event_record_put(&b, &e);
    ck_assert_uint_eq(b.len - before, event_record_size(&e));
}

/* --- records -------------------------------------------------------------------- */

START_TEST(a_record_comes_back_as_it_was_put)
{
    struct event e;

    put_sample();
    ck_assert(get(&e));
    ck_assert_uint_eq(e.id, 0x1122334455);
    ck_assert_uint_eq(e.time, 1767225600123);
    ck_assert(slice_eq(e.topic, SLICE("a/b")));
    ck_assert(slice_eq(e.props, SLICE("\x01\x0a\x00text/plain")));
    ck_assert(slice_eq(e.payload, SLICE("hello")));
    ck_assert_uint_eq(event_qos(&e), 2);
    ck_assert_uint_eq(e.expiry, 60);
}
END_TEST

START_TEST(an_event_may_be_empty_but_for_its_head)
{
    struct event none = {0}, e;

    event_record_put(&b, &none);
    ck_assert_uint_eq(b.len, EVENT_RECORD_HEAD);
    ck_assert(get(&e));
    ck_assert_uint_eq(e.topic.len + e.props.len + e.payload.len, 0);
}
END_TEST

START_TEST(records_follow_one_another)
{
    struct reader r;
    struct event e;

    put_sample();
    put_sample();
    r = reader_of(b.p, b.len);
    ck_assert(event_record_get(&r, &e) && event_record_get(&r, &e));
    ck_assert(reader_done(&r));
}
END_TEST

START_TEST(a_record_gets_its_place_where_it_lies)
{
    struct event e;

    put_sample();
    event_record_patch(b.p, 77, 88, EVENT_VOLATILE);
    ck_assert(get(&e));
    ck_assert_uint_eq(e.id, 77);
    ck_assert_uint_eq(e.time, 88);
    ck_assert_uint_eq(e.flags, EVENT_VOLATILE);
    ck_assert(slice_eq(e.topic, SLICE("a/b")));
    ck_assert(slice_eq(e.props, SLICE("\x01\x0a\x00text/plain")));
    ck_assert(slice_eq(e.payload, SLICE("hello")));
    ck_assert_uint_eq(e.expiry, 60);
}
END_TEST

START_TEST(a_record_of_ours_says_what_it_is_without_being_read)
{
    put_sample();
    put_sample();
    ck_assert_uint_eq(event_record_id(b.p), 0x1122334455);
    ck_assert(slice_eq(event_record_topic(b.p), SLICE("a/b")));
    ck_assert_ptr_eq(event_record_next(event_record_next(b.p)), b.p + b.len);
}
END_TEST

START_TEST(every_prefix_of_a_record_is_refused)
{
    struct guard g;
    struct event e;

    put_sample();
    g = guard_new(b.len);
    for (size_t n = 0; n < b.len; n++) {
        struct reader r = reader_of(guard_put(&g, b.p, n), n);

        ck_assert_msg(!event_record_get(&r, &e), "%zu bytes", n);
        ck_assert(r.bad);
        ck_assert_uint_eq(r.left, 0);
    }
    guard_free(&g);
}
END_TEST

/* The lengths in the head, one byte of them wrong at a time, next to the guard. */
START_TEST(wrong_lengths_never_lead_outside)
{
    static const size_t places[] = {0, 1, 2, 3, 4, 5, 6, 7, 24, 25};
    struct guard g;
    struct event e;

    put_sample();
    g = guard_new(b.len);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        for (unsigned v = 0; v < 256; v++) {
            uint8_t before = b.p[places[i]];
            struct reader r;

            b.p[places[i]] = (uint8_t)v;
            r = reader_of(guard_put(&g, b.p, b.len), b.len);
            if (event_record_get(&r, &e))
                ck_assert_uint_eq(event_record_size(&e), b.len - r.left);
            b.p[places[i]] = before;
        }
    guard_free(&g);
}
END_TEST

START_TEST(a_record_smaller_than_its_head_is_refused)
{
    struct event e;

    put_sample();
    buf_patch_u32(&b, 0, EVENT_RECORD_HEAD - 1);
    ck_assert(!get(&e));
}
END_TEST

START_TEST(runs_longer_than_the_record_are_refused)
{
    struct event e;

    put_sample();
    buf_patch_u32(&b, 4, 13 + 5 + 1); /* properties and payload, and one more */
    ck_assert(!get(&e));
    buf_patch_u32(&b, 4, UINT32_MAX);
    ck_assert(!get(&e));
}
END_TEST

START_TEST(an_event_expires_when_its_seconds_are_over)
{
    struct event e = {.time = 1000, .flags = EVENT_HAS_EXPIRY, .expiry = 2};
    struct event never = {.time = 1000, .expiry = 2};
    struct event late = {.time = 1000, .flags = EVENT_HAS_EXPIRY, .expiry = UINT32_MAX};

    ck_assert(!event_expired(&e, 2999));
    ck_assert(event_expired(&e, 3000));
    ck_assert(!event_expired(&e, 999)); /* the clock was set back */
    ck_assert(!event_expired(&never, UINT64_MAX));
    ck_assert(!event_expired(&late, UINT64_C(1000) * UINT32_MAX));
}
END_TEST

/* --- properties ----------------------------------------------------------------- */

static struct event_props none(void)
{
    return (struct event_props){.payload_format = -1};
}

static enum event_verdict props_verdict(struct slice run)
{
    struct event_props p;

    return event_props_get(run, &p);
}

/* Every property there is, user properties in `user`. */
static struct event_props all_of_them(struct buf *user)
{
    event_user_put(user, SLICE("name"), SLICE("first"));
    event_user_put(user, SLICE("name"), SLICE(""));
    return (struct event_props){
        .content_type = SLICE("application/json"),
        .type = SLICE("reading"),
        .response_topic = SLICE("replies/1"),
        .correlation = SLICE("\x00\x01\xff"),
        .origin = SLICE("client-7"),
        .payload_format = 1,
        .producer = {SLICE("p1"), 3, 42},
        .user = encoded(user),
    };
}

START_TEST(all_properties_come_back)
{
    struct event_props in = all_of_them(&b), out;

    ck_assert_int_eq(event_props_check(&in), EVENT_OK);
    event_props_put(&props, &in);
    ck_assert_int_eq(event_props_get(encoded(&props), &out), EVENT_OK);
    ck_assert(slice_eq(out.content_type, in.content_type));
    ck_assert(slice_eq(out.type, in.type));
    ck_assert(slice_eq(out.response_topic, in.response_topic));
    ck_assert(slice_eq(out.correlation, in.correlation));
    ck_assert(slice_eq(out.origin, in.origin));
    ck_assert_int_eq(out.payload_format, 1);
    ck_assert(slice_eq(out.producer.id, SLICE("p1")));
    ck_assert_uint_eq(out.producer.epoch, 3);
    ck_assert_uint_eq(out.producer.seq, 42);
    ck_assert(slice_eq(out.user, in.user));
}
END_TEST

START_TEST(no_properties_take_no_bytes_and_stay_unset)
{
    struct event_props in = none(), out;

    event_props_put(&props, &in);
    ck_assert_uint_eq(props.len, 0);
    ck_assert_int_eq(event_props_get(encoded(&props), &out), EVENT_OK);
    ck_assert_ptr_null(out.content_type.p);
    ck_assert_ptr_null(out.correlation.p);
    ck_assert_int_eq(out.payload_format, -1);
    ck_assert_uint_eq(out.producer.id.len, 0);
}
END_TEST

START_TEST(an_empty_property_is_not_an_unset_one)
{
    struct event_props in = none(), out;

    in.content_type = SLICE("");
    event_props_put(&props, &in);
    ck_assert_int_eq(event_props_get(encoded(&props), &out), EVENT_OK);
    ck_assert_ptr_nonnull(out.content_type.p);
    ck_assert_uint_eq(out.content_type.len, 0);
}
END_TEST

START_TEST(user_properties_keep_their_order_and_repeats)
{
    struct slice user, name, value;

    event_user_put(&b, SLICE("a"), SLICE("1"));
    event_user_put(&b, SLICE("b"), SLICE(""));
    event_user_put(&b, SLICE("a"), SLICE("2"));
    user = encoded(&b);
    ck_assert(event_user_next(&user, &name, &value));
    ck_assert(slice_eq(name, SLICE("a")) && slice_eq(value, SLICE("1")));
    ck_assert(event_user_next(&user, &name, &value));
    ck_assert(slice_eq(name, SLICE("b")) && value.len == 0);
    ck_assert(event_user_next(&user, &name, &value));
    ck_assert(slice_eq(name, SLICE("a")) && slice_eq(value, SLICE("2")));
    ck_assert(!event_user_next(&user, &name, &value));
}
END_TEST

START_TEST(a_prefix_of_properties_is_whole_only_between_two)
{
    struct event_props in = all_of_them(&b), out;
    struct buf again = {0};
    struct guard g;

    event_props_put(&props, &in);
    g = guard_new(props.len);
    for (size_t n = 0; n <= props.len; n++) {
        struct slice cut = {(const char *)guard_put(&g, props.p, n), n};

        if (event_props_get(cut, &out) != EVENT_OK)
            continue;
        buf_clear(&again);
        event_props_put(&again, &out);
        ck_assert(slice_eq(encoded(&again), cut));
    }
    ck_assert_uint_eq(again.len, props.len);
    buf_free(&again);
    guard_free(&g);
}
END_TEST

START_TEST(tags_rise_and_only_user_properties_repeat)
{
    ck_assert_int_eq(props_verdict(SLICE("\x01\0\0\x02\0\0")), EVENT_OK);
    ck_assert_int_eq(props_verdict(SLICE("\x02\0\0\x01\0\0")), EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x01\0\0\x01\0\0")), EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x08\x02\0\0\0\x08\x02\0\0\0")), EVENT_OK);
    ck_assert_int_eq(props_verdict(SLICE("\x08\x02\0\0\0\x01\0\0")), EVENT_MALFORMED);
}
END_TEST

START_TEST(unknown_tags_are_refused)
{
    ck_assert_int_eq(props_verdict(SLICE("\x00\0\0")), EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x09\0\0")), EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\xff\0\0")), EVENT_MALFORMED);
}
END_TEST

START_TEST(properties_with_a_form_must_have_it)
{
    ck_assert_int_eq(props_verdict(SLICE("\x05\x01\0\x01")), EVENT_OK);
    ck_assert_int_eq(props_verdict(SLICE("\x05\x01\0\x02")), EVENT_BAD_PAYLOAD_FORMAT);
    ck_assert_int_eq(props_verdict(SLICE("\x05\x00\0")), EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x05\x02\0\x01\x01")), EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x07\x10\0"
                                         "epochepoSEQSEQSE")),
                     EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x07\x0f\0"
                                         "epochepoSEQSEQS")),
                     EVENT_MALFORMED);
    ck_assert_int_eq(props_verdict(SLICE("\x07\x11\0"
                                         "epochepoSEQSEQSEp")),
                     EVENT_OK);
    ck_assert_int_eq(props_verdict(SLICE("\x08\x02\0\x01\0")), EVENT_MALFORMED);
}
END_TEST

static char big[EVENT_PROPS_MAX + 1];

static enum event_verdict check_content_type(size_t len)
{
    struct event_props p = none();

    memset(big, 'x', sizeof big);
    p.content_type = (struct slice){big, len};
    return event_props_check(&p);
}

START_TEST(all_properties_together_are_at_most_64_kib)
{
    ck_assert_int_eq(check_content_type(EVENT_PROPS_MAX - 3), EVENT_OK);
    ck_assert_int_eq(check_content_type(EVENT_PROPS_MAX - 2), EVENT_PROPS_TOO_LARGE);
    ck_assert_int_eq(props_verdict((struct slice){big, EVENT_PROPS_MAX + 1}),
                     EVENT_PROPS_TOO_LARGE);
}
END_TEST

START_TEST(the_largest_properties_can_be_put)
{
    struct event_props p = none();

    memset(big, 'x', sizeof big);
    event_user_put(&b, SLICE("n"), (struct slice){big, EVENT_USER_MAX - 1});
    p.user = encoded(&b);
    ck_assert_int_eq(event_props_check(&p), EVENT_OK);
    event_props_put(&props, &p);
    ck_assert_uint_eq(props.len, EVENT_PROPS_MAX);
}
END_TEST

static enum event_verdict check_type(struct slice type)
{
    struct event_props p = none();

    p.type = type;
    return event_props_check(&p);
}

START_TEST(a_type_is_short_text_that_is_not_ours)
{
    memset(big, 'x', sizeof big);
    ck_assert_int_eq(check_type(SLICE("reading \xc3\xa9")), EVENT_OK);
    ck_assert_int_eq(check_type(SLICE("sluice")), EVENT_OK);
    ck_assert_int_eq(check_type((struct slice){big, EVENT_TYPE_MAX}), EVENT_OK);
    ck_assert_int_eq(check_type((struct slice){big, EVENT_TYPE_MAX + 1}), EVENT_BAD_TYPE);
    ck_assert_int_eq(check_type(SLICE("sluice.gap")), EVENT_BAD_TYPE);
    ck_assert_int_eq(check_type(SLICE("a\nb")), EVENT_BAD_TYPE);
    ck_assert_int_eq(check_type(SLICE("\xff")), EVENT_BAD_TYPE);
}
END_TEST

START_TEST(texts_are_utf8_without_control_characters)
{
    static const struct slice bad[] = {SLICE("a\0b"),     SLICE("\x1f"),     SLICE("\x7f"),
                                       SLICE("\xc2\x80"), SLICE("\xc2\x9f"), SLICE("\xc3")};
    struct event_props p = none();

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        p = none();
        p.content_type = bad[i];
        ck_assert_int_eq(event_props_check(&p), EVENT_BAD_TEXT);
        p = none();
        buf_clear(&b);
        event_user_put(&b, SLICE("name"), bad[i]);
        p.user = encoded(&b);
        ck_assert_int_eq(event_props_check(&p), EVENT_BAD_TEXT);
    }
    p = none();
    p.content_type = SLICE("text/\xc2\xa0");
    p.correlation = SLICE("\x00\xff\n"); /* bytes, not text */
    ck_assert_int_eq(event_props_check(&p), EVENT_OK);
}
END_TEST

START_TEST(a_response_topic_is_a_topic_name)
{
    struct event_props p = none();

    p.response_topic = SLICE("replies/1");
    ck_assert_int_eq(event_props_check(&p), EVENT_OK);
    p.response_topic = SLICE("replies/+");
    ck_assert_int_eq(event_props_check(&p), EVENT_BAD_RESPONSE_TOPIC);
    p.response_topic = SLICE("");
    ck_assert_int_eq(event_props_check(&p), EVENT_BAD_RESPONSE_TOPIC);
}
END_TEST

START_TEST(a_payload_format_is_0_or_1)
{
    struct event_props p = none();

    p.payload_format = 1;
    ck_assert_int_eq(event_props_check(&p), EVENT_OK);
    p.payload_format = 2;
    ck_assert_int_eq(event_props_check(&p), EVENT_BAD_PAYLOAD_FORMAT);
}
END_TEST

START_TEST(verdicts_and_reasons_have_texts)
{
    for (int v = EVENT_OK; v <= EVENT_BAD_PAYLOAD_FORMAT; v++)
        ck_assert_uint_gt(strlen(event_verdict_text((enum event_verdict)v)), 0);
    ck_assert_str_eq(event_gap_reason_text(GAP_EXPIRED), "expired");
    ck_assert_str_eq(event_gap_reason_text(GAP_DELETED), "deleted");
    ck_assert_str_eq(event_gap_reason_text(GAP_RESET), "reset");
    ck_assert_str_eq(event_gap_reason_text(GAP_FUTURE), "future");
    ck_assert_str_eq(event_gap_reason_text(GAP_VOLATILE), "volatile");
}
END_TEST

static TCase *records(void)
{
    TCase *t = tcase_create("records");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_record_comes_back_as_it_was_put);
    tcase_add_test(t, an_event_may_be_empty_but_for_its_head);
    tcase_add_test(t, records_follow_one_another);
    tcase_add_test(t, a_record_gets_its_place_where_it_lies);
    tcase_add_test(t, a_record_of_ours_says_what_it_is_without_being_read);
    tcase_add_test(t, every_prefix_of_a_record_is_refused);
    tcase_add_test(t, wrong_lengths_never_lead_outside);
    tcase_add_test(t, a_record_smaller_than_its_head_is_refused);
    tcase_add_test(t, runs_longer_than_the_record_are_refused);
    tcase_add_test(t, an_event_expires_when_its_seconds_are_over);
    return t;
}

static TCase *properties(void)
{
    TCase *t = tcase_create("properties");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, all_properties_come_back);
    tcase_add_test(t, no_properties_take_no_bytes_and_stay_unset);
    tcase_add_test(t, an_empty_property_is_not_an_unset_one);
    tcase_add_test(t, user_properties_keep_their_order_and_repeats);
    tcase_add_test(t, a_prefix_of_properties_is_whole_only_between_two);
    tcase_add_test(t, tags_rise_and_only_user_properties_repeat);
    tcase_add_test(t, unknown_tags_are_refused);
    tcase_add_test(t, properties_with_a_form_must_have_it);
    tcase_add_test(t, all_properties_together_are_at_most_64_kib);
    tcase_add_test(t, the_largest_properties_can_be_put);
    tcase_add_test(t, a_type_is_short_text_that_is_not_ours);
    tcase_add_test(t, texts_are_utf8_without_control_characters);
    tcase_add_test(t, a_response_topic_is_a_topic_name);
    tcase_add_test(t, a_payload_format_is_0_or_1);
    tcase_add_test(t, verdicts_and_reasons_have_texts);
    return t;
}

int main(void)
{
    Suite *s = suite_create("event");

    suite_add_tcase(s, records());
    suite_add_tcase(s, properties());
    return suite_run(s);
}
