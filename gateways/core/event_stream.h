/*
 * event_stream.h - one client's stream of events: Server-Sent Events, or NDJSON
 * lines when its Accept header asks for them.  The same over HTTP/1.1 and HTTP/2.
 *
 * How often a quiet stream gets a sign of life is gateway_spec's to say.
 */
#ifndef CORE_EVENT_STREAM_H
#define CORE_EVENT_STREAM_H

#include "exchange.h"

/* GET /events/{topic}, GET /events?topic= */
void event_stream_open(struct exchange *x);

#endif
