/*
 * test_wall.c - a clock that steps is not followed at once.
 */
#include "wall.h"

#include "clock.h"
#include "fixture.h"

#define SECOND 1000u
#define DAY (UINT64_C(24) * 3600 * SECOND)
#define YEAR (365 * DAY)
#define TODAY UINT64_C(1790000000000)

static const struct wall_rules rules = {5 * SECOND, 7 * DAY, 600 * SECOND};
static uint64_t now;

static uint64_t clock_of_test(void *arg)
{
    (void)arg;
    return now;
}

static void setup(void)
{
    now = TODAY;
    clock_replace(clock_of_test, NULL);
    clock_set_off(0);
}

static void teardown(void)
{
    clock_set_off(0);
    clock_replace(NULL, NULL);
}

/* Time goes by, and is looked at every second as the broker does. */
static void pass(uint64_t ms)
{
    for (uint64_t end = now + ms; now < end; now += end - now < SECOND ? end - now : SECOND)
        (void)wall_ms();
    (void)wall_ms();
}

static void begin(void)
{
    wall_begin(&rules, TODAY - 3600 * SECOND);
    ck_assert(!wall_look().held);
}

START_TEST(it_is_the_clock)
{
    begin();
    ck_assert_uint_eq(wall_ms(), TODAY);
    pass(DAY);
    ck_assert_uint_eq(wall_ms(), TODAY + DAY);
}
END_TEST

START_TEST(small_steps_are_followed)
{
    begin();
    clock_set_off(4 * SECOND);
    ck_assert_uint_eq(wall_ms(), TODAY + 4 * SECOND);
    clock_set_off(0);
    ck_assert_uint_eq(wall_ms(), TODAY);
    ck_assert(!wall_look().held);
}
END_TEST

START_TEST(a_step_for_a_moment_is_never_seen)
{
    static const int64_t steps[] = {74 * YEAR, 30 * DAY, -(int64_t)(50 * YEAR), -(int64_t)DAY,
                                    6 * SECOND};

    begin();
    clock_set_off(steps[_i]);
    pass(4 * SECOND);
    ck_assert_uint_eq(wall_ms(), TODAY + 4 * SECOND);
    ck_assert(wall_look().held);
    ck_assert_int_eq(wall_look().step_ms, steps[_i]);
    clock_set_off(0);
    ck_assert_uint_eq(wall_ms(), TODAY + 4 * SECOND);
    ck_assert(!wall_look().held);
}
END_TEST

START_TEST(one_that_stands_is_followed)
{
    begin();
    clock_set_off(DAY);
    pass(599 * SECOND);
    ck_assert_uint_eq(wall_ms(), TODAY + 599 * SECOND);
    pass(2 * SECOND);
    ck_assert_uint_eq(wall_ms(), TODAY + 601 * SECOND + DAY);
    ck_assert(!wall_look().held);
}
END_TEST

START_TEST(another_step_begins_anew)
{
    begin();
    clock_set_off(DAY);
    pass(500 * SECOND);
    clock_set_off(2 * DAY);
    pass(500 * SECOND);
    ck_assert(wall_look().held);
    ck_assert_uint_eq(wall_ms(), TODAY + 1000 * SECOND);
}
END_TEST

START_TEST(somebody_may_say_that_it_is_right)
{
    begin();
    ck_assert(!wall_accept());
    clock_set_off(DAY);
    (void)wall_ms();
    ck_assert(wall_accept());
    ck_assert_uint_eq(wall_ms(), TODAY + DAY);
    ck_assert(!wall_look().held);
}
END_TEST

START_TEST(never_by_itself)
{
    struct wall_rules never = rules;

    never.settle_ms = 0;
    wall_begin(&never, TODAY);
    clock_set_off(DAY);
    pass(2 * 3600 * SECOND);
    ck_assert(wall_look().held);
}
END_TEST

START_TEST(a_start_long_before_the_log_goes_on_from_it)
{
    clock_set_off(-(int64_t)(50 * YEAR));
    wall_begin(&rules, TODAY);
    ck_assert(wall_look().held);
    ck_assert_uint_eq(wall_ms(), TODAY);
    pass(30 * SECOND);
    ck_assert_uint_eq(wall_ms(), TODAY + 30 * SECOND);
}
END_TEST

START_TEST(and_believes_the_first_likely_clock)
{
    clock_set_off(-(int64_t)(50 * YEAR));
    wall_begin(&rules, TODAY);
    pass(30 * SECOND);
    clock_set_off(2 * DAY); /* it had been off so long */
    ck_assert_uint_eq(wall_ms(), TODAY + 30 * SECOND + 2 * DAY);
    ck_assert(!wall_look().held);
}
END_TEST

START_TEST(a_start_long_after_the_log_is_held_likewise)
{
    clock_set_off(30 * DAY);
    wall_begin(&rules, TODAY);
    ck_assert(wall_look().held);
    pass(4 * SECOND);
    ck_assert_uint_eq(wall_ms(), TODAY + 4 * SECOND);
    clock_set_off(0);
    ck_assert_uint_eq(wall_ms(), TODAY + 4 * SECOND);
    ck_assert(!wall_look().held);
}
END_TEST

START_TEST(a_log_without_events_believes_any_time_since_there_are_ids)
{
    clock_set_off(-(int64_t)(50 * YEAR));
    wall_begin(&rules, 0);
    ck_assert(wall_look().held);
    clock_set_off(0);
    ck_assert_uint_eq(wall_ms(), TODAY);
    ck_assert(!wall_look().held);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wall");
    TCase *t = tcase_create("wall");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_step_for_a_moment_is_never_seen, 0, 5);
    tcase_add_test(t, it_is_the_clock);
    tcase_add_test(t, small_steps_are_followed);
    tcase_add_test(t, one_that_stands_is_followed);
    tcase_add_test(t, another_step_begins_anew);
    tcase_add_test(t, somebody_may_say_that_it_is_right);
    tcase_add_test(t, never_by_itself);
    tcase_add_test(t, a_start_long_before_the_log_goes_on_from_it);
    tcase_add_test(t, and_believes_the_first_likely_clock);
    tcase_add_test(t, a_start_long_after_the_log_is_held_likewise);
    tcase_add_test(t, a_log_without_events_believes_any_time_since_there_are_ids);
    suite_add_tcase(s, t);
    return run_suite(s);
}
