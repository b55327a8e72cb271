/*
 * waiting.h - SUBSCRIBEs and UNSUBSCRIBEs whose turn has not come: the session is at
 * another, or PUBLISHes that came before have not been answered (who publishes and then
 * subscribes finds what it has published).  What comes behind them is read on, but for
 * PUBLISHes, which would overtake them.
 *
 * Bounded: WAITING_BYTES; then the connection is not read.  Loop thread.
 */
#ifndef MQTT_WAITING_H
#define MQTT_WAITING_H

#include "client.h"

#define WAITING_BYTES (64u * 1024)

/* One whose body is so long can be taken now. */
bool waiting_has_room(const struct client *c, size_t body);
/* A PUBLISH behind them is not to be taken now.  False while the one at hand waits for
 * the client: its acknowledgements may stand behind that PUBLISH. */
bool waiting_keeps_publishes(const struct client *c);
/* The packet goes to the session, now or when it is its turn; there is room.  A reason
 * that is not MQTT_OK ends the client. */
MUST_CHECK enum mqtt_reason waiting_take(struct client *c, enum mqtt_type type, struct slice body);
/* The session may take the next ones. */
MUST_CHECK enum mqtt_reason waiting_resume(struct client *c);
void waiting_free(struct client *c);

#endif
