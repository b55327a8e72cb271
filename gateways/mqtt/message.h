/*
 * message.h - what a client publishes, or leaves as its will, as an event record.
 *
 * The client's own user properties that begin with "sluice-" are taken away: they are
 * ours to say.
 */
#ifndef MQTT_MESSAGE_H
#define MQTT_MESSAGE_H

#include "mqttd.h"

struct message {
    struct slice topic, payload;
    const struct mqtt_props *props;
    struct slice origin; /* the client's identifier */
    uint8_t qos;
    bool retain;
};

/* MQTT_OK: the record was appended.  Else why no gateway takes such an event:
 * MQTT_BAD_TOPIC (reserved, too long), MQTT_NOT_AUTHORIZED, MQTT_QUOTA (payload or
 * properties too large), MQTT_IMPLEMENTATION (control characters in a text). */
MUST_CHECK enum mqtt_reason message_put(struct mqttd *m, const struct caller *who,
                                        const struct message *message, struct buf *record);
/* "$SYS/broker/connection/…": a bridge of Mosquitto's says there that it is up.  It is taken,
 * and nothing is done with it. */
bool message_is_bridge_state(struct slice topic);

#endif
