/*
 * main.c - sluice-ws: WebSocket, with the subprotocols sluice.json and sluice.raw.
 */
#include "ws_session.h"

static const struct route routes[] = {
    {"GET", "/events/", ROUTE_NO_BODY, ws_upgrade},
    {"GET", "/events", ROUTE_NO_BODY, ws_upgrade},
};

static const struct gateway_spec ws = {
    .section = "ws",
    .allow_origin = CFG_WS_ALLOW_ORIGIN,
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .start = ws_start,
    .turn = ws_turn,
    .stop = ws_stop,
};

int main(int argc, char **argv)
{
    return gateway_main(&ws, argc, argv);
}
