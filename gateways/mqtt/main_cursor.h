/*
 * main_cursor.h - a session's main cursor: one subscription of the hub's over all plain
 * filters that do not replay.  Where it stands: session_cursor.
 *
 * Loop thread.
 */
#ifndef MQTT_MAIN_CURSOR_H
#define MQTT_MAIN_CURSOR_H

#include "session_state.h"

struct replay;

/* Opens it at the session's cursor if it may be open now: nothing is being sent again, it
 * is not held (session->main_held), there are filters.  Idempotent. */
void main_cursor_open(struct session *s);
/* Keeps the cursor.  Idempotent. */
void main_cursor_close(struct session *s);
/* The cursor of filters that replayed together stands at `cursor`, not before main's: from
 * now on they are main's. */
void main_cursor_join(struct session *s, const struct replay *r, uint64_t cursor);

#endif
