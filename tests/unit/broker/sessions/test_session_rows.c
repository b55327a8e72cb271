/*
 * test_session_rows.c - the rows that sessions are made of.
 */
#include <stdlib.h>

#include "session_rows.h"
#include "suite.h"

static struct buf b;

static void setup(void)
{
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
}

static struct slice written(void)
{
    return buf_slice(&b);
}

static const struct session_head full = {
    .version = 5,
    .held_by = {{1, 2, 3}},
    .epoch = UINT64_MAX - 1,
    .seq = 7,
    .present = true,
    .expiry = 60,
    .ends_at = 8,
    .has_will = true,
    .will_delay = 9,
    .will_at = 10,
    .inherit = 11,
    .principal = {"ann", 3},
};

/* --- heads ----------------------------------------------------------------------- */

START_TEST(a_head_comes_back_as_it_was)
{
    struct session_head h = {0};

    session_head_put(&b, &full);
    ck_assert(session_head_get(written(), &h));
    ck_assert_mem_eq(&h.held_by, &full.held_by, sizeof h.held_by);
    ck_assert_uint_eq(h.version, 5);
    ck_assert(h.epoch == full.epoch && h.seq == 7 && h.present && h.expiry == 60);
    ck_assert(h.ends_at == 8 && h.has_will && h.will_delay == 9 && h.will_at == 10);
    ck_assert(h.inherit == 11 && slice_eq(h.principal, full.principal));
}
END_TEST

START_TEST(a_head_of_before_has_a_name_without_a_kind)
{
    struct session_head h = full, again;

    h.bare = true;
    session_head_put(&b, &h);
    ck_assert(session_head_get(written(), &again));
    ck_assert(again.bare && slice_eq(again.principal, SLICE("ann")));
    buf_clear(&b);
    h.principal = (struct slice){0}; /* nobody's needs none */
    session_head_put(&b, &h);
    ck_assert(session_head_get(written(), &again));
    ck_assert(!again.bare);
}
END_TEST

START_TEST(a_head_cut_anywhere_or_too_long_is_none)
{
    struct session_head h;

    session_head_put(&b, &full);
    for (size_t n = 0; n < b.len; n++)
        ck_assert(!session_head_get((struct slice){(const char *)b.p, n}, &h));
    buf_u8(&b, 0);
    ck_assert(!session_head_get(written(), &h));
}
END_TEST

START_TEST(a_head_of_another_form_is_none)
{
    struct session_head h;

    session_head_put(&b, &full);
    b.p[0]++;
    ck_assert(!session_head_get(written(), &h));
}
END_TEST

/* --- times --------------------------------------------------------------------------- */

START_TEST(a_due_row_names_time_client_and_what)
{
    struct session_due d;

    session_due_owner_put(&b, 0x0102030405060708, SLICE("client"));
    ck_assert(session_due_get(written(), SLICE("W"), &d));
    ck_assert(d.at == 0x0102030405060708 && d.what == DUE_WILL);
    ck_assert(slice_eq(d.client, SLICE("client")));
    ck_assert(!session_due_get(written(), SLICE("X"), &d));
    ck_assert(!session_due_get(SLICE("12345678"), SLICE("E"), &d));
}
END_TEST

START_TEST(due_rows_are_in_the_order_of_their_times)
{
    struct buf later = {0};

    session_due_owner_put(&b, 255, SLICE("b"));
    session_due_owner_put(&later, 256, SLICE("a"));
    ck_assert_int_lt(memcmp(b.p, later.p, 9), 0);
    buf_free(&later);
}
END_TEST

/* --- progress ---------------------------------------------------------------------------- */

static struct slice progress(struct buf *p, uint64_t cursor, uint8_t follows)
{
    buf_u64(p, cursor);
    buf_u8(p, follows);
    buf_puts(p, "rest");
    return buf_slice(p);
}

static uint64_t inherited(uint64_t cursor, uint8_t follows, uint64_t position)
{
    struct buf p = {0};

    ck_assert(session_progress_inherit(progress(&p, cursor, follows), position, &b));
    ck_assert_uint_eq(b.len, p.len);
    ck_assert_uint_eq(b.p[8], 0);
    ck_assert_mem_eq(b.p + 9, "rest", 4);
    buf_free(&p);
    return le64_get(b.p);
}

START_TEST(who_follows_inherits_the_position)
{
    ck_assert_uint_eq(inherited(100, 1, 500), 500);
}
END_TEST

START_TEST(a_cursor_never_goes_back)
{
    ck_assert_uint_eq(inherited(600, 1, 500), 600);
}
END_TEST

START_TEST(who_does_not_follow_stays)
{
    ck_assert_uint_eq(inherited(100, 0, 500), 100);
}
END_TEST

START_TEST(a_short_progress_is_none)
{
    ck_assert(!session_progress_inherit(SLICE("12345678"), 1, &b));
}
END_TEST

/* --- items ----------------------------------------------------------------------------------- */

static bool well_formed(struct slice key, size_t value, bool drop)
{
    static const char zeros[5000];
    const struct wire_item item = {.drop = drop, .key = key, .value = {zeros, value}};

    return session_item_ok(&item);
}

START_TEST(items_have_the_form_of_their_class)
{
    ck_assert(well_formed(SLICE("P"), 9, false));
    ck_assert(!well_formed(SLICE("P"), 8, false));
    ck_assert(well_formed(SLICE("P"), 0, true));
    ck_assert(!well_formed(SLICE("PP"), 9, false));
    ck_assert(well_formed(SLICE("Fa"), 1, false));
    ck_assert(!well_formed(SLICE("F"), 1, false));
    ck_assert(!well_formed(SLICE("Fa"), 0, false));
    ck_assert(well_formed(SLICE("O\0\1"), 0, false));
    ck_assert(!well_formed(SLICE("O\0"), 0, false));
    ck_assert(well_formed(SLICE("I\0\1"), 0, true));
    ck_assert(!well_formed(SLICE("I\0\1\2"), 0, true));
    ck_assert(!well_formed(SLICE("X"), 0, false));
}
END_TEST

START_TEST(values_of_many_items_are_small)
{
    ck_assert(well_formed(SLICE("Fa"), 4096, false));
    ck_assert(!well_formed(SLICE("Fa"), 4097, false));
    ck_assert(!well_formed(SLICE("O\0\1"), 4097, false));
    ck_assert(well_formed(SLICE("P"), 5000, false));
}
END_TEST

START_TEST(a_shared_filter_names_its_group)
{
    ck_assert(slice_eq(session_item_group(SLICE("F$share/g/a/#")), SLICE("$share/g/a/#")));
    ck_assert_uint_eq(session_item_group(SLICE("Fa/$share/g")).len, 0);
    ck_assert_uint_eq(session_item_group(SLICE("O$share/g/a")).len, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session_rows");
    TCase *t = tcase_create("rows");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_head_comes_back_as_it_was);
    tcase_add_test(t, a_head_of_before_has_a_name_without_a_kind);
    tcase_add_test(t, a_head_cut_anywhere_or_too_long_is_none);
    tcase_add_test(t, a_head_of_another_form_is_none);
    tcase_add_test(t, a_due_row_names_time_client_and_what);
    tcase_add_test(t, due_rows_are_in_the_order_of_their_times);
    tcase_add_test(t, who_follows_inherits_the_position);
    tcase_add_test(t, a_cursor_never_goes_back);
    tcase_add_test(t, who_does_not_follow_stays);
    tcase_add_test(t, a_short_progress_is_none);
    tcase_add_test(t, items_have_the_form_of_their_class);
    tcase_add_test(t, values_of_many_items_are_small);
    tcase_add_test(t, a_shared_filter_names_its_group);
    return suite_run(s);
}
