/*
 * upgrade.h - the way into WebSocket, for every gateway that has a door there.
 */
#ifndef WS_UPGRADE_H
#define WS_UPGRADE_H

#include "exchange.h"
#include "ws_handshake.h"

/* Reads the handshake (see ws_handshake.h).  False: the exchange has been answered. */
MUST_CHECK bool upgrade_read(struct exchange *x, const char *const *subprotocols,
                             struct ws_handshake *h);
/* What the answer says, with the proof that the key was read. */
void upgrade_accept(struct ws_acceptance *a, const struct ws_handshake *h);

/* The client gets it: the exchange is over, *c is where it goes on (channel.h). */
void upgrade_tunnel(struct exchange *x, const struct ws_acceptance *a, struct channel *c);

#endif
