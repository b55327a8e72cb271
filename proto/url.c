/*
 * url.c - the parts of a URL that a request carries, taken apart and made.
 *
 * Only %-decoding: '+' stays a plus and dot segments stay as they are, so that a
 * path names one topic and nothing else does.  What fails: an escape that is not
 * two hexadecimal digits.
 */
#include "url.h"

#include "hex.h"
#include "http_chars.h"

/* The byte that `%XX` at p stands for, or -1. */
static int escaped_byte(const char *p, size_t left)
{
    int high, low;

    if (left < 3)
        return -1;
    high = hex_value(p[1]);
    low = hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool url_decode(struct slice s, struct buf *out)
{
    while (s.len > 0) {
        const char *percent = memchr(s.p, '%', s.len);
        size_t run = percent != NULL ? (size_t)(percent - s.p) : s.len;
        int byte;

        buf_put(out, s.p, run);
        if (percent == NULL)
            return true;
        byte = escaped_byte(percent, s.len - run);
        if (byte < 0)
            return false;
        buf_u8(out, (uint8_t)byte);
        s = (struct slice){percent + 3, s.len - run - 3};
    }
    return true;
}

/* Takes what stands before the mark off *s, and the mark with it. */
static struct slice split(struct slice *s, char mark)
{
    const char *at = s->len > 0 ? memchr(s->p, mark, s->len) : NULL;
    struct slice head = *s;

    if (at == NULL) {
        *s = (struct slice){NULL, 0};
        return head;
    }
    head.len = (size_t)(at - s->p);
    *s = (struct slice){at + 1, s->len - head.len - 1};
    return head;
}

bool url_query_next(struct slice *query, struct slice *name, struct slice *value)
{
    while (query->len > 0) {
        struct slice pair = split(query, '&');

        if (pair.len == 0)
            continue;
        *name = split(&pair, '=');
        *value = pair;
        return true;
    }
    return false;
}

void url_encode(struct slice s, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '/' || http_char_is(s.p[i], CHAR_UNRESERVED))
            buf_u8(out, c);
        else
            buf_put(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}
