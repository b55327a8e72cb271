/*
 * poll.h - one long-poll: GET /events/{topic}?after=&wait=&limit=
 *
 *   200   what is there, at once or as soon as it comes
 *   204   nothing came while it waited (304 when If-None-Match was the cursor)
 *
 * Each says in Sluice-Next and ETag where the next poll goes on.
 */
#ifndef POLL_POLL_H
#define POLL_POLL_H

#include "gateway.h"
#include "poll_request.h"
#include "reply.h"

/* What the polls of the process share; g->protocol. */
struct poller {
    struct gateway *gateway;
    struct poll_limits limits;
    struct reply_cache replies;
};

bool poll_start(struct gateway *g); /* for the gateway_spec */
void poll_stop(struct gateway *g);

/* GET /events/{topic}, GET /events?topic=; HEAD asks where the log ends. */
void poll_open(struct exchange *x);

#endif
