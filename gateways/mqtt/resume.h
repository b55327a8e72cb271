/*
 * resume.h - what was in flight when the last connection ended is sent again (MQTT 5.0,
 * 4.4): in the original order, with the original identifiers, before anything new.
 */
#ifndef MQTT_RESUME_H
#define MQTT_RESUME_H

#include "session.h"

/* After CONNACK.  session_resumed comes when all is sent, maybe at once; main stays
 * closed until then. */
void resume_begin(struct session *s);
/* There may be room: in the socket, or in the receive quota. */
void resume_go(struct session *s);
void resume_end(struct session *s); /* the session ends; idempotent */

/* session.c */
void session_resumed(struct session *s);

#endif
