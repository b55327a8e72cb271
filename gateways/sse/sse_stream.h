/*
 * sse_stream.h - one client's stream of events: Server-Sent Events, or NDJSON
 * lines when its Accept header asks for them.
 */
#ifndef SSE_SSE_STREAM_H
#define SSE_SSE_STREAM_H

#include "gateway.h"

/* What the streams of the process share; g->protocol. */
struct sse {
    struct gateway *gateway;
    uint64_t keepalive_ms, retry_ms;
};

bool sse_start(struct gateway *g); /* for the gateway_spec */
void sse_stop(struct gateway *g);

/* GET /events/{topic}, GET /events?topic= */
void sse_stream_open(struct exchange *x);

#endif
