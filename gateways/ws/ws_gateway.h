/*
 * ws_gateway.h - WebSocket as a part of a process: HTTP/1.1's, or HTTP/2's.
 */
#ifndef WS_WS_GATEWAY_H
#define WS_WS_GATEWAY_H

#include "exchange.h"

struct ws_gateway;

/* site is borrowed.  wake: the loop shall have a turn before it sleeps. */
struct ws_gateway *ws_gateway_new(const struct site *site, void (*wake)(void *arg), void *arg);
void ws_gateway_free(struct ws_gateway *ws); /* after the last session */
/* The end of a turn: what was gathered is written.  True: more waits for the next one, and
 * the loop must not sleep. */
bool ws_gateway_turn(struct ws_gateway *ws);

/* GET /events/{topic}, GET /events; CONNECT in HTTP/2.  The route's own is the
 * struct ws_gateway. */
void ws_upgrade(struct exchange *x);

#endif
