/*
 * test_arguments.c - options are taken out, all else is left in its order.
 */
#include <stdlib.h>

#include "arguments.h"
#include "suite.h"

enum { AFTER, COUNT, VERBOSE };
static const struct option_spec specs[] = {
    [AFTER] = {"after", '\0', "ID", ""},
    [COUNT] = {"count", 'n', "N", ""},
    [VERBOSE] = {"verbose", 'v', NULL, ""},
};

static const struct option_spec shared[] = {
    {"after", '\0', "ID", ""},
    {"url", '\0', "URL", ""},
};

static struct arguments a;

static void teardown(void)
{
    arguments_free(&a);
}

#define PARSE(...) parse((char *[]){"sub", __VA_ARGS__, NULL})

static int parse(char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    return arguments_parse(&a, (struct option_table){specs, 3}, (struct option_table){shared, 2},
                           argc, argv);
}

/* What is left, with blanks between. */
static void expect_left(const char *text)
{
    struct buf b = {0};

    for (int i = 1; i < a.argc; i++)
        buf_printf(&b, "%s%s", i > 1 ? " " : "", a.argv[i]);
    buf_u8(&b, '\0');
    ck_assert_str_eq((char *)b.p, text);
    ck_assert_ptr_null(a.argv[a.argc]);
    buf_free(&b);
}

START_TEST(an_option_is_taken_with_its_value)
{
    ck_assert_int_eq(PARSE("x", "--after", "7", "--data", "d", "-v"), 0);
    ck_assert_str_eq(arguments_get(&a, AFTER), "7");
    ck_assert_ptr_nonnull(arguments_get(&a, VERBOSE));
    ck_assert_ptr_null(arguments_get(&a, COUNT));
    expect_left("x --data d");
}
END_TEST

START_TEST(a_shared_option_has_a_place_of_its_own)
{
    ck_assert_int_eq(PARSE("--url", "u", "--after=7"), 0);
    ck_assert_str_eq(arguments_get(&a, OPTIONS_SHARED + 1), "u");
    ck_assert_ptr_null(arguments_get(&a, OPTIONS_SHARED));
    ck_assert_str_eq(arguments_get(&a, AFTER), "7");
}
END_TEST

START_TEST(a_value_may_be_joined)
{
    ck_assert_int_eq(PARSE("--after=7=8", "-n5"), 0);
    ck_assert_str_eq(arguments_get(&a, AFTER), "7=8");
    ck_assert_str_eq(arguments_get(&a, COUNT), "5");
    expect_left("");
}
END_TEST

START_TEST(the_last_one_given_wins_and_all_can_be_walked)
{
    size_t at = 0;

    ck_assert_int_eq(PARSE("--after", "1", "--after", "2"), 0);
    ck_assert_str_eq(arguments_get(&a, AFTER), "2");
    ck_assert_str_eq(arguments_next(&a, AFTER, &at), "1");
    ck_assert_str_eq(arguments_next(&a, AFTER, &at), "2");
    ck_assert_ptr_null(arguments_next(&a, AFTER, &at));
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    ck_assert_int_eq(PARSE("--", "-v", "--after", "--help"), 0);
    ck_assert(!a.help);
    expect_left("-- -v --after --help");
}
END_TEST

START_TEST(names_are_not_abbreviated)
{
    ck_assert_int_eq(PARSE("--aft", "--afterwards", "--", "-"), 0);
    expect_left("--aft --afterwards -- -");
}
END_TEST

START_TEST(a_missing_or_a_needless_value_is_a_mistake)
{
    ck_assert_int_eq(PARSE("--after"), -1);
    teardown();
    ck_assert_int_eq(PARSE("--verbose=yes"), -1);
}
END_TEST

START_TEST(help_is_seen_anywhere)
{
    ck_assert_int_eq(PARSE("x", "-h"), 0);
    ck_assert(a.help);
}
END_TEST

START_TEST(a_number_is_bounded)
{
    uint64_t n;

    ck_assert_int_eq(PARSE("-n", "17"), 0);
    ck_assert(arguments_number(&a, specs, COUNT, 5, 17, &n));
    ck_assert_uint_eq(n, 17);
    ck_assert(!arguments_number(&a, specs, COUNT, 5, 16, &n));
    ck_assert(arguments_number(&a, specs, AFTER, 5, 16, &n));
    ck_assert_uint_eq(n, 5);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("arguments");
    TCase *t = tcase_create("arguments");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, an_option_is_taken_with_its_value);
    tcase_add_test(t, a_value_may_be_joined);
    tcase_add_test(t, a_shared_option_has_a_place_of_its_own);
    tcase_add_test(t, the_last_one_given_wins_and_all_can_be_walked);
    tcase_add_test(t, two_dashes_end_the_options);
    tcase_add_test(t, names_are_not_abbreviated);
    tcase_add_test(t, a_missing_or_a_needless_value_is_a_mistake);
    tcase_add_test(t, help_is_seen_anywhere);
    tcase_add_test(t, a_number_is_bounded);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
