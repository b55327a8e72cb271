/*
 * grants.c - filters of a principal, one behind the other in one text.
 */
#include "grants.h"

#include <stdlib.h>

#include "mem.h"
#include "topic.h"

const char *const auth_verb_names[AUTH_VERBS] = {"publish", "subscribe", "manage"};

bool grants_name_ok(struct slice name)
{
    if (name.len == 0 || name.p[0] == '$' || !utf8_valid(name.p, name.len))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] == '/' || name.p[i] == '+' || name.p[i] == '#' || name.p[i] == '\0')
            return false;
    return true;
}

static bool names(struct slice filter, size_t i, char what)
{
    return filter.p[i] == '%' && i + 1 < filter.len && filter.p[i + 1] == what;
}

static bool holds(struct slice filter, char what)
{
    for (size_t i = 0; i < filter.len; i++)
        if (names(filter, i, what))
            return true;
    return false;
}

/* It could make a %c of its own. */
static bool has_percent(struct slice name)
{
    return memchr(name.p, '%', name.len) != NULL;
}

/* Appends the filter with `name` in the place of %what. */
static void put_named(struct buf *out, struct slice filter, char what, struct slice name)
{
    for (size_t i = 0; i < filter.len; i++)
        if (names(filter, i, what)) {
            buf_put_slice(out, name);
            i++;
        } else {
            buf_put(out, filter.p + i, 1);
        }
}

enum grants_added grants_add(struct grants *g, enum auth_verb verb, struct slice filter,
                             struct slice user)
{
    size_t at = g->text.len, len;

    if (holds(filter, 'u') && (!grants_name_ok(user) || (holds(filter, 'c') && has_percent(user))))
        return GRANT_LEFT_OUT;
    put_named(&g->text, filter, 'u', user);
    len = g->text.len - at;
    if (filter_check((struct slice){(const char *)g->text.p + at, len}) != TOPIC_OK) {
        g->text.len = at;
        return GRANT_BAD;
    }
    g->list = mem_resize(g->list, g->count + 1, sizeof *g->list);
    g->list[g->count++] =
        (struct grant){(uint32_t)at, (uint16_t)len, (uint8_t)verb, holds(filter, 'c')};
    return GRANT_ADDED;
}

void grants_free(struct grants *g)
{
    free(g->list);
    buf_free(&g->text);
    *g = (struct grants){0};
}

static bool client_covers(struct slice grant, struct slice filter, struct slice client)
{
    struct buf named = {0};
    bool covers;

    if (!grants_name_ok(client))
        return false;
    put_named(&named, grant, 'c', client);
    covers =
        filter_check(buf_slice(&named)) == TOPIC_OK && filter_covers(buf_slice(&named), filter);
    buf_free(&named);
    return covers;
}

bool grants_cover(const struct grants *g, enum auth_verb verb, struct slice filter,
                  struct slice client)
{
    if (g->all)
        return true;
    for (uint32_t i = 0; i < g->count; i++) {
        const struct grant *grant = &g->list[i];
        struct slice one = {(const char *)g->text.p + grant->at, grant->len};

        if (grant->verb == verb &&
            (grant->client ? client_covers(one, filter, client) : filter_covers(one, filter)))
            return true;
    }
    return false;
}
