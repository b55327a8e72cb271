/*
 * zmqd.c - [zmq] of the configuration; what has to do with identity is zauth's.
 */
#include "zmqd.h"

#include <stdlib.h>

#include "event.h"

#define MESSAGE_ROOM (64u * 1024)

void zmqd_read(struct zmqd *d, const struct config *c)
{
    struct zmqd_settings *s = &d->settings;

    s->handshake_ms = config_num(c, CFG_ZMQ_HANDSHAKE_TIMEOUT);
    s->ping_ms = config_num(c, CFG_ZMQ_PING);
    s->ping_timeout_ms = config_num(c, CFG_ZMQ_PING_TIMEOUT);
    s->message_timeout_ms = config_num(c, CFG_BODY_TIMEOUT);
    s->max_payload = config_num(c, CFG_MAX_PAYLOAD);
    /* Somewhat too large still gets an answer; far too large, the door. */
    s->max_message = 2 * s->max_payload + 2 * EVENT_PROPS_MAX + MESSAGE_ROOM;
    s->publish_window = config_num(c, CFG_ZMQ_PUBLISH_WINDOW);
    s->max_subscriptions = config_num(c, CFG_ZMQ_MAX_SUBSCRIPTIONS);
    s->max_prefixes = config_num(c, CFG_ZMQ_MAX_PREFIXES);
    s->max_filters = config_num(c, CFG_MAX_FILTERS);
    s->max_last = config_num(c, CFG_MAX_LAST);
    s->held_max = config_num(c, CFG_PUBLISH_QUEUE);
    s->sub_frames_4 = config_num(c, CFG_ZMQ_SUB_FRAMES) == 1;
}

void zmqd_free(struct zmqd *d)
{
    if (d->curve.crypto != NULL)
        d->curve.crypto->wipe(&d->curve, sizeof d->curve);
    buf_free(&d->plain);
    buf_free(&d->refusal);
    free(d->keys);
}
