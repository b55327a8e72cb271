/*
 * query.h - a request that is answered by asking the broker's reads, perhaps
 * several times; what history, topics and long-poll have in common.
 *
 * Embedded by its owner.  One request is on the way at a time; reply() gets
 * each answer and asks again, answers the exchange or goes on streaming on it.
 * When the client goes away or may not go on, the broker's error comes, or no answer in
 * time, the query ends by itself: the exchange has its problem, and freed() releases
 * the owner.
 */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "site.h"
#include "wheel.h"

struct query {
    struct link_read read;
    struct wheel_timer timer;
    struct exchange *x;
    bool asking;
    bool streaming; /* the exchange is a stream that has begun: failing cuts it */
    void (*reply)(struct query *q, struct zmsg *reply);
    void (*freed)(struct query *q);
    /* What its client may is less or more now; NULL: that is looked at with the answer. */
    void (*changed)(struct query *q);
};

void query_init(struct query *q, struct exchange *x,
                void (*reply)(struct query *q, struct zmsg *reply), void (*freed)(struct query *q));
/* Where the next request's frame is to be put; then query_ask sends it. */
struct buf *query_frame(struct query *q);
void query_ask(struct query *q);
/* Ends it; the caller answers the exchange, which is returned, afterwards. */
struct exchange *query_end(struct query *q);
void query_fail(struct query *q, const struct problem *p);
void query_malformed(struct query *q); /* fails: the broker's answer cannot be read */

#endif
