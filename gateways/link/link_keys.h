/*
 * link_keys.h - where the broker is, and the keys for the way there: [link] of the
 * configuration.  On the machine itself (ipc, loopback) there need be none.
 */
#ifndef LINK_LINK_KEYS_H
#define LINK_LINK_KEYS_H

#include "config.h"
#include "zsock.h"

struct link_keys {
    bool there;
    struct zsock_curve curve;
};

/* The first of a list of endpoints; the caller's. */
char *link_keys_endpoint(const char *list) MUST_CHECK;
/* False, logged: they make no sense, or there are none for an endpoint that needs some. */
bool link_keys_read(struct link_keys *k, const struct config *c, const char *endpoint) MUST_CHECK;
/* z: not connected yet. */
void link_keys_use(const struct link_keys *k, struct zsock *z, const char *endpoint);

#endif
