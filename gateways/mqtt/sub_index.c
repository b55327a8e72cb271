/*
 * sub_index.c - open addressing over a power of two, at most half full.
 *
 * A filter that is dropped leaves its place marked, so that what stands behind it is
 * found; a mark is not used again, there is room for all.
 */
#include "sub_index.h"

#include <stdlib.h>

#include <utlist.h>

#include "mem.h"
#include "session_state.h"

struct sub_index {
    size_t mask;
    const struct sub *gone; /* the mark */
    struct sub **places;
};

static size_t index_hash(struct slice name)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (uint8_t)name.p[i]) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 32);
}

struct sub_index *sub_index_new(const struct session *s, size_t more)
{
    struct sub_index *x = mem_zalloc(sizeof *x);
    size_t places = 16;
    struct sub *sub;

    while (places < 2 * (s->sub_count + more))
        places *= 2;
    x->mask = places - 1;
    x->gone = (const struct sub *)x;
    x->places = mem_zalloc(places * sizeof *x->places);
    DL_FOREACH (s->subs, sub)
        sub_index_put(x, sub);
    return x;
}

void sub_index_free(struct sub_index *x)
{
    free(x->places);
    free(x);
}

static bool index_is(const struct sub_index *x, size_t at, struct slice filter)
{
    return x->places[at] != x->gone && slice_eq(sub_name(x->places[at]), filter);
}

/* Where it is, or the free place at which the search ends. */
static size_t index_place(const struct sub_index *x, struct slice filter)
{
    size_t at = index_hash(filter) & x->mask;

    while (x->places[at] != NULL && !index_is(x, at, filter))
        at = (at + 1) & x->mask;
    return at;
}

struct sub *sub_index_find(const struct sub_index *x, struct slice filter)
{
    return x->places[index_place(x, filter)];
}

void sub_index_put(struct sub_index *x, struct sub *sub)
{
    x->places[index_place(x, sub_name(sub))] = sub;
}

void sub_index_drop(struct sub_index *x, const struct sub *sub)
{
    size_t at = index_place(x, sub_name(sub));

    if (x->places[at] == sub)
        x->places[at] = (struct sub *)x;
}
