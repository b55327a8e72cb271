/*
 * main.c - sluice-mqtt: MQTT 3.1.1 and 5.0, over TCP and WebSocket.
 */
#include "mqtt_gateway.h"

static const struct gateway_spec mqtt = {
    .section = "mqtt",
    .start = mqtt_gateway_start,
    .listen = mqtt_gateway_listen,
    .turn = mqtt_gateway_turn,
    .up = mqtt_gateway_up,
    .call = mqtt_gateway_call,
    .stop = mqtt_gateway_stop,
    .free = mqtt_gateway_free,
};

int main(int argc, char **argv)
{
    return gateway_main(&mqtt, argc, argv);
}
