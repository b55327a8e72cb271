/*
 * session_life.h - a session from attach to detach.  Loop thread.
 */
#ifndef MQTT_SESSION_LIFE_H
#define MQTT_SESSION_LIFE_H

#include "session_state.h"

/* Attached: items is empty for a new session.  Takes over c->id and so on by copy.
 * NULL: an item cannot be read (another version's); logged. */
MUST_CHECK struct session *session_new(struct client *c, const struct wire_attached *a);
/* Finds out whether events were lost while the session was away, which CONNACK says (5.0);
 * checked(s->client) comes when that is known, from a turn of the hub.  False: there is
 * nothing to find out, and it does not come. */
MUST_CHECK bool session_check(struct session *s, void (*checked)(struct client *c));
/* User properties that CONNACK carries of it (sluice-gap), appended to props. */
void session_connack_props(const struct session *s, struct buf *props);
/* After the CONNACK has been written: resends what is in flight, opens the cursor. */
void session_start(struct session *s);

/* The connection has ended, or the broker fences: writes what is left, detaches, frees.
 * No callback of it comes after. */
void session_end(struct session *s, bool will, uint32_t expiry);

/* After hello-ok: HOLD, and what memory-only sessions must say again. */
void sessions_hold(struct mqttd *m);

#endif
