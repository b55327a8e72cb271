/*
 * mqtt_gateway.h - the process sluice-mqtt, for main.c's gateway_spec.
 */
#ifndef MQTT_MQTT_GATEWAY_H
#define MQTT_MQTT_GATEWAY_H

#include "gateway.h"

void mqtt_gateway_start(struct gateway *g);
bool mqtt_gateway_listen(struct gateway *g);
void mqtt_gateway_turn(struct gateway *g);
void mqtt_gateway_up(struct gateway *g);
void mqtt_gateway_call(struct gateway *g, uint8_t op, struct reader body);
void mqtt_gateway_stop(struct gateway *g);
void mqtt_gateway_free(struct gateway *g);

#endif
