/* test_drops.c - what must go away is said until it was written. */
#include "drops.h"

#include "run_suite.h"

static struct drops *drops;

static void setup(void)
{
}

static void teardown(void)
{
    drops_free(&drops);
}

static void add(uint16_t key)
{
    buf_u16(drops_add(&drops), key);
}

START_TEST(test_nothing_is_none)
{
    ck_assert(!drops_any(drops));
    ck_assert(drops_none(drops));
    ck_assert_uint_eq(drops_begin(drops).left, 0);
    drops_written(&drops, true);
    ck_assert_ptr_null(drops);
}
END_TEST

START_TEST(test_what_was_written_is_forgotten)
{
    struct reader r;

    add(1);
    add(2);
    r = drops_begin(drops);
    ck_assert_uint_eq(reader_u16(&r), 1);
    ck_assert_uint_eq(reader_u16(&r), 2);
    ck_assert(!drops_any(drops));
    ck_assert(!drops_none(drops));
    drops_written(&drops, true);
    ck_assert_ptr_null(drops);
}
END_TEST

START_TEST(test_what_was_not_written_is_said_again)
{
    struct reader r;

    add(1);
    (void)drops_begin(drops);
    drops_written(&drops, false);
    ck_assert(drops_any(drops));
    r = drops_begin(drops);
    ck_assert_uint_eq(reader_u16(&r), 1);
}
END_TEST

START_TEST(test_what_came_meanwhile_is_for_the_next)
{
    struct reader r;

    add(1);
    (void)drops_begin(drops);
    add(2);
    drops_written(&drops, true);
    r = drops_begin(drops);
    ck_assert_uint_eq(reader_u16(&r), 2);
    ck_assert_uint_eq(r.left, 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS("drops", setup, teardown, test_nothing_is_none,
                     test_what_was_written_is_forgotten, test_what_was_not_written_is_said_again,
                     test_what_came_meanwhile_is_for_the_next);
}
