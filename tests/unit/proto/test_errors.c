/*
 * test_errors.c - the table of errors, looked up.
 */
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "suite.h"

static const enum sluice_error all[] = {
#define X(name, number, status, code, text) ERR_##name,
    SLUICE_ERRORS(X)
#undef X
};
#define COUNT (sizeof all / sizeof all[0])

START_TEST(an_error_has_a_status_a_code_and_a_text)
{
    ck_assert_int_eq(error_status(ERR_BAD_TOPIC), 400);
    ck_assert_str_eq(error_code(ERR_BAD_TOPIC), "bad_topic");
    ck_assert_str_eq(error_text(ERR_BAD_TOPIC), "The topic name is not valid");
    ck_assert_int_eq(error_status(ERR_UNKNOWN_OUTCOME), 504);
}
END_TEST

START_TEST(numbers_and_codes_are_unique)
{
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i; j++) {
            ck_assert_int_ne(all[i], all[j]);
            ck_assert_str_ne(error_code(all[i]), error_code(all[j]));
        }
}
END_TEST

START_TEST(codes_are_lower_case_words)
{
    for (size_t i = 0; i < COUNT; i++) {
        const char *code = error_code(all[i]);

        ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
    }
}
END_TEST

START_TEST(a_number_from_a_newer_peer_is_internal)
{
    ck_assert_str_eq(error_code((enum sluice_error)60000), "internal");
    ck_assert_int_eq(error_status((enum sluice_error)60000), 500);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("errors");
    TCase *t = tcase_create("errors");

    tcase_add_test(t, an_error_has_a_status_a_code_and_a_text);
    tcase_add_test(t, numbers_and_codes_are_unique);
    tcase_add_test(t, codes_are_lower_case_words);
    tcase_add_test(t, a_number_from_a_newer_peer_is_internal);
    suite_add_tcase(s, t);
    return suite_run(s);
}
