/*
 * test_app_frame.c - what an application may send: its parts, its headers, and
 * what a publisher may say in an event.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "app_frame.h"
#include "mem.h"
#include "publish_check.h"

static struct buf store;
static struct app_frame frame;
static struct event e;
static struct event_props props;
static const char *field, *text;

static void setup(void)
{
    store = (struct buf){0};
    frame = (struct app_frame){0};
    e = (struct event){0};
    field = text = "";
}

static void teardown(void)
{
    buf_free(&store);
}

static enum sluice_error frame_of(const char *const *parts, size_t count)
{
    struct slice s[16];

    for (size_t i = 0; i < count; i++)
        s[i] = slice_of(parts[i]);
    return app_frame_get(s, count, &frame, &text);
}
#define FRAME(...)                                                                                 \
    frame_of((const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static enum sluice_error headers(const char *json)
{
    enum sluice_error error = app_headers_get(slice_of(json), &store, &e, &field, &text);

    if (error == ERR_NONE)
        ck_assert_int_eq(event_props_get(e.props, &props), EVENT_OK);
    return error;
}

static enum sluice_error check(const struct event *event)
{
    struct store_event se = {.e = *event};

    return publish_check(&se, 100, &text);
}

/* --- parts -------------------------------------------------------------------- */

START_TEST(a_publish_has_five_parts)
{
    ck_assert_int_eq(FRAME("publish", "7", "a/b", "{}", "hello"), ERR_NONE);
    ck_assert(frame.has_ref && !frame.delimited);
    ck_assert_uint_eq(frame.ref_part, 1);
}
END_TEST

START_TEST(an_empty_first_part_is_a_requests_delimiter)
{
    ck_assert_int_eq(FRAME("", "publish", "7", "a/b", "{}", "hello"), ERR_NONE);
    ck_assert(frame.delimited);
    ck_assert_uint_eq(frame.ref_part, 2);
}
END_TEST

START_TEST(ref_headers_and_payload_may_be_empty)
{
    ck_assert_int_eq(FRAME("publish", "", "a/b", "", ""), ERR_NONE);
}
END_TEST

START_TEST(too_few_and_too_many_parts_are_refused_by_their_ref)
{
    ck_assert_int_eq(FRAME("publish", "7", "a/b", "{}"), ERR_BAD_REQUEST);
    ck_assert(frame.has_ref);
    ck_assert_int_eq(FRAME("publish", "7", "a/b", "{}", "", ""), ERR_BAD_REQUEST);
    ck_assert(frame.has_ref);
}
END_TEST

START_TEST(an_unknown_verb_is_refused_by_its_ref)
{
    ck_assert_int_eq(FRAME("", "subscribe", "7", "a/b", "{}", ""), ERR_BAD_REQUEST);
    ck_assert(frame.has_ref && frame.delimited);
    ck_assert_uint_eq(frame.ref_part, 2);
}
END_TEST

START_TEST(nothing_at_all_is_refused_without_a_ref)
{
    ck_assert_int_eq(app_frame_get(NULL, 0, &frame, &text), ERR_BAD_REQUEST);
    ck_assert_int_eq(FRAME(""), ERR_BAD_REQUEST);
    ck_assert(!frame.has_ref);
    ck_assert_int_eq(FRAME("publish"), ERR_BAD_REQUEST);
    ck_assert(!frame.has_ref);
}
END_TEST

START_TEST(a_ref_of_more_than_256_bytes_is_not_carried_back)
{
    char ref[APP_REF_MAX + 2];

    memset(ref, 'r', sizeof ref);
    ref[APP_REF_MAX] = '\0';
    ck_assert_int_eq(FRAME("publish", ref, "a", "{}", ""), ERR_NONE);
    ref[APP_REF_MAX] = 'r';
    ref[APP_REF_MAX + 1] = '\0';
    ck_assert_int_eq(FRAME("publish", ref, "a", "{}", ""), ERR_BAD_REQUEST);
    ck_assert(!frame.has_ref);
}
END_TEST

/* --- headers ---------------------------------------------------------------------- */

START_TEST(no_headers_are_no_properties)
{
    ck_assert_int_eq(headers("{}"), ERR_NONE);
    ck_assert_uint_eq(e.props.len, 0);
    ck_assert_int_eq(headers(""), ERR_NONE);
    ck_assert_uint_eq(e.props.len, 0);
    ck_assert_uint_eq(store.len, 0);
}
END_TEST

START_TEST(an_application_counts_as_qos_2)
{
    ck_assert_int_eq(headers("{}"), ERR_NONE);
    ck_assert_uint_eq(event_qos(&e), 2);
    ck_assert_int_eq(headers("{\"retain\":true}"), ERR_NONE);
    ck_assert_uint_eq(event_qos(&e), 2);
}
END_TEST

START_TEST(headers_become_flags_and_properties)
{
    ck_assert_int_eq(headers("{\"type\":\"tick\",\"retain\":true,\"expiry\":60,"
                             "\"producer\":{\"id\":\"p\",\"epoch\":1,\"seq\":2}}"),
                     ERR_NONE);
    ck_assert(slice_eq(props.type, SLICE("tick")));
    ck_assert((e.flags & EVENT_RETAIN) != 0 && (e.flags & EVENT_HAS_EXPIRY) != 0);
    ck_assert_uint_eq(e.expiry, 60);
    ck_assert(slice_eq(props.producer.id, SLICE("p")));
    ck_assert_uint_eq(props.producer.seq, 2);
}
END_TEST

START_TEST(topic_payload_and_unknown_members_are_refused_in_headers)
{
    static const char *const bad[] = {
        "{\"topic\":\"a\"}",
        "{\"data\":1}",
        "{\"data_base64\":\"\"}",
        "{\"id\":\"1\"}",
        "{\"x\":1}",
        "[]",
        "{",
        "{\"expiry\":\"soon\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(headers(bad[i]), ERR_BAD_EVENT);
        ck_assert(*text != '\0');
        buf_free(&store);
    }
}
END_TEST

START_TEST(a_refusal_names_the_member)
{
    ck_assert_int_eq(headers("{\"x\":1}"), ERR_BAD_EVENT);
    ck_assert_str_eq(field, "x");
}
END_TEST

/* --- what a publisher may say ---------------------------------------------------------- */

START_TEST(a_plain_event_passes)
{
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("a/b")}), ERR_NONE);
}
END_TEST

START_TEST(topics_are_checked_as_names_to_publish_to)
{
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("")}), ERR_BAD_TOPIC);
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("a/+")}), ERR_BAD_TOPIC);
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("$SYS/x")}), ERR_BAD_TOPIC);
}
END_TEST

START_TEST(a_payload_over_the_limit_is_too_large)
{
    static const char bytes[101];

    ck_assert_int_eq(check(&(struct event){.topic = SLICE("a"), .payload = {bytes, 100}}),
                     ERR_NONE);
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("a"), .payload = {bytes, 101}}),
                     ERR_TOO_LARGE);
}
END_TEST

START_TEST(flags_that_are_not_a_publishers_are_refused)
{
    static const uint16_t bad[] = {EVENT_VOLATILE, 3 << EVENT_QOS_SHIFT, 1 << 15};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(check(&(struct event){.topic = SLICE("a"), .flags = bad[i]}),
                         ERR_BAD_EVENT);
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("a"), .expiry = 5}), ERR_BAD_EVENT);
}
END_TEST

START_TEST(properties_that_cannot_be_taken_apart_are_refused)
{
    ck_assert_int_eq(check(&(struct event){.topic = SLICE("a"), .props = SLICE("\x02\xff")}),
                     ERR_BAD_EVENT);
}
END_TEST

START_TEST(the_producer_is_taken_from_the_properties)
{
    struct event_props p = {.payload_format = -1, .producer = {SLICE("me"), 3, 4}};
    struct store_event se = {.e = {.topic = SLICE("a")}};

    event_props_put(&store, &p);
    se.e.props = buf_slice(&store);
    ck_assert_int_eq(publish_check(&se, 100, &text), ERR_NONE);
    ck_assert(slice_eq(se.producer.id, SLICE("me")));
    ck_assert_uint_eq(se.producer.epoch, 3);
    ck_assert_uint_eq(se.producer.seq, 4);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("app_frame");
    TCase *t = tcase_create("app_frame");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_publish_has_five_parts);
    tcase_add_test(t, an_empty_first_part_is_a_requests_delimiter);
    tcase_add_test(t, ref_headers_and_payload_may_be_empty);
    tcase_add_test(t, too_few_and_too_many_parts_are_refused_by_their_ref);
    tcase_add_test(t, an_unknown_verb_is_refused_by_its_ref);
    tcase_add_test(t, nothing_at_all_is_refused_without_a_ref);
    tcase_add_test(t, a_ref_of_more_than_256_bytes_is_not_carried_back);
    tcase_add_test(t, no_headers_are_no_properties);
    tcase_add_test(t, an_application_counts_as_qos_2);
    tcase_add_test(t, headers_become_flags_and_properties);
    tcase_add_test(t, topic_payload_and_unknown_members_are_refused_in_headers);
    tcase_add_test(t, a_refusal_names_the_member);
    tcase_add_test(t, a_plain_event_passes);
    tcase_add_test(t, topics_are_checked_as_names_to_publish_to);
    tcase_add_test(t, a_payload_over_the_limit_is_too_large);
    tcase_add_test(t, flags_that_are_not_a_publishers_are_refused);
    tcase_add_test(t, properties_that_cannot_be_taken_apart_are_refused);
    tcase_add_test(t, the_producer_is_taken_from_the_properties);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
