/*
 * test_mem.c - allocation: nothing is NULL, zero sizes included.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "suite.h"

START_TEST(nothing_is_still_something_to_free)
{
    free(mem_alloc(0));
    free(mem_zalloc(0));
    free(mem_array(0, 8));
    free(mem_array(8, 0));
    free(mem_resize(mem_alloc(8), 0, 8));
    free(mem_resize(NULL, 0, 0));
}
END_TEST

START_TEST(arrays_are_zeroed_and_grow_with_their_values)
{
    unsigned *a = mem_array(4, sizeof *a);

    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(a[i], 0);
    a[3] = 7;
    a = mem_resize(a, 1000, sizeof *a);
    ck_assert_uint_eq(a[3], 7);
    free(a);
}
END_TEST

START_TEST(copies_of_text_end_with_a_nul)
{
    char *whole = mem_strdup("abc"), *part = mem_strndup("abc", 2), *none = mem_strndup(NULL, 0);

    ck_assert_str_eq(whole, "abc");
    ck_assert_str_eq(part, "ab");
    ck_assert_str_eq(none, "");
    free(whole);
    free(part);
    free(none);
}
END_TEST

struct outer {
    int before;
    int member;
};

START_TEST(a_member_leads_to_what_contains_it)
{
    struct outer o;

    ck_assert_ptr_eq(CONTAINER_OF(&o.member, struct outer, member), &o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mem");
    TCase *t = tcase_create("mem");

    tcase_add_test(t, nothing_is_still_something_to_free);
    tcase_add_test(t, arrays_are_zeroed_and_grow_with_their_values);
    tcase_add_test(t, copies_of_text_end_with_a_nul);
    tcase_add_test(t, a_member_leads_to_what_contains_it);
    suite_add_tcase(s, t);
    return suite_run(s);
}
