/*
 * bytes.c - the parts of bytes.h that are too long or too rare to be inline.
 *
 * Nothing here fails but by its return value; a buffer that cannot grow ends
 * the process (mem.h).
 */
#include "bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

#define BUF_FIRST 64 /* bytes of a buffer's first allocation */

struct slice slice_of(const char *s)
{
    return (struct slice){s, s != NULL ? strlen(s) : 0};
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq((struct slice){s.p, prefix.len}, prefix);
}

bool slice_u64(struct slice s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

/* How many bytes from p on are ASCII, in steps of eight: most text is. */
static size_t ascii_run(const char *p, size_t len)
{
    size_t i = 0;
    uint64_t word;

    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return i;
}

/* Length of the one character at p, 0 when it is not valid.  The second byte's
 * range is what rules out overlongs, surrogates and what is above U+10FFFF. */
static size_t utf8_char(const unsigned char *p, size_t len)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t size;

    if (p[0] < 0x80)
        return 1;
    size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len < size)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool utf8_valid(const char *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t size = ascii_run(p + i, len - i);

        if (size == 0)
            size = utf8_char((const unsigned char *)p + i, len - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

/* The first byte of a character that needs more; the ranges are utf8_char's. */
static bool utf8_begin(struct utf8_check *u, unsigned char c)
{
    if (c < 0xc2 || c > 0xf4)
        return false;
    u->left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static bool utf8_byte(struct utf8_check *u, unsigned char c)
{
    if (u->left == 0)
        return c < 0x80 || utf8_begin(u, c);
    if (c < u->low || c > u->high)
        return false;
    u->left--;
    u->low = 0x80;
    u->high = 0xbf;
    return true;
}

bool utf8_check_next(struct utf8_check *u, const char *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t run = u->left == 0 ? ascii_run(p + i, len - i) : 0;

        if (run == 0) {
            if (!utf8_byte(u, (unsigned char)p[i]))
                return false;
            run = 1;
        }
        i += run;
    }
    return true;
}

/* How much of a broken sequence one U+FFFD stands for: what could have begun a character. */
static size_t utf8_broken(const char *p, size_t len)
{
    struct utf8_check u = {0};
    size_t n = 0;

    while (n < len && n < 3 && utf8_check_next(&u, p + n, 1))
        n++;
    return n > 0 ? n : 1;
}

void utf8_put_whole(struct buf *b, struct slice s)
{
    size_t run = 0, i = 0, size;

    while (i < s.len) {
        size = utf8_char((const unsigned char *)s.p + i, s.len - i);
        if (size > 0) {
            i += size;
            continue;
        }
        buf_put(b, s.p + run, i - run);
        buf_puts(b, "\xef\xbf\xbd");
        i += utf8_broken(s.p + i, s.len - i);
        run = i;
    }
    buf_put(b, s.p + run, s.len - run);
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t n)
{
    size_t cap = b->cap < BUF_FIRST ? BUF_FIRST : b->cap;

    assert(b->len <= b->cap && n <= SIZE_MAX / 2 - b->len);
    while (cap - b->len < n)
        cap *= 2;
    b->p = mem_resize(b->p, cap, 1);
    b->cap = cap;
}

void buf_str16(struct buf *b, struct slice s)
{
    assert(s.len <= UINT16_MAX);
    buf_u16(b, (uint16_t)s.len);
    buf_put_slice(b, s);
}

void buf_dec(struct buf *b, uint64_t v)
{
    char text[20]; /* UINT64_MAX has 20 digits */
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_put(b, text + at, sizeof text - at);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);

    buf_reserve(b, (size_t)n + 1); /* vsnprintf ends it with a NUL, which is not kept */
    va_start(args, fmt);
    vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (n != 0 && b->len != 0)
        memmove(b->p, b->p + n, b->len);
}

void buf_patch_u32(struct buf *b, size_t at, uint32_t v)
{
    assert(b->len >= 4 && at <= b->len - 4);
    le32_put(b->p + at, v);
}

void buf_patch_u64(struct buf *b, size_t at, uint64_t v)
{
    assert(b->len >= 8 && at <= b->len - 8);
    le64_put(b->p + at, v);
}
