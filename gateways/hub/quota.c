/*
 * quota.c - see quota.h.
 */
#include "quota.h"

#include <string.h>

#include "feed.h"
#include "metrics.h"

#define SHARES 16u     /* a client has one of so many */
#define WILD_LEVELS 4u /* what a level costs in a filter with '+' */

size_t quota_levels(struct slice filter)
{
    size_t n = 1;
    bool wild = false;

    for (size_t i = 0; i < filter.len; i++) {
        n += filter.p[i] == '/';
        wild = wild || filter.p[i] == '+';
    }
    return wild ? n * WILD_LEVELS : n;
}

/* How many of them nobody has. */
static size_t count_new(const struct hub *h, const struct slice *filters, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += filter_tree_get(h->tree, filters[i]) == NULL;
    return n;
}

static bool filters_fit(const struct hub *h, const struct quota *q, const struct slice *filters,
                        size_t count)
{
    size_t used = filter_tree_count(h->tree), total = h->limits.filters, free, share, fresh;

    if (total == 0)
        return true;
    fresh = count_new(h, filters, count);
    free = used < total ? total - used : 0;
    share = free / SHARES > 0 ? free / SHARES : 1;
    return fresh == 0 || (fresh <= free && q->filters + fresh <= share);
}

bool quota_allows(const struct hub *h, const struct quota *q, const struct slice *filters,
                  size_t count)
{
    size_t levels = q->levels;

    for (size_t i = 0; i < count; i++)
        levels += quota_levels(filters[i]);
    if ((h->limits.filter_levels == 0 || levels <= h->limits.filter_levels) &&
        filters_fit(h, q, filters, count))
        return true;
    metric_add(M_FILTERS_REFUSED, 1);
    return false;
}

static size_t feed_levels(const struct feed *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->filter_count; i++)
        n += quota_levels((struct slice){f->filters[i]->name, f->filters[i]->len});
    return n;
}

void quota_charge(struct quota *q, struct subscription *s)
{
    s->quota = q;
    q->filters += s->feed->filter_count;
    q->levels += feed_levels(s->feed);
}

void quota_release(struct subscription *s)
{
    if (s->quota == NULL)
        return;
    s->quota->filters -= s->feed->filter_count;
    s->quota->levels -= feed_levels(s->feed);
    s->quota = NULL;
}

const void *quota_asker(const struct subscription *s)
{
    return s->quota != NULL ? (const void *)s->quota : s;
}
