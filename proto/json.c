/*
 * json.c - strict JSON as a scanner over bytes, and a writer.
 *
 * Happy path: json_check looks at the UTF-8 of the whole value once, then a
 * recursive scan (its depth is bounded) follows RFC 8259's grammar
 * and builds nothing.  Iterators walk what it has accepted with the same scan,
 * so the grammar is written down once; on bytes that it would refuse they end
 * early and never read past the end.
 *
 * What fails: json_check says JSON_BAD for everything that is not exactly one
 * value - an escape that is none, a control character in a string, a leading zero, depth, trailing
 * bytes, an empty slice.  Names may repeat: who minds must look himself.
 */
#include "json.h"

#include <assert.h>
#include <string.h>

#include "base64.h"
#include "hex.h"

/* Bytes that end a run of plain characters in a string, read or written. */
static const bool stops_run[256] = {
    [0 ... 0x1f] = true,
    ['"'] = true,
    ['\\'] = true,
};

struct scan {
    const char *p;
    const char *end;
};

static bool scan_value(struct scan *c, unsigned levels);

static size_t json_left(const struct scan *c)
{
    return (size_t)(c->end - c->p);
}

/* NUL at the end: no production begins with it, so it needs no test apart. */
static char json_peek(const struct scan *c)
{
    return c->p < c->end ? *c->p : '\0';
}

static bool json_take(struct scan *c, char expected)
{
    if (c->p == c->end || *c->p != expected)
        return false;
    c->p++;
    return true;
}

static void skip_space(struct scan *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

/* The UTF-16 unit of `\uXXXX` at p, or -1. */
static int32_t escaped_unit(const char *p, const char *end)
{
    int32_t unit = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value(p[i]);

        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

#define NO_CHARACTER 0xfffdu /* what half a surrogate pair becomes */

/* Reads `\uXXXX` or a pair of them; returns the bytes read, 0 for bad digits. */
static size_t escaped_unicode(const char *p, const char *end, uint32_t *point)
{
    int32_t unit = escaped_unit(p, end), low;

    if (unit < 0)
        return 0;
    *point = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdfff)
        return 6;
    *point = NO_CHARACTER;
    low = unit < 0xdc00 ? escaped_unit(p + 6, end) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return 6;
    *point = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    return 12;
}

/* Reads the escape at p (a backslash); returns the bytes read, 0 when bad. */
static size_t escape_get(const char *p, const char *end, uint32_t *point)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (end - p < 2)
        return 0;
    if (p[1] == 'u')
        return escaped_unicode(p, end, point);
    name = memchr(names, p[1], sizeof names - 1);
    if (name == NULL)
        return 0;
    *point = (uint32_t)values[name - names];
    return 2;
}

static bool scan_string(struct scan *c)
{
    uint32_t point;
    size_t size;

    if (!json_take(c, '"'))
        return false;
    for (;;) {
        while (c->p < c->end && !stops_run[(unsigned char)*c->p])
            c->p++;
        if (json_peek(c) != '\\')
            return json_take(c, '"');
        size = escape_get(c->p, c->end, &point);
        if (size == 0)
            return false;
        c->p += size;
    }
}

static bool scan_digits(struct scan *c)
{
    const char *start = c->p;

    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return c->p > start;
}

static bool scan_number(struct scan *c)
{
    (void)json_take(c, '-');
    if (!json_take(c, '0') && !scan_digits(c))
        return false;
    if (json_take(c, '.') && !scan_digits(c))
        return false;
    if (!json_take(c, 'e') && !json_take(c, 'E'))
        return true;
    if (!json_take(c, '+'))
        (void)json_take(c, '-');
    return scan_digits(c);
}

static bool scan_word(struct scan *c, struct slice word)
{
    if (json_left(c) < word.len || memcmp(c->p, word.p, word.len) != 0)
        return false;
    c->p += word.len;
    return true;
}

/* `"key" :` up to the value's first byte. */
static bool scan_key(struct scan *c, struct slice *key_raw)
{
    const char *start = c->p;

    if (!scan_string(c))
        return false;
    *key_raw = (struct slice){start, (size_t)(c->p - start)};
    skip_space(c);
    if (!json_take(c, ':'))
        return false;
    skip_space(c);
    return true;
}

/* What stands between brackets: items, each with a key when `keyed`. */
static bool scan_items(struct scan *c, bool keyed, char close, unsigned levels)
{
    struct slice key;

    c->p++;
    skip_space(c);
    if (json_take(c, close))
        return true;
    do {
        skip_space(c);
        if ((keyed && !scan_key(c, &key)) || !scan_value(c, levels))
            return false;
        skip_space(c);
    } while (json_take(c, ','));
    return json_take(c, close);
}

/* levels: how many arrays and objects may yet open, one inside the other. */
static bool scan_value(struct scan *c, unsigned levels)
{
    switch (json_peek(c)) {
    case '"':
        return scan_string(c);
    case '{':
        return levels > 0 && scan_items(c, true, '}', levels - 1);
    case '[':
        return levels > 0 && scan_items(c, false, ']', levels - 1);
    case 't':
        return scan_word(c, SLICE("true"));
    case 'f':
        return scan_word(c, SLICE("false"));
    case 'n':
        return scan_word(c, SLICE("null"));
    default:
        return scan_number(c);
    }
}

enum json_kind json_kind_of(struct slice raw)
{
    if (raw.len == 0)
        return JSON_BAD;
    switch (raw.p[0]) {
    case '"':
        return JSON_STRING;
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

enum json_kind json_check_depth(struct slice s, unsigned depth_max)
{
    struct scan c;
    enum json_kind kind;

    if (s.len == 0 || !utf8_valid(s.p, s.len))
        return JSON_BAD;
    c = (struct scan){s.p, s.p + s.len};
    skip_space(&c);
    kind = json_kind_of((struct slice){c.p, json_left(&c)});
    if (!scan_value(&c, depth_max))
        return JSON_BAD;
    skip_space(&c);
    return c.p == c.end ? kind : JSON_BAD;
}

enum json_kind json_check(struct slice s)
{
    return json_check_depth(s, JSON_DEPTH_MAX);
}

/* --- walking ---------------------------------------------------------------- */

struct json_iter json_iter_of(struct slice value)
{
    struct scan c = {value.p, value.p + value.len};

    skip_space(&c);
    assert(json_peek(&c) == '{' || json_peek(&c) == '[');
    return (struct json_iter){c.p + 1, c.end};
}

/* Before the next item: past the comma, and not at the closing bracket. */
static bool item_begin(struct scan *c)
{
    skip_space(c);
    if (json_take(c, ','))
        skip_space(c);
    return c->p < c->end && *c->p != '}' && *c->p != ']';
}

static bool item_value(struct json_iter *it, struct scan *c, struct slice *raw)
{
    const char *start = c->p;

    if (!scan_value(c, JSON_DEPTH_MAX))
        return false;
    *raw = (struct slice){start, (size_t)(c->p - start)};
    it->p = c->p;
    return true;
}

bool json_member(struct json_iter *it, struct slice *key_raw, struct slice *raw)
{
    struct scan c = {it->p, it->end};

    return item_begin(&c) && scan_key(&c, key_raw) && item_value(it, &c, raw);
}

bool json_element(struct json_iter *it, struct slice *raw)
{
    struct scan c = {it->p, it->end};

    return item_begin(&c) && item_value(it, &c, raw);
}

/* --- values ----------------------------------------------------------------- */

/* What stands between the quotes. */
static struct slice string_inside(struct slice raw)
{
    assert(raw.len >= 2 && raw.p[0] == '"' && raw.p[raw.len - 1] == '"');
    return (struct slice){raw.p + 1, raw.len - 2};
}

/* UTF-8 of a code point that is not a surrogate; returns its length. */
static size_t utf8_put(char out[4], uint32_t point)
{
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    for (size_t i = size; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(lead[size] | point);
    return size;
}

/* Takes the next piece off a string's inside: a run without escapes, which is
 * borrowed, or one escaped character, which is put into `room`. */
static struct slice string_piece(struct slice *inside, char room[4])
{
    const char *end = inside->p + inside->len;
    const char *slash = memchr(inside->p, '\\', inside->len);
    struct slice piece = {inside->p, inside->len};
    size_t used = inside->len;

    if (slash == inside->p) {
        uint32_t point = 0;

        used = escape_get(slash, end, &point);
        assert(used > 0);
        piece = (struct slice){room, utf8_put(room, point)};
    } else if (slash != NULL) {
        used = piece.len = (size_t)(slash - inside->p);
    }
    *inside = (struct slice){inside->p + used, inside->len - used};
    return piece;
}

/* Only strings have backslashes. */
bool json_is_text(struct slice value)
{
    const char *end = value.p + value.len, *at = value.p;
    uint32_t point = 0;
    size_t used;

    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        used = escape_get(at, end, &point);
        if (used == 0 ||
            (used == 6 && point == NO_CHARACTER && escaped_unit(at, end) != NO_CHARACTER))
            return false;
        at += used;
    }
    return true;
}

void json_string_get(struct slice raw, struct buf *out)
{
    struct slice inside = string_inside(raw);
    char room[4];

    while (inside.len > 0)
        buf_put_slice(out, string_piece(&inside, room));
}

bool json_string_is(struct slice raw, const char *text)
{
    struct slice inside = string_inside(raw), rest = slice_of(text);
    char room[4];

    if (inside.len < rest.len) /* escapes only make it longer */
        return false;
    while (inside.len > 0) {
        struct slice piece = string_piece(&inside, room);

        if (!slice_starts(rest, piece))
            return false;
        rest = (struct slice){rest.p + piece.len, rest.len - piece.len};
    }
    return rest.len == 0;
}

bool json_u64(struct slice raw, uint64_t *out)
{
    return slice_u64(json_kind_of(raw) == JSON_STRING ? string_inside(raw) : raw, out);
}

/* --- writing ---------------------------------------------------------------- */

static void put_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_form[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
    };

    if (c >= 0x20) {
        buf_put(b, (char[]){'\\', (char)c}, 2);
    } else if (short_form[c] != '\0') {
        buf_put(b, (char[]){'\\', short_form[c]}, 2);
    } else {
        buf_put(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
}

void json_put_string(struct buf *b, struct slice s)
{
    size_t run = 0;

    (void)buf_reserve(b, s.len + 2);
    buf_u8(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (!stops_run[(unsigned char)s.p[i]])
            continue;
        buf_put(b, s.p + run, i - run);
        put_escape(b, (unsigned char)s.p[i]);
        run = i + 1;
    }
    if (run < s.len)
        buf_put(b, s.p + run, s.len - run);
    buf_u8(b, '"');
}

void json_put_one_line(struct buf *b, struct slice value)
{
    size_t start = b->len;

    /* In valid JSON a line break can only stand between tokens. */
    buf_put_slice(b, value);
    for (size_t i = start; i < b->len; i++)
        if (b->p[i] == '\n' || b->p[i] == '\r')
            b->p[i] = ' ';
}

/* --- base64 ------------------------------------------------------------------- */

void json_put_base64(struct buf *b, struct slice s)
{
    buf_u8(b, '"');
    base64_put(b, s);
    buf_u8(b, '"');
}

bool json_get_base64(struct slice raw_string, struct buf *out)
{
    struct buf text = {0};
    bool good;

    json_string_get(raw_string, &text);
    good = base64_get(buf_slice(&text), out);
    buf_free(&text);
    return good;
}
