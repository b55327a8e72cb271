/*
 * zpublish.h - what a peer publishes, until the broker has acknowledged it.
 *
 * The peer may end meanwhile; the publish goes on, and its acknowledgement finds nobody.
 */
#ifndef ZMQ_ZPUBLISH_H
#define ZMQ_ZPUBLISH_H

#include "zanswer.h"

/* headers: members of an event's JSON form (DESIGN 2.7), `{}` or nothing for none.  Answered
 * in any case, after the commit or at once; `to` is NULL for who wants no answer: then a
 * refusal is counted and logged. */
void zpublish(struct zpeer *p, const struct zanswer *to, struct slice topic, struct slice headers,
              struct slice payload);
/* A message that is no publish at all, from a peer that wants no answers. */
void zpublish_dropped(struct zpeer *p, const char *why);
void zpublishes_leave(struct zpeer *p); /* struct zpeer_role's */

/* PUSH and PUB: [topic, payload]. */
extern const struct zpeer_role zpublish_push_role, zpublish_pub_role;

#endif
