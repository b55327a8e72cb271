/*
 * users_text.c - lines are read as common/auth/roster.h says.
 */
#include "users_text.h"

static struct slice next_line(struct slice *rest)
{
    const char *end = memchr(rest->p, '\n', rest->len);
    struct slice line = {rest->p, end != NULL ? (size_t)(end - rest->p) + 1 : rest->len};

    *rest = (struct slice){rest->p + line.len, rest->len - line.len};
    return line;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.p[0]) != NULL && s.p[0] != '\0')
        s = (struct slice){s.p + 1, s.len - 1};
    while (s.len > 0 && s.p[s.len - 1] != '\0' && strchr(" \t\r\n", s.p[s.len - 1]) != NULL)
        s.len--;
    return s;
}

/* Behind the first colon; empty when there is none. */
static struct slice after_colon(struct slice s)
{
    const char *colon = s.len > 0 ? memchr(s.p, ':', s.len) : NULL;
    size_t gone = colon != NULL ? (size_t)(colon - s.p) + 1 : s.len;

    return s.len > 0 ? (struct slice){s.p + gone, s.len - gone} : s;
}

struct users_line users_text_find(struct slice text, struct slice user)
{
    while (text.len > 0) {
        struct slice whole = next_line(&text), line = trimmed(whole);

        if (line.len > user.len && line.p[user.len] == ':' && slice_starts(line, user))
            return (struct users_line){whole, after_colon(after_colon(line))};
    }
    return (struct users_line){0};
}

void users_text_set(struct slice text, const struct users_line *found, struct slice line,
                    struct buf *out)
{
    size_t before = found->whole.p != NULL ? (size_t)(found->whole.p - text.p) : text.len;

    buf_put(out, text.p, before);
    if (out->len > 0 && out->p[out->len - 1] != '\n')
        buf_puts(out, "\n");
    buf_put_slice(out, line);
    buf_puts(out, "\n");
    if (found->whole.p != NULL)
        buf_put(out, found->whole.p + found->whole.len, text.len - before - found->whole.len);
}

void users_text_remove(struct slice text, const struct users_line *found, struct buf *out)
{
    size_t before = (size_t)(found->whole.p - text.p);

    buf_put(out, text.p, before);
    buf_put(out, found->whole.p + found->whole.len, text.len - before - found->whole.len);
}
