/*
 * test_filter_tree.c - the tree finds what filter_match says, whatever was put
 * in and taken out before.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter_tree.h"
#include "suite.h"
#include "topic.h"

#define RANDOM_FILTERS 300
#define RANDOM_NAMES 400
#define SEEDS 50

static struct filter_tree *tree;

static void setup(void)
{
    tree = filter_tree_new();
}

static void teardown(void)
{
    filter_tree_free(tree);
}

static void put(const char *filter)
{
    ck_assert_ptr_null(filter_tree_put(tree, slice_of(filter), (void *)filter));
}

struct seen {
    const char *expected;
    unsigned times;
    unsigned all;
};

static void see(void *value, void *arg)
{
    struct seen *seen = arg;

    seen->all++;
    if (seen->expected != NULL && strcmp(value, seen->expected) == 0)
        seen->times++;
}

static unsigned count_matches(const char *name)
{
    struct seen seen = {NULL, 0, 0};

    filter_tree_match(tree, slice_of(name), see, &seen);
    return seen.all;
}

START_TEST(an_empty_tree_matches_nothing)
{
    ck_assert_uint_eq(filter_tree_count(tree), 0);
    ck_assert_uint_eq(count_matches("a/b"), 0);
    ck_assert_ptr_null(filter_tree_get(tree, SLICE("a")));
    ck_assert_ptr_null(filter_tree_remove(tree, SLICE("a")));
}
END_TEST

START_TEST(every_kind_of_filter_is_found_once)
{
    put("a/b");
    put("a/+");
    put("+/b");
    put("+/+");
    put("a/#");
    put("#");
    put("a/b/#");
    put("a");
    put("b/b");
    ck_assert_uint_eq(count_matches("a/b"), 7);
    ck_assert_uint_eq(count_matches("a"), 3);
    ck_assert_uint_eq(count_matches("$a"), 0);
}
END_TEST

START_TEST(putting_again_replaces_the_value)
{
    int first, second;

    ck_assert_ptr_null(filter_tree_put(tree, SLICE("a/#"), &first));
    ck_assert_ptr_eq(filter_tree_put(tree, SLICE("a/#"), &second), &first);
    ck_assert_ptr_eq(filter_tree_get(tree, SLICE("a/#")), &second);
    ck_assert_uint_eq(filter_tree_count(tree), 1);
}
END_TEST

START_TEST(filters_on_one_path_have_values_of_their_own)
{
    put("a");
    put("a/#");
    put("a/b");
    ck_assert_str_eq(filter_tree_get(tree, SLICE("a")), "a");
    ck_assert_str_eq(filter_tree_get(tree, SLICE("a/#")), "a/#");
    ck_assert_str_eq(filter_tree_remove(tree, SLICE("a")), "a");
    ck_assert_ptr_null(filter_tree_get(tree, SLICE("a")));
    ck_assert_str_eq(filter_tree_get(tree, SLICE("a/#")), "a/#");
    ck_assert_str_eq(filter_tree_get(tree, SLICE("a/b")), "a/b");
    ck_assert_uint_eq(filter_tree_count(tree), 2);
}
END_TEST

START_TEST(what_was_removed_is_gone)
{
    put("a/b/c");
    put("#");
    ck_assert_str_eq(filter_tree_remove(tree, SLICE("#")), "#");
    ck_assert_str_eq(filter_tree_remove(tree, SLICE("a/b/c")), "a/b/c");
    ck_assert_ptr_null(filter_tree_remove(tree, SLICE("a/b/c")));
    ck_assert_uint_eq(filter_tree_count(tree), 0);
    ck_assert_uint_eq(count_matches("a/b/c"), 0);
}
END_TEST

START_TEST(the_deepest_name_is_matched)
{
    char name[TOPIC_MAX + 1];

    memset(name, '/', TOPIC_MAX);
    name[TOPIC_MAX] = '\0';
    put("#");
    put(name);
    ck_assert_uint_eq(count_matches(name), 2);
}
END_TEST

START_TEST(a_filter_costs_two_nodes_however_many_levels_it_has)
{
    enum { FILTERS = 8192, LEVELS = 32 };
    char(*deep)[LEVELS * 2 + 8] = calloc(FILTERS, sizeof *deep);
    size_t before = mallinfo2().uordblks, text = 0;

    ck_assert_ptr_nonnull(deep);
    for (size_t i = 0; i < FILTERS; i++) {
        size_t len = (size_t)snprintf(deep[i], sizeof deep[i], "%zx", i);

        while (len + 2 < LEVELS * 2)
            len += (size_t)snprintf(deep[i] + len, sizeof deep[i] - len, "/a");
        text += len;
        put(deep[i]);
    }
    ck_assert_uint_lt(mallinfo2().uordblks - before, 4 * text);
    for (size_t i = 0; i < FILTERS; i++)
        ck_assert_ptr_eq(filter_tree_remove(tree, slice_of(deep[i])), deep[i]);
    ck_assert_uint_eq(filter_tree_count(tree), 0);
    free(deep);
}
END_TEST

START_TEST(any_says_whether_one_matches)
{
    put("a/+/c");
    put("b/#");
    ck_assert(filter_tree_any(tree, SLICE("a/x/c")));
    ck_assert(filter_tree_any(tree, SLICE("b")));
    ck_assert(!filter_tree_any(tree, SLICE("a/x")));
    ck_assert(!filter_tree_any(tree, SLICE("a/x/c/d")));
}
END_TEST

/* --- compared with filter_match on random filters and names -------------------- */

static unsigned random_below(uint64_t *state, unsigned n)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(*state >> 33) % n;
}

static void random_text(uint64_t *state, char *out, size_t cap, bool wildcards)
{
    static const char *const levels[] = {"", "a", "b", "ab", "$x", "+", "#"};
    unsigned depth = 1 + random_below(state, 5);
    size_t len = 0;

    for (unsigned i = 0; i < depth; i++) {
        const char *level = levels[random_below(state, wildcards ? 7 : 5)];

        len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? "/" : "", level);
        if (level[0] == '#')
            break;
    }
    if (len == 0)
        snprintf(out, cap, "a");
}

static char filters[RANDOM_FILTERS][32];

static void put_random(uint64_t *state)
{
    for (size_t i = 0; i < RANDOM_FILTERS; i++) {
        random_text(state, filters[i], sizeof filters[i], true);
        ck_assert_int_eq(filter_check(slice_of(filters[i])), TOPIC_OK);
        filter_tree_put(tree, slice_of(filters[i]), filters[i]);
    }
}

/* A value is the last of equal filters: the tree keeps one each. */
static bool in_tree(const char *filter)
{
    return filter_tree_get(tree, slice_of(filter)) == filter;
}

static void compare(const char *name)
{
    unsigned expected = 0;

    for (size_t i = 0; i < RANDOM_FILTERS; i++) {
        bool match = in_tree(filters[i]) && filter_match(slice_of(filters[i]), slice_of(name));
        struct seen seen = {filters[i], 0, 0};

        if (!match)
            continue;
        expected++;
        filter_tree_match(tree, slice_of(name), see, &seen);
        ck_assert_msg(seen.times == 1, "%s by %s: %u times", name, filters[i], seen.times);
    }
    ck_assert_msg(count_matches(name) == expected, "%s: %u filters", name, expected);
}

START_TEST(the_tree_and_filter_match_agree)
{
    uint64_t state = (uint64_t)_i + 1;
    char name[32];

    put_random(&state);
    for (size_t i = 0; i < RANDOM_NAMES; i++) {
        random_text(&state, name, sizeof name, false);
        compare(name);
        if (i % 2 == 0)
            filter_tree_remove(tree, slice_of(filters[random_below(&state, RANDOM_FILTERS)]));
    }
    for (size_t i = 0; i < RANDOM_FILTERS; i++)
        filter_tree_remove(tree, slice_of(filters[i]));
    ck_assert_uint_eq(filter_tree_count(tree), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("filter_tree");
    TCase *t = tcase_create("filter_tree");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_empty_tree_matches_nothing);
    tcase_add_test(t, every_kind_of_filter_is_found_once);
    tcase_add_test(t, putting_again_replaces_the_value);
    tcase_add_test(t, filters_on_one_path_have_values_of_their_own);
    tcase_add_test(t, what_was_removed_is_gone);
    tcase_add_test(t, the_deepest_name_is_matched);
    tcase_add_test(t, a_filter_costs_two_nodes_however_many_levels_it_has);
    tcase_add_test(t, any_says_whether_one_matches);
    tcase_add_loop_test(t, the_tree_and_filter_match_agree, 0, SEEDS);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
