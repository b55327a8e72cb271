/* Unit tests of what grants cover, and of names that stand in them. */
#include "grants.h"

#include "run_suite.h"
#include "topic.h"

static struct grants grants;

static void begin(void)
{
    grants = (struct grants){0};
}

static void end(void)
{
    grants_free(&grants);
}

static enum grants_added add(const char *filter, const char *user)
{
    return grants_add(&grants, AUTH_SUBSCRIBE, slice_of(filter), slice_of(user));
}

static bool may(const char *filter)
{
    return grants_cover(&grants, AUTH_SUBSCRIBE, slice_of(filter), slice_of(""));
}

static bool client_may(const char *filter, const char *client)
{
    return grants_cover(&grants, AUTH_SUBSCRIBE, slice_of(filter), slice_of(client));
}

START_TEST(what_is_not_granted_is_refused)
{
    ck_assert(!may("a"));
    ck_assert_int_eq(add("a/#", ""), GRANT_ADDED);
    ck_assert_int_eq(add("b/+/c", ""), GRANT_ADDED);
    ck_assert(may("a") && may("a/b") && may("a/#") && may("a/+/b/#") && may("b/x/c"));
    ck_assert(!may("b") && !may("#") && !may("+/b") && !may("b/x/d") && !may("b/#"));
    ck_assert(!may("b/x/y/c") && may("b/+/c"));
    ck_assert(!grants_cover(&grants, AUTH_PUBLISH, SLICE("a"), SLICE("")));
}
END_TEST

START_TEST(a_filter_must_be_inside_one_grant)
{
    (void)add("a/b", "");
    (void)add("a/c", "");
    ck_assert(may("a/b") && may("a/c"));
    ck_assert(!may("a/+"));
}
END_TEST

START_TEST(wildcards_do_not_reach_what_begins_with_a_dollar)
{
    (void)add("#", "");
    ck_assert(may("a/$b"));
    ck_assert(!may("$SYS/broker") && !may("$SYS/#"));
    (void)add("$SYS/#", "");
    ck_assert(may("$SYS/broker"));
    ck_assert(grants_cover(&(struct grants){.all = true}, AUTH_MANAGE, SLICE("$SYS/x"), SLICE("")));
}
END_TEST

START_TEST(a_name_is_put_in)
{
    ck_assert_int_eq(add("fleet/%u/#", "truck7"), GRANT_ADDED);
    ck_assert_int_eq(add("who/is-%u/%u", "truck7"), GRANT_ADDED);
    ck_assert(may("fleet/truck7/x") && may("who/is-truck7/truck7"));
    ck_assert(!may("fleet/truck8/x") && !may("fleet/%u/x") && !may("fleet/+/x"));
    ck_assert_int_eq(add("100%/%x", "truck7"), GRANT_ADDED); /* these are no names */
    ck_assert(may("100%/%x"));
}
END_TEST

static const char *const bad_names[] = {"",     "a/b", "+",    "a+",   "#",     "a#",
                                        "$SYS", "$",   "/etc", "\xff", "a/#/b", "\xc3"};

START_TEST(a_name_that_would_say_more_is_left_out)
{
    ck_assert(!grants_name_ok(slice_of(bad_names[_i])));
    ck_assert_int_eq(add("%u/#", bad_names[_i]), GRANT_LEFT_OUT);
    ck_assert_int_eq(add("a/%u", bad_names[_i]), GRANT_LEFT_OUT);
    ck_assert_int_eq(add("plain", bad_names[_i]), GRANT_ADDED);
    ck_assert_uint_eq(grants.count, 1);
}
END_TEST

START_TEST(a_name_with_nul_is_left_out)
{
    ck_assert(!grants_name_ok(SLICE("a\0b")));
    ck_assert(grants_name_ok(SLICE("a$b %c é")));
}
END_TEST

START_TEST(a_client_id_is_put_in_when_it_is_asked)
{
    ck_assert_int_eq(add("c/%c/%u", "alice"), GRANT_ADDED);
    ck_assert(client_may("c/phone/alice", "phone"));
    ck_assert(!client_may("c/phone/alice", "tablet"));
    ck_assert(!client_may("c/phone/bob", "phone"));
    ck_assert(!client_may("c//alice", "") && !may("c/%c/alice"));
    for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++)
        ck_assert(!client_may("c/+/alice", bad_names[i]));
}
END_TEST

START_TEST(a_name_makes_no_client_id)
{
    ck_assert_int_eq(add("c/%u/%c", "%c"), GRANT_LEFT_OUT);
    ck_assert_int_eq(add("c/%u", "%c"), GRANT_ADDED);
    ck_assert(client_may("c/%c", "phone") && !client_may("c/phone", "phone"));
    ck_assert_int_eq(add("d/%uc", "x%"), GRANT_ADDED);
    ck_assert(client_may("d/x%c", "phone") && !client_may("d/xphone", "phone"));
}
END_TEST

START_TEST(what_is_no_filter_is_bad)
{
    char longest[TOPIC_MAX + 8];

    ck_assert_int_eq(add("a/#/b", ""), GRANT_BAD);
    ck_assert_int_eq(add("", ""), GRANT_BAD);
    ck_assert_int_eq(add("+%u", "a"), GRANT_BAD);
    memset(longest, 'a', sizeof longest);
    (void)strcpy(longest + TOPIC_MAX - 2, "%u");
    ck_assert_int_eq(add(longest, "ab"), GRANT_ADDED);
    ck_assert_int_eq(add(longest, "abc"), GRANT_BAD);
    ck_assert_uint_eq(grants.count, 1);
    ck_assert_uint_eq(grants.text.len, TOPIC_MAX);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("grants");
    TCase *t = tcase_create("grants");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, what_is_not_granted_is_refused);
    tcase_add_test(t, a_filter_must_be_inside_one_grant);
    tcase_add_test(t, wildcards_do_not_reach_what_begins_with_a_dollar);
    tcase_add_test(t, a_name_is_put_in);
    tcase_add_loop_test(t, a_name_that_would_say_more_is_left_out, 0,
                        (int)(sizeof bad_names / sizeof bad_names[0]));
    tcase_add_test(t, a_name_with_nul_is_left_out);
    tcase_add_test(t, a_client_id_is_put_in_when_it_is_asked);
    tcase_add_test(t, a_name_makes_no_client_id);
    tcase_add_test(t, what_is_no_filter_is_bad);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
