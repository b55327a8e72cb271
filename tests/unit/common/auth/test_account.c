/* Unit tests of what is counted by a principal's name; time stands until it is moved. */
#include "account.h"

#include "clock.h"
#include "run_suite.h"

static uint64_t now;
static struct account_limits limits;
static struct account account;

static uint64_t clock_of_test(void *arg)
{
    (void)arg;
    return now;
}

static void begin(void)
{
    now = 1000000;
    clock_replace(clock_of_test, NULL);
    limits = (struct account_limits){0};
    account = (struct account){.limits = &limits};
}

static void end(void)
{
    clock_replace(NULL, NULL);
}

START_TEST(connections_have_a_limit)
{
    limits.connections = 2;
    ck_assert(account_connect(&account) && account_connect(&account));
    ck_assert(!account_connect(&account));
    account_disconnect(&account);
    ck_assert(account_connect(&account));
    limits.connections = 1; /* read anew: who is there stays */
    ck_assert(!account_connect(&account));
    account_disconnect(&account);
    ck_assert(!account_connect(&account));
    limits.connections = 0;
    ck_assert(account_connect(&account));
}
END_TEST

START_TEST(subscriptions_are_counted_whole_or_not)
{
    limits.subscriptions = 10;
    ck_assert(account_subscribe(&account, 8));
    ck_assert(!account_subscribe(&account, 3));
    ck_assert_uint_eq(account.subscriptions, 8);
    ck_assert(account_subscribe(&account, 2));
    account_unsubscribe(&account, 10);
    ck_assert(!account_subscribe(&account, UINT64_MAX));
    ck_assert(account_subscribe(&account, 10));
}
END_TEST

START_TEST(a_bucket_is_full_at_first_and_fills_at_its_rate)
{
    limits.events = 10;
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(account_publish(&account, 1, 0), 0);
    ck_assert_uint_gt(account_publish(&account, 1, 0), 0);
    now += 99;
    ck_assert_uint_eq(account_publish(&account, 1, 0), 0); /* a part of one is there */
    ck_assert_uint_gt(account_publish(&account, 1, 0), 0);
    now += 3600000;
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(account_publish(&account, 1, 0), 0);
    ck_assert_uint_gt(account_publish(&account, 1, 0), 0);
}
END_TEST

START_TEST(what_is_larger_than_the_bucket_is_paid_for_after)
{
    uint64_t wait;

    limits.events = 10;
    ck_assert_uint_eq(account_publish(&account, 40, 0), 0);
    wait = account_publish(&account, 1, 0);
    ck_assert(wait >= 3000 && wait <= 3002);
    now += wait - 2;
    ck_assert_uint_gt(account_publish(&account, 1, 0), 0);
    now += 2;
    ck_assert_uint_eq(account_publish(&account, 1, 0), 0);
}
END_TEST

START_TEST(bytes_have_a_bucket_of_their_own)
{
    limits.bytes = 1000;
    ck_assert_uint_eq(account_publish(&account, 1, 1000), 0);
    ck_assert_uint_gt(account_publish(&account, 1, 1), 0);
    now += 500;
    ck_assert_uint_eq(account_publish(&account, 1, 1500), 0);
    ck_assert_uint_ge(account_publish(&account, 1, 1), 1000);
}
END_TEST

START_TEST(the_longer_wait_counts_and_nothing_is_taken_meanwhile)
{
    limits.events = 10;
    limits.bytes = 1000;
    ck_assert_uint_eq(account_publish(&account, 10, 5000), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_uint_ge(account_publish(&account, 1, 1), 4000);
    now += 4001;
    ck_assert_uint_eq(account_publish(&account, 1, 1), 0);
}
END_TEST

START_TEST(without_limits_and_for_strangers_nothing_is_counted)
{
    ck_assert_uint_eq(account_publish(&account, UINT64_MAX, UINT64_MAX), 0);
    ck_assert(account_connect(NULL) && account_subscribe(NULL, 1));
    ck_assert_uint_eq(account_publish(NULL, 1, 1), 0);
    account_disconnect(NULL);
    account_unsubscribe(NULL, 1);
}
END_TEST

START_TEST(a_limit_that_comes_later_begins_with_a_full_bucket)
{
    ck_assert_uint_eq(account_publish(&account, 1000, 0), 0);
    limits.bytes = 1;
    ck_assert_uint_eq(account_publish(&account, 1000, 0), 0);
    limits.events = 5;
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(account_publish(&account, 1, 0), 0);
    ck_assert_uint_gt(account_publish(&account, 1, 0), 0);
    limits.events = 0;
    ck_assert_uint_eq(account_publish(&account, 1000000, 0), 0);
    limits.events = 5;
    ck_assert_uint_eq(account_publish(&account, 5, 0), 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "account", begin, end, connections_have_a_limit, subscriptions_are_counted_whole_or_not,
        a_bucket_is_full_at_first_and_fills_at_its_rate,
        what_is_larger_than_the_bucket_is_paid_for_after, bytes_have_a_bucket_of_their_own,
        the_longer_wait_counts_and_nothing_is_taken_meanwhile,
        without_limits_and_for_strangers_nothing_is_counted,
        a_limit_that_comes_later_begins_with_a_full_bucket);
}
