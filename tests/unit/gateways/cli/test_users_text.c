/* Unit tests of one line changed in a file of users. */
#include "users_text.h"

#include "run_suite.h"

static struct buf out;

static void begin(void)
{
    out = (struct buf){0};
}

static void end(void)
{
    buf_free(&out);
}

static void expect_set(const char *text, const char *user, const char *line, const char *expected)
{
    struct users_line found = users_text_find(slice_of(text), slice_of(user));

    buf_clear(&out);
    users_text_set(slice_of(text), &found, slice_of(line), &out);
    buf_put(&out, "", 1);
    ck_assert_str_eq((const char *)out.p, expected);
}

START_TEST(a_line_is_made_anew_where_it_was)
{
    expect_set("# all\n\na:1:x\nb:2:y\n", "a", "a:3:x", "# all\n\na:3:x\nb:2:y\n");
    expect_set("a:1:x\n b:2:y", "b", "b:3:y", "a:1:x\nb:3:y\n");
    expect_set("a:1:x\r\nb:2:y\r\n", "a", "a:3:x", "a:3:x\nb:2:y\r\n");
}
END_TEST

START_TEST(another_one_is_added_behind)
{
    expect_set("", "a", "a:1:x", "a:1:x\n");
    expect_set("b:2:y", "a", "a:1:x", "b:2:y\na:1:x\n");
    expect_set("#a:1:x\nab:2:y\n", "a", "a:1:x", "#a:1:x\nab:2:y\na:1:x\n");
    expect_set("b:a:y\n", "a", "a:1:x", "b:a:y\na:1:x\n");
}
END_TEST

START_TEST(roles_are_those_of_the_line)
{
    ck_assert(slice_eq(users_text_find(SLICE("a:1:x,y \n"), SLICE("a")).roles, SLICE("x,y")));
    ck_assert_uint_eq(users_text_find(SLICE("a:1\n"), SLICE("a")).roles.len, 0);
    ck_assert_uint_eq(users_text_find(SLICE("a:1:"), SLICE("a")).roles.len, 0);
    ck_assert_ptr_null(users_text_find(SLICE("a:1:"), SLICE("b")).whole.p);
}
END_TEST

START_TEST(a_line_is_taken_out)
{
    struct slice text = SLICE("# all\na:1:x\nb:2:y\n");
    struct users_line found = users_text_find(text, SLICE("a"));

    users_text_remove(text, &found, &out);
    ck_assert(slice_eq(buf_slice(&out), SLICE("# all\nb:2:y\n")));
}
END_TEST

int main(void)
{
    return RUN_TESTS("users_text", begin, end, a_line_is_made_anew_where_it_was,
                     another_one_is_added_behind, roles_are_those_of_the_line, a_line_is_taken_out);
}
