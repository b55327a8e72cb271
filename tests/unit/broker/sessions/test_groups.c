/*
 * test_groups.c - shared subscriptions: which event to whom, what becomes of it, and
 * what of that is stored.
 */
#include "groups_fixture.h"

/* --- to whom ------------------------------------------------------------------------------ */

START_TEST(an_event_goes_to_the_member_with_the_most_credit)
{
    struct member *m = member("m", GROUP, 1, 2), *n = member("n", GROUP, 1, 3);

    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(n), "one");
    ck_assert_str_eq(got(m), "");
}
END_TEST

START_TEST(among_equals_it_goes_to_who_has_waited_longest)
{
    struct member *m = member("m", GROUP, 1, 3), *n = member("n", GROUP, 1, 3);

    for (int i = 0; i < 4; i++)
        store_publish("a/x", i % 2 == 0 ? "even" : "odd", 1);
    ck_assert_str_eq(got(m), "even even");
    ck_assert_str_eq(got(n), "odd odd");
}
END_TEST

START_TEST(each_group_of_a_filter_gets_all)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", "$share/h/a/#", 1, 9);
    struct member *o = member("o", "$share/i/a/#", 1, 9);

    store_publish("a/x", "one", 1);
    end(n); /* one of the siblings goes */
    store_publish("a/x", "two", 1);
    ck_assert_str_eq(got(m), "one two");
    ck_assert_str_eq(got(n), "one");
    ck_assert_str_eq(got(o), "one two");
}
END_TEST

START_TEST(a_session_may_be_in_several_groups_with_one_credit)
{
    struct member *m = member("m", GROUP, 1, 2);

    ck_assert_int_eq(subscribe(m, "$share/h/#", 1), ERR_NONE);
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "one one");
    store_publish("a/x", "two", 1);
    ck_assert_str_eq(got(m), "");
}
END_TEST

START_TEST(what_the_filter_does_not_match_is_nobodys)
{
    struct member *m = member("m", GROUP, 1, 9);

    store_publish("b", "one", 1);
    ck_assert_str_eq(got(m), "");
}
END_TEST

START_TEST(an_event_past_its_expiry_is_passed_over)
{
    struct member *m = member("m", GROUP, 1, 9);
    struct event e = {.topic = SLICE("a"), .payload = SLICE("old"), .expiry = 1};

    e.flags = EVENT_HAS_EXPIRY | 1 << EVENT_QOS_SHIFT;
    detach(m);
    store_publish_many(&e, 1);
    now += 2000;
    attach(m, 9);
    run();
    ck_assert_str_eq(got(m), "");
    store_publish("a", "new", 1);
    ck_assert_str_eq(got(m), "new");
}
END_TEST

START_TEST(who_has_left_gets_nothing_more)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 1);

    ck_assert_int_eq(unsubscribe(m, GROUP), ERR_NONE);
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "");
    ck_assert_str_eq(got(n), "one");
}
END_TEST

START_TEST(who_is_about_to_end_gets_nothing_more)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 1);

    m->s.closing = true;
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "");
    ck_assert_str_eq(got(n), "one");
}
END_TEST

START_TEST(whose_gateways_link_has_ended_gets_nothing_more)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member_at(&peers[1], "n", GROUP, 1, 1);

    peers[0].link = NULL;
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "");
    ck_assert_str_eq(got(n), "one");
}
END_TEST

START_TEST(a_subscription_counts_when_it_is_stored)
{
    struct member *m = client("m");
    struct pending p = {.seq = 0};

    item_put(&p, GROUP, 1, UINT64_MAX);
    write_send(m, &p);
    credit(m, 9);
    store_publish("a/x", "early", 1);
    ck_assert_str_eq(got(m), "");
    store_run();
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "one");
    pending_free(&p);
}
END_TEST

START_TEST(a_subscription_that_the_store_refuses_is_none)
{
    struct member *m = client("m");

    store.refuses = ERR_STORE_FULL;
    ck_assert_int_eq(subscribe(m, GROUP, 1), ERR_STORE_FULL);
    credit(m, 9);
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "");
    ck_assert_uint_eq(groups_members(groups), 0);
}
END_TEST

START_TEST(a_name_that_is_no_group_is_refused)
{
    static const char *const bad[] = {"$share/g", "$share//a", "$share/g/", "$share/g/a/#/b"};
    struct member *m = client("m");

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(subscribe(m, bad[i], 1), ERR_BAD_FILTER);
}
END_TEST

START_TEST(a_gateway_gets_no_more_than_8_mib_that_are_not_done_with)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member_at(&peers[1], "n", GROUP, 1, 1);
    char *payload = mem_zalloc(3 << 20);
    const struct event e = {
        .topic = SLICE("a"),
        .payload = {payload, 3 << 20},
        .flags = 1 << EVENT_QOS_SHIFT,
    };
    uint64_t first = store_publish_many(&e, 1);

    store_publish_many(&e, 2);
    ck_assert_uint_gt(peers[0].assigned, 9 << 20);
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(n), "one");
    done(m, first);
    ck_assert_uint_lt(peers[0].assigned, 8 << 20);
    buf_clear(&m->got);
    store_publish("a/x", "two", 1);
    ck_assert_str_eq(got(m), "two");
    free(payload);
}
END_TEST

/* --- behind ------------------------------------------------------------------------------- */

START_TEST(without_credit_the_group_waits_and_reads_later)
{
    struct member *m = member("m", GROUP, 1, 1);

    store_publish("a/x", "one", 1);
    store_publish("a/x", "two", 1);
    store_publish("a/x", "three", 1);
    ck_assert_str_eq(got(m), "one");
    ck_assert_uint_eq(reads_waiting(), 0);
    credit(m, 9);
    ck_assert_str_eq(got(m), "");
    run();
    ck_assert_str_eq(got(m), "two three");
    store_publish("a/x", "live", 1);
    ck_assert_str_eq(got(m), "live");
}
END_TEST

START_TEST(a_page_is_as_large_as_the_credit)
{
    struct member *m = member("m", GROUP, 1, 0), *n = member("n", GROUP, 1, 0);

    store_publish("a/x", "one", 1);
    credit(m, 2);
    ck_assert_uint_eq(read_limit(), 2);
    credit(n, 5); /* the read is under way already */
    ck_assert_uint_eq(reads_waiting(), 1);
    run();
    store_publish("a/x", "two", 1);
    ck_assert_str_eq(got(n), "one two");
}
END_TEST

START_TEST(a_page_is_no_larger_than_200)
{
    credit(member("m", GROUP, 1, 0), 5000);
    ck_assert_uint_eq(reads_waiting(), 0);
    restart();
    attach(&members[0], 5000);
    ck_assert_uint_eq(read_limit(), 200);
}
END_TEST

START_TEST(credit_that_goes_while_a_page_is_read_stops_there)
{
    struct member *m = member("m", GROUP, 1, 0);

    for (int i = 0; i < 3; i++)
        store_publish("a/x", "late", 1);
    credit(m, 3);
    credit(m, 1);
    run();
    ck_assert_str_eq(got(m), "late");
    credit(m, 9);
    run();
    ck_assert_str_eq(got(m), "late late");
}
END_TEST

START_TEST(what_comes_while_a_page_is_read_is_not_missed)
{
    struct member *m = member("m", GROUP, 1, 0);

    store_publish("a/x", "one", 1);
    credit(m, 9);
    store_publish("a/x", "two", 1); /* behind the read, in front of its answer */
    run();
    ck_assert_str_eq(got(m), "one two");
}
END_TEST

START_TEST(a_read_that_fails_is_made_again_at_the_tick)
{
    struct member *m = member("m", GROUP, 1, 0);

    store_publish("a/x", "one", 1);
    credit(m, 9);
    read_refuse(ERR_STORE_FAILED);
    ck_assert_uint_eq(reads_waiting(), 0);
    pass(1000);
    ck_assert_str_eq(got(m), "one");
}
END_TEST

START_TEST(a_new_group_starts_at_the_head_or_where_it_says)
{
    uint64_t first = store_publish("a/x", "one", 1);
    struct member *m = member("m", GROUP, 1, 9), *n = client("n");

    store_publish("a/x", "two", 1);
    ck_assert_int_eq(subscribe_from(n, "$share/h/a/#", 1, first), ERR_NONE);
    credit(n, 9);
    run();
    ck_assert_str_eq(got(m), "two");
    ck_assert_str_eq(got(n), "two");
}
END_TEST

START_TEST(who_joins_later_does_not_move_the_group)
{
    struct member *m = member("m", GROUP, 1, 0), *n = client("n");

    store_publish("a/x", "one", 1);
    ck_assert_int_eq(subscribe_from(n, GROUP, 1, 0), ERR_NONE);
    credit(n, 9);
    run();
    ck_assert_str_eq(got(n), "one");
    ck_assert_str_eq(got(m), "");
}
END_TEST

START_TEST(with_nobody_connected_nothing_is_read)
{
    struct member *m = member("m", GROUP, 1, 9);

    detach(m);
    store_publish("a/x", "one", 1);
    pass(5000);
    ck_assert_uint_eq(reads_waiting(), 0);
    attach(m, 9);
    run();
    ck_assert_str_eq(got(m), "one");
}
END_TEST

START_TEST(of_64_groups_that_read_the_next_stands_in_line)
{
    char group[32], name[8];

    for (int i = 0; i < 66; i++) {
        snprintf(group, sizeof group, "$share/g%d/a/#", i);
        snprintf(name, sizeof name, "m%d", i);
        member(name, group, 1, 0);
    }
    store_publish("a/x", "one", 1);
    for (unsigned i = 0; i < 66; i++)
        credit(&members[i], 1);
    ck_assert_uint_eq(reads_waiting(), 64);
    ck_assert(read_answer());
    ck_assert_uint_eq(reads_waiting(), 64);
    run();
    for (unsigned i = 0; i < 66; i++)
        ck_assert_str_eq(got(&members[i]), "one");
}
END_TEST

START_TEST(a_group_has_no_more_than_65536_events_that_are_not_done_with)
{
    struct member *m = member("m", GROUP, 1, 100000);
    const struct event e = {.topic = SLICE("a"), .flags = 1 << EVENT_QOS_SHIFT};
    uint64_t first = store.head + 1;

    for (int i = 0; i < 65536 / 64; i++)
        store_publish_many(&e, 64);
    buf_clear(&m->got);
    store_publish("a/x", "one", 1);
    run();
    ck_assert_str_eq(got(m), "");
    done(m, first);
    run();
    ck_assert_str_eq(got(m), "one");
}
END_TEST

/* --- once more ------------------------------------------------------------------------------- */

START_TEST(what_a_member_had_goes_to_another_in_order)
{
    struct member *m = member("m", GROUP, 1, 3), *n = member_at(&peers[1], "n", GROUP, 1, 0);
    uint64_t first = store_publish("a/x", "one", 1);

    store_publish("a/x", "two", 1);
    store_publish("a/x", "three", 1);
    done(m, first + 1);
    detach(m);
    ck_assert_uint_eq(peers[0].assigned, 0);
    store_publish("a/x", "four", 1);
    credit(n, 9);
    run();
    ck_assert_str_eq(got(n), "one three four");
}
END_TEST

START_TEST(what_is_given_back_goes_to_another)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 1);
    uint64_t id = store_publish("a/x", "one", 1);

    credit(m, 0);
    give_back(m, id);
    run();
    ck_assert_str_eq(got(n), "one");
    give_back(m, id); /* it is not m's any more */
    done(m, id);
    ck_assert_uint_gt(peers[0].assigned, 0);
}
END_TEST

START_TEST(what_was_given_back_in_any_order_goes_lowest_first)
{
    struct member *m = member("m", GROUP, 1, 3), *n = member("n", GROUP, 1, 0);
    uint64_t first = store_publish("a/x", "one", 1);

    store_publish("a/x", "two", 1);
    store_publish("a/x", "three", 1);
    give_back(m, first + 2);
    give_back(m, first);
    credit(n, 9);
    run();
    ck_assert_str_eq(got(n), "one three");
}
END_TEST

START_TEST(what_is_free_goes_before_what_is_new)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 0);

    store_publish("a/x", "old", 1);
    detach(m);
    store_publish("a/x", "new", 1);
    credit(n, 1);
    run();
    ck_assert_str_eq(got(n), "old");
    credit(n, 1);
    run();
    ck_assert_str_eq(got(n), "new");
}
END_TEST

START_TEST(an_event_that_was_deleted_meanwhile_is_skipped)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 0);
    uint64_t id = store_publish("a/x", "one", 1);

    store_publish("a/x", "two", 1);
    detach(m);
    store_remove(id);
    credit(n, 9);
    run();
    ck_assert_str_eq(got(n), "two");
}
END_TEST

START_TEST(a_member_that_ends_leaves_what_it_had_to_others)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 1);

    store_publish("a/x", "one", 1);
    end(m);
    run();
    ck_assert_str_eq(got(n), "one");
    ck_assert_uint_eq(groups_members(groups), 1);
}
END_TEST

START_TEST(a_member_that_unsubscribes_leaves_what_it_had_to_others)
{
    struct member *m = member("m", GROUP, 1, 9), *n = member("n", GROUP, 1, 1);

    store_publish("a/x", "one", 1);
    unsubscribe(m, GROUP);
    run();
    ck_assert_str_eq(got(n), "one");
}
END_TEST

START_TEST(at_qos_0_an_event_is_handed_over_and_forgotten)
{
    struct member *m = member("m", GROUP, 2, 9);

    store_publish("a/x", "one", 0);
    ck_assert_str_eq(got(m), "one");
    ck_assert_uint_eq(peers[0].assigned, 0);
    detach(m);
    attach(m, 9);
    run();
    ck_assert_str_eq(got(m), "");
}
END_TEST

START_TEST(a_member_at_qos_0_gets_all_at_qos_0)
{
    struct member *m = member("m", GROUP, 0, 9);

    store_publish("a/x", "one", 2);
    ck_assert_str_eq(got(m), "one");
    ck_assert_uint_eq(peers[0].assigned, 0);
}
END_TEST

/* --- QoS 2 ------------------------------------------------------------------------------------ */

START_TEST(at_qos_2_an_event_leaves_when_its_row_is_stored)
{
    struct member *m = member("m", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);

    ck_assert_str_eq(got(m), "");
    store_run();
    ck_assert_str_eq(got(m), "one");
    ck_assert_ptr_nonnull(event_row(id).p);
    ck_assert_uint_ge(stored_cursor(), id);
}
END_TEST

START_TEST(all_of_a_batch_is_one_save)
{
    struct member *m = member("m", GROUP, 2, 9);
    unsigned commits = store.commits;
    struct event e = {.topic = SLICE("a"), .payload = SLICE("x"), .flags = 2 << EVENT_QOS_SHIFT};

    store_publish_many(&e, 5);
    store_run();
    ck_assert_str_eq(got(m), "x x x x x");
    ck_assert_uint_eq(store.commits, commits + 1);
}
END_TEST

START_TEST(what_could_not_be_stored_is_assigned_later)
{
    struct member *m = member("m", GROUP, 2, 1);

    store.refuses = ERR_STORE_FULL;
    store_publish("a/x", "one", 2);
    store_run();
    ck_assert_str_eq(got(m), "");
    store.refuses = ERR_NONE;
    pass(2000);
    ck_assert_str_eq(got(m), "one"); /* with the credit that it had */
}
END_TEST

START_TEST(a_member_that_goes_before_its_event_is_stored_gets_none)
{
    struct member *m = member("m", GROUP, 2, 9), *n = member("n", GROUP, 2, 1);

    store_publish("a/x", "one", 2);
    detach(m);
    run();
    ck_assert_str_eq(got(m), "");
    ck_assert_str_eq(got(n), "one");
}
END_TEST

START_TEST(an_event_taken_over_is_the_sessions_own)
{
    struct member *m = member("m", GROUP, 2, 9), *n = member("n", GROUP, 2, 0);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    ck_assert_int_eq(take(m, id, 7), ERR_NONE);
    ck_assert_uint_eq(event_row(id).len, sizeof(struct wire_uuid) + 8);
    ck_assert_uint_eq(peers[0].assigned, 0);
    detach(m);
    credit(n, 9);
    run();
    ck_assert_str_eq(got(n), "");
}
END_TEST

START_TEST(what_is_anothers_by_now_cannot_be_taken_over)
{
    struct member *m = member("m", GROUP, 2, 9), *n = member("n", GROUP, 2, 1);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    credit(m, 0);
    give_back(m, id);
    run();
    ck_assert_str_eq(got(n), "one");
    ck_assert_int_eq(take(m, id, 7), ERR_CONFLICT);
    ck_assert_uint_eq(conflict, id);
    ck_assert_int_eq(take(n, id, 8), ERR_NONE);
    ck_assert_int_eq(take(m, id, 9), ERR_CONFLICT);
}
END_TEST

START_TEST(a_conflict_takes_over_nothing)
{
    struct member *m = member("m", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);
    struct pending p = {.seq = 0};

    store_run();
    taken_put(&p, GROUP, id);
    taken_put(&p, GROUP, id + 1);
    ck_assert_int_eq(write_now(m, &p), ERR_CONFLICT);
    ck_assert_uint_eq(conflict, id + 1);
    ck_assert_uint_eq(event_row(id).len, 0);
    ck_assert_int_eq(take(m, id, 0), ERR_NONE);
}
END_TEST

START_TEST(the_same_unit_again_is_no_conflict)
{
    struct member *m = member("m", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    ck_assert_int_eq(take(m, id, 7), ERR_NONE);
    ck_assert_int_eq(take(m, id, 7), ERR_NONE);
    ck_assert_int_eq(take(m, id, 8), ERR_CONFLICT);
}
END_TEST

START_TEST(the_same_number_of_another_gateway_is_another_unit)
{
    struct member *m = member("m", GROUP, 2, 9), *n = member_at(&peers[1], "n", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    ck_assert_str_eq(got(m), "one");
    ck_assert_int_eq(take(m, id, 7), ERR_NONE);
    ck_assert_int_eq(take(n, id, 7), ERR_CONFLICT);
}
END_TEST

START_TEST(a_unit_that_took_over_is_known_for_a_minute)
{
    struct member *m = member("m", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    take(m, id, 7);
    pass(59000);
    ck_assert_int_eq(take(m, id, 7), ERR_NONE);
    pass(2000);
    ck_assert_int_eq(take(m, id, 7), ERR_CONFLICT);
    ck_assert_ptr_null(event_row(id).p);
}
END_TEST

START_TEST(a_take_over_that_is_refused_may_be_said_again)
{
    struct member *m = member("m", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    store.refuses = ERR_STORE_FULL;
    ck_assert_int_eq(take(m, id, 7), ERR_STORE_FULL);
    store.refuses = ERR_NONE;
    ck_assert_uint_eq(event_row(id).len, 0);
    ck_assert_int_eq(take(m, id, 8), ERR_NONE);
}
END_TEST

START_TEST(a_member_that_goes_while_it_takes_over_has_it_or_leaves_it)
{
    struct member *m = member("m", GROUP, 2, 9), *n = member("n", GROUP, 2, 0);

    for (int refused = 0; refused < 2; refused++) {
        uint64_t id = store_publish("a/x", "one", 2);
        struct pending p = {.seq = 0};

        run();
        taken_put(&p, GROUP, id);
        write_send(m, &p);
        detach(m);
        store.refuses = refused ? ERR_STORE_FULL : ERR_NONE;
        store_run();
        store.refuses = ERR_NONE;
        credit(n, 9);
        pass(1000);
        ck_assert_str_eq(got(n), refused ? "one" : "");
        ck_assert_int_eq(p.error, refused ? ERR_STORE_FULL : ERR_NONE);
        pending_free(&p);
        credit(n, 0);
        attach(m, 9);
    }
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "groups", setup, teardown, an_event_goes_to_the_member_with_the_most_credit,
        among_equals_it_goes_to_who_has_waited_longest, each_group_of_a_filter_gets_all,
        a_session_may_be_in_several_groups_with_one_credit,
        what_the_filter_does_not_match_is_nobodys, an_event_past_its_expiry_is_passed_over,
        who_has_left_gets_nothing_more, who_is_about_to_end_gets_nothing_more,
        whose_gateways_link_has_ended_gets_nothing_more, a_subscription_counts_when_it_is_stored,
        a_subscription_that_the_store_refuses_is_none, a_name_that_is_no_group_is_refused,
        a_gateway_gets_no_more_than_8_mib_that_are_not_done_with,
        without_credit_the_group_waits_and_reads_later, a_page_is_as_large_as_the_credit,
        a_page_is_no_larger_than_200, credit_that_goes_while_a_page_is_read_stops_there,
        what_comes_while_a_page_is_read_is_not_missed, a_read_that_fails_is_made_again_at_the_tick,
        a_new_group_starts_at_the_head_or_where_it_says, who_joins_later_does_not_move_the_group,
        with_nobody_connected_nothing_is_read, of_64_groups_that_read_the_next_stands_in_line,
        a_group_has_no_more_than_65536_events_that_are_not_done_with,
        what_a_member_had_goes_to_another_in_order, what_is_given_back_goes_to_another,
        what_was_given_back_in_any_order_goes_lowest_first, what_is_free_goes_before_what_is_new,
        an_event_that_was_deleted_meanwhile_is_skipped,
        a_member_that_ends_leaves_what_it_had_to_others,
        a_member_that_unsubscribes_leaves_what_it_had_to_others,
        at_qos_0_an_event_is_handed_over_and_forgotten, a_member_at_qos_0_gets_all_at_qos_0,
        at_qos_2_an_event_leaves_when_its_row_is_stored, all_of_a_batch_is_one_save,
        what_could_not_be_stored_is_assigned_later,
        a_member_that_goes_before_its_event_is_stored_gets_none,
        an_event_taken_over_is_the_sessions_own, what_is_anothers_by_now_cannot_be_taken_over,
        a_conflict_takes_over_nothing, the_same_unit_again_is_no_conflict,
        the_same_number_of_another_gateway_is_another_unit,
        a_unit_that_took_over_is_known_for_a_minute, a_take_over_that_is_refused_may_be_said_again,
        a_member_that_goes_while_it_takes_over_has_it_or_leaves_it);
}
