/*
 * held.h - bytes that clients have begun to be sent, and that stay in memory until they
 * have taken them.
 *
 * A client that stops in the middle of an event, a body or a TLS record keeps the rest of
 * it.  All together are bounded: over the limit those that have stood still longest are
 * cut off, one after the other, and come back by ID.
 *
 * Loop thread.
 */
#ifndef NET_HELD_H
#define NET_HELD_H

#include "shared.h"

/* What one of them holds; embedded by its owner.  Zero-initialised holds nothing. */
struct held {
    size_t bytes;             /* its own */
    struct shared *body;      /* and one that others may hold too; NULL: none */
    struct held *prev, *next; /* of all that hold something */
};

struct held_list {
    size_t bytes, max;
    struct held *first;          /* longest still first */
    void (*cut)(struct held *h); /* it lets go of everything */
};

/* It holds so many bytes of its own now. */
void held_set(struct held_list *l, struct held *h, size_t bytes);
/* It holds this body now, referenced, or none: NULL.  A body that several of a list hold
 * is counted once. */
void held_set_body(struct held_list *l, struct held *h, struct shared *body);
/* It has taken something: it is no longer the one that has stood still longest. */
void held_moved(struct held_list *l, struct held *h);
/* Cuts until the limit is kept; whoever has made somebody hold more may be among them. */
void held_relieve(struct held_list *l);

#endif
