/*
 * main.c - sluice-h2: everything that HTTP offers, over HTTP/2.
 */
#include "event_stream.h"
#include "h2_gateway.h"
#include "ws_session.h"

static const struct route routes[] = {
    {"GET", "/events/", ROUTE_NO_BODY, event_stream_open},
    {"GET", "/events", ROUTE_NO_BODY, event_stream_open},
    {"CONNECT", "/events/", ROUTE_NO_BODY, ws_upgrade},
    {"CONNECT", "/events", ROUTE_NO_BODY, ws_upgrade},
};

static const struct gateway_spec h2 = {
    .section = "h2",
    .allow_origin = CFG_H2_ALLOW_ORIGIN,
    .keepalive = CFG_H2_KEEPALIVE,
    .retry = CFG_H2_RETRY,
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .carrier = h2_listener,
    .start = h2_start,
    .turn = h2_turn,
    .stop = h2_stop,
};

int main(int argc, char **argv)
{
    return gateway_main(&h2, argc, argv);
}
