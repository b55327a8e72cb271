/* test_held.c - who is cut off when clients hold too much. */
#include "held.h"

#include "run_suite.h"

static struct held_list list;
static struct held clients[4];
static unsigned cuts;

static void cut(struct held *h)
{
    cuts++;
    held_set_body(&list, h, NULL);
    held_set(&list, h, 0);
}

static void setup(void)
{
    list = (struct held_list){.max = 100, .cut = cut};
    memset(clients, 0, sizeof clients);
    cuts = 0;
}

/* Whatever happened: nothing is left. */
static void teardown(void)
{
    for (int i = 0; i < 4; i++)
        cut(&clients[i]);
    ck_assert_uint_eq(list.bytes, 0);
    ck_assert_ptr_null(list.first);
}

static struct shared *body_of(size_t size)
{
    struct buf b = {0};

    while (b.len < size)
        buf_u8(&b, 'x');
    return shared_of(&b);
}

/* What moves, and then holds so much. */
static void hold(int i, size_t bytes)
{
    held_moved(&list, &clients[i]);
    held_set(&list, &clients[i], bytes);
    held_relieve(&list);
}

START_TEST(test_all_together_are_counted)
{
    hold(0, 30);
    hold(1, 40);
    hold(0, 10);
    ck_assert_uint_eq(list.bytes, 50);
    hold(1, 0);
    ck_assert_uint_eq(list.bytes, 10);
    ck_assert_uint_eq(cuts, 0);
}
END_TEST

START_TEST(test_the_longest_still_is_cut)
{
    hold(0, 50);
    hold(1, 50);
    hold(0, 49);
    hold(2, 2);
    ck_assert_uint_eq(cuts, 1);
    ck_assert_uint_eq(clients[1].bytes, 0);
    ck_assert_uint_eq(list.bytes, 51);
}
END_TEST

START_TEST(test_holding_more_is_no_move)
{
    hold(0, 50);
    hold(1, 49);
    held_set(&list, &clients[0], 51);
    hold(2, 1);
    ck_assert_uint_eq(cuts, 1);
    ck_assert_uint_eq(clients[0].bytes, 0);
}
END_TEST

START_TEST(test_as_many_as_need_be)
{
    for (int i = 0; i < 3; i++)
        hold(i, 33);
    hold(3, 67);
    ck_assert_uint_eq(cuts, 2);
    ck_assert_uint_eq(list.bytes, 100);
}
END_TEST

START_TEST(test_one_that_is_too_much_by_itself)
{
    hold(0, 101);
    ck_assert_uint_eq(cuts, 1);
    ck_assert_uint_eq(list.bytes, 0);
}
END_TEST

START_TEST(test_a_body_of_several_is_counted_once)
{
    struct shared *body = body_of(60);

    held_set_body(&list, &clients[0], body);
    held_set_body(&list, &clients[1], body);
    shared_unref(body);
    ck_assert_uint_eq(list.bytes, 60);
    held_set_body(&list, &clients[0], NULL);
    ck_assert_uint_eq(list.bytes, 60);
    held_set_body(&list, &clients[1], NULL);
    ck_assert_uint_eq(list.bytes, 0);
}
END_TEST

START_TEST(test_all_who_hold_a_body_go_for_it)
{
    struct shared *body = body_of(90);

    hold(2, 10);
    held_set_body(&list, &clients[0], body);
    held_set_body(&list, &clients[1], body);
    shared_unref(body);
    hold(3, 60);
    ck_assert_uint_eq(cuts, 3);
    ck_assert_uint_eq(list.bytes, 60);
}
END_TEST

START_TEST(test_a_body_in_anothers_place)
{
    struct shared *one = body_of(60), *two = body_of(70);

    held_set_body(&list, &clients[0], one);
    held_set_body(&list, &clients[0], two);
    shared_unref(one);
    shared_unref(two);
    ck_assert_uint_eq(list.bytes, 70);
}
END_TEST

int main(void)
{
    return RUN_TESTS("held", setup, teardown, test_all_together_are_counted,
                     test_the_longest_still_is_cut, test_holding_more_is_no_move,
                     test_as_many_as_need_be, test_one_that_is_too_much_by_itself,
                     test_a_body_of_several_is_counted_once, test_all_who_hold_a_body_go_for_it,
                     test_a_body_in_anothers_place);
}
