/* Unit tests of who has to wait after failures, and for how long. */
#include "auth_file.h"
#include "slowness.h"

#define HOUR_MS 3600000u

static struct slowness *slowness;
static struct slowness_attempt attempt;

static void begin(void)
{
    world_begin();
    world_now = 1000000;
    clock_replace(world_clock, NULL);
    slowness = slowness_new();
}

static void end(void)
{
    slowness_free(slowness);
    world_end();
}

static uint64_t wait_of(const char *address, const char *name)
{
    return slowness_begin(slowness, slice_of(address), slice_of(name), &attempt);
}

/* As often as it is let. */
static unsigned miss(const char *address, const char *name, unsigned times)
{
    unsigned done = 0;

    while (done < times && wait_of(address, name) == 0) {
        slowness_wrong(slowness, &attempt);
        done++;
    }
    return done;
}

static void succeed(const char *address, const char *name)
{
    ck_assert_uint_eq(wait_of(address, name), 0);
    slowness_right(slowness, &attempt);
}

START_TEST(a_few_failures_are_free_and_the_next_ones_wait_longer_and_longer)
{
    static const uint64_t waits[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};

    ck_assert_uint_eq(miss("10.0.0.1", "alice", 100), SLOWNESS_FREE + 1);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        ck_assert_uint_eq(wait_of("10.0.0.1", "alice"), waits[i]);
        world_now += waits[i] - 1;
        ck_assert_uint_eq(wait_of("10.0.0.1", "alice"), 1);
        world_now++;
        ck_assert_uint_eq(miss("10.0.0.1", "alice", 2), 1);
    }
}
END_TEST

START_TEST(failures_are_forgotten_one_by_one)
{
    (void)miss("10.0.0.1", "alice", 100);
    world_now += 3 * SLOWNESS_FORGET_MS;
    ck_assert_uint_eq(miss("10.0.0.1", "alice", 100), 3);
    world_now += HOUR_MS;
    ck_assert_uint_eq(miss("10.0.0.1", "alice", 100), SLOWNESS_FREE + 1);
}
END_TEST

START_TEST(an_address_waits_with_other_names_and_a_name_from_other_addresses)
{
    (void)miss("10.0.0.1", "alice", 100);
    ck_assert_uint_gt(wait_of("10.0.0.1", "bob"), 0);
    ck_assert_uint_gt(wait_of("10.0.0.2", "alice"), 0);
    ck_assert_uint_eq(wait_of("10.0.0.2", "bob"), 0);
}
END_TEST

START_TEST(an_ipv6_address_is_its_64)
{
    (void)miss("2001:db8:1:2:3:4:5:6", "alice", 100);
    ck_assert_uint_gt(wait_of("2001:db8:1:2::1", "bob"), 0);
    ck_assert_uint_gt(wait_of("2001:db8:1:2:ffff::%eth0", "bob"), 0);
    ck_assert_uint_eq(wait_of("2001:db8:1:3::1", "bob"), 0);
    (void)miss("::ffff:10.0.0.1", "carol", 100);
    ck_assert_uint_gt(wait_of("10.0.0.1", "bob"), 0);
    ck_assert_uint_eq(wait_of("::ffff:10.0.0.2", "bob"), 0);
}
END_TEST

START_TEST(who_was_right_before_is_not_kept_out_by_others)
{
    succeed("10.0.0.1", "alice");
    (void)miss("10.0.0.2", "alice", 100);
    ck_assert_uint_gt(wait_of("10.0.0.3", "alice"), 0);
    ck_assert_uint_eq(wait_of("10.0.0.1", "alice"), 0);
    (void)miss("10.0.0.1", "bob", 100);
    ck_assert_uint_eq(wait_of("10.0.0.1", "alice"), 0);
}
END_TEST

START_TEST(who_was_right_before_waits_for_failures_of_that_pair)
{
    succeed("10.0.0.1", "alice");
    ck_assert_uint_eq(miss("10.0.0.1", "alice", 100), SLOWNESS_FREE + 1);
    ck_assert_uint_eq(wait_of("10.0.0.2", "alice"), 0);
    ck_assert_uint_eq(wait_of("10.0.0.1", "bob"), 0);
    world_now += SLOWNESS_FIRST_MS;
    succeed("10.0.0.1", "alice"); /* and is not free of them again at once */
    ck_assert_uint_eq(miss("10.0.0.1", "alice", 100), 1);
}
END_TEST

START_TEST(loopback_and_what_has_no_address_are_counted_by_name_alone)
{
    static const char *const near[] = {"127.0.0.1",        "127.1.2.3", "::1",
                                       "::ffff:127.0.0.1", "",          "@"};

    for (size_t i = 0; i < ARRAY_LEN(near); i++) {
        char name[] = {'a', (char)('0' + i), '\0'};

        ck_assert_uint_eq(miss(near[i], name, 100), SLOWNESS_FREE + 1);
        ck_assert_uint_eq(wait_of(near[i], "bob"), 0);
    }
}
END_TEST

START_TEST(tables_are_bounded_and_the_oldest_goes_first)
{
    char name[16];

    (void)miss("", "alice", 100);
    for (unsigned i = 0; i < SLOWNESS_ENTRIES; i++) {
        (void)snprintf(name, sizeof name, "n%u", i);
        ck_assert_uint_eq(miss("", name, 100), SLOWNESS_FREE + 1);
    }
    ck_assert_uint_eq(wait_of("", "alice"), 0);
    ck_assert_uint_gt(wait_of("", name), 0);
    ck_assert_uint_gt(wait_of("", "n1"), 0);
}
END_TEST

START_TEST(nothing_known_is_nothing_counted)
{
    for (unsigned i = 0; i < 100; i++)
        ck_assert_uint_eq(wait_of("10.0.0.1", "alice"), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("slowness");
    TCase *t = tcase_create("slowness");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_few_failures_are_free_and_the_next_ones_wait_longer_and_longer);
    tcase_add_test(t, failures_are_forgotten_one_by_one);
    tcase_add_test(t, an_address_waits_with_other_names_and_a_name_from_other_addresses);
    tcase_add_test(t, an_ipv6_address_is_its_64);
    tcase_add_test(t, who_was_right_before_is_not_kept_out_by_others);
    tcase_add_test(t, who_was_right_before_waits_for_failures_of_that_pair);
    tcase_add_test(t, loopback_and_what_has_no_address_are_counted_by_name_alone);
    tcase_add_test(t, tables_are_bounded_and_the_oldest_goes_first);
    tcase_add_test(t, nothing_known_is_nothing_counted);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
