/* test_held.c - who is cut when streams hold too much. */
#include "run_suite.h"

#include "held.h"

static struct held_list list;
static struct held streams[4];
static unsigned cuts;

static void cut(struct held *h)
{
    cuts++;
    held_set(&list, h, 0);
}

static void setup(void)
{
    list = (struct held_list){.max = 100, .cut = cut};
    memset(streams, 0, sizeof streams);
    cuts = 0;
}

static void teardown(void)
{
}

START_TEST(test_all_together_are_counted)
{
    held_set(&list, &streams[0], 30);
    held_set(&list, &streams[1], 40);
    held_set(&list, &streams[0], 10);
    ck_assert_uint_eq(list.bytes, 50);
    held_set(&list, &streams[1], 0);
    ck_assert_uint_eq(list.bytes, 10);
    ck_assert_uint_eq(cuts, 0);
}
END_TEST

START_TEST(test_the_longest_still_is_cut)
{
    held_set(&list, &streams[0], 50);
    held_set(&list, &streams[1], 50);
    held_set(&list, &streams[0], 49); /* it has moved */
    held_set(&list, &streams[2], 2);
    ck_assert_uint_eq(cuts, 1);
    ck_assert_uint_eq(streams[1].bytes, 0);
    ck_assert_uint_eq(list.bytes, 51);
}
END_TEST

START_TEST(test_as_many_as_need_be)
{
    for (int i = 0; i < 3; i++)
        held_set(&list, &streams[i], 33);
    held_set(&list, &streams[3], 67);
    ck_assert_uint_eq(cuts, 2);
    ck_assert_uint_eq(list.bytes, 100);
}
END_TEST

START_TEST(test_one_that_is_too_much_by_itself)
{
    held_set(&list, &streams[0], 101);
    ck_assert_uint_eq(cuts, 1);
    ck_assert_uint_eq(list.bytes, 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS("held", setup, teardown, test_all_together_are_counted,
                     test_the_longest_still_is_cut, test_as_many_as_need_be,
                     test_one_that_is_too_much_by_itself);
}
