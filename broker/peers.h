/*
 * peers.h - the gateways: a ROUTER, each gateway a DEALER (DESIGN 3.2; the bytes are
 * in proto/README.md).
 *
 * A gateway is a peer from its hello until it says hello anew, its messages
 * bounce, its queue overflows or it sends a malformed frame.  What the store
 * makes visible comes in through peers_batch and peers_removed, and leaves as
 * live messages before the acknowledgements of the same commit.  Loop thread.
 */
#ifndef BROKER_PEERS_H
#define BROKER_PEERS_H

#include "sessions.h"
#include "store.h"
#include "warden.h"

struct peers;
struct peers_options {
    unsigned filters; /* of one gateway */
    uint64_t credit;  /* live bytes unconfirmed, per gateway */
    uint64_t window;  /* publish bytes unacknowledged, per gateway */
    uint64_t max_payload;
    uint64_t max_body;           /* bounds one unit, and so one frame */
    uint32_t max_batch;          /* events in one unit */
    const struct warden *warden; /* NULL: whoever can connect may */
};

/* NULL: no socket was to be had.  Binds nothing yet. */
struct peers *peers_new(uv_loop_t *loop, struct store *store, struct sessions *sessions,
                        const struct peers_options *o) MUST_CHECK;
struct zsock *peers_socket(struct peers *all); /* to be bound */

/* From the store's follower. */
void peers_batch(struct peers *all, const struct store_batch *b);
void peers_topic_forgotten(struct peers *all, uint32_t topic);
void peers_removed(struct peers *all, struct slice topic, uint64_t upto);

/* The warden admits others now: who is none of them is told so and gone. */
void peers_review(struct peers *all);

/* Reads no more; what is with the store is still acknowledged. */
void peers_stop(struct peers *all);
/* After the store has closed.  all may be NULL; then closed is not called. */
void peers_close(struct peers *all, unsigned linger_ms, void (*closed)(void *arg), void *arg);
void peers_free(struct peers *all);

#endif
