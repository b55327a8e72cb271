/*
 * incoming.h - the packet identifiers of QoS 2 messages that the client has sent and not
 * released.
 *
 *   known ──PUBREL──▶ releasing ──its item's drop is written──▶ forgotten, PUBCOMP
 *
 * As many as the client may have unacknowledged, so lists are searched as they are.
 */
#ifndef MQTT_INCOMING_H
#define MQTT_INCOMING_H

#include "session.h"

bool incoming_changed(const struct session *s);
void incoming_items_put(struct session *s, struct buf *items);
bool incoming_item_get(struct session *s, const struct wire_item *i);
/* ok: those whose drop was written are over, client_released is called for each. */
void incoming_written(struct session *s, bool ok);
void incoming_free(struct session *s);

#endif
