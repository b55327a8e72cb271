/*
 * zevents.h - events as ZeroMQ messages, to the socket of one peer.
 *
 *   application   [""] "event" ref │ id, topic, properties, payload
 *   SUB           topic, payload   or   topic, payload, id, properties
 *
 * What stands right of the line is encoded once for all peers; what is left of it is the
 * subscription's own and goes before each event.  Under CURVE every frame is boxed for its
 * peer, so nothing is shared but the encoding.
 */
#ifndef ZMQ_ZEVENTS_H
#define ZMQ_ZEVENTS_H

#include "zpeer.h"

enum zevents_form { ZEVENTS_APPLICATION, ZEVENTS_SUB_2, ZEVENTS_SUB_4 };

struct zevents {
    enum zevents_form form;
    struct slice head;                                      /* whole frames; may be empty */
    size_t max;                                             /* events at most */
    bool (*wanted)(const void *arg, const struct event *e); /* NULL: all are */
    const void *arg;
};

/* As in subscription_ops.events; what is not wanted counts as taken. */
size_t zevents_write(struct zpeer *p, struct run *r, const struct zevents *z);

#endif
