/*
 * test_table.c - columns, and cells that would command a terminal.
 */
#include <stdlib.h>

#include "suite.h"
#include "table.h"

static const struct table_column columns[] = {{"NAME", false}, {"N", true}, {"TEXT", false}};
static struct table t;

static void setup(void)
{
    table_init(&t, columns, 3);
}

static void teardown(void)
{
    table_close(&t);
}

static void row(const char *name, const char *n, const char *text)
{
    table_cell(&t, slice_of(name), 0);
    table_cell(&t, slice_of(n), 0);
    table_cell(&t, slice_of(text), 6);
}

static void expect(const char *text)
{
    char *printed;
    size_t size;
    FILE *f = open_memstream(&printed, &size);

    table_flush(&t, f);
    (void)fclose(f);
    ck_assert_str_eq(printed, text);
    free(printed);
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
    row("a", "1", "x");
    row("longer", "100", "");
    expect("NAME      N  TEXT\n"
           "a         1  x\n"
           "longer  100  \n");
}
END_TEST

START_TEST(a_later_page_has_no_titles_and_is_not_narrower)
{
    row("longer", "100", "x");
    expect("NAME      N  TEXT\nlonger  100  x\n");
    row("a", "1", "y");
    expect("a         1  y\n");
}
END_TEST

START_TEST(an_empty_table_is_its_titles)
{
    expect("NAME  N  TEXT\n");
}
END_TEST

START_TEST(a_long_cell_is_cut_by_characters)
{
    row("ä", "1", "äöüäöü");
    row("a", "1", "äöüäöüä");
    expect("NAME  N  TEXT\n"
           "ä     1  äöüäöü\n"
           "a     1  äöüäöü…\n");
}
END_TEST

START_TEST(control_characters_and_bad_bytes_are_dots)
{
    row("\033[2J", "\n", "\xff\xc2\x9b\x7f");
    expect("NAME  N  TEXT\n"
           ".[2J  .  ....\n");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("table");
    TCase *c = tcase_create("table");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, columns_are_as_wide_as_their_widest_cell);
    tcase_add_test(c, a_later_page_has_no_titles_and_is_not_narrower);
    tcase_add_test(c, an_empty_table_is_its_titles);
    tcase_add_test(c, a_long_cell_is_cut_by_characters);
    tcase_add_test(c, control_characters_and_bad_bytes_are_dots);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
