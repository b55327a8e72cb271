/*
 * waiting.h - SUBSCRIBEs and UNSUBSCRIBEs that have come while the session was at
 * another: they are taken in their order, and what comes behind them is read on.
 *
 * Bounded: WAITING_PACKETS, WAITING_BYTES; then MQTT_QUOTA.  Loop thread.
 */
#ifndef MQTT_WAITING_H
#define MQTT_WAITING_H

#include "client.h"

#define WAITING_PACKETS 64u
#define WAITING_BYTES (256u * 1024)

/* The packet goes to the session, now or when it is its turn.  A reason that is not
 * MQTT_OK ends the client. */
MUST_CHECK enum mqtt_reason waiting_take(struct client *c, enum mqtt_type type, struct slice body);
/* The session may take the next ones. */
MUST_CHECK enum mqtt_reason waiting_resume(struct client *c);
void waiting_free(struct client *c);

#endif
