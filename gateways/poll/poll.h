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

#include "poll_request.h"
#include "reply.h"
#include "site.h"

/* What the polls of the process share. */
struct poller {
    struct poll_limits limits;
    struct reply_cache replies;
};

void poller_init(struct poller *p, const struct config *c);
void poller_close(struct poller *p); /* after the last poll */

/* GET /events/{topic}, GET /events?topic=; HEAD asks where the log ends.  The route's own
 * is the struct poller. */
void poll_open(struct exchange *x);

#endif
