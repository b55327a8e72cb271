/*
 * test_lines.c - lines, however their bytes arrive.
 */
#include <stdlib.h>

#include "lines.h"
#include "suite.h"

static struct lines l;
static struct slice line;

static void setup(void)
{
    l = (struct lines){0};
}

static void teardown(void)
{
    lines_close(&l);
}

static void add(const char *text)
{
    lines_add(&l, text, strlen(text));
}

#define EXPECT(text)                                                                               \
    do {                                                                                           \
        ck_assert(lines_next(&l, false, &line));                                                   \
        ck_assert(slice_eq(line, SLICE(text)));                                                    \
    } while (0)

START_TEST(lines_come_out_one_by_one)
{
    add("a\n\nbc\nd");
    EXPECT("a");
    EXPECT("");
    EXPECT("bc");
    ck_assert(!lines_next(&l, false, &line));
    ck_assert_uint_eq(lines_waiting(&l), 1);
}
END_TEST

START_TEST(a_line_may_come_in_pieces)
{
    add("he");
    ck_assert(!lines_next(&l, false, &line));
    add("ll");
    ck_assert(!lines_next(&l, false, &line));
    add("o\nx");
    EXPECT("hello");
    ck_assert(!lines_next(&l, false, &line));
}
END_TEST

START_TEST(the_last_line_needs_no_end)
{
    add("a\nb");
    EXPECT("a");
    ck_assert(lines_next(&l, true, &line));
    ck_assert(slice_eq(line, SLICE("b")));
    ck_assert(!lines_next(&l, true, &line));
}
END_TEST

START_TEST(an_end_after_a_whole_line_is_no_line)
{
    add("a\n");
    EXPECT("a");
    ck_assert(!lines_next(&l, true, &line));
}
END_TEST

START_TEST(nothing_holds_no_line)
{
    ck_assert(!lines_next(&l, false, &line));
    ck_assert(!lines_next(&l, true, &line));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("lines");
    TCase *t = tcase_create("lines");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lines_come_out_one_by_one);
    tcase_add_test(t, a_line_may_come_in_pieces);
    tcase_add_test(t, the_last_line_needs_no_end);
    tcase_add_test(t, an_end_after_a_whole_line_is_no_line);
    tcase_add_test(t, nothing_holds_no_line);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
