/* test_glitches.c - how much a client may send that serves nothing. */
#include "run_suite.h"

#include "glitches.h"

static struct glitches g;

static void setup(void)
{
    glitches_init(&g, 10, 5, 1000);
}

static void teardown(void)
{
}

static unsigned taken_at(uint64_t now)
{
    unsigned n = 0;

    while (n < 1000 && glitches_take(&g, 1, now))
        n++;
    return n;
}

START_TEST(test_so_many_at_once)
{
    ck_assert_uint_eq(taken_at(1000), 10);
}
END_TEST

START_TEST(test_so_many_a_second_in_the_long_run)
{
    ck_assert_uint_eq(taken_at(1000), 10);
    ck_assert_uint_eq(taken_at(2000), 5);
    ck_assert_uint_eq(taken_at(2199), 0);
    ck_assert_uint_eq(taken_at(2400), 1);
}
END_TEST

START_TEST(test_never_more_than_at_once)
{
    ck_assert_uint_eq(taken_at(UINT64_C(1) << 40), 10);
}
END_TEST

START_TEST(test_one_may_cost_more_than_another)
{
    ck_assert(glitches_take(&g, 7, 1000));
    ck_assert(!glitches_take(&g, 4, 1000));
}
END_TEST

int main(void)
{
    return RUN_TESTS("glitches", setup, teardown, test_so_many_at_once,
                     test_so_many_a_second_in_the_long_run, test_never_more_than_at_once,
                     test_one_may_cost_more_than_another);
}
