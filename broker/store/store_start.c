/*
 * store_start.c - where to start: by time, or before the newest N of each filter.
 *
 * last=N walks down from the head.  A filter that matches few topics walks their
 * indexes; what all the others match is sought in one scan of the log, in which each
 * filter leaves the tree as soon as it has enough.  What is added meanwhile lies
 * above, so the answer is that of the head at which the walk began.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store_reader.h"
#include "topic.h"
#include "wall.h"

#define FILTERS_LOOKED_UP 64u /* further wildcards are sought without a look at what they match */

/* A cursor below everything of that time; never inside a hole, for a start by
 * time asks for nothing that the hole swallowed. */
static uint64_t cursor_of_time(const struct store *s, uint64_t ms, uint64_t head)
{
    uint64_t id = id_of_ms(ms);
    uint64_t cursor = id == 0 ? 0 : id - 1;
    const struct hole *hole;

    if (cursor > head)
        cursor = head;
    hole = holes_find(&s->holes, cursor);
    return hole != NULL ? hole->low : cursor;
}

static void start_begin(struct store_read *w, uint64_t head)
{
    w->begun = true;
    w->head = head;
    w->now = wall_ms();
    w->below = head + 1;
    w->newest = mem_array(w->filter_count, sizeof *w->newest);
    for (size_t i = 0; i < w->filter_count; i++)
        w->newest[i] = (struct newest){.wanted = w->limit, .below = head + 1, .from = head};
    w->tree = filter_tree_new();
}

static void newest_take(struct newest *n, uint64_t id)
{
    n->found++;
    n->from = id - 1;
}

/* --- by its topics' indexes ------------------------------------------------------------ */

static void start_seek(struct store_read *w, size_t at)
{
    struct newest *n = &w->newest[at], *other;

    n->seeking = true;
    other = filter_tree_get(w->tree, w->filters[at].filter);
    if (other == NULL) {
        (void)filter_tree_put(w->tree, w->filters[at].filter, n);
        w->sought++;
    }
}

/* True: the filter at hand is done with. */
static bool walk_down(struct store_read *w, struct store_reader *r, struct newest *n)
{
    bool done = n->found == n->wanted;

    rows_open(r, 0, n->below, true, UINT32_MAX);
    while (!done && !rows_stopped(r)) {
        done = !rows_next(r) || !rows_row(r);
        if (done)
            break;
        n->below = r->rows.id;
        if (r->rows.scan && !matcher_test(r, rows_topic(&r->rows), n->below))
            continue;
        if (!rows_expired(&r->rows, w->now))
            newest_take(n, n->below);
        done = n->found == n->wanted;
    }
    rows_close(r);
    return done;
}

static bool start_filter(struct store_read *w, struct store_reader *r)
{
    const struct wire_filter *f = &w->filters[w->at];

    if (w->at >= FILTERS_LOOKED_UP && !filter_is_exact(f->filter)) {
        start_seek(w, w->at);
        return true;
    }
    if (!matcher_set(r, f, 1, NULL))
        return false;
    if (r->matcher.is_few)
        return walk_down(w, r, &w->newest[w->at]);
    start_seek(w, w->at);
    return true;
}

static void start_filters(struct store_read *w, struct store_reader *r)
{
    do {
        if (!start_filter(w, r))
            return;
        w->at++;
        r->looks += STEP_LOOKS / 4;
    } while (w->at < w->filter_count && !snapshot_is_over(r));
}

/* --- by a scan --------------------------------------------------------------------------- */

struct start_hit {
    struct store_read *w;
    uint64_t id;
    size_t full; /* filters that have enough now */
};

static void start_visit(void *value, void *arg)
{
    struct start_hit *hit = arg;
    struct newest *n = value;

    newest_take(n, hit->id);
    hit->full += n->found == n->wanted;
}

static void start_drop_full(struct store_read *w, struct store_reader *r)
{
    for (size_t i = 0; i < w->filter_count; i++) {
        struct newest *n = &w->newest[i];

        if (!n->seeking || n->found < n->wanted ||
            filter_tree_get(w->tree, w->filters[i].filter) != n)
            continue;
        (void)filter_tree_remove(w->tree, w->filters[i].filter);
        w->sought--;
    }
    r->steps++; /* what was seen of topics is of the tree before */
}

/* False: the log ends here. */
static bool start_row(struct store_read *w, struct store_reader *r)
{
    struct start_hit hit = {.w = w};
    const struct topic *t;

    if (!rows_next(r))
        return false;
    w->below = hit.id = r->rows.id;
    t = topics_at(&r->s->topics, rows_topic(&r->rows));
    if (t != NULL && !rows_expired(&r->rows, w->now))
        filter_tree_match(w->tree, t->name, start_visit, &hit);
    if (hit.full > 0)
        start_drop_full(w, r);
    return true;
}

static void start_scan(struct store_read *w, struct store_reader *r)
{
    bool more = true;

    r->seeking = w->tree;
    rows_open_seeking(r, w->below, WIRE_PAGE_SCAN);
    while (more && w->sought > 0 && !rows_stopped(r))
        more = start_row(w, r);
    if (!more)
        w->sought = 0;
    rows_close(r);
    r->seeking = NULL;
}

/* --- the whole ----------------------------------------------------------------------------- */

/* Filters given twice have one place in the tree. */
static const struct newest *start_found(const struct store_read *w, size_t at)
{
    for (size_t i = 0; w->newest[at].seeking && i < at; i++)
        if (slice_eq(w->filters[i].filter, w->filters[at].filter))
            return &w->newest[i];
    return &w->newest[at];
}

static void start_put(const struct store_read *w, const struct store_reader *r, struct buf *reply)
{
    uint64_t froms[WIRE_FILTERS_MAX];

    for (size_t i = 0; i < w->filter_count; i++) {
        const struct newest *n = w->mode == WIRE_LAST ? start_found(w, i) : NULL;

        if (n == NULL)
            froms[i] = cursor_of_time(r->s, w->after, w->head);
        else
            froms[i] = n->found < n->wanted ? 0 : n->from;
    }
    wire_start_put(reply, w->ref, w->head, froms, (uint16_t)w->filter_count);
}

static bool start_is_done(const struct store_read *w)
{
    return w->mode == WIRE_SINCE || w->limit == 0 || (w->at == w->filter_count && w->sought == 0);
}

bool start_step(struct store_read *w, struct store_reader *r, struct buf *reply)
{
    uint64_t head = snapshot_begin(r);

    if (!w->begun)
        start_begin(w, head);
    if (!start_is_done(w) && w->at < w->filter_count)
        start_filters(w, r);
    else if (!start_is_done(w))
        start_scan(w, r);
    if (!snapshot_end(r, WIRE_START, w->ref, reply))
        return true;
    if (!start_is_done(w))
        return false;
    start_put(w, r, reply);
    return true;
}
