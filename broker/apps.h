/*
 * apps.h - the door for publishing applications: a ROUTER (DESIGN 3.1).
 *
 *   "publish" ref topic headers payload ──▶ store ──▶ "ok" ref id
 *                                                     "error" ref code text
 *
 * Each publish is answered once, after its commit.  Loop thread.
 */
#ifndef BROKER_APPS_H
#define BROKER_APPS_H

#include "store.h"
#include "zsock.h"

struct apps;
struct apps_options {
    uint64_t queue; /* bytes waiting for the writer; above it reading pauses */
    uint64_t max_payload;
};

/* NULL: no socket was to be had.  Binds nothing yet. */
struct apps *apps_new(uv_loop_t *loop, struct store *store,
                      const struct apps_options *o) MUST_CHECK;
struct zsock *apps_socket(struct apps *a); /* to be bound */
/* Reads no more; what is with the store is still answered. */
void apps_stop(struct apps *a);
/* After the store has closed.  a may be NULL; then closed is not called. */
void apps_close(struct apps *a, unsigned linger_ms, void (*closed)(void *arg), void *arg);
void apps_free(struct apps *a);

#endif
