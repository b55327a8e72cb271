/*
 * vectors.h - golden messages: vectors/NAME.hex holds the bytes, the test that
 * includes this says what they mean.
 *
 * For every vector: decoding the bytes gives the meaning; encoding the meaning
 * gives the bytes; no prefix, no longer message and no other kind is taken, and
 * nothing is read past the end (each lies before an unmapped page).
 */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "wire.h"

struct vector {
    const char *name;
    void (*encode)(struct buf *b);
    /* Decodes all of it, lists included, into what expect then looks at. */
    bool (*decode)(const void *p, size_t len);
    void (*expect)(void);
    size_t whole[4]; /* lengths at which a prefix is a whole message: lists may end there */
    bool open;       /* what comes after is another version's: nothing there is wrong */
};

static const struct vector *vectors;
static size_t vector_count;
static bool (*vector_is_ours)(uint8_t kind);

#define assert_slice(s, text)                                                                      \
    ck_assert_msg(slice_eq((s), SLICE(text)), "%.*s is not %s", (int)(s).len, (s).p, text)

/* Of the kinds on link, those that are tested apart. */
static inline bool vector_of_session(uint8_t kind)
{
    return kind == WIRE_SESSION || kind == WIRE_SESSION_ACKS || kind == WIRE_TELL ||
           kind == WIRE_CALL;
}

/* Pairs of hexadecimal digits; # begins a comment. */
static struct buf vector_parse(FILE *f)
{
    struct buf b = {0};
    unsigned byte;
    int c;

    while ((c = getc(f)) != EOF) {
        if (c == '#') {
            while ((c = getc(f)) != EOF && c != '\n')
                continue;
        } else if (!isspace(c)) {
            ungetc(c, f);
            ck_assert_int_eq(fscanf(f, "%2x", &byte), 1);
            buf_u8(&b, (uint8_t)byte);
        }
    }
    return b;
}

/* The folder stands beside the test's source. */
static void vector_path(char *out, size_t cap, const char *file)
{
    int dir = (int)(strrchr(__FILE__, '/') - __FILE__);

    snprintf(out, cap, "%.*s/vectors/%s", dir, __FILE__, file);
}

static struct buf vector_load(const char *file)
{
    char path[512];
    struct buf b;
    FILE *f;

    vector_path(path, sizeof path, file);
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    b = vector_parse(f);
    fclose(f);
    ck_assert_uint_gt(b.len, 0);
    return b;
}

static struct buf vector_bytes(const struct vector *v)
{
    char file[64];

    snprintf(file, sizeof file, "%s.hex", v->name);
    return vector_load(file);
}

static bool may_end_at(const struct vector *v, size_t len)
{
    for (size_t i = 0; i < sizeof v->whole / sizeof v->whole[0]; i++)
        if (v->whole[i] != 0 && len == v->whole[i])
            return true;
    return v->open && len >= 3; /* kind and version */
}

START_TEST(the_bytes_mean_what_the_test_says)
{
    const struct vector *v = &vectors[_i];
    struct buf b = vector_bytes(v);

    ck_assert_msg(v->decode(b.p, b.len), "%s does not decode", v->name);
    v->expect();
    buf_free(&b);
}
END_TEST

START_TEST(the_meaning_gives_the_bytes)
{
    const struct vector *v = &vectors[_i];
    struct buf b = vector_bytes(v), mine = {0};

    v->encode(&mine);
    ck_assert_msg(mine.len <= b.len && memcmp(mine.p, b.p, mine.len) == 0, "%s differs", v->name);
    ck_assert_msg(mine.len == b.len || v->open, "%s is longer", v->name);
    buf_free(&mine);
    buf_free(&b);
}
END_TEST

START_TEST(no_prefix_is_taken)
{
    const struct vector *v = &vectors[_i];
    struct buf b = vector_bytes(v);
    struct guard g = guard_new(b.len);

    for (size_t n = 0; n < b.len; n++)
        ck_assert_msg(v->decode(guard_put(&g, b.p, n), n) == may_end_at(v, n), "%s, %zu of %zu",
                      v->name, n, b.len);
    guard_free(&g);
    buf_free(&b);
}
END_TEST

START_TEST(trailing_bytes_are_not_taken)
{
    const struct vector *v = &vectors[_i];
    struct buf b = vector_bytes(v);
    struct guard g = guard_new(b.len + 1);

    buf_u8(&b, 0);
    ck_assert_msg(v->decode(guard_put(&g, b.p, b.len), b.len) == v->open, "%s", v->name);
    guard_free(&g);
    buf_free(&b);
}
END_TEST

START_TEST(another_kind_is_not_taken)
{
    const struct vector *v = &vectors[_i];
    struct buf b = vector_bytes(v);

    b.p[0] ^= 0x20;
    ck_assert_msg(!v->decode(b.p, b.len), "%s", v->name);
    buf_free(&b);
}
END_TEST

/* Whatever one wrong byte makes of it: refused or not, nothing outside is read. */
START_TEST(a_wrong_byte_never_leads_outside)
{
    const struct vector *v = &vectors[_i];
    struct buf b = vector_bytes(v);
    struct guard g = guard_new(b.len);

    for (size_t at = 0; at < b.len; at++)
        for (unsigned flip = 1; flip < 256; flip += flip) {
            b.p[at] ^= (uint8_t)flip;
            (void)v->decode(guard_put(&g, b.p, b.len), b.len);
            b.p[at] ^= (uint8_t)flip;
        }
    guard_free(&g);
    buf_free(&b);
}
END_TEST

static bool is_listed(const char *file)
{
    size_t len = strlen(file) - strlen(".hex");

    for (size_t i = 0; i < vector_count; i++)
        if (strlen(vectors[i].name) == len && strncmp(vectors[i].name, file, len) == 0)
            return true;
    return false;
}

START_TEST(every_file_is_tested)
{
    struct dirent *entry;
    char path[512];
    DIR *dir;

    vector_path(path, sizeof path, "");
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        struct buf b;

        if (strstr(entry->d_name, ".hex") == NULL)
            continue;
        b = vector_load(entry->d_name);
        if (vector_is_ours(b.p[0]))
            ck_assert_msg(is_listed(entry->d_name), "%s", entry->d_name);
        buf_free(&b);
    }
    closedir(dir);
}
END_TEST

static TCase *vector_tests(const struct vector *table, size_t count, bool (*is_ours)(uint8_t kind))
{
    TCase *t = tcase_create("vectors");

    vectors = table;
    vector_count = count;
    vector_is_ours = is_ours;
    tcase_add_loop_test(t, the_bytes_mean_what_the_test_says, 0, (int)count);
    tcase_add_loop_test(t, the_meaning_gives_the_bytes, 0, (int)count);
    tcase_add_loop_test(t, no_prefix_is_taken, 0, (int)count);
    tcase_add_loop_test(t, trailing_bytes_are_not_taken, 0, (int)count);
    tcase_add_loop_test(t, another_kind_is_not_taken, 0, (int)count);
    tcase_add_loop_test(t, a_wrong_byte_never_leads_outside, 0, (int)count);
    tcase_add_test(t, every_file_is_tested);
    return t;
}

#endif
