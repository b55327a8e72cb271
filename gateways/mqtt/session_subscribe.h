/*
 * session_subscribe.h - SUBSCRIBE and UNSUBSCRIBE, one at a time for each session, and the
 * end of its filters.
 *
 * Loop thread.
 */
#ifndef MQTT_SESSION_SUBSCRIBE_H
#define MQTT_SESSION_SUBSCRIBE_H

#include "session_state.h"

/* A reason that is not MQTT_OK ends the client, but MQTT_BUSY: one is at hand; show the
 * packet again when client_pump is called (the packets behind it must be read on: the
 * caller keeps a bounded queue of waiting ones). */
MUST_CHECK enum mqtt_reason session_subscribe(struct session *s, const struct mqtt_subscribe *m);
MUST_CHECK enum mqtt_reason session_unsubscribe(struct session *s, const struct mqtt_subscribe *m);

/* What was being written is written, or a replay has begun: the one at hand may go on. */
void session_subscribe_go_on(struct session *s);

/* The session ends: the one at hand is forgotten; idempotent. */
void session_subscribe_end(struct session *s);
/* The session ends: its filters are freed, their items stay. */
void session_subscribe_free(struct session *s);

#endif
