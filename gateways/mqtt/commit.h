/*
 * commit.h - a session's changes on their way to the broker.
 *
 * At most one WRITE of a session is under way; what changes meanwhile is in the next.
 * Each holds all that has changed: filters, entries in flight, identifiers of the client,
 * and the cursor ("P"), so that what the broker holds is true of one moment.
 *
 * A refused write is tried again within a second, but for ERR_FENCED: then the session
 * is another's and the client is ended.
 */
#ifndef MQTT_COMMIT_H
#define MQTT_COMMIT_H

#include "session.h"

/* Something must be written before something can leave: at the end of this turn. */
void commit_soon(struct session *s);
/* Something has changed that may wait for the next second. */
void commit_later(struct session *s);
/* Puts all changes, P first. */
void commit_items_put(struct session *s, struct buf *items);

#endif
