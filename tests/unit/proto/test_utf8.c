/*
 * test_utf8.c - text checked piece by piece says what text checked at once says.
 */
#include <stdlib.h>

#include "bytes.h"
#include "guard.h"
#include "suite.h"

/* The whole text in two pieces. */
static bool valid_in_two(const char *p, size_t len, size_t cut)
{
    struct utf8_check u = {0};

    return utf8_check_next(&u, p, cut) && utf8_check_next(&u, p + cut, len - cut) &&
           utf8_check_whole(&u);
}

/* Every pair of bytes, with what can make a character of it. */
START_TEST(pieces_and_the_whole_agree)
{
    static const struct slice rests[] = {
        SLICE(""), SLICE("\x80"), SLICE("\x80\x80"), SLICE("\xbf\xbf!"), SLICE("\xc3\xa4"),
    };
    char text[8];

    for (unsigned pair = 0; pair < 0x10000; pair++)
        for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
            size_t len = 2 + rests[i].len;
            bool valid;

            text[0] = (char)(pair >> 8);
            text[1] = (char)pair;
            memcpy(text + 2, rests[i].p, rests[i].len);
            valid = utf8_valid(text, len);
            for (size_t cut = 0; cut <= len; cut++)
                if (valid_in_two(text, len, cut) != valid)
                    ck_abort_msg("pair %04x, rest %zu, cut at %zu", pair, i, cut);
        }
}
END_TEST

START_TEST(the_first_byte_that_cannot_be_ends_it)
{
    static const struct slice bad[] = {
        SLICE("\x80"),      SLICE("\xc0"),          SLICE("\xf5"),     SLICE("\xe0\x9f"),
        SLICE("\xed\xa0"),  SLICE("\xf0\x8f"),      SLICE("\xf4\x90"), SLICE("\xc3("),
        SLICE("\xe2\x82("), SLICE("\xf0\x90\x80("),
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct utf8_check u = {0};

        ck_assert(utf8_check_next(&u, bad[i].p, bad[i].len - 1));
        ck_assert(!utf8_check_next(&u, bad[i].p + bad[i].len - 1, 1));
    }
}
END_TEST

START_TEST(text_may_end_between_characters_only)
{
    struct utf8_check u = {0};

    ck_assert(utf8_check_whole(&u));
    ck_assert(utf8_check_next(&u, "a\xe2\x82", 3));
    ck_assert(!utf8_check_whole(&u));
    ck_assert(utf8_check_next(&u, "\xac", 1));
    ck_assert(utf8_check_whole(&u));
}
END_TEST

START_TEST(nothing_behind_a_piece_is_read)
{
    static const char text[] = "0123456789abcdef\xe2\x82\xac 0123456";
    struct guard g = guard_new(sizeof text);

    for (size_t n = 0; n < sizeof text; n++) {
        struct utf8_check u = {0};

        ck_assert(utf8_check_next(&u, (const char *)guard_put(&g, text, n), n));
    }
    guard_free(&g);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("utf8");
    TCase *t = tcase_create("utf8");

    tcase_add_test(t, pieces_and_the_whole_agree);
    tcase_add_test(t, the_first_byte_that_cannot_be_ends_it);
    tcase_add_test(t, text_may_end_between_characters_only);
    tcase_add_test(t, nothing_behind_a_piece_is_read);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
