/*
 * http1_chunked.c - chunked bodies (RFC 9112, 7.1), decoded as they come.
 *
 * Between chunks every byte moves a small state machine; inside one, a whole run
 * is handed out at once.  Extensions and trailers are read to the letter of the
 * grammar, without the white space that it merely tolerates, and passed over:
 * their bytes are bounded over the whole body.  Anything else is HTTP1_BAD, and
 * the body is lost: where it ends cannot be known any more.
 */
#include <limits.h>

#include "hex.h"
#include "http1.h"
#include "http_chars.h"

#define DIGITS_MAX 15 /* a chunk's size fits a u64 with room to spare */
#define PASSED_OVER_MAX 8192

enum state {
    SIZE_FIRST, /* a digit must follow */
    SIZE,
    EXT_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_QUOTED_PAIR,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* at a line's beginning, of a trailer or the last one */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    BROKEN,
};

/* After something complete on the size line: another extension, or the end. */
static enum state size_line_next(char ch)
{
    return ch == ';' ? EXT_FIRST : ch == '\r' ? SIZE_LF : BROKEN;
}

static enum state size_next(struct http1_chunked *c, char ch)
{
    int digit = hex_value(ch);

    if (digit < 0)
        return c->state == SIZE ? size_line_next(ch) : BROKEN;
    if (c->digits == DIGITS_MAX)
        return BROKEN;
    c->digits++;
    c->left = c->left << 4 | (unsigned)digit;
    return SIZE;
}

static enum state extension_next(enum state state, char ch)
{
    bool token = http_char_is(ch, CHAR_TOKEN), field = http_char_is(ch, CHAR_FIELD);

    switch (state) {
    case EXT_FIRST:
        return token ? EXT_NAME : BROKEN;
    case EXT_NAME:
        return token ? EXT_NAME : ch == '=' ? EXT_VALUE_FIRST : size_line_next(ch);
    case EXT_VALUE_FIRST:
        return token ? EXT_VALUE : ch == '"' ? EXT_QUOTED : BROKEN;
    case EXT_VALUE:
        return token ? EXT_VALUE : size_line_next(ch);
    case EXT_QUOTED:
        if (ch == '"' || ch == '\\')
            return ch == '"' ? EXT_QUOTED_END : EXT_QUOTED_PAIR;
        return field ? EXT_QUOTED : BROKEN;
    case EXT_QUOTED_PAIR:
        return field ? EXT_QUOTED : BROKEN;
    default:
        return size_line_next(ch);
    }
}

static enum state trailer_next(enum state state, char ch)
{
    bool token = http_char_is(ch, CHAR_TOKEN);

    switch (state) {
    case TRAILER_FIRST:
        return token ? TRAILER_NAME : ch == '\r' ? LAST_LF : BROKEN;
    case TRAILER_NAME:
        return token ? TRAILER_NAME : ch == ':' ? TRAILER_VALUE : BROKEN;
    default:
        return http_char_is(ch, CHAR_FIELD) ? TRAILER_VALUE : ch == '\r' ? TRAILER_LF : BROKEN;
    }
}

/* Extensions and trailers: counted, since they may go on and on. */
static enum state passed_over_next(struct http1_chunked *c, char ch)
{
    if (++c->trailer > PASSED_OVER_MAX)
        return BROKEN;
    return c->state < SIZE_LF ? extension_next(c->state, ch) : trailer_next(c->state, ch);
}

static enum state next_state(struct http1_chunked *c, char ch)
{
    switch (c->state) {
    case SIZE_FIRST:
    case SIZE:
        return size_next(c, ch);
    case SIZE_LF:
        return ch != '\n' ? BROKEN : c->left > 0 ? DATA : TRAILER_FIRST;
    case DATA_CR:
        return ch == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        c->digits = 0;
        return ch == '\n' ? SIZE_FIRST : BROKEN;
    case TRAILER_LF:
        return ch == '\n' ? TRAILER_FIRST : BROKEN;
    case LAST_LF:
        return ch == '\n' ? DONE : BROKEN;
    case BROKEN:
        return BROKEN;
    default:
        return passed_over_next(c, ch);
    }
}

static size_t take_data(struct http1_chunked *c, const char *p, size_t len, struct slice *data)
{
    size_t n = c->left < len ? (size_t)c->left : len;

    *data = (struct slice){p, n};
    c->left -= n;
    if (c->left == 0)
        c->state = DATA_CR;
    return n;
}

int http1_chunked_decode(struct http1_chunked *c, const char *p, size_t len, struct slice *data,
                         bool *done)
{
    size_t i = 0;

    *data = (struct slice){NULL, 0};
    if (len > INT_MAX)
        len = INT_MAX;
    while (i < len && c->state != DATA && c->state != DONE && c->state != BROKEN)
        c->state = (uint8_t)next_state(c, p[i++]);
    if (c->state == DATA && i < len)
        i += take_data(c, p + i, len - i, data);
    *done = c->state == DONE;
    return c->state == BROKEN ? HTTP1_BAD : (int)i;
}
