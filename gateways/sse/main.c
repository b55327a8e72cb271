/*
 * main.c - sluice-sse: Server-Sent Events and NDJSON over HTTP.
 */
#include "event_stream.h"
#include "gateway.h"

static const struct route routes[] = {
    {"GET", "/events/", ROUTE_NO_BODY, event_stream_open},
    {"GET", "/events", ROUTE_NO_BODY, event_stream_open},
};

static const struct gateway_spec sse = {
    .section = "sse",
    .allow_origin = CFG_SSE_ALLOW_ORIGIN,
    .keepalive = CFG_SSE_KEEPALIVE,
    .retry = CFG_SSE_RETRY,
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
};

int main(int argc, char **argv)
{
    return gateway_main(&sse, argc, argv);
}
