/*
 * resume.h - what was in flight when the last connection ended is sent again (MQTT 5.0,
 * 4.4): in the original order, with the original identifiers, before anything new.
 */
#ifndef MQTT_RESUME_H
#define MQTT_RESUME_H

#include "session_state.h"

/* All is sent: session->resume is NULL. */
typedef void (*resume_done_cb)(struct session *s);
/* After CONNACK.  done comes once, maybe at once, unless resume_end does; main stays
 * closed until then. */
void resume_begin(struct session *s, resume_done_cb done);
/* There may be room: in the socket, or in the receive quota. */
void resume_go(struct session *s);
void resume_end(struct session *s); /* the session ends; idempotent */

#endif
