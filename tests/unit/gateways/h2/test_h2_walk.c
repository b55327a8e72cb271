/* test_h2_walk.c - frames found in bytes, however those are cut. */
#include "run_suite.h"

#include "h2_walk.h"

static const uint8_t bytes[] = {
    0, 0, 0, 4, 0, 0,    0, 0, 0,                       /* SETTINGS */
    0, 0, 5, 0, 1, 0,    0, 1, 2, 0,    0, 1, 2, 16,    /* DATA */
    0, 0, 5, 2, 0, 0x80, 0, 0, 1, 0x80, 0, 0, 3, 16,    /* PRIORITY */
    0, 0, 4, 2, 0, 0,    0, 0, 1, 0,    0, 0, 1,        /* too short */
    0, 0, 6, 2, 9, 0,    0, 0, 1, 0,    0, 0, 1, 0,  0, /* too long */
    0, 0, 0, 1, 5, 0x7f, 1, 2, 3,                       /* HEADERS */
    0, 0, 3, 9, 4, 0,    0, 0, 1, 1,    1, 1,           /* CONTINUATION */
    0, 0, 4, 3, 0, 0,    0, 0, 7, 0,    0, 0, 8,        /* RST_STREAM */
};

/* In the order that they come, and where their headers end. */
static const struct {
    struct h2_frame f;
    size_t end;
} expected[] = {
    {{0, 1, 258, UINT32_MAX}, 18},        {{2, 0, 1, 3}, 36},
    {{2, 0, 1, UINT32_MAX}, 46},          {{2, 9, 1, UINT32_MAX}, 59},
    {{1, 5, 0x7f010203, UINT32_MAX}, 74}, {{3, 0, 7, UINT32_MAX}, 95},
};

static void check(const struct h2_frame *f, size_t end, size_t i)
{
    const struct h2_frame *e = &expected[i].f;

    ck_assert_uint_lt(i, sizeof expected / sizeof expected[0]);
    ck_assert(f->type == e->type && f->flags == e->flags && f->stream == e->stream);
    ck_assert_uint_eq(f->dependency, e->dependency);
    ck_assert_uint_eq(end, expected[i].end);
}

START_TEST(test_frames_in_pieces)
{
    for (size_t piece = 1; piece <= sizeof bytes; piece++) {
        struct h2_walk w = {0};
        size_t count = 0;

        for (size_t from = 0; from < sizeof bytes; from += piece) {
            size_t at = 0, len = sizeof bytes - from < piece ? sizeof bytes - from : piece;
            struct slice s = {(const char *)bytes + from, len};
            struct h2_frame f;

            while (h2_walk(&w, s, &at, &f))
                check(&f, from + at, count++);
            ck_assert_uint_eq(at, len);
        }
        ck_assert_uint_eq(count, sizeof expected / sizeof expected[0]);
    }
}
END_TEST

int main(void)
{
    return RUN_TESTS("walk", NULL, NULL, test_frames_in_pieces);
}
