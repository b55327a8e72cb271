/*
 * main.c - sluice-sse: Server-Sent Events and NDJSON over HTTP.
 */
#include "sse_stream.h"

static const struct route routes[] = {
    {"GET", "/events/", ROUTE_NO_BODY, sse_stream_open},
    {"GET", "/events", ROUTE_NO_BODY, sse_stream_open},
};

static const struct gateway_spec sse = {
    .section = "sse",
    .allow_origin = CFG_SSE_ALLOW_ORIGIN,
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .start = sse_start,
    .stop = sse_stop,
};

int main(int argc, char **argv)
{
    return gateway_main(&sse, argc, argv);
}
