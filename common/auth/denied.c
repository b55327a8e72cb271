/*
 * denied.c - lines, sorted.
 */
#include "denied.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "whole_file.h"

#define FILE_MAX (64u * 1024 * 1024)

struct denied {
    struct buf text; /* what the lines are in */
    struct slice *lines;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = len > 0 ? memcmp(x->p, y->p, len) : 0;

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice line_next(struct slice *rest)
{
    const char *end = memchr(rest->p, '\n', rest->len);
    struct slice line = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->len};
    size_t used = line.len + (end != NULL);

    *rest = (struct slice){rest->p + used, rest->len - used};
    while (line.len > 0 && is_blank(line.p[0]))
        line = (struct slice){line.p + 1, line.len - 1};
    while (line.len > 0 && is_blank(line.p[line.len - 1]))
        line.len--;
    return line;
}

static void take_lines(struct denied *d)
{
    struct slice rest = buf_slice(&d->text);
    size_t room = 0;

    while (rest.len > 0) {
        struct slice line = line_next(&rest);

        if (line.len == 0 || line.p[0] == '#')
            continue;
        if (d->count == room) {
            room = room != 0 ? 2 * room : 64;
            d->lines = mem_resize(d->lines, room, sizeof *d->lines);
        }
        d->lines[d->count++] = line;
    }
    if (d->count > 0)
        qsort(d->lines, d->count, sizeof *d->lines, compare);
}

struct denied *denied_open(const char *file)
{
    struct denied *d = mem_zalloc(sizeof *d);
    const char *why;

    whole_file_judge(file, false);
    if (!whole_file_read(file, FILE_MAX, &d->text, &why)) {
        log_error("[auth] revoked cannot be read", LOG_S("file", file), LOG_S("error", why));
        denied_close(d);
        return NULL;
    }
    take_lines(d);
    return d;
}

void denied_close(struct denied *d)
{
    if (d == NULL)
        return;
    buf_free(&d->text);
    free(d->lines);
    free(d);
}

bool denied_has(const struct denied *d, const char *jti)
{
    struct slice name = slice_of(jti);

    return d != NULL && jti != NULL && d->count > 0 &&
           bsearch(&name, d->lines, d->count, sizeof name, compare) != NULL;
}
