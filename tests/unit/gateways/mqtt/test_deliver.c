/*
 * test_deliver.c - events on their way to a client, and what comes back: QoS 0, 1 and 2, a
 * client that is full, one that is a member of a group.
 */
#include <stdio.h>

#include "mqtt_subscriber.h"

/* --- QoS 0 ------------------------------------------------------------------------------------ */

START_TEST(test_qos0_goes_out_and_is_forgotten)
{
    connect_as((struct wish){.expiry = 100});
    subscribe("a", 0);
    publish("a", "one");
    publish("a", "two");
    expect_publish(0, false, "one");
    expect_publish(0, false, "two");
    expect_nothing();
    ck_assert_uint_eq(session()->flight.count, 0);
}
END_TEST

START_TEST(test_311_gets_the_same_without_properties)
{
    connect_as((struct wish){.version = MQTT_311});
    subscribe("a", 0);
    publish("a", "one");
    expect_publish(0, false, "one");
    expect_nothing();
}
END_TEST

START_TEST(test_two_filters_that_match_are_one_packet_at_the_higher_qos)
{
    connect_as((struct wish){0});
    subscribe("a", 0);
    subscribe("+", 1);
    publish("a", "one");
    expect_publish(1, false, "one");
    expect_nothing();
}
END_TEST

START_TEST(test_many_filters_are_matched_as_few_are)
{
    char filter[20];

    connect_as((struct wish){0});
    for (int i = 0; i < 20; i++) {
        (void)snprintf(filter, sizeof filter, "f/%d", i);
        subscribe(filter, i == 7);
    }
    ck_assert_ptr_nonnull(session()->tree);
    publish("f/7", "seven");
    publish("f/8", "eight");
    publish("g/8", "none");
    expect_publish(1, false, "seven");
    expect_publish(0, false, "eight");
    expect_nothing();
}
END_TEST

START_TEST(test_an_expired_event_is_left_out)
{
    connect_as((struct wish){0});
    subscribe("a", 1);
    publish_event(
        (struct event){.topic = SLICE("a"), .payload = SLICE("old"), .flags = EVENT_HAS_EXPIRY});
    publish("a", "new");
    expect_publish(1, false, "new");
    expect_nothing();
}
END_TEST

START_TEST(test_what_is_too_large_for_the_client_is_left_out_and_counted)
{
    const struct mqttd *m = w.gateway.protocol;
    char large[200] = {0};

    memset(large, 'x', sizeof large - 1);
    connect_as((struct wish){.size = 100});
    subscribe("a", 1);
    publish("a", large);
    publish("a", "small");
    expect_publish(1, false, "small");
    expect_nothing();
    ck_assert_uint_eq(m->report.publish_dropped, 1);
    ck_assert_uint_eq(session()->flight.count, 1);
}
END_TEST

START_TEST(test_no_local_leaves_out_its_own)
{
    struct event_props own = {.origin = SLICE("me"), .payload_format = -1};
    struct buf props = {0};

    connect_as((struct wish){0});
    subscribe("a", 1 | 4);
    event_props_put(&props, &own);
    publish_event(
        (struct event){.topic = SLICE("a"), .payload = SLICE("mine"), .props = buf_slice(&props)});
    buf_free(&props);
    publish("a", "another's");
    expect_publish(1, false, "another's");
    expect_nothing();
}
END_TEST

START_TEST(test_what_is_not_kept_in_the_log_goes_at_qos_0)
{
    connect_as((struct wish){0});
    subscribe("a", 2);
    publish_event((struct event){.topic = SLICE("a"),
                                 .payload = SLICE("gone"),
                                 .flags = EVENT_VOLATILE | 2 << EVENT_QOS_SHIFT});
    expect_publish(0, false, "gone");
}
END_TEST

/* --- QoS 1 ------------------------------------------------------------------------------------ */

START_TEST(test_qos1_leaves_at_once_and_flies_until_puback)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    publish("a", "one");
    id = expect_publish(1, false, "one");
    ck_assert_uint_eq(units(), 0); /* nothing had to be written first */
    ck_assert_uint_eq(session()->flight.sent, 1);
    acknowledge(MQTT_PUBACK, id);
    ck_assert_uint_eq(session()->flight.count, 0);
    acknowledge(MQTT_PUBACK, id); /* in good faith */
    ck_assert(!me->ended);
}
END_TEST

START_TEST(test_qos1_is_written_only_if_it_flies_at_the_checkpoint)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 1);
    publish("a", "one");
    id = expect_publish(1, false, "one");
    checkpoint();
    settle();
    ck_assert(kept_in_flight(id));
    acknowledge(MQTT_PUBACK, id);
    ck_assert(kept_in_flight(id));
    checkpoint();
    settle();
    ck_assert(!kept_in_flight(id));
}
END_TEST

START_TEST(test_a_pubcomp_ends_nothing_of_qos1)
{
    uint16_t id;

    connect_as((struct wish){0});
    subscribe("a", 1);
    publish("a", "one");
    id = expect_publish(1, false, "one");
    acknowledge(MQTT_PUBCOMP, id);
    ck_assert_uint_eq(session()->flight.count, 1);
}
END_TEST

/* --- full ------------------------------------------------------------------------------------- */

START_TEST(test_the_receive_maximum_holds_back_what_comes_behind)
{
    uint16_t first;

    connect_as((struct wish){.maximum = 2});
    subscribe("a", 1);
    subscribe("b", 0);
    publish("a", "one");
    publish("a", "two");
    publish("a", "three");
    publish("b", "nought"); /* would need no room, and keeps its place */
    first = expect_publish(1, false, "one");
    (void)expect_publish(1, false, "two");
    expect_nothing();
    ck_assert(session()->blocked);
    acknowledge(MQTT_PUBACK, first);
    (void)expect_publish(1, false, "three");
    expect_nothing();
}
END_TEST

START_TEST(test_an_identifier_that_is_free_again_comes_late)
{
    uint16_t first, second;

    connect_as((struct wish){0});
    subscribe("a", 1);
    publish("a", "one");
    first = expect_publish(1, false, "one");
    acknowledge(MQTT_PUBACK, first);
    publish("a", "two");
    second = expect_publish(1, false, "two");
    ck_assert_uint_ne(first, second);
}
END_TEST

START_TEST(test_a_full_socket_takes_nothing_back_twice)
{
    connect_as((struct wish){0});
    subscribe("a", 1);
    me->full = true;
    publish("a", "one");
    publish("a", "two");
    expect_nothing();
    ck_assert_uint_eq(session()->flight.count, 0);
    peer_writable(me);
    world_turn();
    (void)expect_publish(1, false, "one");
    (void)expect_publish(1, false, "two");
    expect_nothing();
    ck_assert_uint_eq(session()->flight.sent, 2);
}
END_TEST

/* --- QoS 2 ------------------------------------------------------------------------------------ */

START_TEST(test_qos2_is_written_before_it_leaves)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    publish("a", "one");
    expect_nothing();
    ck_assert_uint_eq(units(), 1);
    ck_assert_uint_eq(session()->flight.waiting, 1);
    world_answer(ERR_NONE);
    world_turn();
    id = expect_publish(2, false, "one");
    ck_assert(kept_in_flight(id));
    ck_assert_uint_eq(session()->flight.waiting, 0);
}
END_TEST

START_TEST(test_nothing_overtakes_what_waits_for_its_write)
{
    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    subscribe("b", 0);
    publish("a", "one");
    publish("b", "nought");
    expect_nothing();
    settle();
    (void)expect_publish(2, false, "one");
    (void)expect_publish(0, false, "nought");
    expect_nothing();
}
END_TEST

START_TEST(test_one_write_carries_all_of_a_turn)
{
    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    for (int i = 0; i < 3; i++) {
        struct event e = {
            .topic = SLICE("a"), .payload = SLICE("x"), .flags = 2 << EVENT_QOS_SHIFT};

        world_live(&e);
    }
    world_turn();
    ck_assert_uint_eq(units(), 1);
    settle();
    for (int i = 0; i < 3; i++)
        (void)expect_publish(2, false, "x");
}
END_TEST

START_TEST(test_pubrec_is_written_before_pubrel_leaves)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    publish("a", "one");
    settle();
    id = expect_publish(2, false, "one");
    acknowledge(MQTT_PUBREC, id);
    expect_nothing();
    ck_assert_uint_eq(units(), 1);
    acknowledge(MQTT_PUBREC, id); /* again, on its way */
    expect_nothing();
    ck_assert_uint_eq(units(), 1);
    world_answer(ERR_NONE);
    world_turn();
    expect_pubrel(id, MQTT_OK);
    expect_nothing();
    acknowledge(MQTT_PUBREC, id); /* and again: it may have missed the answer */
    expect_pubrel(id, MQTT_OK);
    acknowledge(MQTT_PUBCOMP, id);
    ck_assert_uint_eq(session()->flight.count, 0);
    checkpoint();
    settle();
    ck_assert(!kept_in_flight(id));
}
END_TEST

START_TEST(test_a_pubrec_during_a_write_waits_for_the_next_one)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    publish("a", "one");
    settle();
    id = expect_publish(2, false, "one");
    checkpoint();
    ck_assert_uint_eq(units(), 1);
    acknowledge(MQTT_PUBREC, id);
    ck_assert_uint_eq(units(), 1); /* one at a time */
    world_answer(ERR_NONE);
    world_turn();
    expect_nothing();
    settle();
    expect_pubrel(id, MQTT_OK);
}
END_TEST

START_TEST(test_a_pubrec_whose_write_fails_is_written_at_the_checkpoint)
{
    uint16_t id;

    connect_as((struct wish){.expiry = 100});
    subscribe("a", 2);
    publish("a", "one");
    settle();
    id = expect_publish(2, false, "one");
    acknowledge(MQTT_PUBREC, id);
    world_answer(ERR_STORE_FULL);
    world_turn();
    expect_nothing();
    ck_assert_uint_eq(units(), 0);
    checkpoint();
    settle();
    expect_pubrel(id, MQTT_OK);
}
END_TEST

START_TEST(test_a_session_that_lives_here_alone_waits_for_nobody)
{
    uint16_t id;

    connect_as((struct wish){0});
    subscribe("a", 2);
    publish("a", "one");
    id = expect_publish(2, false, "one");
    acknowledge(MQTT_PUBREC, id);
    expect_pubrel(id, MQTT_OK);
    acknowledge(MQTT_PUBCOMP, id);
    ck_assert_uint_eq(session()->flight.count, 0);
    ck_assert_uint_eq(units(), 0);
}
END_TEST

START_TEST(test_a_pubrec_of_nothing_is_told_so)
{
    connect_as((struct wish){0});
    acknowledge(MQTT_PUBREC, 77);
    expect_pubrel(77, MQTT_ID_NOT_FOUND);
}
END_TEST

START_TEST(test_a_pubrec_that_refuses_ends_it)
{
    uint16_t id;

    connect_as((struct wish){0});
    subscribe("a", 2);
    publish("a", "one");
    id = expect_publish(2, false, "one");
    pubrec_refuses(id);
    expect_nothing();
    ck_assert_uint_eq(session()->flight.count, 0);
}
END_TEST

/* --- groups ----------------------------------------------------------------------------------- */

#define GROUP "$share/g/a"

static uint64_t assign(const char *payload)
{
    struct event e = {.id = ++w.head,
                      .time = w.now,
                      .topic = SLICE("a"),
                      .payload = slice_of(payload),
                      .flags = 2 << EVENT_QOS_SHIFT};
    struct buf record = {0}, frame = {0};
    struct wire_assign a = {SLICE("me"), keep(SLICE("me"))->epoch, SLICE(GROUP), {NULL, 0}};
    struct reader body;
    uint8_t op;

    event_record_put(&record, &e);
    a.record = buf_slice(&record);
    wire_call_begin(&frame, WIRE_CALL_ASSIGN);
    wire_assign_put(&frame, &a);
    op = wire_call_get(frame.p, frame.len, &body);
    mqtt_gateway_call(&w.gateway, op, body);
    world_turn();
    buf_free(&record);
    buf_free(&frame);
    return e.id;
}

/* The next DONE that was told. */
static void expect_done(uint64_t id, bool returned)
{
    struct reader r = reader_of(w.done.p, w.done.len);
    struct wire_done d;

    ck_assert(wire_done_get(&r, &d));
    ck_assert(slice_eq(d.group, SLICE(GROUP)));
    ck_assert_uint_eq(d.id, id);
    ck_assert(d.returned == returned);
    buf_consume(&w.done, w.done.len - r.left);
}

static void expect_no_done(void)
{
    ck_assert_uint_eq(w.done.len, 0);
}

START_TEST(test_assigned_at_qos0_is_done_with_at_once)
{
    connect_as((struct wish){0});
    subscribe(GROUP, 0);
    expect_done(assign("one"), false);
    (void)expect_publish(0, false, "one");
}
END_TEST

START_TEST(test_assigned_of_a_group_that_it_has_left_goes_back_and_costs_no_credit)
{
    uint64_t told;

    connect_as((struct wish){0});
    subscribe("$share/other/b", 1);
    told = w.credit;
    ck_assert_uint_gt(told, 0);
    for (uint64_t i = 0; i < told; i++)
        expect_done(assign("one"), true);
    ck_assert_uint_gt(w.credit, told);
    expect_nothing();
}
END_TEST

START_TEST(test_assigned_at_qos1_is_done_with_when_acknowledged)
{
    uint64_t event;
    uint16_t id;

    connect_as((struct wish){0});
    subscribe(GROUP, 1);
    event = assign("one");
    id = expect_publish(1, false, "one");
    expect_no_done();
    acknowledge(MQTT_PUBACK, id);
    expect_done(event, false);
}
END_TEST

START_TEST(test_assigned_at_qos2_is_taken_over_by_a_stored_session)
{
    uint64_t event;

    connect_as((struct wish){.expiry = 100});
    subscribe(GROUP, 2);
    event = assign("one");
    expect_nothing();
    expect_no_done();
    settle();
    expect_done(event, false);
    (void)expect_publish(2, false, "one");
}
END_TEST

START_TEST(test_assigned_waits_for_room_in_its_order)
{
    uint16_t id;

    connect_as((struct wish){.maximum = 1});
    subscribe(GROUP, 1);
    (void)assign("one");
    (void)assign("two");
    id = expect_publish(1, false, "one");
    expect_nothing();
    acknowledge(MQTT_PUBACK, id);
    (void)expect_publish(1, false, "two");
}
END_TEST

START_TEST(test_what_was_not_acknowledged_goes_back_to_the_group)
{
    uint64_t first, second;

    connect_as((struct wish){.maximum = 1});
    subscribe(GROUP, 1);
    first = assign("one");
    second = assign("two");
    leave();
    expect_done(first, true);
    expect_done(second, true);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "deliver", world_begin, world_end, test_qos0_goes_out_and_is_forgotten,
        test_311_gets_the_same_without_properties,
        test_two_filters_that_match_are_one_packet_at_the_higher_qos,
        test_many_filters_are_matched_as_few_are, test_an_expired_event_is_left_out,
        test_what_is_too_large_for_the_client_is_left_out_and_counted,
        test_no_local_leaves_out_its_own, test_what_is_not_kept_in_the_log_goes_at_qos_0,
        test_qos1_leaves_at_once_and_flies_until_puback,
        test_qos1_is_written_only_if_it_flies_at_the_checkpoint,
        test_a_pubcomp_ends_nothing_of_qos1, test_the_receive_maximum_holds_back_what_comes_behind,
        test_an_identifier_that_is_free_again_comes_late,
        test_a_full_socket_takes_nothing_back_twice, test_qos2_is_written_before_it_leaves,
        test_nothing_overtakes_what_waits_for_its_write, test_one_write_carries_all_of_a_turn,
        test_pubrec_is_written_before_pubrel_leaves,
        test_a_pubrec_during_a_write_waits_for_the_next_one,
        test_a_pubrec_whose_write_fails_is_written_at_the_checkpoint,
        test_a_session_that_lives_here_alone_waits_for_nobody, test_a_pubrec_of_nothing_is_told_so,
        test_a_pubrec_that_refuses_ends_it,
        test_assigned_of_a_group_that_it_has_left_goes_back_and_costs_no_credit,
        test_assigned_at_qos0_is_done_with_at_once,
        test_assigned_at_qos1_is_done_with_when_acknowledged,
        test_assigned_at_qos2_is_taken_over_by_a_stored_session,
        test_assigned_waits_for_room_in_its_order,
        test_what_was_not_acknowledged_goes_back_to_the_group);
}
