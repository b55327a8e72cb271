/*
 * test_url.c - %-decoding, queries, %-encoding.
 */
#include <stdlib.h>

#include "suite.h"
#include "url.h"

static struct buf b;

static void setup(void)
{
    b = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&b);
}

#define assert_text(text) ck_assert(slice_eq(buf_slice(&b), SLICE(text)))

START_TEST(escapes_are_decoded_and_nothing_else)
{
    ck_assert(url_decode(SLICE("a%2Fb%2f+/../%00%c3%A4%25"), &b));
    assert_text("a/b/+/../\0\xc3\xa4%");
}
END_TEST

START_TEST(nothing_decodes_to_nothing)
{
    ck_assert(url_decode((struct slice){NULL, 0}, &b));
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(an_escape_that_is_not_two_digits_is_refused)
{
    static const struct slice bad[] = {SLICE("%"),   SLICE("%2"),   SLICE("a%"),  SLICE("%g0"),
                                       SLICE("%0g"), SLICE("%%20"), SLICE("%+1"), SLICE("%u0041")};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!url_decode(bad[i], &b), "%s", bad[i].p);
}
END_TEST

START_TEST(an_escape_ends_where_the_slice_ends)
{
    ck_assert(!url_decode((struct slice){"%41", 2}, &b));
}
END_TEST

START_TEST(a_query_is_taken_apart_in_order)
{
    struct slice query = SLICE("a=1&&b=&c&=d&e=f=g&a=%262"), name, value;
    static const struct slice expected[][2] = {
        {SLICE("a"), SLICE("1")}, {SLICE("b"), SLICE("")},    {SLICE("c"), SLICE("")},
        {SLICE(""), SLICE("d")},  {SLICE("e"), SLICE("f=g")}, {SLICE("a"), SLICE("%262")},
    };

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        ck_assert(url_query_next(&query, &name, &value));
        ck_assert(slice_eq(name, expected[i][0]) && slice_eq(value, expected[i][1]));
    }
    ck_assert(!url_query_next(&query, &name, &value));
}
END_TEST

START_TEST(an_empty_query_holds_nothing)
{
    struct slice none = {NULL, 0}, separators = SLICE("&&"), name, value;

    ck_assert(!url_query_next(&none, &name, &value));
    ck_assert(!url_query_next(&separators, &name, &value));
}
END_TEST

START_TEST(all_but_the_unreserved_and_slashes_is_encoded)
{
    url_encode(SLICE("aZ09-._~/ +?#%&=\0\xc3\xa4"), &b);
    assert_text("aZ09-._~/%20%2B%3F%23%25%26%3D%00%C3%A4");
}
END_TEST

START_TEST(every_byte_survives_encoding_and_decoding)
{
    struct buf bytes = {0}, back = {0};

    for (int i = 0; i < 256; i++)
        buf_u8(&bytes, (uint8_t)i);
    url_encode(buf_slice(&bytes), &b);
    ck_assert(url_decode(buf_slice(&b), &back));
    ck_assert_uint_eq(back.len, 256);
    ck_assert_int_eq(memcmp(back.p, bytes.p, 256), 0);
    buf_free(&bytes);
    buf_free(&back);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("url");
    TCase *t = tcase_create("url");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, escapes_are_decoded_and_nothing_else);
    tcase_add_test(t, nothing_decodes_to_nothing);
    tcase_add_test(t, an_escape_that_is_not_two_digits_is_refused);
    tcase_add_test(t, an_escape_ends_where_the_slice_ends);
    tcase_add_test(t, a_query_is_taken_apart_in_order);
    tcase_add_test(t, an_empty_query_holds_nothing);
    tcase_add_test(t, all_but_the_unreserved_and_slashes_is_encoded);
    tcase_add_test(t, every_byte_survives_encoding_and_decoding);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
