/*
 * zheaders.h - the headers of a publish: members of an event's JSON form (DESIGN 2.7),
 * without topic and payload; `{}` or nothing for none.  Pure.
 */
#ifndef ZMQ_ZHEADERS_H
#define ZMQ_ZHEADERS_H

#include "event.h"
#include "problem.h"

#define ZHEADERS_MAX (8u * EVENT_PROPS_MAX) /* bytes: all properties, and every escape */

/* Sets what headers say of *e: flags, expiry, props; QoS is 2.  What they need is copied
 * into `store`, which is empty before and outlives *e. */
bool zheaders_get(struct slice headers, struct buf *store, struct event *e, struct problem *why);

#endif
