/*
 * granted.h - what a JSON object grants, a token's or the callback's:
 *
 *   {"publish":[filter…],"subscribe":[…],"manage":[…],"roles":[name…]}
 *
 * Each may be missing; other members are not looked at.  Pure.
 */
#ifndef AUTH_GRANTED_H
#define AUTH_GRANTED_H

#include "findings.h"
#include "members.h"

/* Adds to *f.  max: filters and roles together.  False: something else than lists of filters
 * and names, or too many. */
bool granted_read(const struct members *m, uint64_t max, struct findings *f) MUST_CHECK;

#endif
