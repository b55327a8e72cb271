/*
 * test_store_ids.c - IDs as a clock; holes: what a cursor lies in, and folding.
 */
#include <stdlib.h>

#include "event.h"
#include "store_holes.h"
#include "store_ids.h"
#include "suite.h"

static struct holes holes;

static void begin(void)
{
    holes.count = 0;
}

static bool inside(uint64_t cursor)
{
    return holes_find(&holes, cursor) != NULL;
}

START_TEST(an_id_is_milliseconds_since_2020_times_4096)
{
    ck_assert_uint_eq(id_of_ms(EVENT_ID_EPOCH_MS + 5), 5 * 4096);
    ck_assert_uint_eq(id_of_ms(EVENT_ID_EPOCH_MS), 0);
    ck_assert_uint_eq(id_of_ms(0), 0);
    ck_assert_uint_eq(id_of_ms(UINT64_MAX), EVENT_ID_MAX);
}
END_TEST

START_TEST(both_ends_of_a_hole_are_cursors_of_ours)
{
    holes_add(&holes, 10, 20);
    ck_assert(!inside(10)); /* the last ID before */
    ck_assert(inside(11));
    ck_assert(inside(18));
    ck_assert(!inside(19)); /* the head at start */
    ck_assert(!inside(20));
    ck_assert(!inside(9));
}
END_TEST

START_TEST(zero_lies_in_no_hole)
{
    holes_add(&holes, 0, 20);
    ck_assert(!inside(0));
    ck_assert(inside(1));
}
END_TEST

START_TEST(an_empty_hole_is_not_kept)
{
    holes_add(&holes, 10, 11);
    holes_add(&holes, 11, 13);
    ck_assert_uint_eq(holes.count, 0);
}
END_TEST

START_TEST(each_hole_is_found)
{
    for (uint64_t i = 0; i < 100; i++)
        holes_add(&holes, 100 * i, 100 * i + 50);
    for (uint64_t i = 1; i < 100; i++) {
        ck_assert_uint_eq(holes_find(&holes, 100 * i + 7)->high, 100 * i + 50);
        ck_assert(!inside(100 * i + 60));
    }
}
END_TEST

START_TEST(above_a_thousand_the_oldest_two_become_one)
{
    for (uint64_t i = 0; i <= HOLES_MAX; i++)
        holes_add(&holes, 100 * i + 10, 100 * i + 50);
    ck_assert_uint_eq(holes.count, HOLES_MAX);
    ck_assert(inside(20));
    ck_assert(inside(80)); /* a notice too many */
    ck_assert(inside(120));
    ck_assert(!inside(180));
    ck_assert(inside(100 * HOLES_MAX + 20));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store ids");
    TCase *c = tcase_create("holes");

    tcase_add_checked_fixture(c, begin, NULL);
    tcase_add_test(c, an_id_is_milliseconds_since_2020_times_4096);
    tcase_add_test(c, both_ends_of_a_hole_are_cursors_of_ours);
    tcase_add_test(c, zero_lies_in_no_hole);
    tcase_add_test(c, an_empty_hole_is_not_kept);
    tcase_add_test(c, each_hole_is_found);
    tcase_add_test(c, above_a_thousand_the_oldest_two_become_one);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
