/*
 * poll_request.h - what a poll asks for: a subscription, and how long and how
 * much.
 */
#ifndef POLL_POLL_REQUEST_H
#define POLL_POLL_REQUEST_H

#include "subscribe.h"

struct poll_limits {
    uint64_t wait_ms, wait_max_ms; /* when the request says nothing; at most */
    uint64_t limit, limit_max;
    struct subscribe_limits subscribe;
};

struct poll_request {
    struct subscribe subscribe;
    uint64_t wait_ms;
    uint64_t limit;   /* 1 with format=raw */
    bool conditional; /* the cursor is If-None-Match's: nothing new is a 304 */
};

/* As subscribe_request.  The cursor is, in this order, Last-Event-ID's, the
 * query's, If-None-Match's. */
MUST_CHECK bool poll_request_read(struct poll_request *q, const struct poll_limits *l,
                                  const struct http_request *r, struct slice path,
                                  struct problem *p);
void poll_request_free(struct poll_request *q);

#endif
