/* test_trace_context.c - which traceparent and tracestate are kept. */
#include "trace_context.h"

#include "suite.h"

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static bool parent(const char *text)
{
    return trace_context_parent_ok(slice_of(text));
}

static bool state(const char *text)
{
    unsigned members = 0;

    return trace_context_state_ok(slice_of(text), &members);
}

START_TEST(a_parent_is_four_numbers)
{
    ck_assert(parent("00-" IDS));
    ck_assert(!parent(""));
    ck_assert(!parent("00-" IDS "-"));
    ck_assert(!parent("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"));
    ck_assert(!parent("00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01"));
    ck_assert(!parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01"));
    ck_assert(!parent("00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01"));
}
END_TEST

START_TEST(ids_of_zeros_are_none)
{
    ck_assert(!parent("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
    ck_assert(!parent("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"));
}
END_TEST

START_TEST(later_versions_may_say_more_but_ff_is_none)
{
    ck_assert(parent("01-" IDS));
    ck_assert(parent("01-" IDS "-more"));
    ck_assert(!parent("01-" IDS "more"));
    ck_assert(!parent("ff-" IDS));
}
END_TEST

START_TEST(a_state_is_a_list_of_members)
{
    ck_assert(state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
    ck_assert(state(" a_-*/b=1 ,, t@v=x y"));
    ck_assert(state(""));
    ck_assert(!state("rojo"));
    ck_assert(!state("=1"));
    ck_assert(!state("A=1"));
    ck_assert(!state("_a=1"));
    ck_assert(!state("a="));
    ck_assert(!state("a=b=c"));
    ck_assert(!state("a=\x7f"));
    ck_assert(!state("a=\xc3\xa4"));
}
END_TEST

START_TEST(a_state_has_so_many_members_in_all_its_lines)
{
    unsigned members = TRACE_STATE_MEMBERS - 1;

    ck_assert(trace_context_state_ok(slice_of("a=1"), &members));
    ck_assert(!trace_context_state_ok(slice_of("a=1"), &members));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trace_context");
    TCase *t = tcase_create("trace_context");

    tcase_add_test(t, a_parent_is_four_numbers);
    tcase_add_test(t, ids_of_zeros_are_none);
    tcase_add_test(t, later_versions_may_say_more_but_ff_is_none);
    tcase_add_test(t, a_state_is_a_list_of_members);
    tcase_add_test(t, a_state_has_so_many_members_in_all_its_lines);
    suite_add_tcase(s, t);
    return suite_run(s);
}
