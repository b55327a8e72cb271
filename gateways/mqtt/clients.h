/*
 * clients.h - all connections of the process: bytes in, packets to whom they are for.
 *
 * Loop thread.
 */
#ifndef MQTT_CLIENTS_H
#define MQTT_CLIENTS_H

#include "client.h"

extern const struct conn_ops clients_conn_ops; /* conn->data: the struct mqttd, then the client */
/* A WebSocket that speaks MQTT; shown: who its head was believed to be from. */
void clients_open_websocket(struct mqttd *m, struct conn *conn, const struct caller *shown);
/* The end of the turn: what is said goes out, what was ended ends, what waited goes on. */
void clients_turn(struct mqttd *m);

#endif
