/*
 * outbound.h - QoS 1 and 2 to the client after PUBLISH has left: its acknowledgements, what
 * is written for them, and who goes on when there is room again.
 *
 *   QoS 1   PUBLISH ─▶ PUBACK: over
 *   QoS 2   PUBLISH ─▶ PUBREC ─▶ "received" is written ─▶ PUBREL ─▶ PUBCOMP: over
 *
 * Loop thread.
 */
#ifndef MQTT_OUTBOUND_H
#define MQTT_OUTBOUND_H

#include "session_state.h"

/* PUBACK, PUBREC or PUBCOMP. */
void outbound_ack(struct session *s, enum mqtt_type type, const struct mqtt_ack *m);
/* What was being written is written: PUBLISH and PUBREL that waited for it leave. */
void outbound_committed(struct session *s);

/* The socket has room again. */
void outbound_writable(struct session *s);
/* There is room: wakes all sources, main, replays, retained messages, groups; whoever does
 * not wait does nothing. */
void outbound_open(struct session *s);

/* The session ends: events of groups go back to the broker. */
void outbound_return_assigned(struct session *s);

#endif
