/*
 * topic.c - checking, matching and comparing topic names and filters.
 *
 * Checks answer any bytes with a verdict.  filter_match and filter_covers take
 * what has passed its check; given anything else they answer something, and
 * read nothing out of bounds.
 */
#include "topic.h"

#include "mem.h"

static const struct slice reserved[] = {
    {"$SYS/", 5},
    {"$share/", 7},
    {"$after/", 7},
    {"$last/", 6},
};

/* Set once, while the process has one thread. */
static unsigned levels_max = TOPIC_LEVELS;

void topic_limit_levels(unsigned max)
{
    levels_max = max;
}

static bool topic_has(struct slice s, char c)
{
    return s.len != 0 && memchr(s.p, c, s.len) != NULL;
}

static bool topic_is_char(struct slice s, char c)
{
    return s.len == 1 && s.p[0] == c;
}

static bool is_wildcard(char c)
{
    return c == '+' || c == '#';
}

static unsigned topic_levels(struct slice s)
{
    unsigned n = 1;

    for (size_t i = 0; i < s.len; i++)
        n += s.p[i] == '/';
    return n;
}

/* What names and filters have in common. */
static enum topic_verdict check_text(struct slice s)
{
    if (s.len == 0)
        return TOPIC_EMPTY;
    if (s.len > TOPIC_MAX)
        return TOPIC_TOO_LONG;
    if (topic_has(s, '\0'))
        return TOPIC_HAS_NUL;
    if (!utf8_valid(s.p, s.len))
        return TOPIC_NOT_UTF8;
    if (topic_levels(s) > levels_max)
        return TOPIC_TOO_DEEP;
    return TOPIC_OK;
}

enum topic_verdict topic_check(struct slice name)
{
    enum topic_verdict v = check_text(name);

    if (v == TOPIC_OK && !filter_is_exact(name))
        v = TOPIC_HAS_WILDCARD;
    return v;
}

enum topic_verdict topic_check_publish(struct slice name)
{
    enum topic_verdict v = topic_check(name);

    if (v != TOPIC_OK || name.p[0] != '$')
        return v;
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (slice_starts(name, reserved[i]))
            return TOPIC_RESERVED;
    return TOPIC_OK;
}

enum topic_verdict filter_check(struct slice filter)
{
    enum topic_verdict v = check_text(filter);
    struct slice rest = filter, level;

    if (v != TOPIC_OK || filter_is_exact(filter))
        return v;
    while (topic_level_next(&rest, &level)) {
        if (!filter_is_exact(level) && level.len != 1)
            return TOPIC_BAD_WILDCARD;
        if (topic_is_char(level, '#') && rest.p != NULL)
            return TOPIC_BAD_WILDCARD;
    }
    return TOPIC_OK;
}

const char *topic_verdict_text(enum topic_verdict v)
{
    switch (v) {
    case TOPIC_OK:
        return "it is valid";
    case TOPIC_EMPTY:
        return "it is empty";
    case TOPIC_TOO_LONG:
        return "it is longer than 1024 bytes";
    case TOPIC_TOO_DEEP:
        return "it has more levels than [limits] max_levels allows";
    case TOPIC_NOT_UTF8:
        return "it is not UTF-8";
    case TOPIC_HAS_NUL:
        return "it holds a NUL";
    case TOPIC_HAS_WILDCARD:
        return "a name may not hold + or #";
    case TOPIC_BAD_WILDCARD:
        return "+ must be a whole level, # a whole level and the last";
    case TOPIC_RESERVED:
        return "names under $SYS/, $share/, $after/ and $last/ are reserved";
    }
    return "it is not valid";
}

bool topic_level_next(struct slice *rest, struct slice *level)
{
    const char *slash;

    if (rest->p == NULL)
        return false;
    *level = *rest;
    slash = memchr(rest->p, '/', rest->len);
    if (slash == NULL) {
        *rest = (struct slice){0};
        return true;
    }
    level->len = (size_t)(slash - rest->p);
    rest->p += level->len + 1;
    rest->len -= level->len + 1;
    return true;
}

bool filter_is_exact(struct slice filter)
{
    return !topic_has(filter, '+') && !topic_has(filter, '#');
}

/* A wildcard in the first level does not match names that begin with '$'. */
static bool topic_is_hidden(struct slice filter, struct slice name)
{
    return name.len != 0 && name.p[0] == '$' && filter.len != 0 && is_wildcard(filter.p[0]);
}

bool filter_match(struct slice filter, struct slice name)
{
    const char *f = filter.p, *f_end = f + filter.len;
    const char *n = name.p, *n_end = n + name.len;

    if (topic_is_hidden(filter, name))
        return false;
    for (;;) { /* f and n stand at the beginning of a level */
        if (f < f_end && *f == '#')
            return true;
        if (f < f_end && *f == '+') {
            f++;
            while (n < n_end && *n != '/')
                n++;
        } else {
            while (f < f_end && n < n_end && *f == *n && *f != '/')
                f++, n++;
        }
        if (n == n_end) /* "a/#" matches "a" too */
            return f == f_end || (f_end - f == 2 && f[0] == '/' && f[1] == '#');
        if (f == f_end || *f != '/' || *n != '/')
            return false;
        f++, n++;
    }
}

bool filter_covers(struct slice outer, struct slice inner)
{
    struct slice o, i;

    if (topic_is_hidden(outer, inner))
        return false;
    if (topic_is_char(inner, '#') && slice_eq(outer, SLICE("+/#")))
        return true; /* no name has no levels, so these two are the same */
    while (topic_level_next(&outer, &o)) {
        if (topic_is_char(o, '#'))
            return true;
        if (!topic_level_next(&inner, &i) || topic_is_char(i, '#'))
            return false;
        if (!topic_is_char(o, '+') && !slice_eq(o, i))
            return false;
    }
    return inner.p == NULL;
}

/* Levels that become a filter. */
struct joined {
    struct buf *out;
    bool begun;
};

static void join_level(struct joined *j, struct slice level)
{
    if (j->begun)
        buf_u8(j->out, '/');
    buf_put_slice(j->out, level);
    j->begun = true;
}

/* What is left of one filter, from that level on, where the other says '#': nothing left is
 * what '#' matches too. */
static bool join_rest(struct joined *j, bool has, struct slice level, struct slice rest)
{
    if (has)
        join_level(j, level);
    while (has && topic_level_next(&rest, &level))
        join_level(j, level);
    return true;
}

/* The narrower of two levels; NULL: they are different names. */
static const struct slice *narrower(const struct slice *a, const struct slice *b)
{
    if (topic_is_char(*a, '+'))
        return b;
    return topic_is_char(*b, '+') || slice_eq(*a, *b) ? a : NULL;
}

bool filter_intersect(struct slice a, struct slice b, struct buf *out)
{
    struct joined j = {.out = out};
    const struct slice *level;
    struct slice x, y;
    bool has_x, has_y;

    if (topic_is_hidden(a, b) || topic_is_hidden(b, a))
        return false;
    for (;;) {
        has_x = topic_level_next(&a, &x);
        has_y = topic_level_next(&b, &y);
        if (has_x && topic_is_char(x, '#'))
            return join_rest(&j, has_y, y, b);
        if (has_y && topic_is_char(y, '#'))
            return join_rest(&j, has_x, x, a);
        if (!has_x || !has_y)
            return has_x == has_y;
        level = narrower(&x, &y);
        if (level == NULL)
            return false;
        join_level(&j, *level);
    }
}
