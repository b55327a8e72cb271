/* test_query_param.c - one parameter of a query, and what is wrong with it. */
#include "query_param.h"

#include "run_suite.h"

static struct http_request r;
static struct problem p;
static struct buf out;

static void setup(void)
{
    memset(&r, 0, sizeof r);
    memset(&p, 0, sizeof p);
}

static void teardown(void)
{
    buf_free(&out);
}

static bool param(const char *query)
{
    r.query = slice_of(query);
    return query_param(&r, "x", &out, &p);
}

static void check_text(const char *query, const char *text)
{
    buf_clear(&out);
    ck_assert(param(query));
    ck_assert(slice_eq(buf_slice(&out), slice_of(text)));
    ck_assert_int_eq(p.error, ERR_NONE);
}

/* It is there, and wrong: the problem names it. */
static void check_bad(const char *query)
{
    memset(&p, 0, sizeof p);
    buf_clear(&out);
    ck_assert(!param(query));
    ck_assert_int_eq(p.error, ERR_BAD_REQUEST);
    ck_assert_str_eq(p.field, "x");
}

START_TEST(test_it_is_found_wherever_it_stands)
{
    check_text("x=1", "1");
    check_text("a=2&x=1&b", "1");
    check_text("&&a&x=1", "1");
    check_text("x=a=b", "a=b");
}
END_TEST

START_TEST(test_names_and_values_are_decoded)
{
    check_text("%78=%26%3D%20", "&= ");
    check_text("x=a+b", "a+b");
}
END_TEST

START_TEST(test_an_empty_value_is_there)
{
    check_text("x=", "");
    check_text("x", "");
}
END_TEST

START_TEST(test_what_is_absent_is_no_problem)
{
    ck_assert(!param("") && !param("y=1&xx=2&X=3"));
    ck_assert_int_eq(p.error, ERR_NONE);
}
END_TEST

START_TEST(test_twice_or_malformed_is_a_problem)
{
    check_bad("x=1&x=1");
    check_bad("x=%zz");
    check_bad("x=%4");
}
END_TEST

START_TEST(test_another_name_that_is_malformed_is_not_ours)
{
    check_text("%zz=1&x=2", "2");
}
END_TEST

START_TEST(test_nothing_is_looked_for_behind_a_problem)
{
    check_bad("x=%zz");
    ck_assert(!param("x=1"));
}
END_TEST

static bool number(const char *query, uint64_t *n)
{
    memset(&p, 0, sizeof p);
    r.query = slice_of(query);
    return query_param_number(&r, "x", 5, 10, n, &p);
}

START_TEST(test_numbers_lie_between_their_bounds)
{
    uint64_t n = 7;

    ck_assert(number("", &n) && n == 7);
    ck_assert(number("x=5", &n) && n == 5);
    ck_assert(number("x=10", &n) && n == 10);
    ck_assert(!number("x=4", &n) && !number("x=11", &n) && !number("x=", &n));
    ck_assert(!number("x=6a", &n) && !number("x=-6", &n) && !number("x=6&x=6", &n));
    ck_assert(!number("x=99999999999999999999", &n));
    ck_assert_uint_eq(n, 10);
    ck_assert_str_eq(p.detail, "x must be a number from 5 to 10");
}
END_TEST

static bool flag(const char *query, bool *on)
{
    memset(&p, 0, sizeof p);
    r.query = slice_of(query);
    return query_param_flag(&r, "x", on, &p);
}

START_TEST(test_flags_are_0_or_1)
{
    bool on = true;

    ck_assert(flag("", &on) && on);
    ck_assert(flag("x=0", &on) && !on);
    ck_assert(flag("x=1", &on) && on);
    ck_assert(!flag("x=2", &on) && !flag("x=true", &on));
}
END_TEST

int main(void)
{
    return RUN_TESTS("query_param", setup, teardown, test_it_is_found_wherever_it_stands,
                     test_names_and_values_are_decoded, test_an_empty_value_is_there,
                     test_what_is_absent_is_no_problem, test_twice_or_malformed_is_a_problem,
                     test_another_name_that_is_malformed_is_not_ours,
                     test_nothing_is_looked_for_behind_a_problem,
                     test_numbers_lie_between_their_bounds, test_flags_are_0_or_1);
}
