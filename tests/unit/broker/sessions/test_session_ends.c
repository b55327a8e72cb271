/*
 * test_session_ends.c - wills, sessions that end, gateways that go and come back.
 */
#include "sessions_fixture.h"

#define WILL .has_will = true, .will = buf_slice(&will)
#define SENT "wills/c=gone"
#define GRACE 4000 /* after a link was lost, and a look */

/* --- wills ------------------------------------------------------------------------------ */

START_TEST(a_will_is_sent_when_the_connection_fails)
{
    struct held c = ATTACH(a, "c", WILL);

    ck_assert_str_eq(store_published(), "");
    ck_assert_int_eq(DETACH(c, .will = true), ERR_NONE);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert_uint_eq(store_rows(SPACE_HEAD), 0);
}
END_TEST

START_TEST(a_will_and_the_end_of_its_connection_are_one_commit)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);
    unsigned commits = store.commits;

    DETACH(c, .will = true, .expiry = 60);
    ck_assert_uint_eq(store.commits, commits + 1);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert(!store_has(SPACE_HEAD, "c", "W"));
}
END_TEST

START_TEST(a_will_is_forgotten_when_the_client_says_goodbye)
{
    DETACH(ATTACH(a, "c", .expiry = 60, WILL), .expiry = 60);
    ck_assert(!store_has(SPACE_HEAD, "c", "W"));
    pass(2000);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(a_will_waits_for_its_delay)
{
    DETACH(ATTACH(a, "c", .expiry = 60, .will_delay = 5, WILL), .will = true, .expiry = 60);
    pass(4900);
    ck_assert_str_eq(store_published(), "");
    pass(1000);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert_uint_eq(store_rows(SPACE_DUE), 1); /* the session's end */
    ck_assert(ATTACH(a, "c", .expiry = 60).present);
}
END_TEST

START_TEST(a_client_that_comes_back_in_time_cancels_its_will)
{
    DETACH(ATTACH(a, "c", .expiry = 60, .will_delay = 5, WILL), .will = true, .expiry = 60);
    ATTACH(b, "c", .expiry = 60);
    ck_assert_uint_eq(store_rows(SPACE_DUE), 0);
    pass(10000);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(a_delayed_will_goes_when_the_session_ends_sooner)
{
    DETACH(ATTACH(a, "c", .expiry = 2, .will_delay = 60, WILL), .will = true, .expiry = 2);
    pass(3000);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert_uint_eq(store_rows(SPACE_HEAD) + store_rows(SPACE_DUE), 0);
}
END_TEST

START_TEST(a_client_that_comes_back_clean_sends_its_waiting_will)
{
    DETACH(ATTACH(a, "c", .expiry = 60, .will_delay = 60, WILL), .will = true, .expiry = 60);
    ck_assert(!ATTACH(a, "c", .clean = true).present);
    ck_assert_str_eq(store_published(), SENT);
}
END_TEST

START_TEST(a_takeover_sends_a_will_without_delay)
{
    ATTACH(a, "c", .expiry = 60, WILL);
    SEND_ATTACH(b, "c", .expiry = 60);
    pass(500);
    ck_assert_str_eq(store_published(), SENT);
}
END_TEST

START_TEST(a_takeover_cancels_a_will_with_delay)
{
    ATTACH(a, "c", .expiry = 60, .will_delay = 1, WILL);
    SEND_ATTACH(b, "c", .expiry = 60);
    pass(5000);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(a_clean_takeover_sends_even_a_will_with_delay)
{
    ATTACH(a, "c", .expiry = 60, .will_delay = 60, WILL);
    SEND_ATTACH(b, "c", .clean = true);
    pass(500);
    ck_assert_str_eq(store_published(), SENT);
}
END_TEST

START_TEST(a_will_that_was_withdrawn_is_not_sent)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    ck_assert_int_eq(withdraw_now(c), ERR_NONE);
    ck_assert(!store_has(SPACE_HEAD, "c", "W"));
    ck_assert_int_eq(withdraw_now(c), ERR_NONE);
    DETACH(c, .will = true, .expiry = 60);
    ck_assert_str_eq(store_published(), "");
    ck_assert(ATTACH(a, "c", .expiry = 60).present);
}
END_TEST

START_TEST(a_will_that_was_withdrawn_is_not_sent_for_a_gateway_that_dies)
{
    struct held c = ATTACH(a, "c", WILL);

    ck_assert_int_eq(withdraw_now(c), ERR_NONE);
    leave(a);
    pass(GRACE);
    ck_assert_str_eq(store_published(), "");
    ck_assert_uint_eq(store_rows(SPACE_HEAD), 0);
}
END_TEST

START_TEST(a_will_that_the_store_does_not_withdraw_is_not_sent_either)
{
    struct held c = ATTACH(a, "c", WILL);

    store.refuses = ERR_STORE_FULL;
    ck_assert_int_eq(withdraw_now(c), ERR_STORE_FULL);
    store.refuses = ERR_NONE;
    DETACH(c, .will = true);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(who_does_not_hold_the_session_withdraws_nothing)
{
    struct held c = ATTACH(a, "c", WILL), old = c;

    old.epoch--;
    ck_assert_int_eq(withdraw_now(old), ERR_FENCED);
    old.epoch++;
    old.by = b;
    ck_assert_int_eq(withdraw_now(old), ERR_FENCED);
    DETACH(c, .will = true);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert_int_eq(withdraw_now(c), ERR_FENCED);
}
END_TEST

START_TEST(a_will_that_may_not_be_published_refuses_the_attach)
{
    event("x/#", "gone");
    ck_assert_int_eq(ATTACH(a, "c", .has_will = true, .will = buf_slice(&record)).error,
                     ERR_BAD_TOPIC);
    ck_assert(!sessions_held(sessions));
}
END_TEST

START_TEST(a_will_that_the_store_does_not_take_is_given_up)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);
    uint64_t seq;

    store_is_late = true;
    seq = SEND_DETACH(c, .will = true, .expiry = 60);
    ck_assert(store_answer()); /* its rows are read */
    store.refuses = ERR_BAD_EVENT;
    ck_assert(store_answer());
    ck_assert_int_eq(answer(a, seq)->error, UNANSWERED);
    store.refuses = ERR_NONE;
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, ERR_NONE);
    ck_assert_str_eq(store_published(), "");
    store_is_late = false;
    ck_assert(ATTACH(a, "c", .expiry = 60).present);
}
END_TEST

START_TEST(a_delayed_will_that_the_store_does_not_take_is_given_up)
{
    DETACH(ATTACH(a, "c", .expiry = 60, .will_delay = 5, WILL), .will = true, .expiry = 60);
    store.refuses = ERR_BAD_EVENT;
    pass(5000);
    store_is_late = true;
    pass(1000);
    while (store.queue != NULL && store.queue->kind == STORE_SCAN)
        store_answer();
    ck_assert(store_answer()); /* with it */
    store.refuses = ERR_NONE;
    store_run(); /* without */
    ck_assert_str_eq(store_published(), "");
    ck_assert_uint_eq(store_rows(SPACE_DUE), 1); /* the session's end */
}
END_TEST

START_TEST(a_waiting_will_that_the_store_does_not_take_stops_no_attach)
{
    uint64_t seq;

    DETACH(ATTACH(a, "c", .expiry = 60, .will_delay = 50, WILL), .will = true, .expiry = 60);
    store_is_late = true;
    seq = SEND_ATTACH(a, "c", .expiry = 60, .clean = true);
    ck_assert(store_answer() && store_answer()); /* its rows are read */
    store.refuses = ERR_BAD_EVENT;
    ck_assert(store_answer());
    store.refuses = ERR_NONE;
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, ERR_NONE);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

/* --- while the store refuses ---------------------------------------------------------------- */

START_TEST(a_detach_that_is_refused_may_be_said_again)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    store.refuses = ERR_STORE_FULL;
    ck_assert_int_eq(DETACH(c, .will = true, .expiry = 60), ERR_STORE_FULL);
    ck_assert_int_eq(write_now(c), ERR_NONE); /* of nothing: it still holds the session */
    store.refuses = ERR_NONE;
    ck_assert_int_eq(DETACH(c, .will = true, .expiry = 60), ERR_NONE);
    ck_assert_str_eq(store_published(), SENT);
}
END_TEST

START_TEST(a_detach_whose_will_cannot_be_read_is_refused)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    store.blind = ERR_STORE_FAILED;
    ck_assert_int_eq(DETACH(c, .will = true, .expiry = 60), ERR_STORE_FAILED);
    store.blind = ERR_NONE;
    ck_assert_int_eq(DETACH(c, .will = true, .expiry = 60), ERR_NONE);
}
END_TEST

START_TEST(what_the_broker_does_by_itself_is_tried_every_second)
{
    ATTACH(a, "c", .expiry = 60, WILL);
    leave(a);
    store.refuses = ERR_STORE_FULL;
    pass(GRACE + 5000);
    ck_assert_str_eq(store_published(), "");
    store.refuses = ERR_NONE;
    pass(1000);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert(!sessions_held(sessions));
}
END_TEST

START_TEST(a_due_row_waits_for_a_store_that_refuses)
{
    DETACH(ATTACH(a, "c", .expiry = 1), .expiry = 1);
    store.refuses = ERR_STORE_FULL;
    pass(5000);
    ck_assert(store_has(SPACE_HEAD, "c", "H"));
    store.refuses = ERR_NONE;
    pass(2000);
    ck_assert_uint_eq(store_rows(SPACE_HEAD) + store_rows(SPACE_DUE), 0);
}
END_TEST

START_TEST(a_look_that_cannot_read_looks_again)
{
    DETACH(ATTACH(a, "c", .expiry = 1), .expiry = 1);
    store.blind = ERR_STORE_FAILED;
    pass(5000);
    store.blind = ERR_NONE;
    pass(3000);
    ck_assert_uint_eq(store_rows(SPACE_HEAD) + store_rows(SPACE_DUE), 0);
}
END_TEST

/* --- sessions that end ------------------------------------------------------------------------ */

START_TEST(a_session_ends_when_its_time_is_over)
{
    struct held c = ATTACH(a, "c", .expiry = 5);

    put(SLICE("Fx"), SLICE("\1"));
    DETACH(c, .expiry = 5);
    pass(4900);
    ck_assert(store_has(SPACE_ITEM, "c", "Fx"));
    pass(1100);
    ck_assert_uint_eq(store_rows(SPACE_HEAD) + store_rows(SPACE_ITEM) + store_rows(SPACE_DUE), 0);
}
END_TEST

START_TEST(a_session_is_over_in_time_though_nobody_has_looked)
{
    DETACH(ATTACH(a, "c", .expiry = 5), .expiry = 5);
    now += 5 * SECONDS;
    ck_assert(!ATTACH(a, "c", .expiry = 5).present);
}
END_TEST

START_TEST(a_session_that_never_ends_has_no_due_row)
{
    DETACH(ATTACH(a, "c", .expiry = UINT32_MAX), .expiry = UINT32_MAX);
    ck_assert_uint_eq(store_rows(SPACE_DUE), 0);
    ck_assert(ATTACH(a, "c", .expiry = UINT32_MAX).present);
}
END_TEST

START_TEST(a_client_may_shorten_its_session_when_it_leaves)
{
    DETACH(ATTACH(a, "c", .expiry = 60));
    ck_assert_uint_eq(store_rows(SPACE_HEAD), 0);
    ck_assert(!ATTACH(a, "c").present);
}
END_TEST

START_TEST(a_session_that_ends_with_its_connection_cannot_be_prolonged)
{
    DETACH(ATTACH(a, "c", WILL), .expiry = 60);
    ck_assert_uint_eq(store_rows(SPACE_HEAD), 0);
}
END_TEST

START_TEST(a_due_row_that_the_head_does_not_confirm_goes_without_effect)
{
    struct buf owner = {0};

    DETACH(ATTACH(a, "c", .expiry = 60), .expiry = 60);
    session_due_owner_put(&owner, now - 1, SLICE("c"));
    store_put(SPACE_DUE, buf_slice(&owner), SLICE("E"), SLICE(""));
    buf_free(&owner);
    restart(); /* which looks at what is due */
    pass(1000);
    ck_assert_uint_eq(store_rows(SPACE_DUE), 1);
    ck_assert(store_has(SPACE_HEAD, "c", "H"));
}
END_TEST

START_TEST(more_ends_than_a_page_holds_are_all_found)
{
    static char names[300][8];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct wire_attach m = {.version = 5, .expiry = 1};

        snprintf(names[i], sizeof names[i], "c%zu", i);
        m.client = slice_of(names[i]);
        DETACH(attach_now(a, &m, names[i]), .expiry = 1);
    }
    ck_assert_uint_eq(store_rows(SPACE_DUE), ARRAY_LEN(names));
    pass(5000);
    ck_assert_uint_eq(store_rows(SPACE_DUE) + store_rows(SPACE_HEAD), 0);
}
END_TEST

START_TEST(a_client_that_attaches_while_its_end_is_due_comes_behind_it)
{
    uint64_t seq;

    DETACH(ATTACH(a, "c", .expiry = 1), .expiry = 1);
    pass(1000);
    store_is_late = true;
    pass(1000); /* the rows that are due are asked for */
    ck_assert(store_answer());
    seq = SEND_ATTACH(a, "c", .expiry = 60);
    store_run();
    ck_assert(!attached(a, seq, "c", 60).present);
    ck_assert_uint_eq(store_rows(SPACE_DUE), 0);
    ck_assert(store_has(SPACE_HEAD, "c", "H"));
}
END_TEST

/* --- gateways that go ---------------------------------------------------------------------- */

START_TEST(a_gateway_that_goes_loses_its_sessions_when_the_grace_is_over)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    put(SLICE("Fx"), SLICE("\1"));
    write_now(c);
    leave(a);
    pass(2900);
    ck_assert_str_eq(store_published(), "");
    pass(1100);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert(!sessions_held(sessions));
    ck_assert(item_is(ATTACH(b, "c", .expiry = 60), SLICE("Fx"), SLICE("\1")));
}
END_TEST

START_TEST(a_gateway_that_comes_back_keeps_what_it_holds)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    leave(a);
    pass(2000);
    join_as(a, "mqtt");
    HOLD(a, c);
    pass(10000);
    ck_assert_str_eq(store_published(), "");
    ck_assert_str_eq(fences(a), "");
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(a_gateway_that_comes_back_has_time_to_say_what_it_holds)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    leave(a);
    pass(2900);
    join_as(a, "mqtt");
    pass(2900);
    HOLD(a, c);
    pass(5000);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(what_a_gateway_does_not_hold_any_more_has_ended_a_second_later)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL), d = ATTACH(a, "d", .expiry = 60);

    leave(a);
    join_as(a, "mqtt");
    HOLD(a, d);
    ck_assert_str_eq(store_published(), "");
    pass(2000);
    ck_assert_str_eq(store_published(), SENT);
    ck_assert_int_eq(write_now(c), ERR_FENCED);
    ck_assert_int_eq(write_now(d), ERR_NONE);
}
END_TEST

START_TEST(an_attach_whose_answer_was_lost_may_be_said_again_behind_hold)
{
    const struct wire_attach m = {.client = SLICE("c"), .version = 5, .expiry = 60, WILL};
    struct held c = attach_now(a, &m, "c");

    leave(a);
    join(a); /* it does not know of the session */
    pass(900);
    send_attach_again(a, a->seq, &m);
    store_run();
    ck_assert_uint_eq(attached(a, a->seq, "c", 60).epoch, c.epoch);
    pass(5000);
    ck_assert_str_eq(store_published(), "");
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(an_old_links_end_takes_nothing_from_the_new_one)
{
    struct held c = ATTACH(a, "c", .expiry = 60, WILL);

    join_as(a, "mqtt");
    sessions_leave(a->peer, b); /* a link that it does not have any more */
    HOLD(a, c);
    pass(GRACE);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(a_session_that_another_holds_by_now_is_fenced)
{
    struct held c = ATTACH(a, "c", .expiry = 60), taken;

    leave(a);
    taken = ATTACH(b, "c", .expiry = 60);
    join_as(a, "mqtt");
    HOLD(a, c);
    ck_assert_str_eq(fences(a), "c");
    ck_assert_int_eq(write_now(taken), ERR_NONE);
}
END_TEST

START_TEST(a_session_that_was_given_up_is_fenced)
{
    struct held c = ATTACH(a, "c", .expiry = 60), d = ATTACH(a, "d");

    leave(a);
    pass(GRACE);
    join_as(a, "mqtt");
    HOLD(a, c, d);
    ck_assert_str_eq(fences(a), "c d");
    ck_assert(!sessions_held(sessions));
}
END_TEST

START_TEST(a_session_that_is_just_being_given_up_is_fenced)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    leave(a);
    store_is_late = true;
    pass(GRACE);
    ck_assert(sessions_held(sessions)); /* its end is on the way to the disk */
    join_as(a, "mqtt");
    HOLD(a, c);
    ck_assert_str_eq(fences(a), "c");
    store_is_late = false;
    run_store();
    ck_assert(!sessions_held(sessions));
}
END_TEST

START_TEST(a_gateway_that_was_given_up_and_came_back_is_believed_again)
{
    const struct held m = {.by = a, .client = "m", .epoch = 7};

    ATTACH(a, "c", .expiry = 60);
    leave(a);
    pass(GRACE);
    join(a);
    HOLD(a, m);
    ck_assert_str_eq(fences(a), "");
    ck_assert_int_eq(write_now(m), ERR_NONE);
}
END_TEST

START_TEST(a_link_that_ends_while_attaching_leaves_the_session_in_doubt)
{
    store_is_late = true;
    SEND_ATTACH(a, "c", .expiry = 60, WILL);
    leave(a);
    store_run();
    store_is_late = false;
    ck_assert(sessions_held(sessions));
    pass(GRACE);
    ck_assert(!sessions_held(sessions));
    ck_assert_str_eq(store_published(), SENT);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "session_ends", setup, teardown, a_will_is_sent_when_the_connection_fails,
        a_will_and_the_end_of_its_connection_are_one_commit,
        a_will_is_forgotten_when_the_client_says_goodbye, a_will_waits_for_its_delay,
        a_client_that_comes_back_in_time_cancels_its_will,
        a_delayed_will_goes_when_the_session_ends_sooner,
        a_client_that_comes_back_clean_sends_its_waiting_will,
        a_takeover_sends_a_will_without_delay, a_takeover_cancels_a_will_with_delay,
        a_clean_takeover_sends_even_a_will_with_delay, a_will_that_was_withdrawn_is_not_sent,
        a_will_that_was_withdrawn_is_not_sent_for_a_gateway_that_dies,
        a_will_that_the_store_does_not_withdraw_is_not_sent_either,
        who_does_not_hold_the_session_withdraws_nothing,
        a_will_that_may_not_be_published_refuses_the_attach,
        a_will_that_the_store_does_not_take_is_given_up,
        a_delayed_will_that_the_store_does_not_take_is_given_up,
        a_waiting_will_that_the_store_does_not_take_stops_no_attach,
        a_detach_that_is_refused_may_be_said_again, a_detach_whose_will_cannot_be_read_is_refused,
        what_the_broker_does_by_itself_is_tried_every_second,
        a_due_row_waits_for_a_store_that_refuses, a_look_that_cannot_read_looks_again,
        a_session_ends_when_its_time_is_over, a_session_is_over_in_time_though_nobody_has_looked,
        a_session_that_never_ends_has_no_due_row, a_client_may_shorten_its_session_when_it_leaves,
        a_session_that_ends_with_its_connection_cannot_be_prolonged,
        a_due_row_that_the_head_does_not_confirm_goes_without_effect,
        more_ends_than_a_page_holds_are_all_found,
        a_client_that_attaches_while_its_end_is_due_comes_behind_it,
        a_gateway_that_goes_loses_its_sessions_when_the_grace_is_over,
        a_gateway_that_comes_back_keeps_what_it_holds,
        a_gateway_that_comes_back_has_time_to_say_what_it_holds,
        what_a_gateway_does_not_hold_any_more_has_ended_a_second_later,
        an_attach_whose_answer_was_lost_may_be_said_again_behind_hold,
        an_old_links_end_takes_nothing_from_the_new_one,
        a_session_that_another_holds_by_now_is_fenced, a_session_that_was_given_up_is_fenced,
        a_session_that_is_just_being_given_up_is_fenced,
        a_gateway_that_was_given_up_and_came_back_is_believed_again,
        a_link_that_ends_while_attaching_leaves_the_session_in_doubt);
}
