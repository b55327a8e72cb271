/*
 * reach.h - may this process listen there: loopback is always fine, elsewhere somebody has
 * to say who may come (DESIGN 7).
 */
#ifndef COMMON_REACH_H
#define COMMON_REACH_H

#include "config.h"

/* Addresses, comma-separated, of clients, who authenticate.  False, logged with what to
 * write, when one is not loopback and neither [auth] nor allow_anonymous = true is there. */
bool reach_allows_clients(const struct config *c, const char *listen);
/* The same where nobody authenticates: only allow_anonymous = true will do. */
bool reach_allows(const struct config *c, const char *listen);
/* All of them are on this machine: loopback, or no network at all. */
bool reach_is_loopback(const char *listen);

#endif
