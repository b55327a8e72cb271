/*
 * base64url.c - by groups of four digits, the last of which may be cut.
 */
#include "base64url.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_is_digit(char c)
{
    return digit_value(c) >= 0;
}

/* n digits, 2 to 4, into n - 1 bytes. */
static bool group_get(const char *in, size_t n, uint8_t *out)
{
    uint32_t v = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < n ? digit_value(in[i]) : 0;

        if (value < 0)
            return false;
        v = v << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i + 1 < n; i++)
        out[i] = (uint8_t)(v >> (16 - 8 * i));
    return (v & (0xffffffu >> (8 * (n - 1)))) == 0;
}

bool base64url_get(struct slice text, struct buf *out)
{
    uint8_t *to = buf_reserve(out, text.len / 4 * 3 + 3);
    size_t size = 0;

    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t n = text.len - i < 4 ? text.len - i : 4;

        if (!group_get(text.p + i, n, to + size))
            return false;
        size += n - 1;
    }
    out->len += size;
    return true;
}

void base64url_put(struct buf *out, struct slice bytes)
{
    const uint8_t *in = (const uint8_t *)bytes.p;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                     (n > 2 ? in[i + 2] : 0);

        for (size_t d = 0; d <= n; d++)
            buf_u8(out, (uint8_t)digits[v >> (18 - 6 * d) & 63]);
    }
}
