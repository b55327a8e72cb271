/*
 * session_items.h - a session as items: what its filters, inbound.c and flight.c have to say,
 * and what they are told at attaching.
 *
 *   P   cursor, follows (wire_session.h)
 *   F   granted QoS u8, for a group its start u64; then: options u8 (1: no-local,
 *       2: retain-as-published), subscription identifier u32, from u64, the start asked
 *       for (kind u8, argument u64), and how far a replay is (replay.h)
 *   O   flight.c
 *   I   nothing (inbound.c)
 */
#ifndef MQTT_SESSION_ITEMS_H
#define MQTT_SESSION_ITEMS_H

#include "session_state.h"

void session_items_put_progress(struct buf *items, uint64_t cursor, bool follows);
/* All that has changed since the last time, and what session_items_written said was not
 * written.  groups: see flight_items_put. */
void session_items_put_changes(struct session *s, struct buf *items, struct buf *groups);
bool session_items_changed(const struct session *s);
void session_items_written(struct session *s, bool ok);
/* Reads all; false: one of them cannot be. */
MUST_CHECK bool session_items_get(struct session *s, struct slice items);

#endif
