/*
 * auth.h - the one place that every door asks.
 *
 * Today everybody is the same principal and may do everything; whether a
 * process may listen beyond loopback like that is checked at start (DESIGN 7).
 */
#ifndef COMMON_AUTH_H
#define COMMON_AUTH_H

#include "bytes.h"
#include "config.h"

enum auth_verb { AUTH_PUBLISH, AUTH_SUBSCRIBE, AUTH_MANAGE };
struct principal {
    struct slice name; /* empty: anonymous */
};

bool auth_may(const struct principal *p, enum auth_verb verb, struct slice filter);
/* False, logged with what to write, when `listen` is not loopback and neither
 * authentication nor allow_anonymous = true is configured. */
bool auth_listen_allowed(const struct config *c, const char *listen);

#endif
