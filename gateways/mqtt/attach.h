/*
 * attach.h - the broker is asked for a client's session (ATTACH), and given one back that
 * nobody came for.  Loop thread.
 */
#ifndef MQTT_ATTACH_H
#define MQTT_ATTACH_H

#include "client.h"

/* The answer; valid during the call.  NULL: there is none to be had, `error` says why. */
typedef void (*attach_cb)(struct client *c, const struct wire_attached *answer, uint16_t error);

/* Takes the bytes of a wire_attach.  cb comes once, later, unless attach_leave does. */
void attach_begin(struct client *c, struct buf *body, attach_cb cb);
/* The client goes before its session is there: when that comes it is given back.  Its
 * c->id is taken over.  Idempotent. */
void attach_leave(struct client *c);
/* A session of the client's that cannot be taken up. */
void attach_give_back(const struct client *c, uint64_t epoch);

#endif
