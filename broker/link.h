/*
 * link.h - the broker's side of the link: a ROUTER, each gateway a DEALER
 * (DESIGN 3.2; the bytes are in proto/README.md).
 *
 * A gateway exists here from its hello until it says hello anew, its messages
 * bounce, its queue overflows or it sends a malformed frame.  What the store
 * makes visible comes in through link_batch and link_removed, and leaves as
 * live messages before the acknowledgements of the same commit.  Loop thread.
 */
#ifndef BROKER_LINK_H
#define BROKER_LINK_H

#include "sessions.h"
#include "store.h"
#include "zsock.h"

struct link;
struct link_options {
    uint64_t credit; /* live bytes unconfirmed, per gateway */
    uint64_t window; /* publish bytes unacknowledged, per gateway */
    uint64_t max_payload;
    uint64_t max_body;  /* bounds one unit, and so one frame */
    uint32_t max_batch; /* events in one unit */
};

/* NULL: no socket was to be had.  Binds nothing yet. */
struct link *link_new(uv_loop_t *loop, struct store *store, struct sessions *sessions,
                      const struct link_options *o);
struct zsock *link_socket(struct link *l); /* to be bound */

/* From the store's follower. */
void link_batch(struct link *l, const struct store_batch *b);
void link_removed(struct link *l, struct slice topic, uint64_t upto);

/* Reads no more; what is with the store is still acknowledged. */
void link_stop(struct link *l);
/* After the store has closed.  l may be NULL; then closed is not called. */
void link_close(struct link *l, unsigned linger_ms, void (*closed)(void *arg), void *arg);
void link_free(struct link *l);

#endif
