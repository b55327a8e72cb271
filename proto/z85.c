/*
 * z85.c - five digits of 85 for four bytes, the highest first.
 */
#include "z85.h"

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             ".-:+=^!/*?&<>()[]{}@%$#";

/* False: a character that is no digit, or more than four bytes hold. */
static bool group_get(const char *text, uint8_t out[4])
{
    uint64_t v = 0;

    for (size_t i = 0; i < 5; i++) {
        const char *at = memchr(digits, text[i], sizeof digits - 1);

        if (at == NULL)
            return false;
        v = v * 85 + (uint64_t)(at - digits);
    }
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (24 - 8 * i));
    return v <= UINT32_MAX;
}

bool z85_get(struct slice text, uint8_t key[Z85_KEY])
{
    if (text.len != Z85_TEXT)
        return false;
    for (size_t i = 0; i < Z85_KEY / 4; i++)
        if (!group_get(text.p + 5 * i, key + 4 * i))
            return false;
    return true;
}

void z85_put(const uint8_t key[Z85_KEY], char text[Z85_TEXT + 1])
{
    for (size_t i = 0; i < Z85_KEY / 4; i++) {
        uint32_t v = 0;

        for (size_t k = 0; k < 4; k++)
            v = v << 8 | key[4 * i + k];
        for (size_t k = 5; k-- > 0; v /= 85)
            text[5 * i + k] = digits[v % 85];
    }
    text[Z85_TEXT] = '\0';
}
