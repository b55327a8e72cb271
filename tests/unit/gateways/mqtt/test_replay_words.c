/*
 * test_replay_words.c - where a subscription starts, out of a client's words.
 */
#include "replay.h"

#include "run_suite.h"

static const struct replay_limits limits = {.max_last = 1000};
static struct buf scratch, props_bytes;
static struct slice inner;
static struct start start;

static void setup(void)
{
    start = (struct start){.kind = START_NOW};
}

static void teardown(void)
{
    buf_free(&scratch);
    buf_free(&props_bytes);
}

static enum mqtt_reason filter(const char *text)
{
    return replay_filter_get(slice_of(text), &limits, &scratch, &inner, &start);
}

static void say(const char *name, const char *value)
{
    mqtt_prop_put_user(&props_bytes, slice_of(name), slice_of(value));
}

static enum mqtt_reason props(void)
{
    struct mqtt_props p = {.bytes = buf_slice(&props_bytes)};

    return replay_props_get(&p, &limits, &start);
}

#define ASSERT_START(k, a)                                                                         \
    do {                                                                                           \
        ck_assert_int_eq(start.kind, k);                                                           \
        ck_assert_uint_eq(start.arg, a);                                                           \
    } while (0)
#define ASSERT_INNER(text) ck_assert(slice_eq(inner, SLICE(text)))

/* --- filters ------------------------------------------------------------------------ */

START_TEST(a_plain_filter_starts_now)
{
    ck_assert_int_eq(filter("a/#"), MQTT_OK);
    ASSERT_START(START_NOW, 0);
    ASSERT_INNER("a/#");
}
END_TEST

START_TEST(after_names_an_id)
{
    ck_assert_int_eq(filter("$after/42/a/+/b"), MQTT_OK);
    ASSERT_START(START_AFTER, 42);
    ASSERT_INNER("a/+/b");
}
END_TEST

START_TEST(last_names_a_number)
{
    ck_assert_int_eq(filter("$last/1000/#"), MQTT_OK);
    ASSERT_START(START_LAST, 1000);
    ASSERT_INNER("#");
}
END_TEST

START_TEST(an_empty_first_level_stays)
{
    ck_assert_int_eq(filter("$after/0//a"), MQTT_OK);
    ASSERT_INNER("/a");
}
END_TEST

START_TEST(a_group_may_have_a_start)
{
    ck_assert_int_eq(filter("$share/g/$after/7/a/#"), MQTT_OK);
    ASSERT_START(START_AFTER, 7);
    ASSERT_INNER("$share/g/a/#");
}
END_TEST

START_TEST(a_group_without_one_is_left_as_it_is)
{
    ck_assert_int_eq(filter("$share/g/a/#"), MQTT_OK);
    ASSERT_START(START_NOW, 0);
    ASSERT_INNER("$share/g/a/#");
}
END_TEST

static const char *const bad_filters[] = {
    "$after/",
    "$after/12",
    "$after/12/",
    "$after//a",
    "$after/x/a",
    "$after/-1/a",
    "$after/9007199254740992/a", /* 2^53 */
    "$last/1001/a",
    "$last/x/a",
    "$after/1/$share/g/a",
    "$after/1/$after/2/a",
    "$after/1/$last/2/a",
    "$after/1/$SYS/#",
    "$share/g/$last/2/a",
    "$share/g/$after/2",
    "$share/g/$after/2/$share/h/a",
};

START_TEST(what_makes_no_sense_is_refused)
{
    for (size_t i = 0; i < sizeof bad_filters / sizeof bad_filters[0]; i++) {
        start.kind = START_NOW;
        ck_assert_msg(filter(bad_filters[i]) == MQTT_BAD_FILTER, "%s", bad_filters[i]);
    }
}
END_TEST

START_TEST(a_start_is_said_once)
{
    say("sluice-after", "1");
    ck_assert_int_eq(props(), MQTT_OK);
    ck_assert_int_eq(filter("$after/1/a"), MQTT_BAD_FILTER);
}
END_TEST

/* --- user properties ------------------------------------------------------------------ */

START_TEST(without_properties_it_starts_now)
{
    say("something", "else");
    ck_assert_int_eq(props(), MQTT_OK);
    ASSERT_START(START_NOW, 0);
}
END_TEST

START_TEST(a_property_names_an_id)
{
    say("sluice-after", "42");
    ck_assert_int_eq(props(), MQTT_OK);
    ASSERT_START(START_AFTER, 42);
}
END_TEST

START_TEST(a_property_names_a_number)
{
    say("sluice-last", "5");
    ck_assert_int_eq(props(), MQTT_OK);
    ASSERT_START(START_LAST, 5);
}
END_TEST

START_TEST(a_property_names_a_time)
{
    say("sluice-since", "1970-01-01T00:01:00Z");
    ck_assert_int_eq(props(), MQTT_OK);
    ASSERT_START(START_SINCE, 60000);
}
END_TEST

START_TEST(a_duration_stays_one_so_that_it_is_the_same_when_said_again)
{
    struct start first;

    say("sluice-since", "10m");
    ck_assert_int_eq(props(), MQTT_OK);
    ASSERT_START(START_SINCE, REPLAY_AGO | 600000);
    first = start;
    ck_assert_int_eq(props(), MQTT_OK);
    ck_assert(replay_same_start(first, start));
}
END_TEST

START_TEST(two_properties_are_one_too_many)
{
    say("sluice-after", "1");
    say("sluice-last", "1");
    ck_assert_int_eq(props(), MQTT_BAD_FILTER);
}
END_TEST

START_TEST(a_property_that_makes_no_sense_is_refused)
{
    say("sluice-since", "yesterday");
    ck_assert_int_eq(props(), MQTT_BAD_FILTER);
}
END_TEST

START_TEST(another_start_is_not_the_same)
{
    struct start one = {START_AFTER, 1}, two = {START_AFTER, 2}, last = {START_LAST, 1};

    ck_assert(replay_same_start(one, one));
    ck_assert(!replay_same_start(one, two));
    ck_assert(!replay_same_start(one, last));
}
END_TEST

int main(void)
{
    return RUN_TESTS("replay_words", setup, teardown, a_plain_filter_starts_now, after_names_an_id,
                     last_names_a_number, an_empty_first_level_stays, a_group_may_have_a_start,
                     a_group_without_one_is_left_as_it_is, what_makes_no_sense_is_refused,
                     a_start_is_said_once, without_properties_it_starts_now, a_property_names_an_id,
                     a_property_names_a_number, a_property_names_a_time,
                     a_duration_stays_one_so_that_it_is_the_same_when_said_again,
                     two_properties_are_one_too_many, a_property_that_makes_no_sense_is_refused,
                     another_start_is_not_the_same);
}
