/*
 * event_stream.h - one client's stream of events: Server-Sent Events, or NDJSON
 * lines when its Accept header asks for them.  The same over HTTP/1.1 and HTTP/2.
 *
 * The route's own is a struct event_streams.
 */
#ifndef SSE_EVENT_STREAM_H
#define SSE_EVENT_STREAM_H

#include "exchange.h"
#include "subscribe.h"

struct event_streams {
    uint64_t keepalive_ms; /* how often a quiet stream gets a sign of life; 0: never */
    uint64_t retry_ms;     /* told to EventSource; 0: not */
    bool announce;         /* sluice.start and sluice.position, unless a client says otherwise */
};

#define EVENT_STREAM_PARAMS SUBSCRIBE_PARAMS " push announce"
/* GET /events/{topic}, GET /events?topic= */
void event_stream_open(struct exchange *x);

#endif
