/*
 * main.c - sluice-mqtt: MQTT 3.1.1 and 5.0, over TCP and WebSocket.
 */
#include "mqtt_gateway.h"

static const struct route routes[] = {
    {"GET", "/", ROUTE_NO_BODY, mqtt_gateway_upgrade},
};

static const struct gateway_spec mqtt = {
    .section = "mqtt",
    .allow_origin = CFG_MQTT_ALLOW_ORIGIN,
    .listen = CFG_MQTT_LISTEN_WS,
    .listen_plain = CFG_MQTT_LISTEN_WS_PLAIN,
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .start = mqtt_gateway_start,
    .turn = mqtt_gateway_turn,
    .up = mqtt_gateway_up,
    .call = mqtt_gateway_call,
    .stop = mqtt_gateway_stop,
};

int main(int argc, char **argv)
{
    return gateway_main(&mqtt, argc, argv);
}
