/*
 * test_deflate.c - permessage-deflate: what is compressed comes back, what
 * others compress is understood (the examples of RFC 7692, 7.2.3), and nothing
 * that comes out is larger than it may be.
 */
#include <stdlib.h>

#include "deflate.h"
#include "suite.h"

#define MAX (4u * 1024 * 1024)

static struct deflater *d;
static struct inflater *i;
static struct buf b, out;

static void setup(void)
{
    d = deflater_new(6);
    i = inflater_new();
    b = out = (struct buf){0};
}

static void teardown(void)
{
    deflater_free(d);
    inflater_free(i);
    buf_free(&b);
    buf_free(&out);
}

static struct slice bytes_of(const struct buf *buf)
{
    return buf_slice(buf);
}

static enum inflate_verdict inflate_to(struct slice message, size_t max)
{
    buf_clear(&out);
    return inflater_put(i, message, max, &out);
}

static void assert_inflates(struct slice message, struct slice expected)
{
    ck_assert_int_eq(inflate_to(message, MAX), INFLATE_OK);
    ck_assert(slice_eq(bytes_of(&out), expected));
}

/* Bytes that no compressor makes shorter. */
static void put_noise(struct buf *to, size_t n)
{
    uint32_t x = 1;

    while (n-- > 0) {
        x = x * 1664525 + 1013904223;
        buf_u8(to, (uint8_t)(x >> 24));
    }
}

/* --- both ways -------------------------------------------------------------------- */

static const size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 65535, 65536, 100000, 1048576};

START_TEST(text_comes_back)
{
    struct buf text = {0};

    for (size_t n = 0; n < sizes[_i]; n++)
        buf_u8(&text, (uint8_t)('a' + n % 26));
    deflater_put(d, bytes_of(&text), &b);
    assert_inflates(bytes_of(&b), bytes_of(&text));
    buf_free(&text);
}
END_TEST

START_TEST(noise_comes_back)
{
    struct buf noise = {0};

    put_noise(&noise, sizes[_i]);
    deflater_put(d, bytes_of(&noise), &b);
    ck_assert_uint_le(b.len, noise.len + noise.len / 4 + 64); /* what ws.h admits */
    assert_inflates(bytes_of(&b), bytes_of(&noise));
    buf_free(&noise);
}
END_TEST

START_TEST(a_message_does_not_depend_on_the_one_before)
{
    size_t first;

    deflater_put(d, SLICE("the same again"), &b);
    first = b.len;
    deflater_put(d, SLICE("the same again"), &b);
    ck_assert_uint_eq(b.len, 2 * first);
    ck_assert(memcmp(b.p, b.p + first, first) == 0);
}
END_TEST

START_TEST(what_is_appended_to_is_left_alone)
{
    buf_puts(&b, "HEAD");
    deflater_put(d, SLICE("hello"), &b);
    ck_assert(slice_starts(bytes_of(&b), SLICE("HEAD")));
    buf_puts(&out, "MORE");
    ck_assert_int_eq(inflater_put(i, (struct slice){(char *)b.p + 4, b.len - 4}, 5, &out),
                     INFLATE_OK);
    ck_assert(slice_eq(bytes_of(&out), SLICE("MOREhello")));
}
END_TEST

/* --- in two parts ----------------------------------------------------------------- */

START_TEST(a_prefix_is_shared_by_messages_that_end_differently)
{
    static const struct slice ends[] = {SLICE("\"path\"]}"), SLICE("7]}"), SLICE("")};
    struct slice prefix =
        SLICE("{\"op\":\"event\",\"data\":\"aaaaaaaaaaaaaaaaaaaaaaaa\",\"subs\":[");
    struct buf whole = {0};

    deflater_put_prefix(d, prefix, &b);
    for (size_t n = 0; n < sizeof ends / sizeof ends[0]; n++) {
        struct buf message = {0};

        buf_put_slice(&message, bytes_of(&b));
        deflate_put_rest(ends[n], &message);
        buf_clear(&whole);
        buf_put_slice(&whole, prefix);
        buf_put_slice(&whole, ends[n]);
        assert_inflates(bytes_of(&message), bytes_of(&whole));
        buf_free(&message);
    }
    buf_free(&whole);
}
END_TEST

START_TEST(the_rest_may_be_longer_than_a_stored_block)
{
    struct buf rest = {0};

    put_noise(&rest, 200000);
    deflater_put_prefix(d, SLICE(""), &b);
    deflate_put_rest(bytes_of(&rest), &b);
    assert_inflates(bytes_of(&b), bytes_of(&rest));
    buf_free(&rest);
}
END_TEST

/* --- what others send ------------------------------------------------------------- */

static const struct foreign {
    struct slice message;
    struct slice text;
} foreign[] = {
    {SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), SLICE("Hello")},                         /* 7.2.3.1 */
    {SLICE("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), SLICE("Hello")},         /* 7.2.3.3 */
    {SLICE("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), SLICE("Hello")},                     /* 7.2.3.4 */
    {SLICE("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), SLICE("Hello")}, /* 7.2.3.5 */
    {SLICE("\x00"), SLICE("")},                                                      /* 7.2.3.6 */
    {SLICE("\x02\x00"), SLICE("")}, /* a browser's */
};

START_TEST(other_ways_to_compress_are_understood)
{
    assert_inflates(foreign[_i].message, foreign[_i].text);
}
END_TEST

static const struct slice bad[] = {
    SLICE(""),                         /* not even an empty block */
    SLICE("\xf2\x48\xcd\xc9\xc9\x07"), /* cut short */
    SLICE("\xf2\x48\xcd"),
    SLICE("\xf2\x00\x11\x00\x00"),                 /* what the one before left behind */
    SLICE("\x07"),                                 /* a reserved kind of block */
    SLICE("\x00\x05\x00\xfa\xfeHello\x00"),        /* a length that is not its
                                                      complement */
    SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00\xff\xff"), /* something behind it */
};

START_TEST(what_is_not_deflate_is_refused)
{
    assert_inflates(foreign[0].message, foreign[0].text);
    ck_assert_int_eq(inflate_to(bad[_i], MAX), INFLATE_BAD);
    assert_inflates(foreign[0].message, foreign[0].text); /* and does no harm */
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    struct buf text = {0};

    put_noise(&text, 300);
    buf_puts(&text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    deflater_put(d, bytes_of(&text), &b);
    for (size_t n = 0; n < b.len; n++)
        ck_assert_int_eq(inflate_to((struct slice){(char *)b.p, n}, MAX), INFLATE_BAD);
    assert_inflates(bytes_of(&b), bytes_of(&text));
    buf_free(&text);
}
END_TEST

/* --- the bound -------------------------------------------------------------------- */

START_TEST(a_message_may_be_as_large_as_the_bound)
{
    struct buf zeros = {0};

    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        size_t size = sizes[n];

        buf_clear(&zeros);
        buf_clear(&b);
        memset(buf_reserve(&zeros, size + 1), 0, size);
        zeros.len = size;
        deflater_put(d, bytes_of(&zeros), &b);
        ck_assert_int_eq(inflate_to(bytes_of(&b), size), INFLATE_OK);
        ck_assert_uint_eq(out.len, size);
        if (size > 0)
            ck_assert_int_eq(inflate_to(bytes_of(&b), size - 1), INFLATE_TOO_BIG);
    }
    buf_free(&zeros);
}
END_TEST

START_TEST(a_bomb_costs_no_more_than_the_bound)
{
    struct buf zeros = {0};

    zeros.len = 64u * 1024 * 1024;
    zeros.p = calloc(zeros.len, 1);
    zeros.cap = zeros.len;
    deflater_put(d, bytes_of(&zeros), &b);
    buf_free(&zeros);
    ck_assert_uint_lt(b.len, 100000);
    ck_assert_int_eq(inflate_to(bytes_of(&b), 100000), INFLATE_TOO_BIG);
    ck_assert_uint_lt(out.cap, 4 * 100000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("deflate");
    TCase *t = tcase_create("deflate");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, text_comes_back, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_loop_test(t, noise_comes_back, 0, sizeof sizes / sizeof sizes[0]);
    tcase_add_test(t, a_message_does_not_depend_on_the_one_before);
    tcase_add_test(t, what_is_appended_to_is_left_alone);
    tcase_add_test(t, a_prefix_is_shared_by_messages_that_end_differently);
    tcase_add_test(t, the_rest_may_be_longer_than_a_stored_block);
    tcase_add_loop_test(t, other_ways_to_compress_are_understood, 0,
                        sizeof foreign / sizeof foreign[0]);
    tcase_add_loop_test(t, what_is_not_deflate_is_refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, a_message_may_be_as_large_as_the_bound);
    tcase_add_test(t, a_bomb_costs_no_more_than_the_bound);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
