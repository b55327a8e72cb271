/*
 * session_commit.h - a session's changes on their way to the broker.
 *
 * At most one WRITE of a session is under way; what changes meanwhile is in the next.
 * Each holds all that has changed: filters, entries in flight, identifiers of the client,
 * and the cursor ("P"), so that what the broker holds is true of one moment.
 *
 *   at the turn's end   what must be written before something may leave
 *   once a second       what else has changed, of all sessions, then the gateway's
 *                       position, which is the cursor of those that follow it
 *
 * A session follows when its cursor stands at the gateway's position and everything it was
 * handed is written or over.  That is said only at a checkpoint, and the position of one
 * is told when all its writes are there: nobody follows past what was not written.
 *
 * How it fails: a refused write is tried again at the next checkpoint; with ERR_CONFLICT
 * (an event of a shared group is another's by now) at once, without that event; with
 * ERR_TOO_MANY while a SUBSCRIBE is at hand, at once without its new filters.  With
 * ERR_FENCED the session is another's: the client is ended, nothing is written any more.
 */
#ifndef MQTT_SESSION_COMMIT_H
#define MQTT_SESSION_COMMIT_H

#include "session_state.h"

/* The process ends its turn: writes that must leave. */
void session_commit_turn(struct mqttd *m);
/* Once a second: what else has changed, and the position. */
void session_commit_checkpoint(struct mqttd *m);
/* The session ends: detaches it, with all that is not written yet. */
void session_commit_detach(struct session *s, bool will, uint32_t expiry);

#endif
