/*
 * fuzz_inflate.c - whatever a client calls compressed, nothing larger than the
 * bound comes out and nothing is left behind for the next message; and what we
 * compress, whole or in two parts, comes back.
 *
 * Input: the bound in steps of 256 bytes, then the message.
 */
#include <assert.h>
#include <stdlib.h>

#include "deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static struct deflater *d;
static struct inflater *inf;

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void check_inflates(struct slice message, struct slice expected)
{
    struct buf out = {0};

    assert(inflater_put(inf, message, expected.len, &out) == INFLATE_OK);
    assert(slice_eq(bytes_of(&out), expected));
    buf_clear(&out);
    assert(expected.len == 0 ||
           inflater_put(inf, message, expected.len - 1, &out) == INFLATE_TOO_BIG);
    buf_free(&out);
}

static void check_round_trip(struct slice text)
{
    struct buf b = {0};
    size_t half = text.len / 2;

    deflater_put(d, text, &b);
    check_inflates(bytes_of(&b), text);
    buf_clear(&b);
    deflater_put_prefix(d, (struct slice){text.p, half}, &b);
    deflate_put_rest((struct slice){text.p + half, text.len - half}, &b);
    check_inflates(bytes_of(&b), text);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct slice message;
    struct buf out = {0}, again = {0};
    size_t max;
    enum inflate_verdict verdict;

    if (len == 0)
        return 0;
    if (d == NULL) {
        d = deflater_new(6);
        inf = inflater_new();
    }
    max = (size_t)p[0] * 256;
    message = (struct slice){(const char *)p + 1, len - 1};
    verdict = inflater_put(inf, message, max, &out);
    assert(out.cap <= 4 * max + 16384);
    if (verdict == INFLATE_OK) {
        assert(out.len <= max);
        assert(inflater_put(inf, message, max, &again) == INFLATE_OK);
        assert(slice_eq(bytes_of(&again), bytes_of(&out)));
        if (out.len > 0)
            check_round_trip(bytes_of(&out));
    }
    check_round_trip(message);
    buf_free(&out);
    buf_free(&again);
    return 0;
}
