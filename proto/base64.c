/*
 * base64.c - by groups of four digits, the last of which may be cut.
 */
#include "base64.h"

struct alphabet {
    const char *digits;
    char last[2]; /* of 62 and 63 */
};
static const struct alphabet plain = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", {'+', '/'}};
static const struct alphabet url = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", {'-', '_'}};

static int digit_value(const struct alphabet *a, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == a->last[0] ? 62 : c == a->last[1] ? 63 : -1;
}

bool base64_url_is_digit(char c)
{
    return digit_value(&url, c) >= 0;
}

/* n digits, 2 to 4, into n - 1 bytes.  Bits that no byte takes must be zero. */
static bool group_get(const struct alphabet *a, const char *in, size_t n, uint8_t *out)
{
    uint32_t v = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < n ? digit_value(a, in[i]) : 0;

        if (value < 0)
            return false;
        v = v << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i + 1 < n; i++)
        out[i] = (uint8_t)(v >> (16 - 8 * i));
    return (v & (0xffffffu >> (8 * (n - 1)))) == 0;
}

static bool digits_get(const struct alphabet *a, struct slice text, struct buf *out)
{
    uint8_t *to = buf_reserve(out, text.len / 4 * 3 + 3);
    size_t size = 0;

    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t n = text.len - i < 4 ? text.len - i : 4;

        if (!group_get(a, text.p + i, n, to + size))
            return false;
        size += n - 1;
    }
    out->len += size;
    return true;
}

static void digits_put(const struct alphabet *a, struct buf *out, struct slice bytes)
{
    const uint8_t *in = (const uint8_t *)bytes.p;
    uint8_t *to = buf_reserve(out, (bytes.len + 2) / 3 * 4), *at = to;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                     (n > 2 ? in[i + 2] : 0);

        for (size_t d = 0; d <= n; d++)
            *at++ = (uint8_t)a->digits[v >> (18 - 6 * d) & 63];
    }
    out->len += (size_t)(at - to);
}

bool base64_url_get(struct slice text, struct buf *out)
{
    return digits_get(&url, text, out);
}

void base64_url_put(struct buf *out, struct slice bytes)
{
    digits_put(&url, out, bytes);
}

bool base64_get(struct slice text, struct buf *out)
{
    size_t pad = 0;

    if (text.len % 4 != 0)
        return false;
    while (pad < 2 && pad < text.len && text.p[text.len - pad - 1] == '=')
        pad++;
    return digits_get(&plain, (struct slice){text.p, text.len - pad}, out);
}

void base64_put(struct buf *out, struct slice bytes)
{
    static const char pads[] = "==";

    digits_put(&plain, out, bytes);
    buf_put(out, pads, (3 - bytes.len % 3) % 3);
}
