/*
 * bundle.c - subscriptions of one client that share what they are handed.
 *
 * When a feed hands its turn's events to its heads it only notes those that are
 * in a bundle.  Once all feeds are through, each bundle that has somebody noted
 * merges the turns of their feeds by ID, as long as the turns are still there:
 *
 *   feed a:  e1 e3 e4 ┐
 *   feed b:  e1 e2 e4 ┴─▶  e1 for a, b   e2 for b   e3 for a   e4 for a, b
 *
 * Nothing is queued for it, however much a turn brings.  A client that takes
 * less than all falls back: whoever has events left is from then on in the ring,
 * behind the last entry that was taken, and goes on alone from there.  That
 * entry's ID is right for each of them, since the merge is in ID order.
 */
#include <assert.h>

#include <utlist.h>

#include "feed.h"
#include "metrics.h"

void bundle_join(struct bundle *b, struct subscription *s)
{
    assert(s->state != SUB_CLOSED && !s->due);
    s->bundle = b;
    s->joined = b->joined++;
}

static void bundle_not_due(struct subscription *s)
{
    if (!s->due)
        return;
    LL_DELETE2(s->bundle->due, s, due_next);
    s->due = false;
}

void bundle_leave(struct subscription *s)
{
    if (s->bundle == NULL)
        return;
    bundle_not_due(s);
    s->bundle = NULL;
}

void bundle_note(struct subscription *s)
{
    struct bundle *b = s->bundle;
    struct hub *h = s->hub;

    if (s->due)
        return;
    s->due = true;
    s->due_at = 0;
    LL_PREPEND2(b->due, s, due_next);
    if (b->is_due)
        return;
    b->is_due = true;
    LL_PREPEND2(h->due, b, due_next);
}

/* --- the merge -------------------------------------------------------------------- */

/* What it is to be handed next; NULL: it has all of its turn. */
static struct entry *bundle_next_of(const struct subscription *s)
{
    return s->due_at < s->feed->turn_count ? s->feed->turn[s->due_at] : NULL;
}

/* The first of what they are to be handed; *count of them want it. */
static struct entry *bundle_next(const struct bundle *b, size_t *count)
{
    struct entry *first = NULL, *e;

    *count = 0;
    for (const struct subscription *s = b->due; s != NULL; s = s->due_next) {
        e = bundle_next_of(s);
        if (e == NULL || (first != NULL && e->e.id > first->e.id))
            continue;
        *count = first != NULL && e->e.id == first->e.id ? *count + 1 : 1;
        first = e;
    }
    return first;
}

/* False when there is nothing left. */
static bool bundle_fill(const struct bundle *b, struct bundle_run *r)
{
    size_t shares = 0, count;
    struct entry *e;

    run_clear(r->run);
    while ((e = bundle_next(b, &count)) != NULL) {
        assert(count <= BUNDLE_MAX);
        if (shares + count > BUNDLE_SHARES || !run_add(r->run, e))
            break;
        for (struct subscription *s = b->due; s != NULL; s = s->due_next) {
            if (bundle_next_of(s) != e)
                continue;
            r->shares[shares++] = s;
            s->due_at++;
        }
        r->ends[r->run->count - 1] = shares;
    }
    return r->run->count > 0;
}

/* They were handed everything up to `cursor`, and whoever has more is behind. */
static void bundle_fall_back(const struct bundle *b, uint64_t cursor)
{
    for (struct subscription *s = b->due; s != NULL; s = s->due_next) {
        if (s->feed->turn[s->feed->turn_count - 1]->e.id <= cursor)
            continue;
        metric_add(M_FALLBACKS, 1);
        s->full = true;
        subscription_leave_head(s, cursor, SUB_RING);
    }
}

static int bundle_by_joining(const struct subscription *a, const struct subscription *b)
{
    return (a->joined > b->joined) - (a->joined < b->joined);
}

static void bundle_hand_over(struct bundle *b, struct hub *h)
{
    struct bundle_run *r = &h->bundle_run;
    uint64_t cursor = h->flushed;
    size_t n;

    r->run = &h->run;
    LL_SORT2(b->due, bundle_by_joining, due_next);
    while (bundle_fill(b, r)) {
        n = b->events(b, r);
        assert(n <= r->run->count);
        if (n > 0) {
            h->delivered += r->ends[n - 1];
            cursor = r->run->entries[n - 1]->e.id;
        }
        if (n < r->run->count) {
            bundle_fall_back(b, cursor);
            return;
        }
    }
}

void bundles_flush(struct hub *h)
{
    struct bundle *b;

    while ((b = h->due) != NULL) {
        LL_DELETE2(h->due, b, due_next);
        b->is_due = false;
        bundle_hand_over(b, h);
        while (b->due != NULL)
            bundle_not_due(b->due);
    }
}
