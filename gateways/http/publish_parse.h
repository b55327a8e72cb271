/*
 * publish_parse.h - HTTP publishes as event records; pure.
 *
 *   POST /events/{topic}   the body is the payload, headers are properties
 *   POST /events           the body is NDJSON lines in the JSON form (DESIGN 2.7)
 */
#ifndef HTTP_PUBLISH_PARSE_H
#define HTTP_PUBLISH_PARSE_H

#include "caller.h"
#include "http_request.h"
#include "problem.h"

/* What a publisher may say, and who it is. */
struct publish_limits {
    const struct caller *who;
    size_t max_payload;
    uint32_t max_batch; /* events in one batch */
};

/* topic: from the path, %-encoded.  Appends one record, or says why not. */
MUST_CHECK bool publish_parse(const struct http_request *r, struct slice topic, struct slice body,
                              const struct publish_limits *l, struct buf *record,
                              struct problem *p);
/* Appends a record for each line that is not blank.  lines: the line of each
 * event, u32 from 1. */
MUST_CHECK bool publish_parse_batch(const struct http_request *r, struct slice body,
                                    const struct publish_limits *l, struct buf *records,
                                    uint32_t *count, struct buf *lines, struct problem *p);
/* What every event is held to, wherever it was read: its topic and its size. */
MUST_CHECK bool publish_check(const struct event *e, const struct publish_limits *l,
                              struct problem *p);
/* The numbers of a producer are its principal's own: with [auth] the event says as its origin
 * whose they are, in properties that are made in `store`. */
MUST_CHECK bool publish_own(struct event *e, const struct caller *who, struct buf *store,
                            struct problem *p);

#endif
