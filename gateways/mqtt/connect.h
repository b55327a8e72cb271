/*
 * connect.h - from CONNECT to CONNACK: who a client is, what it asks for, and its
 * session, which the broker gives.  Loop thread.
 */
#ifndef MQTT_CONNECT_H
#define MQTT_CONNECT_H

#include "client.h"

/* The client's first packet.  It is ASKING or ATTACHING after it, or over. */
void connect_take(struct client *c, struct slice body);
/* Its CONNACK says why not, as far as its version has a word for that; it is over.
 * Before a CONNECT could be read, nothing is said. */
void connect_refuse(struct client *c, enum mqtt_reason reason);

#endif
