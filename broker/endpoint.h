/*
 * endpoint.h - where the broker's sockets listen: ZeroMQ endpoints, checked.
 */
#ifndef BROKER_ENDPOINT_H
#define BROKER_ENDPOINT_H

#include "config.h"
#include "warden.h"

#define ENDPOINT_IPC_MAX 107 /* bytes of a Unix socket's path */

/* Binds z to every endpoint of a comma-separated list: those of tcp behind the warden, if there
 * is one, and else only on loopback (DESIGN 7).  False, logged with what to do, also when one
 * is malformed, too long, or in use. */
bool endpoint_bind_all(struct warden *w, struct zsock *z, const char *list) MUST_CHECK;

#endif
