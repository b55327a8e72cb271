/*
 * inbound.h - what a client publishes: from PUBLISH to PUBACK, or to PUBREC, PUBREL and
 * PUBCOMP.
 *
 * A PUBLISH is acknowledged after the broker's commit, and acknowledgements go in the
 * order in which the PUBLISHes came (4.6).  A refusal goes into the acknowledgement
 * (5.0); 3.1.1 cannot say it: what will never be taken is acknowledged, logged and
 * counted, and what fails for now ends the connection without an acknowledgement.
 *
 * Loop thread.
 */
#ifndef MQTT_INBOUND_H
#define MQTT_INBOUND_H

#include "client.h"

/* A reason that is not MQTT_OK ends the client. */
enum mqtt_reason inbound_publish(struct client *c, uint8_t flags, struct slice body);
enum mqtt_reason inbound_release(struct client *c, struct slice body);
/* No more of its PUBLISHes for now. */
bool inbound_full(const struct client *c);
/* What it has published goes on without it. */
void inbound_leave(struct client *c);

#endif
