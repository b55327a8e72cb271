/*
 * store_holes.c - see store_holes.h.
 *
 * A cursor strictly inside a hole was given out by a log that is lost (or for an
 * event that was never stored); both ends of it are cursors of ours: `low` was the
 * last ID, `high - 1` the head at start.
 */
#include "store_holes.h"

#include <assert.h>
#include <string.h>

void holes_add(struct holes *h, uint64_t low, uint64_t high)
{
    assert(low < high);
    assert(h->count == 0 || h->list[h->count - 1].high <= low + 1);
    if (high - low < 3) /* nothing strictly between low and high - 1 */
        return;
    if (h->count == HOLES_MAX) {
        h->list[1].low = h->list[0].low;
        memmove(&h->list[0], &h->list[1], (HOLES_MAX - 1) * sizeof h->list[0]);
        h->count--;
    }
    h->list[h->count++] = (struct hole){low, high};
}

const struct hole *holes_find(const struct holes *h, uint64_t cursor)
{
    size_t low = 0, high = h->count;

    while (low < high) { /* the first hole that ends above the cursor */
        size_t mid = low + (high - low) / 2;

        if (h->list[mid].high - 1 > cursor)
            high = mid;
        else
            low = mid + 1;
    }
    if (cursor == 0 || low == h->count || cursor <= h->list[low].low)
        return NULL;
    return &h->list[low];
}
