/*
 * test_store_crowd.c - more topics than the table may hold: new ones alone are refused,
 * empty ones make room, numbers come back, and nobody is taken for another.
 */
#include "store_fixture.h"

enum { MAX = 64 };

static struct retention_rule none = {
    .filter = (char *)"r/#", .has_history = true, .volatile_ = true};

static void begin_small(void)
{
    begin();
    options.max_topics = MAX;
    options.rules = &none;
    options.rule_count = 1;
    open_store();
}

static char name_of[24];

static const char *numbered(const char *under, unsigned n)
{
    snprintf(name_of, sizeof name_of, "%s/%u", under, n);
    return name_of;
}

static enum sluice_error try_publish(const char *topic)
{
    struct store_event ev = event_of(topic, "x");
    struct store_request r;

    return submit_event(&ev, &r);
}

static void fill(void)
{
    for (unsigned i = 0; i < MAX; i++)
        ck_assert_int_eq(try_publish(numbered("a", i)), ERR_NONE);
}

START_TEST(a_full_table_refuses_new_topics_alone)
{
    struct store_status s;

    fill();
    ck_assert_int_eq(try_publish("a/new"), ERR_TOO_MANY);
    ck_assert_int_eq(try_publish("a/1"), ERR_NONE);
    ck_assert_uint_eq(count_all(0, "#"), MAX + 1);
    store_status(store, &s);
    ck_assert_uint_eq(s.topics, MAX);
    ck_assert_uint_eq(s.max_topics, MAX);
    WAIT_UNTIL((store_status(store, &s), s.topics_full));
}
END_TEST

START_TEST(a_unit_with_a_topic_too_many_leaves_no_trace)
{
    struct store_event unit[] = {event_of("a/1", "x"), event_of("a/new", "x"),
                                 event_of("a/2", "x")};
    struct store_request r = {.events = unit, .count = 3};

    fill();
    ck_assert_int_eq(submit(&r), ERR_TOO_MANY);
    ck_assert_uint_eq(r.result.index, 1);
    ck_assert_uint_eq(count_all(0, "#"), MAX);
    ck_assert_int_eq(try_publish("a/1"), ERR_NONE);
    reopen();
    ck_assert_uint_eq(count_all(0, "#"), MAX + 1);
    ck_assert_int_eq(try_publish("a/new"), ERR_TOO_MANY);
}
END_TEST

START_TEST(an_emptied_topic_makes_room)
{
    fill();
    ck_assert_int_eq(delete_topic("a/3", NULL), ERR_NONE);
    ck_assert_int_eq(try_publish("a/new"), ERR_NONE);
    ck_assert_int_eq(try_publish("a/newer"), ERR_TOO_MANY);
    ck_assert_str_eq(page(0, "a/3"), "");
    ck_assert_str_eq(page(0, "a/new"), "x");
}
END_TEST

START_TEST(a_long_name_counts_as_many_topics)
{
    char name[1025] = {0};
    struct store_status s;

    memset(name, 'n', 1024); /* 5 */
    for (unsigned i = 0; i < MAX - 6; i++)
        ck_assert_int_eq(try_publish(numbered("a", i)), ERR_NONE);
    ck_assert_int_eq(try_publish(name), ERR_NONE);
    name[0] = 'm';
    ck_assert_int_eq(try_publish(name), ERR_TOO_MANY);
    ck_assert_int_eq(try_publish("short"), ERR_NONE);
    ck_assert_int_eq(try_publish("shorter"), ERR_TOO_MANY);
    store_status(store, &s);
    ck_assert_uint_eq(s.topics, MAX - 4);
    reopen();
    ck_assert_int_eq(try_publish("shorter"), ERR_TOO_MANY);
    name[0] = 'n';
    ck_assert_int_eq(delete_topic(name, NULL), ERR_NONE);
    name[0] = 'm';
    ck_assert_int_eq(try_publish(name), ERR_NONE);
    ck_assert_int_eq(try_publish("shorter"), ERR_TOO_MANY);
}
END_TEST

/* A reply to each of many requests, each to a topic of its own. */
START_TEST(unique_topics_without_end_run_at_a_table_s_size)
{
    struct store_status s;

    publish("a/kept", "1");
    for (unsigned i = 0; i < 100 * MAX; i++) {
        ck_assert_int_eq(try_publish(numbered("r", i)), ERR_NONE);
        if (i % 1000 == 999)
            publish("a/kept", "1");
    }
    store_status(store, &s);
    ck_assert_uint_le(s.topics, MAX);
    ck_assert_uint_gt(heard.forgotten, 98 * MAX);
    ck_assert_uint_eq(count_all(0, "a/kept"), 7);
    ck_assert_uint_eq(got.removed_to, 0); /* of others something was removed */
    ck_assert_uint_eq(count_all(0, "#"), 7);
    ck_assert_uint_gt(got.removed_to, 0);
    reopen();
    ck_assert_uint_eq(count_all(0, "a/kept"), 7);
}
END_TEST

/* A number that passes from one topic to another, under a reader's eyes. */
START_TEST(a_reader_takes_no_topic_for_another)
{
    options.rules = NULL;
    options.rule_count = 0;
    store_set_retention(store, &options);
    for (unsigned round = 0; round < 200; round++) {
        const char *under = round % 2 == 0 ? "even" : "odd";

        for (unsigned i = 0; i < MAX / 4; i++)
            publish(numbered(under, round * MAX + i), under);
        ck_assert_uint_eq(count_all(0, "even/+"), round % 2 == 0 ? MAX / 4 : 0);
        ck_assert_uint_eq(count_all(0, "odd/#"), round % 2 == 0 ? 0 : MAX / 4);
        for (unsigned i = 0; i < MAX / 4; i++)
            ck_assert_int_eq(delete_topic(numbered(under, round * MAX + i), NULL), ERR_NONE);
    }
    ck_assert_uint_gt(heard.forgotten, 0);
}
END_TEST

START_TEST(what_was_forgotten_is_a_gap_for_those_it_may_concern)
{
    uint64_t before = publish("b/x", "1");

    for (unsigned i = 0; i < 3 * MAX; i++)
        ck_assert_int_eq(try_publish(numbered("r", i)), ERR_NONE);
    WAIT_UNTIL(heard.forgotten > 0);
    page(before, "r/0");
    ck_assert_int_eq(got.reason, GAP_EXPIRED);
    page(before, "b/#");
    ck_assert_int_eq(got.reason, GAP_NONE);
    page(before, "b/x");
    ck_assert_int_eq(got.reason, GAP_NONE);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_full_table_refuses_new_topics_alone,
        a_unit_with_a_topic_too_many_leaves_no_trace,
        an_emptied_topic_makes_room,
        unique_topics_without_end_run_at_a_table_s_size,
        a_reader_takes_no_topic_for_another,
        a_long_name_counts_as_many_topics,
        what_was_forgotten_is_a_gap_for_those_it_may_concern,
    };

    return run_tests("store crowd", tests, sizeof tests / sizeof tests[0], begin_small);
}
