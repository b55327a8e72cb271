/*
 * test_aliases.c - what a number stands for, from a client and to clients.
 */
#include "aliases.h"

#include <stdio.h>

#include "run_suite.h"

static struct aliases_in *in;
static struct aliases *all;
static struct aliases_told *a, *b;
static uint16_t number;

static void setup(void)
{
    in = NULL;
    number = 0;
    all = aliases_new();
    a = aliases_told_new(all, 10);
    b = aliases_told_new(all, 10);
}

static void teardown(void)
{
    aliases_in_free(in);
    aliases_told_free(a);
    aliases_told_free(b);
    aliases_free(all);
}

static enum mqtt_reason take(uint16_t alias, const char *topic, struct slice *got)
{
    *got = slice_of(topic);
    return aliases_in_take(&in, 10, alias, got);
}

static enum alias_use use(struct aliases_told *t, const char *topic)
{
    return aliases_use(t, slice_of(topic), &number);
}

/* Until it has a number. */
static void make_hot(const char *topic)
{
    struct aliases_told *t = aliases_told_new(all, UINT16_MAX);

    for (int i = 0; i < 100; i++)
        (void)aliases_use(t, slice_of(topic), &number);
    aliases_told_free(t);
}

/* --- from a client ------------------------------------------------------------------ */

START_TEST(a_topic_is_remembered_under_its_number)
{
    struct slice got;

    ck_assert_int_eq(take(3, "a/b", &got), MQTT_OK);
    ck_assert_int_eq(take(3, "", &got), MQTT_OK);
    ck_assert(slice_eq(got, SLICE("a/b")));
}
END_TEST

START_TEST(the_last_topic_under_a_number_counts)
{
    struct slice got;

    ck_assert_int_eq(take(3, "a/b", &got), MQTT_OK);
    ck_assert_int_eq(take(3, "c", &got), MQTT_OK);
    ck_assert_int_eq(take(3, "", &got), MQTT_OK);
    ck_assert(slice_eq(got, SLICE("c")));
}
END_TEST

START_TEST(numbers_do_not_disturb_each_other)
{
    struct slice got;

    ck_assert_int_eq(take(1, "one", &got), MQTT_OK);
    ck_assert_int_eq(take(10, "ten", &got), MQTT_OK);
    ck_assert_int_eq(take(1, "", &got), MQTT_OK);
    ck_assert(slice_eq(got, SLICE("one")));
}
END_TEST

START_TEST(a_number_out_of_range_is_refused)
{
    struct slice got;

    ck_assert_int_eq(take(0, "a", &got), MQTT_BAD_ALIAS);
    ck_assert_int_eq(take(11, "a", &got), MQTT_BAD_ALIAS);
}
END_TEST

START_TEST(a_number_that_was_never_set_is_a_protocol_error)
{
    struct slice got;

    ck_assert_int_eq(take(3, "", &got), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(take(5, "a", &got), MQTT_OK);
    ck_assert_int_eq(take(3, "", &got), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(take(6, "", &got), MQTT_PROTOCOL_ERROR);
}
END_TEST

/* --- to clients --------------------------------------------------------------------- */

START_TEST(a_topic_sent_once_has_no_number)
{
    ck_assert_int_eq(use(a, "t"), ALIAS_NONE);
}
END_TEST

START_TEST(a_client_that_takes_none_is_told_none)
{
    make_hot("t");
    ck_assert_ptr_null(aliases_told_new(all, 0));
    ck_assert_int_eq(use(NULL, "t"), ALIAS_NONE);
}
END_TEST

START_TEST(a_hot_topic_is_told_once_to_each)
{
    make_hot("t");
    ck_assert_int_eq(use(a, "t"), ALIAS_NEW);
    ck_assert_int_eq(use(a, "t"), ALIAS_TOLD);
    ck_assert_int_eq(use(b, "t"), ALIAS_NEW);
    ck_assert_int_eq(use(b, "t"), ALIAS_TOLD);
}
END_TEST

START_TEST(all_clients_have_the_same_number)
{
    uint16_t first;

    make_hot("t");
    (void)use(a, "t");
    first = number;
    (void)use(b, "t");
    ck_assert_uint_eq(number, first);
    ck_assert_uint_eq(first, 1);
}
END_TEST

START_TEST(what_did_not_leave_is_told_again)
{
    make_hot("t");
    ck_assert_int_eq(use(a, "t"), ALIAS_NEW);
    aliases_untell(a, number);
    ck_assert_int_eq(use(a, "t"), ALIAS_NEW);
}
END_TEST

START_TEST(a_client_is_told_no_number_above_its_maximum)
{
    struct aliases_told *one = aliases_told_new(all, 1);

    make_hot("first");
    make_hot("second");
    ck_assert_int_eq(use(one, "first"), ALIAS_NEW);
    ck_assert_int_eq(use(one, "second"), ALIAS_NONE);
    ck_assert_int_eq(use(a, "second"), ALIAS_NEW);
    aliases_told_free(one);
}
END_TEST

START_TEST(a_cold_topic_gives_its_number_to_another_and_that_is_told_anew)
{
    make_hot("cold");
    ck_assert_int_eq(use(a, "cold"), ALIAS_NEW);
    for (int i = 0; i < 16; i++)
        aliases_tick(all);
    make_hot("hot");
    ck_assert_int_eq(use(a, "hot"), ALIAS_NEW);
    ck_assert_uint_eq(number, 1);
    ck_assert_int_eq(use(a, "cold"), ALIAS_NONE);
}
END_TEST

START_TEST(more_topics_than_numbers_go_without)
{
    char topic[16];
    struct aliases_told *t = aliases_told_new(all, UINT16_MAX);

    for (unsigned i = 0; i < ALIASES_MAX + 10; i++) {
        snprintf(topic, sizeof topic, "t/%u", i);
        make_hot(topic);
        ck_assert_int_eq(use(t, topic), i < ALIASES_MAX ? ALIAS_NEW : ALIAS_NONE);
    }
    aliases_told_free(t);
}
END_TEST

START_TEST(any_number_of_topics_may_come)
{
    char topic[16];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(topic, sizeof topic, "t/%u", i);
        ck_assert_int_eq(use(a, topic), ALIAS_NONE);
    }
}
END_TEST

int main(void)
{
    return RUN_TESTS("aliases", setup, teardown, a_topic_is_remembered_under_its_number,
                     the_last_topic_under_a_number_counts, numbers_do_not_disturb_each_other,
                     a_number_out_of_range_is_refused,
                     a_number_that_was_never_set_is_a_protocol_error,
                     a_topic_sent_once_has_no_number, a_client_that_takes_none_is_told_none,
                     a_hot_topic_is_told_once_to_each, all_clients_have_the_same_number,
                     what_did_not_leave_is_told_again, a_client_is_told_no_number_above_its_maximum,
                     a_cold_topic_gives_its_number_to_another_and_that_is_told_anew,
                     more_topics_than_numbers_go_without, any_number_of_topics_may_come);
}
