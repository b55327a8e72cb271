/* test_tombstones.c - what must go away is said until it was written. */
#include "tombstones.h"

#include "run_suite.h"

static struct tombstones *tombstones;

static void setup(void)
{
}

static void teardown(void)
{
    tombstones_free(&tombstones);
}

static void add(uint16_t key)
{
    buf_u16(tombstones_add(&tombstones), key);
}

START_TEST(test_nothing_is_none)
{
    ck_assert(!tombstones_any(tombstones));
    ck_assert(tombstones_none(tombstones));
    ck_assert_uint_eq(tombstones_begin(tombstones).left, 0);
    tombstones_written(&tombstones, true);
    ck_assert_ptr_null(tombstones);
}
END_TEST

START_TEST(test_what_was_written_is_forgotten)
{
    struct reader r;

    add(1);
    add(2);
    r = tombstones_begin(tombstones);
    ck_assert_uint_eq(reader_u16(&r), 1);
    ck_assert_uint_eq(reader_u16(&r), 2);
    ck_assert(!tombstones_any(tombstones));
    ck_assert(!tombstones_none(tombstones));
    tombstones_written(&tombstones, true);
    ck_assert_ptr_null(tombstones);
}
END_TEST

START_TEST(test_what_was_not_written_is_said_again)
{
    struct reader r;

    add(1);
    (void)tombstones_begin(tombstones);
    tombstones_written(&tombstones, false);
    ck_assert(tombstones_any(tombstones));
    r = tombstones_begin(tombstones);
    ck_assert_uint_eq(reader_u16(&r), 1);
}
END_TEST

START_TEST(test_what_came_meanwhile_is_for_the_next)
{
    struct reader r;

    add(1);
    (void)tombstones_begin(tombstones);
    add(2);
    tombstones_written(&tombstones, true);
    r = tombstones_begin(tombstones);
    ck_assert_uint_eq(reader_u16(&r), 2);
    ck_assert_uint_eq(r.left, 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS("tombstones", setup, teardown, test_nothing_is_none,
                     test_what_was_written_is_forgotten, test_what_was_not_written_is_said_again,
                     test_what_came_meanwhile_is_for_the_next);
}
