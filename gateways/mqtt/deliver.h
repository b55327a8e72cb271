/*
 * deliver.h - events to the client of a session, whoever hands them over: the
 * session's main cursor, a replay, retained messages, a shared group.
 *
 * Every source may be told that the client is full: it took less than all.  When there
 * is room again deliver_open wakes all of them: subscription_resume (main),
 * replay_resume, retained_resume, shared_resume; whoever is not waiting does nothing.
 *
 * Order is by what was handed over first.  While the receive quota is used up, or an
 * event waits for its write (QoS 2), nothing behind it leaves, QoS 0 neither.
 */
#ifndef MQTT_DELIVER_H
#define MQTT_DELIVER_H

#include "session.h"

enum deliver_kind {
    DELIVER_PUBLISHED, /* RETAIN only where retain-as-published says so */
    DELIVER_RETAINED,  /* RETAIN set: retained messages at subscribing */
    DELIVER_REPLAYED,  /* as PUBLISHED, for all filters that replay together with `only` */
};

/* Takes the first n of the run's events and returns n: sent, in flight, or skipped
 * (expired, no-local, too large for the client, not above the filter's `from`).
 * only: for this filter alone; NULL: all plain filters of main's that match. */
size_t deliver_run(struct session *s, struct run *r, struct sub *only, enum deliver_kind kind);
/* One event of a shared group; false: the client is full, hand it over again after
 * shared_resume.  shared_done(s, group, id, returned) follows: acknowledged (QoS 1), sent
 * (QoS 0), taken over by the session (QoS 2), or skipped. */
bool deliver_assigned(struct session *s, struct sub *sub, struct entry *e);
/* A message that is no event, QoS 0, at once. */
void deliver_message(struct session *s, const struct sub *sub, struct slice topic,
                     struct slice payload, bool retain);

/* How many events of QoS 1 or 2 may be handed over now. */
uint32_t deliver_room(const struct session *s);
/* How many may be sent and not acknowledged. */
uint32_t deliver_quota(const struct session *s);
/* There is room again: wakes all sources. */
void deliver_open(struct session *s);
/* An entry of flight that waits to be sent again, once its event is read; false: the
 * socket is full. */
bool deliver_again(struct session *s, uint16_t packet_id, struct entry *e);
/* Those that waited for their write and need not any more leave; false: the socket is
 * full. */
bool deliver_waiting(struct session *s);
/* Events were lost: told with the next PUBLISH (5.0), on $SYS/sluice/gap or in the log. */
void deliver_gap(struct session *s, const struct gap *gap);

#endif
