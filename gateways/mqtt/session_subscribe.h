/*
 * session_subscribe.h - SUBSCRIBE and UNSUBSCRIBE, one at a time for each session, and the
 * end of its filters.
 *
 * Loop thread.
 */
#ifndef MQTT_SESSION_SUBSCRIBE_H
#define MQTT_SESSION_SUBSCRIBE_H

#include "session_state.h"

/* None is at hand (s->subscribing); client_pump says when.  A reason that is not MQTT_OK
 * ends the client. */
MUST_CHECK enum mqtt_reason session_subscribe(struct session *s, const struct mqtt_subscribe *m);
MUST_CHECK enum mqtt_reason session_unsubscribe(struct session *s, const struct mqtt_subscribe *m);

/* The one at hand has been answered, and waits until the client takes retained messages:
 * its acknowledgements may stand behind a PUBLISH. */
bool session_subscribe_awaits_client(const struct session *s);

/* The broker has no room for a filter more: those that the one at hand brings leave it,
 * with 0x97 in its answer, and what is left may be written.  False: it brings none. */
MUST_CHECK bool session_subscribe_refuse(struct session *s);

/* What was being written is written, or a replay has begun: the one at hand may go on. */
void session_subscribe_go_on(struct session *s);

/* The session ends: the one at hand is forgotten; idempotent. */
void session_subscribe_end(struct session *s);
/* The session ends: its filters are freed, their items stay. */
void session_subscribe_free(struct session *s);

#endif
