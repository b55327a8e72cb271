/*
 * client_life.h - a client's life after CONNECT: it is up, its keep-alive, all its ways out.
 *
 *   NEW ──CONNECT──▶ ATTACHING ──CONNACK──▶ UP ──▶ ENDED
 *
 * Each way out ends its session (session_end) and takes it from all that knows it; the
 * memory stays until the loop's turn is over.  Not to be called from inside a session:
 * there client_end marks it.
 *
 * Loop thread.
 */
#ifndef MQTT_CLIENT_LIFE_H
#define MQTT_CLIENT_LIFE_H

#include "client.h"

/* Just accepted: it has so long for its CONNECT. */
void client_await_connect(struct client *c);
/* The session is there and CONNACK is said: packets are taken, keep-alive counts. */
void client_up(struct client *c);

/* A DISCONNECT of ours says why (5.0), what is said goes out, then the close.  Idempotent. */
void client_over(struct client *c);
/* client_end and client_over in one. */
void client_end_now(struct client *c, enum mqtt_reason reason, const char *text);
/* It has said DISCONNECT: what is said goes out, then the close. */
void client_finish(struct client *c, bool will);
/* It has left without one: the close, at once. */
void client_leave(struct client *c);
/* Its connection has ended itself. */
void client_gone(struct client *c);

#endif
