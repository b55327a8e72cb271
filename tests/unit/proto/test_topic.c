/*
 * test_topic.c - names, filters, matching (with MQTT 5.0's own examples, 4.7)
 * and containment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"
#include "topic.h"

static enum topic_verdict name_verdict(const char *s)
{
    return topic_check(slice_of(s));
}

static enum topic_verdict filter_verdict(const char *s)
{
    return filter_check(slice_of(s));
}

static bool matches(const char *filter, const char *name)
{
    return filter_match(slice_of(filter), slice_of(name));
}

static bool covers(const char *outer, const char *inner)
{
    return filter_covers(slice_of(outer), slice_of(inner));
}

/* --- checks ------------------------------------------------------------------- */

START_TEST(any_utf8_is_a_name)
{
    ck_assert_int_eq(name_verdict("a"), TOPIC_OK);
    ck_assert_int_eq(name_verdict("/"), TOPIC_OK);
    ck_assert_int_eq(name_verdict("a//b/"), TOPIC_OK);
    ck_assert_int_eq(name_verdict("Accounts payable"), TOPIC_OK);
    ck_assert_int_eq(name_verdict("stra\xc3\x9f"
                                  "e/\xf0\x9f\x9a\x8b"),
                     TOPIC_OK);
    ck_assert_int_eq(name_verdict("$data/x"), TOPIC_OK);
}
END_TEST

START_TEST(a_name_is_1_to_1024_bytes)
{
    char text[TOPIC_MAX + 1];

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(topic_check(SLICE("")), TOPIC_EMPTY);
    ck_assert_int_eq(topic_check((struct slice){NULL, 0}), TOPIC_EMPTY);
    ck_assert_int_eq(topic_check((struct slice){text, TOPIC_MAX}), TOPIC_OK);
    ck_assert_int_eq(topic_check((struct slice){text, TOPIC_MAX + 1}), TOPIC_TOO_LONG);
}
END_TEST

START_TEST(names_and_filters_have_so_many_levels)
{
    ck_assert_int_eq(TOPIC_LEVELS, 32);
    ck_assert_int_eq(topic_check(SLICE("///////////////////////////////")), TOPIC_OK);
    ck_assert_int_eq(topic_check(SLICE("////////////////////////////////")), TOPIC_TOO_DEEP);
    ck_assert_int_eq(filter_check(SLICE("///////////////////////////////#")), TOPIC_OK);
    ck_assert_int_eq(filter_check(SLICE("////////////////////////////////#")), TOPIC_TOO_DEEP);
    topic_limit_levels(2);
    ck_assert_int_eq(topic_check(SLICE("a/b")), TOPIC_OK);
    ck_assert_int_eq(topic_check_publish(SLICE("a/b/c")), TOPIC_TOO_DEEP);
    topic_limit_levels(TOPIC_LEVELS);
}
END_TEST

START_TEST(a_name_has_no_nul_wildcard_or_bad_utf8)
{
    ck_assert_int_eq(topic_check(SLICE("a\0b")), TOPIC_HAS_NUL);
    ck_assert_int_eq(name_verdict("a/\xff"), TOPIC_NOT_UTF8);
    ck_assert_int_eq(name_verdict("a/+/b"), TOPIC_HAS_WILDCARD);
    ck_assert_int_eq(name_verdict("a/b#"), TOPIC_HAS_WILDCARD);
}
END_TEST

START_TEST(reserved_names_cannot_be_published)
{
    static const char *const reserved[] = {"$SYS/x", "$share/g/x", "$after/1/x", "$last/1/x",
                                           "$SYS/"};

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        ck_assert_int_eq(topic_check(slice_of(reserved[i])), TOPIC_OK);
        ck_assert_int_eq(topic_check_publish(slice_of(reserved[i])), TOPIC_RESERVED);
    }
    ck_assert_int_eq(topic_check_publish(SLICE("$data/x")), TOPIC_OK);
    ck_assert_int_eq(topic_check_publish(SLICE("a/$SYS/x")), TOPIC_OK);
    ck_assert_int_eq(topic_check_publish(SLICE("+")), TOPIC_HAS_WILDCARD);
}
END_TEST

START_TEST(wildcards_are_whole_levels_and_the_rest_comes_last)
{
    static const char *const good[] = {"#",  "+",  "+/+",   "a/#", "+/tennis/#",
                                       "/+", "+/", "a/+/b", "a"};
    static const char *const bad[] = {"a#", "a/b#",   "a/#/b", "#/a", "+a",
                                      "a+", "a/+b/c", "##",    "++",  "#/"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(filter_verdict(good[i]) == TOPIC_OK, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(filter_verdict(bad[i]) == TOPIC_BAD_WILDCARD, "%s", bad[i]);
}
END_TEST

START_TEST(every_verdict_has_a_text)
{
    for (int v = TOPIC_OK; v <= TOPIC_RESERVED; v++)
        ck_assert_uint_gt(strlen(topic_verdict_text((enum topic_verdict)v)), 0);
}
END_TEST

START_TEST(exact_means_without_wildcard)
{
    ck_assert(filter_is_exact(SLICE("a/b")));
    ck_assert(!filter_is_exact(SLICE("a/+")));
    ck_assert(!filter_is_exact(SLICE("#")));
}
END_TEST

/* --- matching ----------------------------------------------------------------- */

START_TEST(mqtt_examples_of_the_multi_level_wildcard)
{
    ck_assert(matches("sport/tennis/player1/#", "sport/tennis/player1"));
    ck_assert(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
    ck_assert(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
    ck_assert(matches("sport/#", "sport"));
    ck_assert(matches("#", "sport/tennis"));
    ck_assert(!matches("sport/tennis/player1/#", "sport/tennis/player10"));
    ck_assert(!matches("sport/tennis/player1/#", "sport/tennis"));
}
END_TEST

START_TEST(mqtt_examples_of_the_single_level_wildcard)
{
    ck_assert(matches("sport/tennis/+", "sport/tennis/player1"));
    ck_assert(matches("sport/tennis/+", "sport/tennis/player2"));
    ck_assert(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    ck_assert(!matches("sport/+", "sport"));
    ck_assert(matches("sport/+", "sport/"));
    ck_assert(matches("+/tennis/#", "sport/tennis/x"));
    ck_assert(matches("sport/+/player1", "sport/tennis/player1"));
    ck_assert(matches("+/+", "/finance"));
    ck_assert(matches("/+", "/finance"));
    ck_assert(!matches("+", "/finance"));
}
END_TEST

START_TEST(mqtt_examples_of_names_with_a_dollar)
{
    ck_assert(!matches("#", "$SYS/monitor/Clients"));
    ck_assert(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    ck_assert(matches("$SYS/#", "$SYS/monitor/Clients"));
    ck_assert(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    ck_assert(matches("a/+", "a/$SYS"));
    ck_assert(!matches("+", "$SYS"));
}
END_TEST

START_TEST(levels_compare_byte_for_byte)
{
    ck_assert(matches("ACCOUNTS", "ACCOUNTS"));
    ck_assert(!matches("ACCOUNTS", "Accounts"));
    ck_assert(!matches("finance", "/finance"));
    ck_assert(!matches("a", "a/"));
    ck_assert(!matches("a/", "a"));
    ck_assert(!matches("a/b", "a/bc"));
    ck_assert(!matches("a/bc", "a/b"));
    ck_assert(matches("a//b", "a//b"));
    ck_assert(matches("a/+/b", "a//b"));
    ck_assert(!matches("a/b", "a//b"));
    ck_assert(matches("a/#", "a/"));
    ck_assert(matches("+/#", "a"));
    ck_assert(!matches("a/+/#", "a"));
}
END_TEST

/* --- containment -------------------------------------------------------------- */

START_TEST(a_filter_covers_what_is_narrower)
{
    ck_assert(covers("#", "#"));
    ck_assert(covers("#", "a/+/b"));
    ck_assert(covers("a/#", "a"));
    ck_assert(covers("a/#", "a/#"));
    ck_assert(covers("a/#", "a/+/b/#"));
    ck_assert(covers("a/+", "a/b"));
    ck_assert(covers("a/+", "a/+"));
    ck_assert(covers("+/b", "a/b"));
    ck_assert(covers("+/#", "#"));
    ck_assert(covers("a/b", "a/b"));
}
END_TEST

START_TEST(a_filter_does_not_cover_what_is_wider)
{
    ck_assert(!covers("a/b", "a/+"));
    ck_assert(!covers("a/+", "a/#"));
    ck_assert(!covers("a/+", "a/b/c"));
    ck_assert(!covers("a/+", "a"));
    ck_assert(!covers("a/b/#", "a/#"));
    ck_assert(!covers("a/+/#", "a/#"));
    ck_assert(!covers("+", "#"));
    ck_assert(!covers("a", "b"));
    ck_assert(!covers("a", "a/b"));
}
END_TEST

START_TEST(wildcards_do_not_cover_names_with_a_dollar)
{
    ck_assert(!covers("#", "$SYS/x"));
    ck_assert(!covers("+/x", "$SYS/x"));
    ck_assert(!covers("+/#", "$SYS/#"));
    ck_assert(covers("$SYS/#", "$SYS/x"));
    ck_assert(covers("$SYS/+", "$SYS/+"));
}
END_TEST

/* Every filter and every name of up to three levels over a small alphabet:
 * covers must be exactly "matches all that the other matches". */
#define LEVELS_MAX 3
#define TEXTS_MAX 512
struct texts {
    char text[TEXTS_MAX][LEVELS_MAX * 3];
    size_t count;
};

static void texts_add(struct texts *t, const char *const *levels, size_t count, const char *prefix,
                      unsigned depth)
{
    for (size_t i = 0; i < count; i++) {
        char *text = t->text[t->count];

        if (depth > 1 && strchr(prefix, '#') != NULL)
            return;
        ck_assert_uint_lt(t->count, TEXTS_MAX);
        snprintf(text, sizeof t->text[0], "%s%s%s", prefix, depth > 1 ? "/" : "", levels[i]);
        if (text[0] != '\0')
            t->count++;
        if (depth < LEVELS_MAX) {
            char own[LEVELS_MAX * 3];

            snprintf(own, sizeof own, "%s", text);
            texts_add(t, levels, count, own, depth + 1);
        }
    }
}

static bool covers_by_names(const char *outer, const char *inner, const struct texts *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (matches(inner, names->text[i]) && !matches(outer, names->text[i]))
            return false;
    return true;
}

START_TEST(covering_is_what_its_definition_says)
{
    /* "z" stands in no filter, so that no wildcard is used up by the names. */
    static const char *const name_levels[] = {"", "a", "$", "z"};
    static const char *const filter_levels[] = {"", "a", "$", "+", "#"};
    static struct texts names, filters;

    names.count = 1; /* "" is no name, but tells "/#" from "/+/#", as covers does */
    texts_add(&names, name_levels, 4, "", 1);
    texts_add(&filters, filter_levels, 5, "", 1);
    for (size_t o = 0; o < filters.count; o++)
        for (size_t i = 0; i < filters.count; i++) {
            const char *outer = filters.text[o], *inner = filters.text[i];

            /* Names of more levels than these could still tell the two apart. */
            if (strchr(inner, '#') != NULL && strchr(outer, '#') == NULL)
                continue;
            ck_assert_msg(covers(outer, inner) == covers_by_names(outer, inner, &names),
                          "%s covers %s", outer, inner);
        }
}
END_TEST

/* As the names see it; also one filter at most is what both have in common. */
static void check_intersection(const char *a, const char *b, const struct texts *names)
{
    struct buf both = {0};
    bool some = filter_intersect(slice_of(a), slice_of(b), &both);

    ck_assert(some || both.len == 0 || filter_check(buf_slice(&both)) == TOPIC_OK);
    for (size_t i = 1; i < names->count; i++) { /* "" is no name */
        bool match = matches(a, names->text[i]) && matches(b, names->text[i]);

        ck_assert_msg(match == (some && filter_match(buf_slice(&both), slice_of(names->text[i]))),
                      "%s and %s, for %s", a, b, names->text[i]);
    }
    buf_free(&both);
}

START_TEST(an_intersection_matches_what_both_match)
{
    static const char *const name_levels[] = {"", "a", "$", "z"};
    static const char *const filter_levels[] = {"", "a", "$", "+", "#"};
    static struct texts names, filters;

    names.count = 1;
    texts_add(&names, name_levels, 4, "", 1);
    texts_add(&filters, filter_levels, 5, "", 1);
    for (size_t a = 0; a < filters.count; a++)
        for (size_t b = 0; b < filters.count; b++)
            check_intersection(filters.text[a], filters.text[b], &names);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("topic");
    TCase *t = tcase_create("topic");

    tcase_add_test(t, any_utf8_is_a_name);
    tcase_add_test(t, a_name_is_1_to_1024_bytes);
    tcase_add_test(t, names_and_filters_have_so_many_levels);
    tcase_add_test(t, a_name_has_no_nul_wildcard_or_bad_utf8);
    tcase_add_test(t, reserved_names_cannot_be_published);
    tcase_add_test(t, wildcards_are_whole_levels_and_the_rest_comes_last);
    tcase_add_test(t, every_verdict_has_a_text);
    tcase_add_test(t, exact_means_without_wildcard);
    tcase_add_test(t, mqtt_examples_of_the_multi_level_wildcard);
    tcase_add_test(t, mqtt_examples_of_the_single_level_wildcard);
    tcase_add_test(t, mqtt_examples_of_names_with_a_dollar);
    tcase_add_test(t, levels_compare_byte_for_byte);
    tcase_add_test(t, a_filter_covers_what_is_narrower);
    tcase_add_test(t, a_filter_does_not_cover_what_is_wider);
    tcase_add_test(t, wildcards_do_not_cover_names_with_a_dollar);
    tcase_add_test(t, covering_is_what_its_definition_says);
    tcase_add_test(t, an_intersection_matches_what_both_match);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
