/*
 * lines.c - a buffer that is moved forward only when more comes in.
 */
#include "lines.h"

void lines_add(struct lines *l, const void *p, size_t len)
{
    buf_consume(&l->bytes, l->used);
    l->searched -= l->used;
    l->used = 0;
    buf_put(&l->bytes, p, len);
}

bool lines_next(struct lines *l, bool ended, struct slice *line)
{
    const char *start, *lf;

    if (l->used == l->bytes.len)
        return false;
    start = (const char *)l->bytes.p + l->used;
    lf = memchr(l->bytes.p + l->searched, '\n', l->bytes.len - l->searched);
    if (lf != NULL) {
        *line = (struct slice){start, (size_t)(lf - start)};
        l->used += line->len + 1;
        l->searched = l->used;
        return true;
    }
    l->searched = l->bytes.len;
    if (!ended)
        return false;
    *line = (struct slice){start, l->bytes.len - l->used};
    l->used = l->bytes.len;
    return true;
}

size_t lines_waiting(const struct lines *l)
{
    return l->bytes.len - l->used;
}

void lines_close(struct lines *l)
{
    buf_free(&l->bytes);
    *l = (struct lines){0};
}
