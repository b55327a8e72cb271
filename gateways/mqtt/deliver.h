/*
 * deliver.h - events to the client of a session, whoever hands them over: the session's
 * main cursor, a replay, retained messages, a shared group, what is sent again.
 *
 * Every source may be told that the client is full: it took less than all, and
 * session->blocked is set.  When there is room again outbound_open wakes all of them.
 *
 * Order is by what was handed over first.  While the receive quota is used up, or an
 * event waits for its write (QoS 2), nothing behind it leaves, QoS 0 neither.
 *
 * Calls nobody back: what becomes of an event is returned, or stands in flight.
 */
#ifndef MQTT_DELIVER_H
#define MQTT_DELIVER_H

#include "delivery.h"

/* What is being written, of one client at a time: mqttd.writing. */
struct deliver_writing *deliver_writing_new(void);
void deliver_writing_free(struct deliver_writing *w);

/* Takes the first n of the run's events and returns n: sent, in flight, or skipped
 * (expired, no-local, too large for the client, not above the filter's `from`).
 * only: for this filter alone; NULL: all plain filters of main's that match. */
size_t deliver_run(struct session *s, struct run *r, struct sub *only, enum deliver_kind kind);

enum deliver_outcome {
    DELIVER_FULL,   /* the client is full: hand it over again when it has room */
    DELIVER_FLIES,  /* in flight, its entry holds the group: acknowledged (QoS 1) or taken
                       over by the session (QoS 2) it will be over */
    DELIVER_IS_OVER /* sent (QoS 0), or skipped */
};
/* One event of a shared group. */
MUST_CHECK enum deliver_outcome deliver_assigned(struct session *s, struct sub *sub,
                                                 struct entry *e);
/* A message that is no event, QoS 0, at once. */
void deliver_message(struct session *s, const struct sub *sub, struct slice topic,
                     struct slice payload, bool retain);

/* How many events of QoS 1 or 2 may be handed over now. */
uint32_t deliver_room(const struct session *s);
/* How many may be sent and not acknowledged. */
uint32_t deliver_quota(const struct session *s);
/* An entry of flight that waits to be sent again, once its event is read; false: the
 * socket is full. */
MUST_CHECK bool deliver_again(struct session *s, uint16_t packet_id, struct entry *e);
/* Those that waited for their write and need not any more leave; false: the socket is
 * full. */
MUST_CHECK bool deliver_waiting(struct session *s);
/* Events were lost: told with the next PUBLISH (5.0), on $SYS/sluice/gap or in the log. */
void deliver_gap(struct session *s, const struct gap *gap);

#endif
