/*
 * The clocks: real ones by default, the test's when it says so.
 */
#include "clock.h"
#include "fixture.h"

#include <time.h>

static uint64_t fixed(void *arg)
{
    return *(uint64_t *)arg;
}

static void restore(void)
{
    clock_replace(NULL, NULL);
}

START_TEST(the_clock_is_utc_in_milliseconds)
{
    uint64_t before = (uint64_t)time(NULL) * 1000, now = clock_ms();

    ck_assert_uint_ge(now + 1000, before);
    ck_assert_uint_le(now, before + 60000);
}
END_TEST

START_TEST(the_monotonic_clock_never_goes_back)
{
    uint64_t last = clock_mono_ms();

    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_ms();

        ck_assert_uint_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(a_replaced_clock_answers_for_both_until_it_is_restored)
{
    uint64_t t = 42;

    clock_replace(fixed, &t);
    ck_assert_uint_eq(clock_ms(), 42);
    t = 43;
    ck_assert_uint_eq(clock_mono_ms(), 43);
    clock_replace(NULL, NULL);
    ck_assert_uint_gt(clock_ms(), 43);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clock");
    TCase *t = tcase_create("clock");

    tcase_add_checked_fixture(t, NULL, restore);
    tcase_add_test(t, the_clock_is_utc_in_milliseconds);
    tcase_add_test(t, the_monotonic_clock_never_goes_back);
    tcase_add_test(t, a_replaced_clock_answers_for_both_until_it_is_restored);
    suite_add_tcase(s, t);
    return run_suite(s);
}
