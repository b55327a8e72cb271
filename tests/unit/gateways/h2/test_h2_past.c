/* test_h2_past.c - which streams have been, and how each ended. */
#include "run_suite.h"

#include "h2_past.h"

static struct h2_past past;

static void setup(void)
{
    past = (struct h2_past){0};
}

START_TEST(test_what_became_of_a_stream)
{
    ck_assert_int_eq(h2_past_of(&past, 1), H2_PAST_UNKNOWN);
    h2_past_begin(&past, 5);
    h2_past_end(&past, 5);
    h2_past_begin(&past, 7);
    h2_past_begin(&past, 5); /* trailers */
    ck_assert_int_eq(h2_past_of(&past, 1), H2_PAST_SKIPPED);
    ck_assert_int_eq(h2_past_of(&past, 3), H2_PAST_SKIPPED);
    ck_assert_int_eq(h2_past_of(&past, 5), H2_PAST_ENDED);
    ck_assert_int_eq(h2_past_of(&past, 7), H2_PAST_BEGUN);
    ck_assert_int_eq(h2_past_of(&past, 9), H2_PAST_UNKNOWN);
}
END_TEST

START_TEST(test_others_are_passed_over)
{
    h2_past_end(&past, 1);
    h2_past_begin(&past, 0);
    h2_past_begin(&past, 2);
    h2_past_end(&past, 2);
    ck_assert_int_eq(h2_past_of(&past, 0), H2_PAST_UNKNOWN);
    ck_assert_int_eq(h2_past_of(&past, 1), H2_PAST_UNKNOWN);
    ck_assert_int_eq(h2_past_of(&past, 2), H2_PAST_UNKNOWN);
}
END_TEST

/* Every third is ended, every fifth skipped, for more than the rings hold. */
START_TEST(test_the_latest_are_remembered)
{
    uint32_t count = 5 * H2_PAST_STREAMS;

    for (uint32_t n = 0; n < count; n++) {
        if (n % 5 != 0)
            h2_past_begin(&past, 2 * n + 1);
        if (n % 3 == 0)
            h2_past_end(&past, 2 * n + 1);
    }
    for (uint32_t n = 0; n < count; n++)
        ck_assert_int_eq(h2_past_of(&past, 2 * n + 1), n < count - H2_PAST_STREAMS ? H2_PAST_UNKNOWN
                                                       : n % 5 == 0                ? H2_PAST_SKIPPED
                                                       : n % 3 == 0                ? H2_PAST_ENDED
                                                                                   : H2_PAST_BEGUN);
}
END_TEST

START_TEST(test_a_leap)
{
    const uint32_t last = INT32_MAX;

    h2_past_begin(&past, 1);
    h2_past_end(&past, 1);
    h2_past_begin(&past, last);
    ck_assert_int_eq(h2_past_of(&past, last), H2_PAST_BEGUN);
    ck_assert_int_eq(h2_past_of(&past, last - 2), H2_PAST_SKIPPED);
    ck_assert_int_eq(h2_past_of(&past, 1), H2_PAST_UNKNOWN);
}
END_TEST

int main(void)
{
    return RUN_TESTS("past", setup, NULL, test_what_became_of_a_stream, test_others_are_passed_over,
                     test_the_latest_are_remembered, test_a_leap);
}
