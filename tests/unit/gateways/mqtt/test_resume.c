/*
 * test_resume.c - a client that comes again gets what it had not acknowledged, and the broker
 * knows where each session stands.
 */
#include "mqtt_subscriber.h"

/* --- it comes again ------------------------------------------------------------------------ */

START_TEST(test_what_was_not_acknowledged_comes_again_before_what_is_new)
{
    uint16_t first, second;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    publish("a", "one");
    publish("a", "two");
    first = expect_publish(1, false, "one");
    second = expect_publish(1, false, "two");
    leave();
    publish("a", "three");
    connect_as((struct wish){.expiry = 100});
    ck_assert_uint_eq(expect_publish(1, true, "one"), first);
    ck_assert_uint_eq(expect_publish(1, true, "two"), second);
    (void)expect_publish(1, false, "three");
    expect_nothing();
}
END_TEST

START_TEST(test_it_comes_again_within_the_new_receive_maximum)
{
    uint16_t first, second;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    publish("a", "one");
    publish("a", "two");
    first = expect_publish(1, false, "one");
    second = expect_publish(1, false, "two");
    leave();
    connect_as((struct wish){.expiry = 100, .maximum = 1});
    ck_assert_uint_eq(expect_publish(1, true, "one"), first);
    expect_nothing();
    acknowledge(MQTT_PUBACK, first);
    settle();
    ck_assert_uint_eq(expect_publish(1, true, "two"), second);
}
END_TEST

START_TEST(test_what_was_acknowledged_meanwhile_does_not_come_again)
{
    uint16_t first;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    publish("a", "one");
    publish("a", "two");
    first = expect_publish(1, false, "one");
    (void)expect_publish(1, false, "two");
    leave();
    connect_begin((struct wish){.expiry = 100});
    acknowledge(MQTT_PUBACK, first); /* of the earlier connection, while it is read again */
    settle();
    (void)expect_publish(1, true, "two");
    expect_nothing();
}
END_TEST

START_TEST(test_what_was_released_is_released_again_first)
{
    uint16_t first, second;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    publish("a", "one");
    publish("a", "two");
    settle();
    first = expect_publish(2, false, "one");
    second = expect_publish(2, false, "two");
    acknowledge(MQTT_PUBREC, second);
    settle();
    expect_pubrel(second, MQTT_OK);
    leave();
    connect_as((struct wish){.expiry = 100});
    expect_pubrel(second, MQTT_OK);
    ck_assert_uint_eq(expect_publish(2, true, "one"), first);
    expect_nothing();
}
END_TEST

START_TEST(test_pubrels_come_again_in_the_order_of_pubrecs)
{
    uint16_t ids[3];

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    for (int i = 0; i < 3; i++)
        publish("a", "x");
    settle();
    for (int i = 0; i < 3; i++)
        ids[i] = expect_publish(2, false, "x");
    for (int i = 2; i >= 0; i--)
        acknowledge(MQTT_PUBREC, ids[i]);
    settle();
    leave();
    connect_as((struct wish){.expiry = 100});
    for (int i = 2; i >= 0; i--)
        expect_pubrel(ids[i], MQTT_OK);
    expect_nothing();
}
END_TEST

static void come_again_to_a_log_that_has_lost_it(void)
{
    leave();
    connect_begin((struct wish){.expiry = 100});
    ck_assert_ptr_nonnull(played.reads);
    world_answer_read(1);
    settle();
}

START_TEST(test_of_qos1_nothing_is_left_when_the_event_is_gone)
{
    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    publish("a", "one");
    (void)expect_publish(1, false, "one");
    come_again_to_a_log_that_has_lost_it();
    expect_nothing();
    ck_assert_uint_eq(session()->flight.count, 0);
    ck_assert_ptr_nonnull(session()->gap); /* the next PUBLISH says so */
    publish("a", "two");
    (void)expect_publish(1, false, "two");
    ck_assert_ptr_null(session()->gap);
}
END_TEST

START_TEST(test_of_qos2_the_identifier_stays_reserved)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    publish("a", "one");
    settle();
    id = expect_publish(2, false, "one");
    come_again_to_a_log_that_has_lost_it();
    expect_nothing();
    ck_assert_uint_eq(flight_get(&session()->flight, id)->phase, FLIGHT_LOST);
}
END_TEST

/* --- where it stands ------------------------------------------------------------------------- */

START_TEST(test_a_session_at_rest_follows_the_position)
{
    bool follows;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    checkpoint();
    world_answer(ERR_NONE);
    (void)kept_cursor(&follows);
    ck_assert(follows);
    ck_assert_uint_eq(w.position, 0); /* it is told behind the WRITE */
    settle();
    ck_assert_uint_eq(w.position, w.head);

    publish("b", "none of its");
    checkpoint();
    ck_assert_uint_eq(units(), 1); /* nothing of it is written: the position moves it */
    settle();
    ck_assert_uint_eq(w.position, w.head);
}
END_TEST

START_TEST(test_what_is_in_flight_is_written_before_the_position_passes_it)
{
    bool follows;
    uint64_t event;
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    checkpoint();
    settle();
    event = publish("a", "one");
    id = expect_publish(1, false, "one");
    checkpoint();
    ck_assert_uint_eq(units(), 1);
    ck_assert_uint_lt(w.position, event);
    world_answer(ERR_NONE);
    ck_assert(kept_in_flight(id));
    ck_assert_uint_eq(kept_cursor(&follows), event);
    settle();
    ck_assert_uint_eq(w.position, event);
}
END_TEST

START_TEST(test_no_position_is_told_when_a_write_was_refused)
{
    uint64_t event;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    checkpoint();
    settle();
    event = publish("a", "one");
    (void)expect_publish(1, false, "one");
    checkpoint();
    world_answer(ERR_STORE_FULL);
    settle();
    ck_assert_uint_lt(w.position, event);
    checkpoint();
    settle();
    ck_assert_uint_eq(w.position, event);
}
END_TEST

START_TEST(test_a_write_under_way_holds_the_position_back)
{
    uint64_t event;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    checkpoint();
    settle();
    event = publish("a", "one");
    ck_assert_uint_eq(units(), 1); /* QoS 2: at the turn's end */
    world_pass_time(1100);
    world_turn();
    ck_assert_uint_eq(units(), 1);
    ck_assert_uint_lt(w.position, event);
    settle();
    ck_assert_uint_eq(w.position, event);
}
END_TEST

START_TEST(test_a_session_that_is_full_does_not_follow)
{
    bool follows;
    uint64_t first;

    connect_as((struct wish){.expiry = 100, .maximum = 1});
    subscribe("a", 1);
    first = publish("a", "one");
    publish("a", "two");
    (void)expect_publish(1, false, "one");
    checkpoint();
    settle();
    ck_assert_uint_eq(kept_cursor(&follows), first);
    ck_assert(!follows);
}
END_TEST

int main(void)
{
    return RUN_TESTS("resume", world_begin, world_end,
                     test_what_was_not_acknowledged_comes_again_before_what_is_new,
                     test_it_comes_again_within_the_new_receive_maximum,
                     test_what_was_acknowledged_meanwhile_does_not_come_again,
                     test_what_was_released_is_released_again_first,
                     test_pubrels_come_again_in_the_order_of_pubrecs,
                     test_of_qos1_nothing_is_left_when_the_event_is_gone,
                     test_of_qos2_the_identifier_stays_reserved,
                     test_a_session_at_rest_follows_the_position,
                     test_what_is_in_flight_is_written_before_the_position_passes_it,
                     test_no_position_is_told_when_a_write_was_refused,
                     test_a_write_under_way_holds_the_position_back,
                     test_a_session_that_is_full_does_not_follow);
}
