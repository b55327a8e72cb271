/*
 * h2_gateway.h - HTTP/2 as a carrier of a site's routes.
 */
#ifndef H2_H2_GATEWAY_H
#define H2_H2_GATEWAY_H

#include "listener.h"
#include "site.h"

struct h2;

/* site is borrowed.  wake: the loop shall have a turn before it sleeps. */
struct h2 *h2_new(struct site *site, void (*wake)(void *arg), void *arg);
void h2_free(struct h2 *h2); /* after the last connection; NULL does nothing */
struct listener_options h2_listener(struct h2 *h2);
/* The end of a turn: what was gathered is written.  True: some connection could go on
 * at once. */
bool h2_turn(struct h2 *h2);

#endif
