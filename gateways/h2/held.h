/*
 * held.h - bytes that streams have begun to send and may not let go of.
 *
 * A stream whose window closes in the middle of an event keeps the rest, as a
 * connection does whose socket is full.  All together are bounded: over the limit the
 * stream that has stood still longest is cut, and its client resumes by ID.  Loop thread.
 */
#ifndef H2_HELD_H
#define H2_HELD_H

#include <stdbool.h>
#include <stddef.h>

/* Embedded by its owner.  Zero-initialised holds nothing. */
struct held {
    size_t bytes;
    struct held *prev, *next;
};

struct held_list {
    size_t bytes, max;
    struct held *first, *last;   /* longest still first */
    void (*cut)(struct held *h); /* it holds nothing after */
};

/* It holds so many bytes now, and has just moved.  May cut others, and itself. */
void held_set(struct held_list *l, struct held *h, size_t bytes);

#endif
