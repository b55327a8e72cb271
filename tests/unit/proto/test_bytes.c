/*
 * test_bytes.c - slices, the bounded reader, the growing buffer, UTF-8.
 */
#include <stdlib.h>

#include "bytes.h"
#include "guard.h"
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

#define assert_text(text) ck_assert(slice_eq(buf_slice(&b), SLICE(text)))

/* --- slice ------------------------------------------------------------------ */

START_TEST(a_null_string_is_the_empty_slice)
{
    ck_assert_uint_eq(slice_of(NULL).len, 0);
    ck_assert(slice_eq(slice_of(NULL), SLICE("")));
}
END_TEST

START_TEST(case_is_folded_for_ascii_letters_only)
{
    ck_assert(slice_eq_nocase(SLICE("Content-TYPE"), SLICE("content-type")));
    ck_assert(!slice_eq_nocase(SLICE("a["), SLICE("a{")));
    ck_assert(!slice_eq_nocase(SLICE("\xc3\x84"), SLICE("\xc3\xa4")));
    ck_assert(!slice_eq_nocase(SLICE("ab"), SLICE("abc")));
}
END_TEST

START_TEST(a_slice_starts_with_its_prefixes)
{
    ck_assert(slice_starts(SLICE("sluice.gap"), SLICE("sluice.")));
    ck_assert(slice_starts(SLICE("a"), SLICE("")));
    ck_assert(!slice_starts(SLICE("sluic"), SLICE("sluice.")));
}
END_TEST

START_TEST(numbers_are_whole_decimal_and_in_range)
{
    static const struct slice bad[] = {
        SLICE(""),
        SLICE("-1"),
        SLICE("+1"),
        SLICE(" 1"),
        SLICE("1 "),
        SLICE("0x10"),
        SLICE("1e3"),
        SLICE("18446744073709551616"),
        SLICE("99999999999999999999"),
    };
    uint64_t v = 7;

    ck_assert(slice_u64(SLICE("0"), &v) && v == 0);
    ck_assert(slice_u64(SLICE("9007199254740991"), &v) && v == 9007199254740991);
    ck_assert(slice_u64(SLICE("18446744073709551615"), &v) && v == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!slice_u64(bad[i], &v), "%s", bad[i].p);
}
END_TEST

/* --- UTF-8 -------------------------------------------------------------------- */

/* The definition, one code point at a time, to compare with. */
static size_t encode(uint32_t cp, char *out)
{
    if (cp < 0x80)
        return out[0] = (char)cp, 1;
    if (cp < 0x800)
        return out[0] = (char)(0xc0 | cp >> 6), out[1] = (char)(0x80 | (cp & 0x3f)), 2;
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

START_TEST(utf8_is_exactly_the_code_points_without_surrogates)
{
    char text[4];

    for (uint32_t cp = 0; cp < 0x120000; cp++) {
        bool valid = cp < 0x110000 && (cp < 0xd800 || cp > 0xdfff);
        size_t len = encode(cp, text);

        ck_assert_msg(utf8_valid(text, len) == valid, "U+%04X", cp);
        if (len > 1)
            ck_assert_msg(!utf8_valid(text, len - 1), "U+%04X cut short", cp);
    }
}
END_TEST

START_TEST(utf8_refuses_overlongs_and_stray_bytes)
{
    static const struct slice bad[] = {
        SLICE("\x80"),
        SLICE("\xbf"),
        SLICE("\xc0\x80"),
        SLICE("\xc1\xbf"),
        SLICE("\xe0\x80\xaf"),
        SLICE("\xf0\x80\x80\xaf"),
        SLICE("\xf5\x80\x80\x80"),
        SLICE("\xff"),
        SLICE("\xc3("),
        SLICE("\xe2\x82("),
        SLICE("12345678\x80"),
        SLICE("1234567\xc3"),
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!utf8_valid(bad[i].p, bad[i].len), "case %zu", i);
    ck_assert(utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
    ck_assert(utf8_valid(NULL, 0));
}
END_TEST

START_TEST(utf8_reads_nothing_past_the_end)
{
    static const char text[] = "0123456789abcdef\xf0\x9f\x98\x80";
    struct guard g = guard_new(sizeof text);

    for (size_t n = 0; n < sizeof text; n++)
        (void)utf8_valid((const char *)guard_put(&g, text, n), n);
    guard_free(&g);
}
END_TEST

/* --- reader ------------------------------------------------------------------- */

START_TEST(numbers_are_little_endian)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct reader r = reader_of(bytes, sizeof bytes);

    ck_assert_uint_eq(reader_u8(&r), 1);
    ck_assert_uint_eq(reader_u16(&r), 0x0302);
    ck_assert_uint_eq(reader_u32(&r), 0x07060504);
    ck_assert_uint_eq(reader_u64(&r), UINT64_C(0x0f0e0d0c0b0a0908));
    ck_assert(reader_done(&r));
}
END_TEST

START_TEST(one_read_too_many_spoils_the_reader_for_good)
{
    struct reader r = reader_of("abc", 3);

    ck_assert_uint_eq(reader_u32(&r), 0);
    ck_assert(r.bad);
    ck_assert_uint_eq(reader_u8(&r), 0);
    ck_assert_uint_eq(reader_bytes(&r, 1).len, 0);
    ck_assert(!reader_done(&r));
}
END_TEST

START_TEST(trailing_bytes_are_not_done)
{
    struct reader r = reader_of("abc", 3);

    ck_assert(slice_eq(reader_bytes(&r, 2), SLICE("ab")));
    ck_assert(!reader_done(&r));
}
END_TEST

START_TEST(a_string_longer_than_the_rest_is_bad)
{
    struct reader good = reader_of("\x02\x00hi", 4), cut = reader_of("\x03\x00hi", 4);

    ck_assert(slice_eq(reader_str16(&good), SLICE("hi")));
    ck_assert(reader_done(&good));
    ck_assert_uint_eq(reader_str16(&cut).len, 0);
    ck_assert(cut.bad);
}
END_TEST

START_TEST(nothing_can_be_read_from_nothing)
{
    struct reader r = reader_of(NULL, 0);

    ck_assert(reader_done(&r));
    ck_assert_uint_eq(reader_bytes(&r, 0).len, 0);
    ck_assert(reader_done(&r));
    reader_u8(&r);
    ck_assert(r.bad);
}
END_TEST

/* --- buf ---------------------------------------------------------------------- */

START_TEST(what_is_written_reads_back)
{
    struct reader r;

    buf_u8(&b, 0x12);
    buf_u16(&b, 0x3456);
    buf_u32(&b, 0x789abcde);
    buf_u64(&b, UINT64_C(0xf0e1d2c3b4a59687));
    buf_str16(&b, SLICE("topic"));
    r = reader_of(b.p, b.len);
    ck_assert_uint_eq(reader_u8(&r), 0x12);
    ck_assert_uint_eq(reader_u16(&r), 0x3456);
    ck_assert_uint_eq(reader_u32(&r), 0x789abcde);
    ck_assert_uint_eq(reader_u64(&r), UINT64_C(0xf0e1d2c3b4a59687));
    ck_assert(slice_eq(reader_str16(&r), SLICE("topic")));
    ck_assert(reader_done(&r));
}
END_TEST

START_TEST(a_buffer_keeps_its_bytes_while_it_grows)
{
    for (unsigned i = 0; i < 100000; i++)
        buf_u8(&b, (uint8_t)(i * 7));
    ck_assert_uint_eq(b.len, 100000);
    for (unsigned i = 0; i < 100000; i++)
        ck_assert_uint_eq(b.p[i], (uint8_t)(i * 7));
}
END_TEST

START_TEST(an_empty_buffer_has_room_for_nothing)
{
    ck_assert_ptr_nonnull(buf_reserve(&b, 0));
    buf_put(&b, NULL, 0);
    buf_consume(&b, 0);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(clearing_keeps_the_room)
{
    size_t cap;

    buf_puts(&b, "some text");
    cap = b.cap;
    buf_clear(&b);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_uint_eq(b.cap, cap);
}
END_TEST

START_TEST(numbers_print_as_decimal)
{
    buf_dec(&b, 0);
    buf_u8(&b, ' ');
    buf_dec(&b, 1234567890);
    buf_u8(&b, ' ');
    buf_dec(&b, UINT64_MAX);
    assert_text("0 1234567890 18446744073709551615");
}
END_TEST

START_TEST(printf_appends_without_a_nul)
{
    buf_puts(&b, "id: ");
    buf_printf(&b, "%d-%s", 42, "x");
    buf_printf(&b, "%s", "");
    assert_text("id: 42-x");
}
END_TEST

START_TEST(consuming_drops_from_the_front)
{
    buf_puts(&b, "abcdef");
    buf_consume(&b, 2);
    assert_text("cdef");
    buf_consume(&b, 4);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(patching_changes_only_its_place)
{
    buf_puts(&b, "0123456789abcdef");
    buf_patch_u32(&b, 2, 0x41414141);
    buf_patch_u64(&b, 8, UINT64_C(0x4242424242424242));
    assert_text("01AAAA67BBBBBBBB");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bytes");
    TCase *t = tcase_create("bytes");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_null_string_is_the_empty_slice);
    tcase_add_test(t, case_is_folded_for_ascii_letters_only);
    tcase_add_test(t, a_slice_starts_with_its_prefixes);
    tcase_add_test(t, numbers_are_whole_decimal_and_in_range);
    tcase_add_test(t, utf8_is_exactly_the_code_points_without_surrogates);
    tcase_add_test(t, utf8_refuses_overlongs_and_stray_bytes);
    tcase_add_test(t, utf8_reads_nothing_past_the_end);
    tcase_add_test(t, numbers_are_little_endian);
    tcase_add_test(t, one_read_too_many_spoils_the_reader_for_good);
    tcase_add_test(t, trailing_bytes_are_not_done);
    tcase_add_test(t, a_string_longer_than_the_rest_is_bad);
    tcase_add_test(t, nothing_can_be_read_from_nothing);
    tcase_add_test(t, what_is_written_reads_back);
    tcase_add_test(t, a_buffer_keeps_its_bytes_while_it_grows);
    tcase_add_test(t, an_empty_buffer_has_room_for_nothing);
    tcase_add_test(t, clearing_keeps_the_room);
    tcase_add_test(t, numbers_print_as_decimal);
    tcase_add_test(t, printf_appends_without_a_nul);
    tcase_add_test(t, consuming_drops_from_the_front);
    tcase_add_test(t, patching_changes_only_its_place);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
