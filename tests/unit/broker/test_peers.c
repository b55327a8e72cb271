/*
 * test_peers.c - the broker's side of the link: hello, filters, live messages and their
 * credit, publishes and their window, frames that cannot be read, and how a gateway ends.
 */
#include "peers_fixture.h"

/* --- hello --------------------------------------------------------------------------------------
 */

START_TEST(hello_is_answered_with_the_head)
{
    HELLO("A");
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_position_that_the_log_knows_needs_no_reset)
{
    HELLO("A", .log = store_identity(&store), .seen = 70);
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_position_that_the_log_has_lost_needs_one)
{
    HELLO("A", .log = store_identity(&store), .seen = 7);
    ck_assert_str_eq(heard("A"), "hello-ok 100 reset");
    HELLO("A", .log = {{7}}, .seen = 70);
    ck_assert_str_eq(heard("A"), "hello-ok 100 reset");
}
END_TEST

START_TEST(another_version_is_refused)
{
    HELLO("A", .version = WIRE_VERSION + 1);
    ck_assert_str_eq(heard("A"), "hello-no 22");
    HELLO("A");
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_malformed_hello_is_refused)
{
    struct buf frame = {0};

    wire_hello_put(&frame, &(const struct wire_hello){.version = WIRE_VERSION});
    frame.len--;
    socket_say("A", &frame);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

START_TEST(a_key_that_is_not_listed_is_refused)
{
    played_key = "stranger";
    HELLO("A");
    ck_assert_str_eq(heard("A"), "hello-no 6");
    listed_key = "stranger";
    HELLO("A");
    ck_assert_str_eq(heard("A"), "hello-ok 100");
}
END_TEST

START_TEST(a_key_that_is_listed_no_more_gets_nothing)
{
    played_key = listed_key = "gateway";
    HELLO("A");
    played_key = NULL;
    HELLO("B", .instance = {{2}});
    ck_assert_str_eq(heard("A"), "hello-ok 100");
    ck_assert_str_eq(heard("B"), "hello-ok 100");
    peers_review(peers);
    listed_key = NULL;
    ck_assert_str_eq(heard("A"), "");
    peers_review(peers);
    ck_assert_str_eq(heard("A"), "hello-no 6");
    ck_assert_str_eq(heard("B"), "");
    publish("A", 1, "one");
    run();
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(what_precedes_hello_is_discarded)
{
    publish("A", 1, "one");
    confirm("A", 1);
    attach("A", 2, "c");
    run();
    ck_assert_str_eq(heard("A"), "");
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(the_same_instance_on_a_new_connection_replaces_the_old)
{
    join_all("A");
    HELLO("B", .instance = {{'A'}});
    heard("B");
    store_publish("a", "one", 0);
    pass(1000);
    ck_assert_str_eq(heard("A"), "");
    ck_assert_str_eq(heard("B"), "(100,101]"); /* it has asked for nothing yet */
}
END_TEST

START_TEST(a_second_hello_begins_anew)
{
    join_all("A");
    join("A");
    store_publish("a", "one", 0);
    ck_assert_str_eq(heard("A"), "");
    filter_add("A", 1, "#");
    ck_assert_str_eq(heard("A"), "live 1 101");
}
END_TEST

START_TEST(of_257_gateways_the_last_is_refused)
{
    char name[8];

    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "g%d", i);
        HELLO(name, .instance = {{(uint8_t)i, 1}});
    }
    heard("g");
    HELLO("z", .instance = {{'z'}});
    ck_assert_str_eq(heard("z"), "hello-no 19");
}
END_TEST

/* --- filters and live messages
 * -------------------------------------------------------------------- */

START_TEST(a_filter_is_live_from_the_head)
{
    join("A");
    store_publish("a/x", "before", 0);
    filter_add("A", 5, "a/+");
    ck_assert_str_eq(heard("A"), "live 5 101");
    store_publish("a/y", "one", 0);
    store_publish("b", "not", 0);
    store_publish("a/z", "two", 0);
    ck_assert_str_eq(heard("A"), "(100,102] one; (102,104] two");
}
END_TEST

START_TEST(a_bad_filter_is_refused_and_the_link_goes_on)
{
    join("A");
    filter_add("A", 1, "a/#/b");
    filter_add("A", 1, "a/#");
    filter_add("A", 1, "b");
    ck_assert_str_eq(heard("A"), "no 1 3; live 1 100; no 1 1");
}
END_TEST

START_TEST(a_dropped_filter_is_silent)
{
    struct buf frame = {0};

    join("A");
    filter_add("A", 1, "a");
    filter_add("A", 2, "b");
    heard("A");
    wire_filter_drop_put(&frame, 1);
    socket_say("A", &frame);
    store_publish("a", "one", 0);
    store_publish("b", "two", 0);
    ck_assert_str_eq(heard("A"), "(100,102] two");
}
END_TEST

START_TEST(the_position_travels_without_events)
{
    join("A");
    store_publish("a", "one", 0);
    ck_assert_str_eq(heard("A"), "");
    pass(500);
    ck_assert_str_eq(heard("A"), "(100,101]");
    pass(500);
    ck_assert_str_eq(heard("A"), "");
}
END_TEST

START_TEST(a_deletion_is_told_to_who_wants_the_topic)
{
    join_all("A");
    join("B");
    peers_removed(peers, SLICE("a"), 70);
    ck_assert_str_eq(heard("A"), "removed a 70");
    ck_assert_str_eq(heard("B"), "");
}
END_TEST

/* --- credit
 * ------------------------------------------------------------------------------------------ */

/* An event of 600 bytes. */
static void publish_large(void)
{
    static char payload[600];

    memset(payload, 'x', sizeof payload - 1);
    store_publish("a", payload, 0);
}

START_TEST(a_gateway_that_does_not_confirm_is_paused_then_sees_the_hole)
{
    join_all("A");
    for (int i = 0; i < 6; i++)
        publish_large();
    ck_assert_str_eq(heard("A"), "(100,101] x; (101,102] x; (102,103] x");
    confirm("A", 101);
    ck_assert_str_eq(heard("A"), "");
    confirm("A", 103);
    ck_assert_str_eq(heard("A"), "(106,106]");
    publish_large();
    ck_assert_str_eq(heard("A"), "(106,107] x");
}
END_TEST

START_TEST(a_paused_gateway_holds_up_nobody)
{
    join_all("A");
    join_all("B");
    for (uint64_t id = 101; id <= 106; id++) {
        publish_large();
        confirm("B", id);
    }
    ck_assert_str_eq(heard("B"), "(100,101] x; (101,102] x; (102,103] x; (103,104] x; "
                                 "(104,105] x; (105,106] x");
}
END_TEST

/* --- publishing
 * ----------------------------------------------------------------------------------------- */

START_TEST(units_of_a_turn_are_acknowledged_in_one_message)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 1, "one");
    unit_put(&frame, 2, 2, "two");
    socket_say("A", &frame);
    ck_assert_str_eq(heard("A"), "");
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101 2=102,103");
    ck_assert_str_eq(store_published(), "a=one a=two a=two");
}
END_TEST

START_TEST(a_gateway_sees_its_event_before_the_acknowledgement)
{
    join_all("A");
    publish("A", 1, "one");
    run();
    ck_assert_str_eq(heard("A"), "(100,101] one; acks 1=101");
}
END_TEST

START_TEST(a_unit_that_comes_twice_is_known)
{
    join("A");
    publish("A", 1, "one");
    run();
    publish("A", 1, "one");
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101; acks 1=101r");
    ck_assert_str_eq(store_published(), "a=one");
}
END_TEST

START_TEST(a_unit_that_comes_again_on_a_new_link_is_known)
{
    join("A");
    publish("A", 1, "one");
    run();
    HELLO("B", .instance = {{'A'}});
    heard("B");
    publish("B", 1, "one");
    run();
    ck_assert_str_eq(heard("B"), "acks 1=101r");
}
END_TEST

START_TEST(the_same_number_of_another_gateway_is_another_unit)
{
    join("A");
    join("B");
    publish("A", 1, "one");
    run();
    publish("B", 1, "two");
    run();
    ck_assert_str_eq(heard("B"), "acks 1=102");
}
END_TEST

START_TEST(what_the_store_refuses_is_refused)
{
    join("A");
    store.refuses = ERR_STORE_FULL;
    publish("A", 1, "one");
    run();
    store.refuses = ERR_NONE;
    publish("A", 2, "two");
    run();
    ck_assert_str_eq(heard("A"), "acks 1!25; acks 2=101");
}
END_TEST

START_TEST(a_bad_event_refuses_its_unit_alone)
{
    struct buf frame = {0};
    const struct event bad = {.topic = SLICE("a/+")};

    join("A");
    unit_put(&frame, 1, 1, "one");
    wire_unit_begin(&frame, 2, 2);
    event_record_put(&frame, &(const struct event){.topic = SLICE("a")});
    event_record_put(&frame, &bad);
    unit_put(&frame, 3, 1, "three");
    socket_say("A", &frame);
    run();
    ck_assert_str_eq(heard("A"), "acks 2!2; acks 1=101 3=102");
    ck_assert_str_eq(store_published(), "a=one a=three");
}
END_TEST

START_TEST(more_events_than_a_batch_may_have_refuse_the_unit)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 11, "");
    socket_say("A", &frame);
    run();
    ck_assert_str_eq(heard("A"), "acks 1!15");
}
END_TEST

START_TEST(more_than_the_window_is_busy_until_there_is_room)
{
    char payload[600];

    memset(payload, 'x', sizeof payload);
    payload[sizeof payload - 1] = '\0';
    join("A");
    publish("A", 1, payload);
    publish("A", 2, payload);
    ck_assert_str_eq(heard("A"), "acks 2!24");
    run();
    publish("A", 3, payload);
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101; acks 3=102");
}
END_TEST

START_TEST(a_unit_above_the_window_passes_when_it_is_alone)
{
    char payload[1400];

    memset(payload, 'x', sizeof payload);
    payload[sizeof payload - 1] = '\0';
    join("A");
    publish("A", 1, payload);
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101");
}
END_TEST

START_TEST(deleting_a_topic_is_acknowledged_with_what_went)
{
    join("A");
    store_publish("a", "one", 0);
    store_publish("b", "two", 0);
    delete_topic("A", 1, "a");
    delete_topic("A", 2, "a/#");
    run();
    ck_assert_str_eq(heard("A"), "acks 2!2; acks 1=101");
    ck_assert_str_eq(store_published(), "b=two");
}
END_TEST

/* --- sessions
 * ------------------------------------------------------------------------------------------ */

START_TEST(units_of_sessions_are_answered_behind_those_of_publishes)
{
    join("A");
    publish("A", 1, "one");
    attach("A", 2, "c");
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101; session 2=0");
}
END_TEST

START_TEST(a_fence_does_not_overtake_the_answer_to_the_attach)
{
    join("A");
    join("B");
    attach("A", 1, "c");
    store_run(); /* answered, but the turn has not ended */
    attach("B", 1, "c");
    ck_assert_str_eq(heard("A"), "session 1=0; call");
}
END_TEST

START_TEST(sessions_of_a_gateway_that_has_gone_are_ended)
{
    join("A");
    attach("A", 1, "c");
    run();
    ck_assert(sessions_held(sessions));
    socket_refuse("A", -EHOSTUNREACH);
    pass(1000); /* the probe bounces: it is asked each second while sessions hang on it */
    ck_assert(sessions_held(sessions));
    pass(4000);
    ck_assert(!sessions_held(sessions));
}
END_TEST

/* --- frames that cannot be read
 * ---------------------------------------------------------------------------- */

START_TEST(a_malformed_frame_ends_the_link_and_nothing_of_it_is_taken)
{
    static const uint8_t kinds[] = {WIRE_PUBLISH, WIRE_CONFIRM, WIRE_FILTER_ADD, WIRE_FILTER_DROP,
                                    WIRE_DELETE,  WIRE_SESSION, WIRE_TELL,       WIRE_LIVE};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct buf frame = {0};

        join("A");
        buf_u8(&frame, kinds[i]);
        buf_u8(&frame, 9);
        socket_say("A", &frame);
        ck_assert_str_eq(heard("A"), "hello-no 1");
        publish("A", 1, "one"); /* it must say hello first */
        run();
        ck_assert_str_eq(heard("A"), "");
    }
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(a_publish_that_is_malformed_at_its_end_is_refused_whole)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 1, "one");
    unit_put(&frame, 2, 1, "two");
    frame.len--;
    socket_say("A", &frame);
    ck_assert_ptr_null(store.queue);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

START_TEST(several_parts_are_malformed)
{
    struct buf frame = {0};

    join("A");
    unit_put(&frame, 1, 1, "one");
    socket_say_parts("A", &frame, 2);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

START_TEST(an_empty_message_is_malformed)
{
    struct buf frame = {0};

    join("A");
    socket_say("A", &frame);
    ck_assert_str_eq(heard("A"), "hello-no 1");
}
END_TEST

/* --- how a gateway ends
 * --------------------------------------------------------------------------------------- */

START_TEST(a_gateway_whose_queue_is_full_is_told_when_there_is_room)
{
    join_all("A");
    socket_refuse("A", -EAGAIN);
    store_publish("a", "one", 0);
    run();
    pass(1000);
    socket_refuse("A", 0);
    store_publish("a", "two", 0);
    ck_assert_str_eq(heard("A"), "");
    pass(500);
    ck_assert_str_eq(heard("A"), "hello-no 23");
    HELLO("A", .instance = {{'A'}});
    ck_assert_str_eq(heard("A"), "hello-ok 102");
}
END_TEST

START_TEST(a_gateway_whose_message_bounces_is_forgotten)
{
    join_all("A");
    socket_refuse("A", -EHOSTUNREACH);
    store_publish("a", "one", 0);
    run();
    socket_refuse("A", 0);
    store_publish("a", "two", 0);
    pass(1000);
    ck_assert_str_eq(heard("A"), "");
}
END_TEST

START_TEST(an_idle_gateway_is_asked_every_five_seconds)
{
    join("A");
    pass(4900);
    ck_assert_str_eq(heard("A"), "");
    pass(100);
    ck_assert_str_eq(heard("A"), "(100,100]");
    socket_refuse("A", -EHOSTUNREACH);
    pass(5000);
    socket_refuse("A", 0);
    pass(5000);
    ck_assert_str_eq(heard("A"), "");
}
END_TEST

START_TEST(what_a_gateway_that_has_gone_had_published_is_stored)
{
    join("A");
    publish("A", 1, "one");
    join("A"); /* which forgets its earlier self */
    run();
    ck_assert_str_eq(heard("A"), "");
    ck_assert_str_eq(store_published(), "a=one");
}
END_TEST

START_TEST(after_the_stop_what_is_with_the_store_is_acknowledged)
{
    join("A");
    publish("A", 1, "one");
    peers_stop(peers);
    ck_assert(played_socket.paused);
    run();
    ck_assert_str_eq(heard("A"), "acks 1=101");
}
END_TEST

START_TEST(the_socket_takes_no_message_above_what_limits_allow)
{
    ck_assert(played_socket.options.mandatory);
    ck_assert_uint_eq(played_socket.options.max_message, WINDOW + 4 * 5000 + 1500);
    ck_assert_int_ge(played_socket.options.send_hwm, CREDIT / WIRE_LIVE_HEAD + WINDOW / 44);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "peers", setup, teardown, hello_is_answered_with_the_head,
        a_position_that_the_log_knows_needs_no_reset, a_position_that_the_log_has_lost_needs_one,
        another_version_is_refused, a_malformed_hello_is_refused,
        a_key_that_is_not_listed_is_refused, a_key_that_is_listed_no_more_gets_nothing,
        what_precedes_hello_is_discarded, the_same_instance_on_a_new_connection_replaces_the_old,
        a_second_hello_begins_anew, of_257_gateways_the_last_is_refused,
        a_filter_is_live_from_the_head, a_bad_filter_is_refused_and_the_link_goes_on,
        a_dropped_filter_is_silent, the_position_travels_without_events,
        a_deletion_is_told_to_who_wants_the_topic,
        a_gateway_that_does_not_confirm_is_paused_then_sees_the_hole,
        a_paused_gateway_holds_up_nobody, units_of_a_turn_are_acknowledged_in_one_message,
        a_gateway_sees_its_event_before_the_acknowledgement, a_unit_that_comes_twice_is_known,
        a_unit_that_comes_again_on_a_new_link_is_known,
        the_same_number_of_another_gateway_is_another_unit, what_the_store_refuses_is_refused,
        a_bad_event_refuses_its_unit_alone, more_events_than_a_batch_may_have_refuse_the_unit,
        more_than_the_window_is_busy_until_there_is_room,
        a_unit_above_the_window_passes_when_it_is_alone,
        deleting_a_topic_is_acknowledged_with_what_went,
        units_of_sessions_are_answered_behind_those_of_publishes,
        a_fence_does_not_overtake_the_answer_to_the_attach,
        sessions_of_a_gateway_that_has_gone_are_ended,
        a_malformed_frame_ends_the_link_and_nothing_of_it_is_taken,
        a_publish_that_is_malformed_at_its_end_is_refused_whole, several_parts_are_malformed,
        an_empty_message_is_malformed, a_gateway_whose_queue_is_full_is_told_when_there_is_room,
        a_gateway_whose_message_bounces_is_forgotten, an_idle_gateway_is_asked_every_five_seconds,
        what_a_gateway_that_has_gone_had_published_is_stored,
        after_the_stop_what_is_with_the_store_is_acknowledged,
        the_socket_takes_no_message_above_what_limits_allow);
}
