/*
 * store_read.c - one request under way: made, taken a step further, freed.
 *
 *   store_read_page … ─▶ store_read_step (any reader) … ─▶ true: the reply ─▶ store_read_free
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store_reader.h"
#include "topic.h"

#define ONE_BY_ONE 4u /* so many filters are matched without a tree */

static struct store_read *read_new(uint8_t kind, uint64_t ref)
{
    struct store_read *w = mem_zalloc(sizeof *w);

    w->kind = kind;
    w->ref = ref;
    return w;
}

static void read_filters(struct store_read *w, const struct wire_filter *filters, size_t count)
{
    w->filters = mem_array(count, sizeof *w->filters);
    w->filter_count = count;
    if (count > 0)
        memcpy(w->filters, filters, count * sizeof *filters);
}

struct store_read *store_read_page(const struct wire_page_req *q)
{
    struct store_read *w = read_new(WIRE_PAGE, q->ref);

    read_filters(w, q->filters, q->filter_count);
    w->after = q->after;
    w->until = q->until;
    w->descending = q->descending;
    w->limit = q->limit == 0 || q->limit > WIRE_PAGE_ROWS ? WIRE_PAGE_ROWS : q->limit;
    if (w->filter_count <= ONE_BY_ONE)
        return w;
    w->tree = filter_tree_new();
    for (size_t i = 0; i < w->filter_count; i++)
        (void)filter_tree_put(w->tree, w->filters[i].filter, &w->filters[i]);
    return w;
}

struct store_read *store_read_start(const struct wire_start_req *q)
{
    struct store_read *w = read_new(WIRE_START, q->ref);

    read_filters(w, q->filters, q->filter_count);
    w->mode = q->mode;
    w->after = q->arg;
    w->limit = q->arg > UINT32_MAX ? UINT32_MAX : (uint32_t)q->arg;
    return w;
}

struct store_read *store_read_event(uint64_t ref, uint64_t id)
{
    struct store_read *w = read_new(WIRE_EVENT, ref);

    w->id = id;
    return w;
}

static struct store_read *read_names(uint8_t kind, uint64_t ref, struct slice filter,
                                     struct slice after, uint32_t limit)
{
    struct store_read *w = read_new(kind, ref);

    w->filter = filter;
    w->limit = limit;
    buf_put_slice(&w->name, after);
    return w;
}

struct store_read *store_read_topics(const struct wire_topics_req *q)
{
    return read_names(WIRE_TOPICS, q->ref, q->filter, q->after, q->limit);
}

struct store_read *store_read_retained(const struct wire_retained_req *q)
{
    return read_names(WIRE_RETAINED, q->ref, q->filter, q->after, q->limit);
}

bool store_read_step(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    r->steps++;
    r->looks = 0;
    r->step_ends = uv_hrtime() + r->step_ns;
    switch (w->kind) {
    case WIRE_PAGE:
        return page_step(w, r, reply);
    case WIRE_START:
        return start_step(w, r, reply);
    case WIRE_EVENT:
        return lookup_event(w, r, reply);
    case WIRE_TOPICS:
        return lookup_topics(w, r, reply);
    default:
        return retained_read(w, r, reply);
    }
}

void store_read_free(struct store_read *w)
{
    if (w == NULL)
        return;
    filter_tree_free(w->tree);
    free(w->filters);
    free(w->newest);
    buf_free(&w->name);
    buf_free(&w->last);
    free(w);
}
