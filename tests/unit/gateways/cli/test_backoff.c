/*
 * test_backoff.c - a table of lives and the waits between them.
 */
#include <stdlib.h>

#include "backoff.h"
#include "suite.h"

/* Lives of one child in turn, each with the wait that must follow it. */
static const struct life {
    bool was_ready;
    uint64_t ready_ms;
    unsigned wait;
} lives[] = {
    {true, 5000, 50},                      /* the first death */
    {true, 10, 100},                       /* died at once: doubling */
    {true, 999, 200},    {false, 0, 400},  /* never ready */
    {false, 90000, 800},                   /* what it was before counts for nothing */
    {false, 0, 1600},    {false, 0, 2000}, /* the most */
    {true, 3, 2000},     {true, 1000, 50}, /* lived long enough: a first death again */
    {true, 0, 100},
};

START_TEST(a_child_waits_as_its_lives_deserve)
{
    unsigned wait = 0;

    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        wait = backoff_restart(wait, lives[i].was_ready, lives[i].ready_ms);
        ck_assert_msg(wait == lives[i].wait, "life %zu: %u", i, wait);
    }
}
END_TEST

START_TEST(a_first_death_before_being_ready_waits_the_shortest)
{
    ck_assert_uint_eq(backoff_restart(0, false, 0), RESTART_FIRST_MS);
}
END_TEST

START_TEST(a_wait_doubles_up_to_its_bound)
{
    ck_assert_uint_eq(backoff_next(0, 300, 1000), 300);
    ck_assert_uint_eq(backoff_next(300, 300, 1000), 600);
    ck_assert_uint_eq(backoff_next(600, 300, 1000), 1000);
    ck_assert_uint_eq(backoff_next(1000, 300, 1000), 1000);
}
END_TEST

START_TEST(a_first_wait_is_bounded_too)
{
    ck_assert_uint_eq(backoff_next(0, 5000, 1000), 1000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("backoff");
    TCase *t = tcase_create("backoff");

    tcase_add_test(t, a_child_waits_as_its_lives_deserve);
    tcase_add_test(t, a_first_death_before_being_ready_waits_the_shortest);
    tcase_add_test(t, a_wait_doubles_up_to_its_bound);
    tcase_add_test(t, a_first_wait_is_bounded_too);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
