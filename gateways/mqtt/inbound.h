/*
 * inbound.h - what a client publishes: from PUBLISH to PUBACK, or to PUBREC, PUBREL and
 * PUBCOMP.
 *
 * A PUBLISH is acknowledged after the broker's commit, and acknowledgements go in the
 * order in which the PUBLISHes came (4.6).  A refusal goes into the acknowledgement
 * (5.0); 3.1.1 cannot say it: what will never be taken is acknowledged, logged and
 * counted; what is not permitted, or fails for now, ends the connection without an
 * acknowledgement.
 *
 * A packet identifier of QoS 2 is the session's from PUBLISH until PUBREL is written:
 *
 *   PUBLISH ──its WRITE──▶ known ──PUBREL──▶ releasing ──its drop is written──▶ PUBCOMP
 *
 * Loop thread.
 */
#ifndef MQTT_INBOUND_H
#define MQTT_INBOUND_H

#include "session_state.h"

/* --- from the client ------------------------------------------------------------------- */

/* A reason that is not MQTT_OK ends the client. */
MUST_CHECK enum mqtt_reason inbound_publish(struct client *c, uint8_t flags, struct slice body);
MUST_CHECK enum mqtt_reason inbound_pubrel(struct client *c, struct slice body);
/* No more of its PUBLISHes for now. */
bool inbound_full(const struct client *c);
/* The principal has published as much as it may for now, and a refusal could not be said
 * (QoS 0, 3.1.1): this PUBLISH may come in so many ms.  0: now, and it is counted. */
MUST_CHECK uint64_t inbound_wait(struct client *c, uint8_t flags, struct slice body);
/* What it has published goes on without it. */
void inbound_leave(struct client *c);

/* --- identifiers as items of the session (session_items.h) --------------------------------- */

bool inbound_changed(const struct session *s);
void inbound_items_put(struct session *s, struct buf *items);
/* False: it cannot be read. */
MUST_CHECK bool inbound_item_get(struct session *s, const struct wire_item *i);
/* The outcome of that write; ok: those whose drop was written are over, PUBCOMP is said. */
void inbound_written(struct session *s, bool ok);
void inbound_free(struct session *s);

#endif
