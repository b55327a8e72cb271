/*
 * test_json.c - what is JSON and what is not, walking it, and writing it.
 */
#include <stdlib.h>

#include "guard.h"
#include "json.h"
#include "suite.h"

static struct buf b;

static void setup(void)
{
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
}

static struct slice written(void)
{
    return buf_slice(&b);
}

#define assert_written(text) ck_assert(slice_eq(written(), SLICE(text)))

/* --- checking ---------------------------------------------------------------- */

/* The one value in s, checked where reading past it would be a crash. */
static enum json_kind check_guarded(struct slice s)
{
    struct guard g = guard_new(s.len + 1);
    enum json_kind kind =
        json_check((struct slice){(const char *)guard_put(&g, s.p, s.len), s.len});

    guard_free(&g);
    return kind;
}

static const struct {
    const char *text;
    enum json_kind kind;
} good[] = {
    {"null", JSON_NULL},
    {"true", JSON_TRUE},
    {"false", JSON_FALSE},
    {"0", JSON_NUMBER},
    {"-0", JSON_NUMBER},
    {"10", JSON_NUMBER},
    {"-1.50e+10", JSON_NUMBER},
    {"1E5", JSON_NUMBER},
    {"123456789012345678901234567890", JSON_NUMBER},
    {"\"\"", JSON_STRING},
    {"\"a b\"", JSON_STRING},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u00E4\"", JSON_STRING},
    {"\"\\ud83d\\ude00\"", JSON_STRING},
    {"\"\\ud83d\"", JSON_STRING}, /* half a pair */
    {"\"\\ude00\"", JSON_STRING},
    {"\"\\ud83d\\ud83dx\\n\"", JSON_STRING},
    {"\"\\u0000\"", JSON_STRING},
    {"\"\x7f\"", JSON_STRING},
    {"\"\xc3\xa4\xf0\x9f\x98\x80\"", JSON_STRING},
    {"[]", JSON_ARRAY},
    {"[ ]", JSON_ARRAY},
    {"[1,\"a\",[null],{}]", JSON_ARRAY},
    {" \t\r\n[ 1 , 2 ]\n", JSON_ARRAY},
    {"{}", JSON_OBJECT},
    {"{\"a\":1,\"a\":2}", JSON_OBJECT},
    {"{ \"a\" : { \"b\" : [ ] } }", JSON_OBJECT},
    {"{\"\":0}", JSON_OBJECT},
};

START_TEST(json_is_recognised_with_its_kind)
{
    ck_assert_int_eq(check_guarded(slice_of(good[_i].text)), good[_i].kind);
}
END_TEST

static const char *const bad[] = {
    /* words and numbers */
    "nul",
    "nulll",
    "True",
    "NaN",
    "Infinity",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "1 2",
    "--1",
    "1.e1",
    "1_000",
    /* strings */
    "\"",
    "\"a",
    "'a'",
    "a",
    "\"\\\"",
    "\"\\x41\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\t\"",
    "\"\x01\"",
    "\"\\",
    "\"\\u",
    "\"\\ud83d\\u",
    "\"\\ud83d\\ude0",
    /* not UTF-8: alone, overlong, a surrogate, too high, cut short */
    "\"\x80\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xc3\"",
    "\xef\xbb\xbf"
    "1",
    /* structure */
    "",
    " ",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "[1}",
    "{\"a\":1]",
    "[]x",
    "[] []",
    "//x\n1",
    "/**/1",
    "\v1",
    "\xc2\xa0"
    "1",
};

START_TEST(what_is_not_json_is_refused)
{
    ck_assert_int_eq(check_guarded(slice_of(bad[_i])), JSON_BAD);
}
END_TEST

START_TEST(a_nul_is_no_white_space)
{
    ck_assert_int_eq(json_check(SLICE("1\0")), JSON_BAD);
    ck_assert_int_eq(json_check(SLICE("\0")), JSON_BAD);
    ck_assert_int_eq(json_check(SLICE("[\0]")), JSON_BAD);
    ck_assert_int_eq(json_check(SLICE("\"\\\0\"")), JSON_BAD);
    ck_assert_int_eq(json_check((struct slice){NULL, 0}), JSON_BAD);
}
END_TEST

START_TEST(every_prefix_of_an_object_is_bad_and_read_to_its_end_only)
{
    struct slice s =
        SLICE("{\"k\\u00e4\":[1.5e-3,true,null,\"\xc3\xa4\\ud83d\\ude00\"],\"b\":{\"c\":false}}");
    struct guard g = guard_new(s.len);

    for (size_t n = 0; n < s.len; n++) {
        struct slice cut = {(const char *)guard_put(&g, s.p, n), n};

        ck_assert_int_eq(json_check(cut), JSON_BAD);
    }
    ck_assert_int_eq(json_check(s), JSON_OBJECT);
    guard_free(&g);
}
END_TEST

static enum json_kind check_nested(size_t depth)
{
    buf_clear(&b);
    for (size_t i = 0; i < depth; i++)
        buf_puts(&b, i % 2 == 0 ? "[" : "{\"a\":");
    buf_puts(&b, "1");
    for (size_t i = depth; i-- > 0;)
        buf_puts(&b, i % 2 == 0 ? "]" : "}");
    return json_check(written());
}

START_TEST(depth_is_bounded)
{
    ck_assert_int_eq(check_nested(JSON_DEPTH_MAX), JSON_ARRAY);
    ck_assert_int_eq(check_nested(JSON_DEPTH_MAX + 1), JSON_BAD);
    ck_assert_int_eq(check_nested(100000), JSON_BAD);
}
END_TEST

/* --- walking ----------------------------------------------------------------- */

START_TEST(members_come_in_order_with_their_raw_values)
{
    struct json_iter it = json_iter_of(SLICE(" { \"a\" : [1, 2] ,\"b\":\"x,}\" , \"a\":null } "));
    struct slice key, raw;

    ck_assert(json_member(&it, &key, &raw));
    ck_assert(slice_eq(key, SLICE("\"a\"")) && slice_eq(raw, SLICE("[1, 2]")));
    ck_assert(json_member(&it, &key, &raw));
    ck_assert(slice_eq(key, SLICE("\"b\"")) && slice_eq(raw, SLICE("\"x,}\"")));
    ck_assert(json_member(&it, &key, &raw));
    ck_assert(slice_eq(key, SLICE("\"a\"")) && slice_eq(raw, SLICE("null")));
    ck_assert(!json_member(&it, &key, &raw));
    ck_assert(!json_member(&it, &key, &raw));
}
END_TEST

START_TEST(elements_come_in_order)
{
    struct json_iter it = json_iter_of(SLICE("[ {\"a\":[]} , -1e5 ,\"]\"]"));
    struct slice raw;

    ck_assert(json_element(&it, &raw) && slice_eq(raw, SLICE("{\"a\":[]}")));
    ck_assert(json_element(&it, &raw) && slice_eq(raw, SLICE("-1e5")));
    ck_assert(json_element(&it, &raw) && slice_eq(raw, SLICE("\"]\"")));
    ck_assert(!json_element(&it, &raw));
}
END_TEST

START_TEST(what_is_empty_has_nothing_to_walk)
{
    struct json_iter object = json_iter_of(SLICE("{ }")), array = json_iter_of(SLICE("[]"));
    struct slice key, raw;

    ck_assert(!json_member(&object, &key, &raw));
    ck_assert(!json_element(&array, &raw));
}
END_TEST

/* --- values ------------------------------------------------------------------ */

START_TEST(strings_are_unescaped)
{
    json_string_get(SLICE("\"a\\n\\u00e4\\ud83d\\ude00\\\\\\/\\u0000\\u20AC z\""), &b);
    assert_written("a\n\xc3\xa4\xf0\x9f\x98\x80\\/\0\xe2\x82\xac z");
}
END_TEST

START_TEST(half_a_pair_is_no_text)
{
    b = (struct buf){0};
    ck_assert(json_is_text(SLICE("[\"\\ud83d\\ude00\\ufffd\\\\ud83d\", {}]")));
    ck_assert(!json_is_text(SLICE("{\"a\":\"\\ud83d\"}")));
    ck_assert(!json_is_text(SLICE("\"\\ude00\\ud83d\"")));
    json_string_get(SLICE("\"\\ud83d\\ude00\\ud83dx\\ude00\""), &b);
    ck_assert(slice_eq(buf_slice(&b), SLICE("\xf0\x9f\x98\x80\xef\xbf\xbdx\xef\xbf\xbd")));
    buf_free(&b);
}
END_TEST

START_TEST(an_empty_string_adds_nothing)
{
    json_string_get(SLICE("\"\""), &b);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(strings_compare_as_unescaped)
{
    ck_assert(json_string_is(SLICE("\"topic\""), "topic"));
    ck_assert(json_string_is(SLICE("\"t\\u006fpi\\u0063\""), "topic"));
    ck_assert(json_string_is(SLICE("\"\""), ""));
    ck_assert(json_string_is(SLICE("\"\\\\n\""), "\\n"));
    ck_assert(!json_string_is(SLICE("\"\\n\""), "\\n"));
    ck_assert(!json_string_is(SLICE("\"topi\""), "topic"));
    ck_assert(!json_string_is(SLICE("\"topics\""), "topic"));
    ck_assert(!json_string_is(SLICE("\"topic\\u0000\""), "topic"));
}
END_TEST

START_TEST(integers_are_read_as_numbers_or_strings_of_digits)
{
    uint64_t v;

    ck_assert(json_u64(SLICE("18446744073709551615"), &v) && v == UINT64_MAX);
    ck_assert(json_u64(SLICE("\"42\""), &v) && v == 42);
    ck_assert(!json_u64(SLICE("18446744073709551616"), &v));
    ck_assert(!json_u64(SLICE("-1"), &v));
    ck_assert(!json_u64(SLICE("1.0"), &v));
    ck_assert(!json_u64(SLICE("1e3"), &v));
    ck_assert(!json_u64(SLICE("\"\""), &v));
    ck_assert(!json_u64(SLICE("\" 1\""), &v));
    ck_assert(!json_u64(SLICE("true"), &v));
    ck_assert(!json_u64(SLICE("[1]"), &v));
}
END_TEST

/* --- writing ----------------------------------------------------------------- */

START_TEST(strings_are_written_with_the_escapes_they_need)
{
    json_put_string(&b, SLICE("a\"\\/\b\f\n\r\t\0\x1f\x7f\xc3\xa4"));
    assert_written("\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xc3\xa4\"");
}
END_TEST

START_TEST(an_unset_string_is_written_empty)
{
    json_put_string(&b, (struct slice){NULL, 0});
    assert_written("\"\"");
}
END_TEST

START_TEST(any_character_survives_writing_and_reading)
{
    struct buf text = {0}, back = {0};

    for (int c = 0; c < 0x80; c++)
        buf_u8(&text, (uint8_t)c);
    json_put_string(&b, buf_slice(&text));
    ck_assert_int_eq(json_check(written()), JSON_STRING);
    json_string_get(written(), &back);
    ck_assert(slice_eq(buf_slice(&text), buf_slice(&back)));
    buf_free(&text);
    buf_free(&back);
}
END_TEST

START_TEST(line_breaks_between_tokens_become_spaces)
{
    json_put_one_line(&b, SLICE("{\r\n \"a\\n\" :\n[1,\r2]\n}"));
    assert_written("{   \"a\\n\" : [1, 2] }");
}
END_TEST

/* --- base64 ------------------------------------------------------------------ */

/* RFC 4648, 10. */
static const struct {
    const char *bytes, *text;
} base64[] = {
    {"", "\"\""},
    {"f", "\"Zg==\""},
    {"fo", "\"Zm8=\""},
    {"foo", "\"Zm9v\""},
    {"foob", "\"Zm9vYg==\""},
    {"fooba", "\"Zm9vYmE=\""},
    {"foobar", "\"Zm9vYmFy\""},
    {"\xff\xfe\xfb", "\"//77\""},
};

START_TEST(base64_is_written_and_read)
{
    json_put_base64(&b, slice_of(base64[_i].bytes));
    ck_assert(slice_eq(written(), slice_of(base64[_i].text)));
    buf_clear(&b);
    ck_assert(json_get_base64(slice_of(base64[_i].text), &b));
    ck_assert(slice_eq(written(), slice_of(base64[_i].bytes)));
}
END_TEST

START_TEST(base64_may_come_with_escapes_as_any_string)
{
    ck_assert(json_get_base64(SLICE("\"\\/\\/7\\u0037\""), &b));
    assert_written("\xff\xfe\xfb");
}
END_TEST

static const char *const bad_base64[] = {
    "\"Z\"",        "\"Zg\"",    "\"Zg=\"",     "\"Zg===\"",
    "\"Z===\"",     "\"====\"",  "\"Zh==\"",    "\"Zm9=\"",
    "\"Zg==Zg==\"", "\"Zm 9v\"", "\"Zm9v\\n\"", "\"Zm9-\"",
    "\"Zm9_\"",     "\"=Zm9\"",  "\"Z=g=\"",    "\"Zm9v\xc3\xa4\xc3\xa4\"",
};

START_TEST(base64_that_is_not_exact_is_refused_and_leaves_nothing)
{
    buf_puts(&b, "x");
    ck_assert(!json_get_base64(slice_of(bad_base64[_i]), &b));
    assert_written("x");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("json");
    TCase *check = tcase_create("check"), *walk = tcase_create("walk"),
          *write = tcase_create("write");

    tcase_add_checked_fixture(check, setup, teardown);
    tcase_add_loop_test(check, json_is_recognised_with_its_kind, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(check, what_is_not_json_is_refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(check, a_nul_is_no_white_space);
    tcase_add_test(check, every_prefix_of_an_object_is_bad_and_read_to_its_end_only);
    tcase_add_test(check, depth_is_bounded);
    suite_add_tcase(s, check);

    tcase_add_checked_fixture(walk, setup, teardown);
    tcase_add_test(walk, members_come_in_order_with_their_raw_values);
    tcase_add_test(walk, elements_come_in_order);
    tcase_add_test(walk, what_is_empty_has_nothing_to_walk);
    tcase_add_test(walk, strings_are_unescaped);
    tcase_add_test(walk, an_empty_string_adds_nothing);
    tcase_add_test(walk, strings_compare_as_unescaped);
    tcase_add_test(walk, integers_are_read_as_numbers_or_strings_of_digits);
    suite_add_tcase(s, walk);

    tcase_add_checked_fixture(write, setup, teardown);
    tcase_add_test(write, strings_are_written_with_the_escapes_they_need);
    tcase_add_test(write, an_unset_string_is_written_empty);
    tcase_add_test(write, any_character_survives_writing_and_reading);
    tcase_add_test(write, line_breaks_between_tokens_become_spaces);
    tcase_add_loop_test(write, base64_is_written_and_read, 0, sizeof base64 / sizeof base64[0]);
    tcase_add_test(write, base64_may_come_with_escapes_as_any_string);
    tcase_add_test(write, half_a_pair_is_no_text);
    tcase_add_loop_test(write, base64_that_is_not_exact_is_refused_and_leaves_nothing, 0,
                        sizeof bad_base64 / sizeof bad_base64[0]);
    suite_add_tcase(s, write);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
