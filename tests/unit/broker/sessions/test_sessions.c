/*
 * test_sessions.c - who holds a session and what it is made of: attach, write, detach,
 * takeover.  Wills, ends and gateways that go: test_session_ends.c.
 */
#include "sessions_fixture.h"

/* --- attach ---------------------------------------------------------------------------- */

START_TEST(a_new_session_is_not_present)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    ck_assert_int_eq(c.error, ERR_NONE);
    ck_assert(!c.present && c.items.len == 0);
    ck_assert(store_has(SPACE_HEAD, "c", "H"));
}
END_TEST

START_TEST(an_attach_waits_for_the_store)
{
    uint64_t seq;

    store_is_late = true;
    seq = SEND_ATTACH(a, "c", .expiry = 60);
    ck_assert_int_eq(answer(a, seq)->error, UNANSWERED);
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, ERR_NONE);
}
END_TEST

START_TEST(a_session_is_resumed_with_its_items_at_another_gateway)
{
    struct held c = ATTACH(a, "c", .expiry = 60), again;

    put(SLICE("Fx"), SLICE("\1"));
    put(SLICE("O\0\1"), SLICE("mine"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    drop(SLICE("O\0\1"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert_int_eq(DETACH(c, .expiry = 60), ERR_NONE);
    again = ATTACH(b, "c", .expiry = 60);
    ck_assert(again.present && again.epoch > c.epoch);
    ck_assert(item_is(again, SLICE("Fx"), SLICE("\1")));
    ck_assert_ptr_null(item(again, SLICE("O\0\1")).p);
}
END_TEST

START_TEST(the_last_items_come_with_the_detach)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    put(SLICE("Fx"), SLICE("\1"));
    ck_assert_int_eq(DETACH(c, .expiry = 60), ERR_NONE);
    ck_assert(item_is(ATTACH(a, "c", .expiry = 60), SLICE("Fx"), SLICE("\1")));
}
END_TEST

START_TEST(clean_ends_what_was_there)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    put(SLICE("Fx"), SLICE("\1"));
    DETACH(c, .expiry = 60);
    c = ATTACH(a, "c", .expiry = 60, .clean = true);
    ck_assert(!c.present && c.items.len == 0);
    ck_assert(!store_has(SPACE_ITEM, "c", "Fx"));
}
END_TEST

START_TEST(a_session_in_memory_alone_has_no_rows)
{
    struct held c = ATTACH(a, "c");

    put(SLICE("Fx"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert_int_eq(DETACH(c), ERR_NONE);
    ck_assert_uint_eq(store.commits, 0);
    ck_assert(!ATTACH(a, "c").present);
}
END_TEST

START_TEST(another_principal_is_refused_and_harms_nothing)
{
    struct held c = ATTACH(a, "c", .expiry = 60, .principal = SLICE("ann"));

    ck_assert_int_eq(ATTACH(b, "c", .principal = SLICE("bob")).error, ERR_FORBIDDEN);
    ck_assert_str_eq(fences(a), "");
    DETACH(c, .expiry = 60);
    ck_assert_int_eq(ATTACH(b, "c", .clean = true, .principal = SLICE("bob")).error, ERR_FORBIDDEN);
    ck_assert(ATTACH(b, "c", .expiry = 60, .principal = SLICE("ann")).present);
}
END_TEST

START_TEST(a_damaged_head_begins_anew)
{
    put(SLICE("Fx"), SLICE("\1"));
    DETACH(ATTACH(a, "c", .expiry = 60), .expiry = 60);
    store_put(SPACE_HEAD, SLICE("c"), SLICE("H"), SLICE("\xff"));
    ck_assert(!ATTACH(a, "c", .expiry = 60).present);
    ck_assert(!store_has(SPACE_ITEM, "c", "Fx"));
}
END_TEST

START_TEST(an_attach_that_is_refused_may_be_said_again)
{
    store.refuses = ERR_STORE_FULL;
    ck_assert_int_eq(ATTACH(a, "c", .expiry = 60).error, ERR_STORE_FULL);
    ck_assert(!sessions_held(sessions));
    store.refuses = ERR_NONE;
    ck_assert_int_eq(ATTACH(a, "c", .expiry = 60).error, ERR_NONE);
}
END_TEST

START_TEST(a_map_that_cannot_be_read_refuses_the_attach)
{
    store.blind = ERR_STORE_FAILED;
    ck_assert_int_eq(ATTACH(a, "c").error, ERR_STORE_FAILED);
}
END_TEST

START_TEST(the_same_attach_again_is_answered_as_before)
{
    const struct wire_attach m = {.client = SLICE("c"), .version = 5, .expiry = 60};
    struct held first = attach_now(a, &m, "c"), second;
    unsigned commits = store.commits;

    send_attach_again(a, a->seq, &m);
    store_run();
    second = attached(a, a->seq, "c", 60);
    ck_assert(second.epoch == first.epoch && !second.present);
    ck_assert_uint_eq(store.commits, commits);
    ck_assert_str_eq(fences(a), "");
}
END_TEST

START_TEST(the_same_attach_again_brings_the_items_again)
{
    const struct wire_attach m = {.client = SLICE("c"), .version = 5, .expiry = 60};

    put(SLICE("Fx"), SLICE("\1"));
    DETACH(attach_now(a, &m, "c"), .expiry = 60);
    attach_now(a, &m, "c");
    send_attach_again(a, a->seq, &m);
    store_run();
    ck_assert(item_is(attached(a, a->seq, "c", 60), SLICE("Fx"), SLICE("\1")));
}
END_TEST

/* --- takeover -------------------------------------------------------------------------- */

START_TEST(a_takeover_waits_for_the_last_checkpoint)
{
    struct held c = ATTACH(a, "c", .expiry = 60), taken;
    uint64_t seq = SEND_ATTACH(b, "c", .expiry = 60);

    store_run();
    ck_assert_str_eq(fences(a), "c");
    ck_assert_int_eq(answer(b, seq)->error, UNANSWERED);
    put(SLICE("O\0\1"), SLICE("late"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    put_progress(9, false);
    ck_assert_int_eq(DETACH(c, .expiry = 60), ERR_NONE);
    taken = attached(b, seq, "c", 60);
    ck_assert(taken.present && cursor_of(taken) == 9);
    ck_assert(item_is(taken, SLICE("O\0\1"), SLICE("late")));
}
END_TEST

START_TEST(a_takeover_waits_half_a_second_and_no_longer)
{
    struct held c = ATTACH(a, "c", .expiry = 60), taken;
    uint64_t seq = SEND_ATTACH(b, "c", .expiry = 60);

    pass(400);
    ck_assert_int_eq(answer(b, seq)->error, UNANSWERED);
    pass(100);
    taken = attached(b, seq, "c", 60);
    ck_assert(taken.error == ERR_NONE && taken.present && taken.epoch > c.epoch);
    ck_assert_int_eq(write_now(c), ERR_FENCED);
    ck_assert_int_eq(DETACH(c), ERR_FENCED);
    ck_assert_int_eq(write_now(taken), ERR_NONE);
}
END_TEST

START_TEST(a_takeover_does_not_wait_for_a_gateway_that_has_gone)
{
    ATTACH(a, "c", .expiry = 60);
    leave(a);
    ck_assert(ATTACH(b, "c", .expiry = 60).present);
}
END_TEST

START_TEST(a_link_that_ends_ends_the_waiting)
{
    uint64_t seq;

    ATTACH(a, "c", .expiry = 60);
    seq = SEND_ATTACH(b, "c", .expiry = 60);
    leave(a);
    ck_assert_int_eq(answer(b, seq)->error, ERR_NONE);
}
END_TEST

START_TEST(a_gateway_may_take_over_from_itself)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    uint64_t seq = SEND_ATTACH(a, "c", .expiry = 60);

    ck_assert_str_eq(fences(a), "c");
    DETACH(c, .expiry = 60);
    ck_assert(attached(a, seq, "c", 60).present);
}
END_TEST

START_TEST(attaches_of_one_client_are_served_one_by_one)
{
    uint64_t first, second;

    ATTACH(a, "c", .expiry = 60);
    first = SEND_ATTACH(b, "c", .expiry = 60);
    second = SEND_ATTACH(b, "c", .expiry = 60);
    pass(500);
    ck_assert_int_eq(answer(b, first)->error, ERR_NONE);
    ck_assert_int_eq(answer(b, second)->error, UNANSWERED);
    pass(500);
    ck_assert(attached(b, second, "c", 60).epoch > attached(b, first, "c", 60).epoch);
}
END_TEST

START_TEST(more_attaches_than_may_wait_are_refused)
{
    ATTACH(a, "c", .expiry = 60);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(ATTACH(b, "c").error, UNANSWERED);
    ck_assert_int_eq(ATTACH(b, "c").error, ERR_BUSY);
}
END_TEST

/* --- writes ------------------------------------------------------------------------------ */

START_TEST(an_event_and_its_items_are_one_commit)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    unsigned commits = store.commits;

    event("x", "once");
    put(SLICE("I\0\1"), SLICE(""));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert_uint_eq(store.commits, commits + 1);
    ck_assert_str_eq(store_published(), "x=once");
    ck_assert_uint_eq(store_rows(SPACE_ITEM), 1);
    ck_assert_uint_eq(le64_get(answer(a, a->seq)->data.p), store.head);
}
END_TEST

START_TEST(a_write_that_comes_twice_is_published_once)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    for (int i = 0; i < 2; i++) {
        event("x", "once");
        put(SLICE("I\0\1"), SLICE(""));
        send_write_again(c, 7);
        store_run();
        ck_assert_int_eq(answer(a, 7)->error, ERR_NONE);
        ck_assert_uint_eq(le64_get(answer(a, 7)->data.p), store.head);
    }
    ck_assert_str_eq(store_published(), "x=once");
}
END_TEST

START_TEST(a_session_in_memory_alone_publishes_and_keeps_nothing)
{
    struct held c = ATTACH(a, "c");

    event("x", "once");
    put(SLICE("I\0\1"), SLICE(""));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert_str_eq(store_published(), "x=once");
    ck_assert_uint_eq(store_rows(SPACE_ITEM), 0);
}
END_TEST

START_TEST(a_write_that_the_store_refuses_is_refused)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    store.refuses = ERR_STORE_FULL;
    put(SLICE("Fx"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_STORE_FULL);
    store.refuses = ERR_NONE;
    put(SLICE("Fx"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(a_full_map_refuses_new_sessions_and_leaves_the_others)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    store.full = true;
    ck_assert_int_eq(ATTACH(a, "new", .expiry = 60).error, ERR_TOO_MANY);
    ck_assert(!store_has(SPACE_HEAD, "new", "H"));
    ck_assert_int_eq(ATTACH(a, "memory").error, ERR_NONE);
    ck_assert_int_eq(ATTACH(a, "w", .has_will = true, .will = buf_slice(&will)).error,
                     ERR_TOO_MANY);
    DETACH(c, .expiry = 60);
    c = ATTACH(b, "c", .expiry = 60);
    ck_assert(c.error == ERR_NONE && c.present);
    DETACH(c, .expiry = 60);
    c = ATTACH(b, "c", .expiry = 60, .clean = true);
    ck_assert(c.error == ERR_NONE && !c.present);
}
END_TEST

START_TEST(a_full_map_refuses_new_filters_and_takes_what_goes_on)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    put(SLICE("Fx"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    store.full = true;
    put(SLICE("Fy"), SLICE("\1"));
    put_progress(7, false);
    ck_assert_int_eq(write_now(c), ERR_TOO_MANY);
    ck_assert(!store_has(SPACE_ITEM, "c", "P"));
    put(SLICE("Fx"), SLICE("\2"));
    put_progress(7, false);
    ck_assert_int_eq(write_now(c), ERR_NONE);
    ck_assert(store_has(SPACE_ITEM, "c", "P"));
    put(SLICE("Fz"), SLICE("\1"));
    ck_assert_int_eq(detach_now(c, (struct wire_detach){.expiry = 60}), ERR_NONE);
}
END_TEST

START_TEST(a_detach_comes_behind_the_write_that_is_under_way)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    uint64_t write, detach;

    store_is_late = true;
    put(SLICE("Fx"), SLICE("\1"));
    write = send_write(c);
    drop(SLICE("Fx"));
    detach = SEND_DETACH(c, .expiry = 60);
    ck_assert(store_answer());
    ck_assert_int_eq(answer(a, write)->error, ERR_NONE);
    ck_assert_int_eq(answer(a, detach)->error, UNANSWERED);
    store_run();
    ck_assert_int_eq(answer(a, detach)->error, ERR_NONE);
    ck_assert_uint_eq(store_rows(SPACE_ITEM), 0);
}
END_TEST

START_TEST(a_write_behind_the_detach_is_refused)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    store_is_late = true;
    SEND_DETACH(c, .expiry = 60);
    ck_assert_int_eq(write_now(c), ERR_FENCED);
    store_run();
}
END_TEST

START_TEST(a_detach_that_comes_twice_is_refused)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    ck_assert_int_eq(DETACH(c, .expiry = 60), ERR_NONE);
    ck_assert_int_eq(DETACH(c, .expiry = 60), ERR_FENCED);
}
END_TEST

START_TEST(an_older_epoch_is_refused)
{
    struct held old = ATTACH(a, "c", .expiry = 60), c;

    DETACH(old, .expiry = 60);
    c = ATTACH(a, "c", .expiry = 60);
    ck_assert_int_eq(write_now(old), ERR_FENCED);
    ck_assert_int_eq(DETACH(old), ERR_FENCED);
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(another_gateways_write_is_refused)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    c.by = b;
    ck_assert_int_eq(write_now(c), ERR_FENCED);
}
END_TEST

START_TEST(a_bad_event_refuses_the_whole_write)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    event("x/+", "bad");
    put(SLICE("Fx"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_BAD_TOPIC);
    ck_assert_uint_eq(store_rows(SPACE_ITEM), 0);
    ck_assert_str_eq(store_published(), "");
}
END_TEST

START_TEST(an_item_that_is_not_well_formed_refuses_the_write)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    put(SLICE("Fx"), SLICE("\1"));
    put(SLICE("X"), SLICE(""));
    ck_assert_int_eq(write_now(c), ERR_BAD_REQUEST);
    put(SLICE("P"), SLICE("short"));
    ck_assert_int_eq(DETACH(c, .expiry = 60), ERR_BAD_REQUEST);
    ck_assert_uint_eq(store_rows(SPACE_ITEM), 0);
}
END_TEST

/* --- frames and the window ------------------------------------------------------------------ */

START_TEST(a_malformed_body_refuses_its_unit_alone)
{
    struct buf frame = {0}, body = {0};
    const struct wire_attach m = {.client = SLICE("c"), .version = 5};

    wire_attach_put(&body, &m);
    wire_session_begin(&frame);
    wire_session_unit_put(&frame, 1, WIRE_WRITE, SLICE("\1"));
    wire_session_unit_put(&frame, 2, WIRE_POSITION, SLICE(""));
    wire_session_unit_put(&frame, 3, WIRE_ATTACH, SLICE(""));
    wire_session_unit_put(&frame, 4, WIRE_ATTACH, buf_slice(&body));
    buf_free(&body);
    ck_assert(say(a, &frame));
    store_run();
    for (uint64_t seq = 1; seq <= 3; seq++)
        ck_assert_int_eq(answer(a, seq)->error, ERR_BAD_REQUEST);
    ck_assert_int_eq(answer(a, 4)->error, ERR_NONE);
}
END_TEST

START_TEST(a_frame_that_ends_too_soon_is_refused_whole)
{
    struct buf frame = {0};

    wire_session_begin(&frame);
    wire_session_unit_put(&frame, 1, WIRE_POSITION, SLICE("12345678"));
    wire_session_unit_put(&frame, 2, WIRE_POSITION, SLICE("12345678"));
    frame.len--;
    ck_assert(!say(a, &frame));
    ck_assert_int_eq(answer(a, 1)->error, UNANSWERED);
    ck_assert_ptr_null(store.queue);
}
END_TEST

START_TEST(a_tell_that_ends_too_soon_is_refused_whole)
{
    static const enum wire_tell_op ops[] = {WIRE_TELL_HOLD, WIRE_TELL_CREDIT, WIRE_TELL_DONE,
                                            WIRE_TELL_REPORT};

    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        struct buf frame = {0};

        wire_tell_begin(&frame, ops[i]);
        buf_u8(&frame, 1);
        ck_assert(!say(a, &frame));
    }
}
END_TEST

START_TEST(more_than_the_window_is_refused_until_there_is_room)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    char large[700] = {1};
    uint64_t first;

    store_is_late = true;
    put(SLICE("Fx"), (struct slice){large, sizeof large});
    first = send_write(c);
    put(SLICE("Fy"), (struct slice){large, sizeof large});
    ck_assert_int_eq(write_now(c), ERR_BUSY);
    ck_assert_int_eq(position_now(b, 5), UNANSWERED); /* another gateway has its own */
    store_run();
    ck_assert_int_eq(answer(a, first)->error, ERR_NONE);
    for (int i = 0; i < 2; i++) {
        put(SLICE("Fy"), (struct slice){large, 400});
        ck_assert_int_eq(write_now(c), UNANSWERED);
    }
    store_run();
}
END_TEST

START_TEST(a_unit_above_the_window_passes_when_it_is_alone)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    char large[2000] = {1};

    put(SLICE("Fx"), (struct slice){large, sizeof large});
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(more_filters_than_a_session_may_have_are_refused)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    char key[16];

    for (int i = 0; i < 100001; i++) {
        snprintf(key, sizeof key, "F%d", i);
        put(slice_of(key), SLICE("\1"));
    }
    ck_assert_int_eq(write_now(c), ERR_TOO_MANY);
    put(SLICE("F0"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
}
END_TEST

START_TEST(a_unit_is_answered_on_the_link_that_is_there_by_then)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    uint64_t seq;

    store_is_late = true;
    put(SLICE("Fx"), SLICE("\1"));
    seq = send_write(c);
    sessions_leave(a->peer, a);
    join_as(a, "mqtt");
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, ERR_NONE);
}
END_TEST

START_TEST(a_unit_of_a_gateway_that_has_gone_is_answered_to_nobody)
{
    struct held c = ATTACH(a, "c", .expiry = 60);
    uint64_t seq;

    store_is_late = true;
    put(SLICE("Fx"), SLICE("\1"));
    seq = send_write(c);
    leave(a);
    store_run();
    ck_assert_int_eq(answer(a, seq)->error, UNANSWERED);
    ck_assert(store_has(SPACE_ITEM, "c", "Fx"));
}
END_TEST

/* --- shared groups (the rest: test_groups.c) -------------------------------------------------- */

#define GROUP "$share/g/x"

/* It has joined the group, at QoS 2. */
static struct held member(struct gateway *g, const char *client, uint32_t n)
{
    const struct wire_attach m = {.client = slice_of(client), .version = 5, .expiry = 60};
    struct held c = attach_now(g, &m, client);

    put(SLICE("F" GROUP), SLICE("\2"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    credit(c, n);
    return c;
}

START_TEST(a_member_is_assigned_what_its_credit_allows)
{
    member(a, "c", 1);
    store_publish("x", "one", 1);
    store_publish("x", "two", 1);
    run_store();
    ck_assert_str_eq(assigned(a), "c=one");
}
END_TEST

START_TEST(what_is_told_of_an_older_epoch_is_nothing)
{
    struct held old = member(a, "c", 1), c;
    uint64_t id = store_publish("x", "one", 1);

    SEND_DETACH(old, .expiry = 60);
    run_store();
    c = ATTACH(a, "c", .expiry = 60);
    assigned(a);
    credit(old, 5);
    ck_assert_str_eq(assigned(a), "");
    credit(c, 1);
    ck_assert_str_eq(assigned(a), "c=one");
    done(old, GROUP, id, true);
    credit(c, 1);
    ck_assert_str_eq(assigned(a), "");
}
END_TEST

START_TEST(what_is_returned_goes_to_another_gateways_member)
{
    struct held c = member(a, "c", 2);
    uint64_t id = store_publish("x", "one", 1);

    member(b, "d", 1);
    credit(c, 0);
    done(c, GROUP, id, true);
    ck_assert_str_eq(assigned(b), "d=one");
}
END_TEST

START_TEST(an_event_is_taken_over_with_the_items_that_hold_it)
{
    struct held c = member(a, "c", 1);
    uint64_t id = store_publish("x", "one", 2);

    run_store();
    wire_taken_put(&groups_taken, SLICE(GROUP), id);
    put(SLICE("O\0\1"), SLICE("one"));
    ck_assert_int_eq(write_now(c), ERR_NONE);
    DETACH(c, .expiry = 60);
    member(b, "d", 5);
    ck_assert_str_eq(assigned(b), "");
    ck_assert(item_is(ATTACH(b, "c", .expiry = 60), SLICE("O\0\1"), SLICE("one")));
}
END_TEST

START_TEST(a_conflict_says_which_event_it_is_and_changes_nothing)
{
    struct held c = member(a, "c", 1);

    wire_taken_put(&groups_taken, SLICE(GROUP), 12345);
    put(SLICE("O\0\1"), SLICE("one"));
    ck_assert_int_eq(write_now(c), ERR_CONFLICT);
    ck_assert(slice_eq(buf_slice(&answer(a, a->seq)->data), SLICE("12345")));
    ck_assert(!store_has(SPACE_ITEM, "c", "O"));
}
END_TEST

START_TEST(a_shared_filter_that_is_none_refuses_the_write)
{
    struct held c = ATTACH(a, "c", .expiry = 60);

    put(SLICE("F$share/g/#/x"), SLICE("\1"));
    ck_assert_int_eq(write_now(c), ERR_BAD_FILTER);
}
END_TEST

START_TEST(a_lost_link_assigns_again)
{
    struct held c = member(a, "c", 1);

    store_publish("x", "one", 1);
    ck_assert_str_eq(assigned(a), "c=one");
    sessions_leave(a->peer, a);
    join_as(a, "mqtt");
    HOLD(a, c);
    credit(c, 1);
    ck_assert_str_eq(assigned(a), "c=one");
}
END_TEST

START_TEST(members_are_found_by_a_start)
{
    struct held c = member(a, "c", 0);

    restart();
    join_as(a, "mqtt");
    HOLD(a, c);
    store_publish("x", "one", 1);
    credit(c, 1);
    ck_assert_str_eq(assigned(a), "c=one");
}
END_TEST

START_TEST(a_session_that_begins_anew_is_no_member)
{
    struct held c = member(a, "c", 1);

    DETACH(c, .expiry = 60);
    c = ATTACH(a, "c", .expiry = 60, .clean = true);
    credit(c, 5);
    store_publish("x", "one", 1);
    ck_assert_str_eq(assigned(a), "");
    ck_assert_uint_eq(store_rows(SPACE_GROUP), 0);
}
END_TEST

START_TEST(the_end_of_a_session_ends_its_memberships)
{
    DETACH(member(a, "c", 1));
    store_run();
    ck_assert_uint_eq(store_rows(SPACE_GROUP), 0);
}
END_TEST

/* --- positions ------------------------------------------------------------------------------ */

START_TEST(a_session_that_follows_inherits_its_gateways_position)
{
    struct held f = ATTACH(a, "f", .expiry = 60), s = ATTACH(a, "s", .expiry = 60);

    put_progress(100, true);
    write_now(f);
    put_progress(100, false);
    write_now(s);
    ck_assert_int_eq(position_now(a, 500), ERR_NONE);
    DETACH(f, .expiry = 60);
    DETACH(s, .expiry = 60);
    ck_assert_uint_eq(cursor_of(ATTACH(b, "f", .expiry = 60)), 500);
    ck_assert_uint_eq(cursor_of(ATTACH(b, "s", .expiry = 60)), 100);
}
END_TEST

START_TEST(what_is_resumed_follows_nobody_until_it_says_so)
{
    put_progress(100, true);
    DETACH(ATTACH(a, "c", .expiry = 60), .expiry = 60);
    position_now(b, 900);
    DETACH(ATTACH(b, "c", .expiry = 60), .expiry = 60);
    ck_assert_uint_eq(cursor_of(ATTACH(a, "c", .expiry = 60)), 100);
}
END_TEST

START_TEST(a_position_never_goes_back)
{
    put_progress(100, true);
    write_now(ATTACH(a, "c", .expiry = 60));
    position_now(a, 500);
    position_now(a, 400);
    leave(a);
    ck_assert_uint_eq(cursor_of(ATTACH(b, "c", .expiry = 60)), 500);
}
END_TEST

START_TEST(a_position_that_the_store_refuses_is_refused)
{
    store.refuses = ERR_STORE_FULL;
    ck_assert_int_eq(position_now(a, 500), ERR_STORE_FULL);
}
END_TEST

START_TEST(a_position_survives_a_restart)
{
    put_progress(100, true);
    write_now(ATTACH(a, "c", .expiry = 60));
    position_now(a, 500);
    restart();
    join(b);
    ck_assert_uint_eq(cursor_of(ATTACH(b, "c", .expiry = 60)), 500);
}
END_TEST

START_TEST(the_position_of_a_gateway_that_is_gone_for_good_goes)
{
    ATTACH(a, "c", .expiry = 60);
    position_now(a, 500);
    leave(a);
    pass(590 * SECONDS); /* its sessions were ended for it: it is remembered */
    ck_assert_uint_eq(store_rows(SPACE_GATEWAY), 1);
    pass(20 * SECONDS);
    ck_assert_uint_eq(store_rows(SPACE_GATEWAY), 0);
}
END_TEST

START_TEST(a_position_of_nobodys_goes_at_a_start)
{
    position_now(a, 500);
    restart();
    ck_assert_uint_eq(store_rows(SPACE_GATEWAY), 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "sessions", setup, teardown, a_new_session_is_not_present, an_attach_waits_for_the_store,
        a_session_is_resumed_with_its_items_at_another_gateway, the_last_items_come_with_the_detach,
        clean_ends_what_was_there, a_session_in_memory_alone_has_no_rows,
        another_principal_is_refused_and_harms_nothing, a_damaged_head_begins_anew,
        an_attach_that_is_refused_may_be_said_again, a_map_that_cannot_be_read_refuses_the_attach,
        the_same_attach_again_is_answered_as_before, the_same_attach_again_brings_the_items_again,
        a_takeover_waits_for_the_last_checkpoint, a_takeover_waits_half_a_second_and_no_longer,
        a_takeover_does_not_wait_for_a_gateway_that_has_gone, a_link_that_ends_ends_the_waiting,
        a_gateway_may_take_over_from_itself, attaches_of_one_client_are_served_one_by_one,
        more_attaches_than_may_wait_are_refused, an_event_and_its_items_are_one_commit,
        a_write_that_comes_twice_is_published_once,
        a_session_in_memory_alone_publishes_and_keeps_nothing,
        a_write_that_the_store_refuses_is_refused,
        a_full_map_refuses_new_sessions_and_leaves_the_others,
        a_full_map_refuses_new_filters_and_takes_what_goes_on,
        a_detach_comes_behind_the_write_that_is_under_way, a_write_behind_the_detach_is_refused,
        a_detach_that_comes_twice_is_refused, an_older_epoch_is_refused,
        another_gateways_write_is_refused, a_bad_event_refuses_the_whole_write,
        an_item_that_is_not_well_formed_refuses_the_write, a_malformed_body_refuses_its_unit_alone,
        a_frame_that_ends_too_soon_is_refused_whole, a_tell_that_ends_too_soon_is_refused_whole,
        more_than_the_window_is_refused_until_there_is_room,
        a_unit_above_the_window_passes_when_it_is_alone,
        more_filters_than_a_session_may_have_are_refused,
        a_unit_is_answered_on_the_link_that_is_there_by_then,
        a_unit_of_a_gateway_that_has_gone_is_answered_to_nobody,
        a_session_that_follows_inherits_its_gateways_position,
        what_is_resumed_follows_nobody_until_it_says_so, a_position_never_goes_back,
        a_position_that_the_store_refuses_is_refused, a_position_survives_a_restart,
        the_position_of_a_gateway_that_is_gone_for_good_goes, a_position_of_nobodys_goes_at_a_start,
        a_member_is_assigned_what_its_credit_allows, what_is_told_of_an_older_epoch_is_nothing,
        what_is_returned_goes_to_another_gateways_member,
        an_event_is_taken_over_with_the_items_that_hold_it,
        a_conflict_says_which_event_it_is_and_changes_nothing,
        a_shared_filter_that_is_none_refuses_the_write, a_lost_link_assigns_again,
        members_are_found_by_a_start, a_session_that_begins_anew_is_no_member,
        the_end_of_a_session_ends_its_memberships);
}
