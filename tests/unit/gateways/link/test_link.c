/*
 * test_link.c - the link: hello, filters, credit, publishes, units of sessions.
 */
#include "link_broker.h"

/* --- the connection ------------------------------------------------------------------ */

START_TEST(test_a_connection_begins_with_hello)
{
    RUN_UNTIL(seen.up == 1);
    ck_assert_uint_eq(broker.kinds[0], WIRE_HELLO);
    ck_assert_uint_eq(broker.hello.version, WIRE_VERSION);
    ck_assert(link_is_up(link_));
    ck_assert_uint_gt(seen.turns, 0);
}
END_TEST

START_TEST(test_filters_come_before_publishes_that_waited)
{
    seen.add_in_up = true;
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.kinds[0], WIRE_HELLO);
    ck_assert_uint_eq(broker.kinds[1], WIRE_FILTER_ADD);
    ck_assert_uint_eq(broker.kinds[2], WIRE_PUBLISH);
}
END_TEST

START_TEST(test_nothing_counts_before_hello_ok)
{
    broker.silent = true;
    RUN_UNTIL(broker.hellos == 1);
    send_live(0, 50, 1);
    send_acks(1, ERR_NONE);
    say_hello_ok();
    RUN_UNTIL(seen.up == 1);
    ck_assert_uint_eq(seen.live, 0);
}
END_TEST

START_TEST(test_a_refused_hello_is_said_again)
{
    broker.silent = true;
    RUN_UNTIL(broker.hellos == 1);
    say_hello_no(ERR_BUSY);
    broker.silent = false;
    RUN_UNTIL(seen.up == 1);
    ck_assert_uint_eq(broker.hellos, 2);
}
END_TEST

START_TEST(test_a_successor_is_greeted_by_the_same_instance_with_what_was_seen)
{
    struct wire_uuid first;

    RUN_UNTIL(seen.up == 1);
    first = broker.hello.instance;
    link_set_seen(link_, 4711);
    broker.log = 9;
    broker_kill();
    RUN_UNTIL(seen.down == 1);
    ck_assert(!link_is_up(link_));
    broker_start();
    RUN_UNTIL(seen.up == 2);
    ck_assert_uint_eq(broker.hello.seen, 4711);
    ck_assert_mem_eq(&broker.hello.instance, &first, sizeof first);
}
END_TEST

START_TEST(test_a_gateway_that_the_broker_has_dropped_connects_anew)
{
    RUN_UNTIL(seen.up == 1);
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    say_hello_no(ERR_UNAVAILABLE);
    RUN_UNTIL(seen.up == 2 && broker.seq_count == 2);
    ck_assert_uint_eq(seen.down, 1);
    ck_assert_uint_eq(broker.hellos, 2);
    ck_assert_uint_eq(broker.seqs[1], broker.seqs[0]);
}
END_TEST

START_TEST(test_up_says_which_log_it_is_and_hello_which_it_was)
{
    broker.log = 8;
    RUN_UNTIL(seen.up == 1);
    ck_assert_mem_eq(&seen.hello.log, &broker.log, sizeof broker.log);
    ck_assert(!seen.hello.reset);
    broker_kill();
    broker.log = 9;
    broker.reset = true;
    RUN_UNTIL(seen.down == 1);
    broker_start();
    RUN_UNTIL(seen.up == 2);
    ck_assert_uint_eq(broker.hello.log.b[0], 8);
    ck_assert_mem_eq(&seen.hello.log, &broker.log, sizeof broker.log);
    ck_assert(seen.hello.reset);
}
END_TEST

START_TEST(test_answers_reach_their_ops)
{
    struct buf b = {0};

    RUN_UNTIL(seen.up == 1);
    wire_filter_live_put(&b, 7, 123);
    to_link(&b);
    wire_filter_no_put(&b, 8, ERR_BAD_FILTER);
    to_link(&b);
    wire_removed_put(&b, 5, SLICE("a"));
    to_link(&b);
    RUN_UNTIL(seen.removed == 1);
    ck_assert_uint_eq(seen.live_from, 123);
    ck_assert_uint_eq(seen.refused_ref, 8);
}
END_TEST

START_TEST(test_a_malformed_message_is_skipped)
{
    struct buf b = {0};

    RUN_UNTIL(seen.up == 1);
    buf_u8(&b, WIRE_LIVE);
    to_link(&b);
    buf_u8(&b, 250);
    to_link(&b);
    send_live(100, 101, 1);
    RUN_UNTIL(seen.live == 1);
    ck_assert(link_is_up(link_));
}
END_TEST

/* --- credit ------------------------------------------------------------------------------ */

START_TEST(test_a_lone_live_message_is_confirmed_in_a_while)
{
    RUN_UNTIL(seen.up == 1);
    send_live(100, 101, 1);
    RUN_UNTIL(broker.confirms == 1);
    ck_assert_uint_eq(broker.confirmed, 101);
}
END_TEST

START_TEST(test_a_flood_is_confirmed_at_once)
{
    RUN_UNTIL(seen.up == 1);
    for (uint64_t i = 0; i < 30; i++)
        send_live(100 + i, 101 + i, 100000);
    RUN_UNTIL(seen.live == 30 && broker.confirms >= 5);
    ck_assert_uint_ge(broker.confirmed, 120);
}
END_TEST

/* --- publishing --------------------------------------------------------------------------- */

START_TEST(test_publishes_of_a_turn_share_a_frame)
{
    RUN_UNTIL(seen.up == 1);
    for (int i = 0; i < 5; i++)
        publish(i);
    RUN_UNTIL(broker.seq_count == 5);
    ck_assert_uint_eq(broker.frames, 1);
    send_acks(1, ERR_NONE);
    send_acks(3, ERR_STORE_FULL);
    RUN_UNTIL(publishes[2].answers == 1);
    ck_assert_uint_eq(publishes[0].id, 10);
    ck_assert_uint_eq(publishes[2].error, ERR_STORE_FULL);
    ck_assert_uint_eq(publishes[1].answers, 0);
}
END_TEST

START_TEST(test_a_successor_gets_what_is_unanswered_in_order)
{
    RUN_UNTIL(seen.up == 1);
    publish(0), publish(1), publish(2);
    RUN_UNTIL(broker.seq_count == 3);
    send_acks(2, ERR_NONE);
    RUN_UNTIL(publishes[1].answers == 1);
    broker_kill();
    publish(3);
    RUN_UNTIL(seen.down == 1);
    broker.seq_count = 0;
    broker_start();
    RUN_UNTIL(broker.seq_count == 3);
    ck_assert_uint_eq(broker.seqs[0], 1);
    ck_assert_uint_eq(broker.seqs[1], 3);
    ck_assert_uint_eq(broker.seqs[2], 4);
    for (uint64_t seq = 1; seq <= 4; seq++)
        send_acks(seq, ERR_NONE);
    RUN_UNTIL(publishes[3].answers == 1);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(publishes[i].answers, 1);
}
END_TEST

static void restart(const char *timeout, const char *queue)
{
    link_close(link_, NULL, NULL);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    memset(&seen, 0, sizeof seen);
    link_start(timeout, queue);
}

START_TEST(test_a_full_queue_refuses_and_takes_again_once_it_is_answered)
{
    restart("10s", "100");
    RUN_UNTIL(seen.up == 1);
    publish(0), publish(1);
    ck_assert(link_publish_full(link_));
    publish(2);
    ck_assert_uint_eq(publishes[2].answers, 0); /* never from inside the call */
    RUN_UNTIL(publishes[2].answers == 1 && broker.seq_count == 2);
    ck_assert_uint_eq(publishes[2].error, ERR_BUSY);
    send_acks(1, ERR_NONE), send_acks(2, ERR_NONE);
    RUN_UNTIL(publishes[1].answers == 1);
    ck_assert(!link_publish_full(link_));
    buf_free(&publishes[2].lp.records);
    publish(2);
    RUN_UNTIL(broker.seq_count == 3);
    ck_assert_uint_eq(broker.seqs[2], 3); /* what was refused has no number */
}
END_TEST

START_TEST(test_deadlines_say_what_may_have_happened)
{
    restart("200ms", "1M");
    RUN_UNTIL(seen.up == 1);
    publish(0);
    RUN_UNTIL(publishes[0].answers == 1);
    ck_assert_uint_eq(publishes[0].error, ERR_UNKNOWN_OUTCOME);
    send_acks(1, ERR_NONE);
    broker_kill();
    RUN_UNTIL(seen.down == 1);
    publish(1);
    RUN_UNTIL(publishes[1].answers == 1);
    ck_assert_uint_eq(publishes[1].error, ERR_UNAVAILABLE);
    ck_assert_uint_eq(publishes[0].answers, 1);
}
END_TEST

START_TEST(test_closing_answers_what_is_left)
{
    RUN_UNTIL(seen.up == 1);
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    publish(1);
    link_close(link_, NULL, NULL);
    ck_assert_uint_eq(publishes[0].error, ERR_UNKNOWN_OUTCOME);
    ck_assert_uint_eq(publishes[1].error, ERR_UNAVAILABLE);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    link_start("10s", "1M"); /* for teardown */
}
END_TEST

/* --- sessions --------------------------------------------------------------------------------- */

START_TEST(test_units_of_sessions_are_answered_among_publishes)
{
    RUN_UNTIL(seen.up == 1);
    publish(0), publish_session(1, true), publish_session(2, false), publish(3);
    ck_assert(link_sessions_wait(link_));
    RUN_UNTIL(broker.seq_count == 4);
    ck_assert_uint_eq(broker.frames, 3);
    for (uint64_t i = 0; i < 4; i++)
        ck_assert_uint_eq(broker.seqs[i], i + 1);
    send_acks(4, ERR_NONE);
    send_session_ack(2, ERR_NONE, "why");
    send_session_ack(3, ERR_FENCED, "why");
    RUN_UNTIL(publishes[2].answers == 1);
    ck_assert_uint_eq(publishes[3].id, 40);
    ck_assert_uint_eq(publishes[1].error, ERR_NONE);
    ck_assert(publishes[1].said_why);
    ck_assert_uint_eq(publishes[2].error, ERR_FENCED);
    ck_assert(publishes[2].said_why);
    ck_assert(!link_sessions_wait(link_));
}
END_TEST

START_TEST(test_a_unit_without_timeout_outlives_the_broker)
{
    restart("200ms", "1M");
    RUN_UNTIL(seen.up == 1);
    publish_session(0, true), publish_session(1, false);
    RUN_UNTIL(broker.seq_count == 2);
    broker_kill();
    RUN_UNTIL(publishes[1].answers == 1 && seen.down == 1);
    ck_assert_uint_eq(publishes[1].error, ERR_UNKNOWN_OUTCOME);
    ck_assert_uint_eq(publishes[0].answers, 0);
    broker.seq_count = 0;
    broker_start();
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.seqs[0], 1);
    send_session_ack(1, ERR_NONE, "why");
    RUN_UNTIL(publishes[0].answers == 1);
}
END_TEST

START_TEST(test_what_up_tells_comes_before_units_that_waited)
{
    seen.add_in_up = seen.tell_in_up = true;
    publish_session(0, true);
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.kinds[0], WIRE_HELLO);
    ck_assert_uint_eq(broker.kinds[1], WIRE_FILTER_ADD);
    ck_assert_uint_eq(broker.kinds[2], WIRE_TELL);
    ck_assert_uint_eq(broker.kinds[3], WIRE_SESSION);
}
END_TEST

START_TEST(test_what_is_told_while_the_link_is_down_is_lost)
{
    tell_hold();
    publish(0);
    RUN_UNTIL(broker.seq_count == 1);
    ck_assert_uint_eq(broker.kinds[1], WIRE_PUBLISH);
    tell_hold();
    RUN_UNTIL(broker.kind_count == 3);
    ck_assert_uint_eq(broker.kinds[2], WIRE_TELL);
}
END_TEST

START_TEST(test_the_broker_calls_and_is_heard)
{
    struct buf b = {0};

    RUN_UNTIL(seen.up == 1);
    send_fence(1);
    wire_call_begin(&b, (enum wire_call_op)250); /* unknown: counted, no more */
    to_link(&b);
    send_fence(2);
    RUN_UNTIL(seen.calls == 2);
    ck_assert_uint_eq(seen.fenced, 2);
    ck_assert(link_is_up(link_));
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "link", setup, teardown, test_a_connection_begins_with_hello,
        test_filters_come_before_publishes_that_waited, test_nothing_counts_before_hello_ok,
        test_a_refused_hello_is_said_again,
        test_a_successor_is_greeted_by_the_same_instance_with_what_was_seen,
        test_a_gateway_that_the_broker_has_dropped_connects_anew,
        test_up_says_which_log_it_is_and_hello_which_it_was,
        test_a_full_queue_refuses_and_takes_again_once_it_is_answered, test_answers_reach_their_ops,
        test_a_malformed_message_is_skipped, test_a_lone_live_message_is_confirmed_in_a_while,
        test_a_flood_is_confirmed_at_once, test_publishes_of_a_turn_share_a_frame,
        test_a_successor_gets_what_is_unanswered_in_order,
        test_deadlines_say_what_may_have_happened, test_closing_answers_what_is_left,
        test_units_of_sessions_are_answered_among_publishes,
        test_a_unit_without_timeout_outlives_the_broker,
        test_what_up_tells_comes_before_units_that_waited,
        test_what_is_told_while_the_link_is_down_is_lost, test_the_broker_calls_and_is_heard);
}
