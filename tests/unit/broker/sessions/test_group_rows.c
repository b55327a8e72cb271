/*
 * test_group_rows.c - shared subscriptions: what of them is stored, and what a start makes
 * of it.
 */
#include "groups_fixture.h"

/* --- rows ----------------------------------------------------------------------------------------
 */

START_TEST(a_member_whose_session_has_rows_has_one_here)
{
    struct member *m = member("m", GROUP, 1, 9);

    ck_assert(store_has(SPACE_GROUP, GROUP, "Mm"));
    unsubscribe(m, GROUP);
    ck_assert(!store_has(SPACE_GROUP, GROUP, "Mm"));
}
END_TEST

START_TEST(a_member_in_memory_alone_has_none)
{
    struct member *m = client("m");

    m->s.stored = false;
    subscribe(m, GROUP, 1);
    ck_assert(!store_has(SPACE_GROUP, GROUP, "Mm"));
    credit(m, 9);
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "one");
}
END_TEST

START_TEST(at_qos_1_rows_follow_once_a_second)
{
    struct member *m = member("m", GROUP, 1, 9);
    uint64_t id = store_publish("a/x", "one", 1);

    store_run();
    ck_assert_ptr_null(event_row(id).p);
    pass(1000);
    ck_assert_ptr_nonnull(event_row(id).p);
    ck_assert_uint_ge(stored_cursor(), id);
    done(m, id);
    pass(1000);
    ck_assert_ptr_null(event_row(id).p);
}
END_TEST

START_TEST(what_is_done_with_within_a_second_has_never_had_a_row)
{
    struct member *m = member("m", GROUP, 1, 9);
    unsigned rows = store_rows(SPACE_GROUP);

    done(m, store_publish("a/x", "one", 1));
    pass(1000);
    ck_assert_uint_eq(store_rows(SPACE_GROUP), rows);
}
END_TEST

START_TEST(rows_that_could_not_be_dropped_are_dropped_later)
{
    struct member *m = member("m", GROUP, 1, 9);
    uint64_t id = store_publish("a/x", "one", 1);

    pass(1000);
    done(m, id);
    store.refuses = ERR_STORE_FULL;
    pass(1000);
    ck_assert_ptr_nonnull(event_row(id).p);
    store.refuses = ERR_NONE;
    pass(1000);
    ck_assert_ptr_null(event_row(id).p);
}
END_TEST

START_TEST(the_cursor_of_a_quiet_group_is_stored_once_a_minute)
{
    member("m", GROUP, 1, 9);
    pass(61000);
    store_publish("b", "not of the group", 1);
    pass(61000);
    ck_assert_uint_eq(stored_cursor(), store.head);
}
END_TEST

START_TEST(a_group_whose_members_have_ended_is_forgotten)
{
    struct member *m = member("m", GROUP, 1, 9), *n;

    store_publish("a/x", "one", 1);
    pass(1000);
    end(m);
    store_run();
    ck_assert_uint_eq(store_rows(SPACE_GROUP), 0);
    store_publish("a/x", "two", 1);
    n = member("n", GROUP, 1, 9);
    run();
    ck_assert_str_eq(got(n), "");
}
END_TEST

/* --- a start
 * -------------------------------------------------------------------------------------- */

START_TEST(after_a_start_what_was_not_done_with_is_assigned_again)
{
    struct member *m = member("m", GROUP, 1, 9);
    uint64_t id = store_publish("a/x", "one", 1);

    store_publish("a/x", "two", 1);
    pass(1000);
    done(m, id);
    pass(1000);
    restart();
    store_publish("a/x", "three", 1);
    got(m);
    attach(m, 9);
    run();
    ck_assert_str_eq(got(m), "two three");
}
END_TEST

START_TEST(after_a_start_the_unit_that_took_over_is_known)
{
    struct member *m = member("m", GROUP, 2, 9);
    uint64_t id = store_publish("a/x", "one", 2);

    store_run();
    take(m, id, 7);
    restart();
    attach(m, 9);
    run();
    ck_assert_int_eq(take(m, id, 7), ERR_NONE);
    ck_assert_int_eq(take(m, id, 8), ERR_CONFLICT);
    pass(61000);
    ck_assert_ptr_null(event_row(id).p);
}
END_TEST

START_TEST(after_a_start_a_group_waits_for_members_in_memory_alone)
{
    struct member *m = client("m");

    m->s.stored = false;
    subscribe(m, GROUP, 1);
    pass(1000); /* its cursor is stored */
    restart();
    store_publish("a/x", "missed", 1);
    pass(10000);
    attach(m, 0);
    subscribe(m, GROUP, 1);
    credit(m, 9);
    run();
    ck_assert_str_eq(got(m), "missed");
}
END_TEST

START_TEST(after_30_s_a_group_without_members_is_forgotten)
{
    struct member *m = client("m");

    m->s.stored = false;
    subscribe(m, GROUP, 1);
    pass(1000);
    restart();
    pass(29000);
    ck_assert_uint_gt(store_rows(SPACE_GROUP), 0);
    pass(3000);
    ck_assert_uint_eq(store_rows(SPACE_GROUP), 0);
}
END_TEST

START_TEST(rows_that_cannot_be_read_do_not_stop_a_start)
{
    struct member *m = member("m", GROUP, 1, 9);

    store_put(SPACE_GROUP, SLICE(GROUP), SLICE("E123"), SLICE(""));
    store_put(SPACE_GROUP, SLICE(GROUP), event_row_key(1), SLICE("short"));
    store_put(SPACE_GROUP, SLICE(GROUP), SLICE("M"), SLICE("\1"));
    store_put(SPACE_GROUP, SLICE(GROUP), SLICE("X"), SLICE(""));
    store_put(SPACE_GROUP, SLICE("no group"), SLICE("C"), SLICE(""));
    restart();
    attach(m, 9);
    run();
    store_publish("a/x", "one", 1);
    ck_assert_str_eq(got(m), "one");
}
END_TEST

START_TEST(at_the_end_what_is_unsaved_is_saved)
{
    uint64_t id;

    member("m", GROUP, 1, 9);
    id = store_publish("a/x", "one", 1);
    groups_stop(groups);
    store_run();
    ck_assert_ptr_nonnull(event_row(id).p);
}
END_TEST

START_TEST(after_the_end_nothing_is_begun)
{
    struct member *m = member("m", GROUP, 1, 1);

    store_publish("a/x", "one", 1);
    groups_stop(groups);
    store_run();
    store_publish("a/x", "two", 1);
    credit(m, 9);
    ck_assert_uint_eq(reads_waiting(), 0);
    ck_assert_str_eq(got(m), "one");
}
END_TEST

int main(void)
{
    return RUN_TESTS("group_rows", setup, teardown, a_member_whose_session_has_rows_has_one_here,
                     a_member_in_memory_alone_has_none, at_qos_1_rows_follow_once_a_second,
                     what_is_done_with_within_a_second_has_never_had_a_row,
                     rows_that_could_not_be_dropped_are_dropped_later,
                     the_cursor_of_a_quiet_group_is_stored_once_a_minute,
                     a_group_whose_members_have_ended_is_forgotten,
                     after_a_start_what_was_not_done_with_is_assigned_again,
                     after_a_start_the_unit_that_took_over_is_known,
                     after_a_start_a_group_waits_for_members_in_memory_alone,
                     after_30_s_a_group_without_members_is_forgotten,
                     rows_that_cannot_be_read_do_not_stop_a_start,
                     at_the_end_what_is_unsaved_is_saved, after_the_end_nothing_is_begun);
}
