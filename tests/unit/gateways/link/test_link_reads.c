/*
 * test_link_reads.c - requests for history: asked, asked again, cancelled.
 */
#include "link_broker.h"

START_TEST(test_reads_are_answered_by_ref)
{
    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2);
    answer_read(broker.refs[1], ERR_NONE);
    answer_read(broker.refs[0], ERR_NOT_FOUND);
    RUN_UNTIL(readings[0].answers == 1 && readings[1].answers == 1);
    ck_assert_int_eq(readings[0].error, ERR_NOT_FOUND);
    ck_assert_int_eq(readings[1].error, ERR_NONE);
}
END_TEST

START_TEST(test_so_many_reads_are_on_the_way_at_once)
{
    for (int i = 0; i < 10; i++)
        ask(i);
    RUN_UNTIL(broker.ref_count == 4);
    answer_read(broker.refs[0], ERR_NONE);
    RUN_UNTIL(broker.ref_count == 5);
    for (size_t next = 1; next < 10; next++) {
        answer_read(broker.refs[next], ERR_NONE);
        RUN_UNTIL(readings[next].answers == 1);
    }
    ck_assert_uint_eq(broker.ref_count, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(broker.refs[i], i + 1);
}
END_TEST

START_TEST(test_busy_is_asked_again_a_little_later)
{
    ask(0);
    RUN_UNTIL(broker.ref_count == 1);
    answer_read(broker.refs[0], ERR_BUSY);
    RUN_UNTIL(broker.ref_count == 2);
    ck_assert_uint_eq(broker.refs[1], broker.refs[0]);
    ck_assert_uint_eq(readings[0].answers, 0);
    answer_read(broker.refs[1], ERR_NONE);
    RUN_UNTIL(readings[0].answers == 1);
}
END_TEST

START_TEST(test_a_successor_is_asked_again)
{
    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2 && seen.up == 1);
    broker_kill();
    RUN_UNTIL(seen.down == 1);
    broker.ref_count = 0;
    broker_start();
    RUN_UNTIL(broker.ref_count >= 2);
    ck_assert_uint_eq(broker.refs[0], 1);
    ck_assert_uint_eq(broker.refs[1], 2);
    answer_read(1, ERR_NONE);
    answer_read(1, ERR_NONE);
    answer_read(2, ERR_NONE);
    RUN_UNTIL(readings[1].answers == 1);
    ck_assert_uint_eq(readings[0].answers, 1);
}
END_TEST

START_TEST(test_a_cancelled_read_is_not_answered)
{
    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2);
    link_read_cancel(link_, &readings[0].r);
    answer_read(1, ERR_NONE);
    answer_read(2, ERR_NONE);
    RUN_UNTIL(readings[1].answers == 1);
    ck_assert_uint_eq(readings[0].answers, 0);
}
END_TEST

START_TEST(test_a_read_cancelled_while_the_broker_is_away_is_not_asked_again)
{
    uint64_t begun;

    ask(0), ask(1);
    RUN_UNTIL(broker.ref_count == 2 && seen.up == 1);
    broker_kill();
    broker.link = bound(&broker_link_ops, link_endpoint);
    RUN_UNTIL(seen.up == 2); /* long after the end of both connections was noticed */
    link_read_cancel(link_, &readings[0].r);
    broker.ref_count = 0;
    begun = uv_hrtime();
    broker.reads = bound(&broker_reads_ops, reads_endpoint);
    RUN_UNTIL(broker.ref_count == 1);
    ck_assert_uint_lt(uv_hrtime() - begun, UINT64_C(5000000000)); /* the others at once */
    ck_assert_uint_eq(broker.refs[0], 2);
    answer_read(2, ERR_NONE);
    RUN_UNTIL(readings[1].answers == 1);
    ck_assert_uint_eq(readings[0].answers, 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS("link: reads", setup, teardown, test_reads_are_answered_by_ref,
                     test_so_many_reads_are_on_the_way_at_once,
                     test_busy_is_asked_again_a_little_later, test_a_successor_is_asked_again,
                     test_a_cancelled_read_is_not_answered,
                     test_a_read_cancelled_while_the_broker_is_away_is_not_asked_again);
}
