/*
 * will.h - may a client's will still be sent?
 *
 * The broker sends wills, also when this process has died, so it cannot ask anybody then.
 * What a will may be is settled while the client is here: at CONNECT, whenever its grants
 * become others (a will that they do not cover any more is taken back, WITHDRAW, and is not
 * put in again), and when it leaves.  Of a session that is away, with a will that waits for
 * its delay, the grants of the moment at which it left hold.  Who has run out was permitted
 * until then, so that will goes; who was revoked was not.  Loop thread.
 */
#ifndef MQTT_WILL_H
#define MQTT_WILL_H

#include "client.h"

bool will_may(const struct client *c); /* be sent; true when there is none */
/* It is not to be sent, whatever comes; the broker, which has it, is told. */
void will_withdraw(struct client *c);
/* The grants are others. */
void will_look(struct client *c);

#endif
