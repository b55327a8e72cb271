/*
 * test_publish_check.c - what a publisher may say in an event.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "publish_check.h"
#include "suite.h"

static struct buf store;
static const char *text;

static void setup(void)
{
    store = (struct buf){0};
    text = "";
}

static void teardown(void)
{
    buf_free(&store);
}

static enum sluice_error check(const struct event *event)
{
    struct store_event se = {.e = *event};

    return publish_check(&se, 100, &text);
}

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
    struct event_props p = {
        .payload_format = -1, .origin = SLICE("token:alice"), .producer = {SLICE("me"), 3, 4}};
    struct store_event se = {.e = {.topic = SLICE("a")}};

    event_props_put(&store, &p);
    se.e.props = buf_slice(&store);
    ck_assert_int_eq(publish_check(&se, 100, &text), ERR_NONE);
    ck_assert(slice_eq(se.producer.id, SLICE("me")));
    ck_assert_uint_eq(se.producer.epoch, 3);
    ck_assert_uint_eq(se.producer.seq, 4);
    ck_assert(slice_eq(se.publisher, SLICE("token:alice")));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("publish_check");
    TCase *t = tcase_create("publish_check");

    tcase_add_checked_fixture(t, setup, teardown);
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

    return suite_run(suite());
}
