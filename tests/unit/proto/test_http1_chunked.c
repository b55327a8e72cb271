/*
 * test_http1_chunked.c - chunked bodies: whole, byte by byte, and cut at every
 * place against an unmapped page, the same body or the same refusal.
 */
#include <stdlib.h>

#include "guard.h"
#include "http1.h"
#include "suite.h"

static struct buf body;
static struct http1_chunked c;
static bool done;

static void setup(void)
{
    body = (struct buf){0};
    c = (struct http1_chunked){0};
    done = false;
}

static void teardown(void)
{
    buf_free(&body);
}

/* Decodes s as far as it goes; returns the bytes consumed, or HTTP1_BAD. */
static int decode(struct slice s)
{
    int consumed = 0;

    while (consumed < (int)s.len) {
        struct slice data;
        int n = http1_chunked_decode(&c, s.p + consumed, s.len - (size_t)consumed, &data, &done);

        if (n <= 0)
            return n < 0 ? n : consumed;
        consumed += n;
        buf_put_slice(&body, data);
    }
    return consumed;
}

static bool body_is(struct slice text)
{
    return slice_eq(buf_slice(&body), text);
}

static const struct {
    const char *text, *body;
} good[] = {
    {"0\r\n\r\n", ""},
    {"000\r\n\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"1\r\na\r\n00000000000002\r\nbc\r\n0\r\n\r\n", "abc"},
    {"a\r\n0123456789\r\nB\r\n\r\n0\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "0123456789\r\n0\r\n\r\n0\r\n\r"},
    {"1;a\r\nx\r\n0;b=c;d=\"e \\\" \\\\;\xc3\xa4\";f\r\n\r\n", "x"},
    {"1\r\nx\r\n0\r\nTrailer: a\tb\r\nEmpty:\r\n\r\n", "x"},
};

START_TEST(a_body_is_the_data_of_its_chunks)
{
    ck_assert_int_eq(decode(slice_of(good[_i].text)), (int)strlen(good[_i].text));
    ck_assert(done);
    ck_assert(body_is(slice_of(good[_i].body)));
}
END_TEST

START_TEST(nothing_after_the_body_is_consumed)
{
    ck_assert_int_eq(decode(SLICE("1\r\na\r\n0\r\n\r\nGET /")), 11);
    ck_assert(done);
    ck_assert_int_eq(decode(SLICE("GET /")), 0);
    ck_assert(done);
}
END_TEST

START_TEST(a_body_may_be_cut_anywhere)
{
    struct slice text = slice_of(good[_i].text);
    struct guard g = guard_new(text.len);

    for (size_t cut = 0; cut <= text.len; cut++) {
        struct slice tail = {text.p + cut, text.len - cut};

        teardown();
        setup();
        ck_assert_int_eq(decode((struct slice){(const char *)guard_put(&g, text.p, cut), cut}),
                         (int)cut);
        ck_assert(done == (cut == text.len));
        ck_assert_int_eq(
            decode((struct slice){(const char *)guard_put(&g, tail.p, tail.len), tail.len}),
            (int)tail.len);
        ck_assert(done && body_is(slice_of(good[_i].body)));
    }
    guard_free(&g);
}
END_TEST

START_TEST(a_run_is_handed_out_where_it_lies)
{
    static const char text[] = "5\r\nhello\r\n";
    struct slice data;

    ck_assert_int_eq(http1_chunked_decode(&c, text, sizeof text - 1, &data, &done), 8);
    ck_assert_ptr_eq(data.p, text + 3);
    ck_assert_uint_eq(data.len, 5);
    ck_assert_int_eq(http1_chunked_decode(&c, text + 8, 0, &data, &done), 0);
    ck_assert_uint_eq(data.len, 0);
}
END_TEST

static const struct slice bad[] = {
    SLICE("\r\n"),
    SLICE("g\r\n"),
    SLICE("-1\r\n"),
    SLICE("+1\r\na"),
    SLICE(" 1\r\na"),
    SLICE("0x1\r\na"),
    SLICE("1 \r\na"),
    SLICE("1\t\r\na"),
    SLICE("1\na\r\n"),
    SLICE("1\r\r\na"),
    SLICE("1\ra"),
    SLICE("1,2\r\n"),
    SLICE("1\r\nab\r\n"),
    SLICE("1\r\na0\r\n"),
    SLICE("1\r\na\n0"),
    SLICE("1\r\na\rb"),
    SLICE("1\r\na\r\n\r\n"),
    SLICE("1\0\r\na"),
    SLICE("0000000000000001\r\n"),
    SLICE("ffffffffffffffffe\r\n"),
    SLICE("10000000000000001\r\n"),
    /* extensions */
    SLICE("1;\r\n"),
    SLICE("1 ;a\r\n"),
    SLICE("1; a\r\n"),
    SLICE("1;a \r\n"),
    SLICE("1;a=\r\n"),
    SLICE("1;=b\r\n"),
    SLICE("1;a;;b\r\n"),
    SLICE("1;a\nx"),
    SLICE("1;a=\"\r\n"),
    SLICE("1;a=\"b\\\n\"\r\n"),
    SLICE("1;a=\"b\"c\r\n"),
    SLICE("1;a\rb"),
    SLICE("1;a\0\r\n"),
    /* trailers */
    SLICE("0\r\n\n"),
    SLICE("0\r\n\r\r"),
    SLICE("0\r\n a: b\r\n"),
    SLICE("0\r\na\r\n"),
    SLICE("0\r\na : b\r\n"),
    SLICE("0\r\n: b\r\n"),
    SLICE("0\r\na: b\n"),
    SLICE("0\r\na: b\r\n c\r\n"),
    SLICE("0\r\na: \0\r\n"),
    SLICE("0\n\n"),
    SLICE("0\r\nGET / HTTP/1.1\r\n"),
};

START_TEST(what_is_not_exact_is_refused_for_good)
{
    ck_assert_int_eq(decode(bad[_i]), HTTP1_BAD);
    ck_assert(!done);
    ck_assert_int_eq(decode(SLICE("0\r\n\r\n")), HTTP1_BAD);
}
END_TEST

START_TEST(a_refusal_does_not_wait_for_more)
{
    int rc = 0;

    for (size_t i = 0; i < bad[_i].len && rc >= 0; i++)
        rc = decode((struct slice){bad[_i].p + i, 1});
    ck_assert_int_eq(rc, HTTP1_BAD);
}
END_TEST

/* Feeds `piece` over and over; returns the bytes that were taken. */
static size_t feed_until_refused(const char *piece)
{
    size_t taken = 0;

    while (taken < 100000 && decode(slice_of(piece)) >= 0)
        taken += strlen(piece);
    return taken;
}

START_TEST(trailers_are_bounded)
{
    ck_assert_int_eq(decode(SLICE("0\r\n")), 3);
    ck_assert_uint_lt(feed_until_refused("a: b\r\n"), 16384);
}
END_TEST

START_TEST(extensions_are_bounded_over_all_chunks)
{
    ck_assert_uint_lt(feed_until_refused("1;a\r\nx\r\n"), 65536);
}
END_TEST

START_TEST(chunks_without_extensions_are_not_bounded_here)
{
    ck_assert_uint_ge(feed_until_refused("1\r\nx\r\n"), 100000);
}
END_TEST

START_TEST(the_largest_chunk_is_counted_without_overflow)
{
    ck_assert_int_eq(decode(SLICE("fffffffffffffff\r\nx")), 18);
    ck_assert_uint_eq(c.left, UINT64_C(0xfffffffffffffff) - 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http1_chunked");
    TCase *t = tcase_create("http1_chunked");
    int goods = sizeof good / sizeof good[0], bads = sizeof bad / sizeof bad[0];

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_body_is_the_data_of_its_chunks, 0, goods);
    tcase_add_loop_test(t, a_body_may_be_cut_anywhere, 0, goods);
    tcase_add_test(t, nothing_after_the_body_is_consumed);
    tcase_add_test(t, a_run_is_handed_out_where_it_lies);
    tcase_add_loop_test(t, what_is_not_exact_is_refused_for_good, 0, bads);
    tcase_add_loop_test(t, a_refusal_does_not_wait_for_more, 0, bads);
    tcase_add_test(t, trailers_are_bounded);
    tcase_add_test(t, extensions_are_bounded_over_all_chunks);
    tcase_add_test(t, chunks_without_extensions_are_not_bounded_here);
    tcase_add_test(t, the_largest_chunk_is_counted_without_overflow);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
