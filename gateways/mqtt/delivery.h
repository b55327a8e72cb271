/*
 * delivery.h - what one event is for one session: whose of its filters, at which QoS, with
 * which words.
 *
 * Pure, but for the session that it looks at.
 */
#ifndef MQTT_DELIVERY_H
#define MQTT_DELIVERY_H

#include "session_state.h"

enum deliver_kind {
    DELIVER_PUBLISHED, /* RETAIN only where retain-as-published says so */
    DELIVER_RETAINED,  /* RETAIN set: retained messages at subscribing */
    DELIVER_REPLAYED,  /* as PUBLISHED, for all filters that replay together with `only` */
};

struct delivery {
    uint8_t qos;
    bool any, retain;
    uint32_t ids[WIRE_FILTERS_MAX]; /* subscription identifiers */
    size_t id_count;
};

/* only: for this filter alone; NULL: all plain filters of main's that match.  False: the
 * session does not want it. */
MUST_CHECK bool delivery_get(const struct session *s, const struct sub *only,
                             enum deliver_kind kind, const struct event *e, struct delivery *d);
/* For an event that is in flight: whose it is by the filters as they are now: plain ones,
 * replayed or not, else those of groups.  QoS and RETAIN are what they were. */
void delivery_get_again(const struct session *s, const struct event *e, uint8_t qos, bool retain,
                        struct delivery *d);

/* Published by that client. */
bool delivery_is_own(const struct session *s, const struct event *e);

#endif
