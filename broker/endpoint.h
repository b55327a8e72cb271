/*
 * endpoint.h - where the broker's sockets listen: ZeroMQ endpoints, checked.
 */
#ifndef BROKER_ENDPOINT_H
#define BROKER_ENDPOINT_H

#include "config.h"
#include "zsock.h"

#define ENDPOINT_IPC_MAX 107 /* bytes of a Unix socket's path */

/* Binds z to every endpoint of a comma-separated list.  False, logged with what
 * to do, when one is malformed, too long, in use, or beyond loopback without
 * leave (DESIGN 7). */
bool endpoint_bind_all(const struct config *c, struct zsock *z, const char *list) MUST_CHECK;

#endif
