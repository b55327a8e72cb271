/*
 * packets.h - events as PUBLISH packets: what all clients share, encoded once.
 *
 *   whole   QoS 0, no properties of the client's own: one form for everybody
 *   pieces  head (fixed header, topic, identifier, the client's own properties),
 *           then what is shared: in 5.0 the event's properties and its payload,
 *           encoded once; in 3.1.1 the payload, as it lies in the record
 *
 * Pure, but for the encodings kept with the event's block.
 */
#ifndef MQTT_PACKETS_H
#define MQTT_PACKETS_H

#include "block.h"
#include "conn.h"
#include "mqtt.h"

enum packet_form {
    PACKET_311, /* whole; the next is the same in a WebSocket frame */
    PACKET_311_FRAMED,
    PACKET_50,
    PACKET_50_FRAMED,
    PACKET_50_BARE, /* without properties of ours */
    PACKET_50_BARE_FRAMED,
    PACKET_BODY_50, /* properties of ours, the event's, the payload */
};
extern const form_encode packets_encoders[];

/* What a PUBLISH says beside the event. */
struct packet_own {
    enum mqtt_version version;
    uint8_t qos;
    bool dup, retain;
    uint16_t packet_id; /* QoS 1 and 2 */
    /* 5.0 */
    bool ours;        /* with user properties of ours */
    uint16_t alias;   /* 0: none */
    bool topic_known; /* by the alias: it is left out */
    const uint32_t *sub_ids;
    size_t sub_id_count;
    struct slice gap;  /* sluice-gap; empty: none */
    bool gap_told;     /* out: it is in the packet */
    uint64_t now_ms;   /* for the remaining expiry */
    uint32_t max_size; /* of the whole packet */
};

/* sluice-id, a user property of 5.0. */
void packets_put_id(struct buf *props, uint64_t id);

/* Appends the head to `own`, behind `room` bytes left free, and sets *piece but for
 * head.p, which is own->p + *head_at once own has stopped growing.  False: the packet
 * would be larger than max_size even without sluice-id, and nothing was done. */
MUST_CHECK bool packets_make(struct buf *own, size_t room, struct conn_piece *piece,
                             size_t *head_at, struct entry *e, struct packet_own *o);

/* A message that is no event, QoS 0 ($SYS/…). */
void packets_message_put(struct buf *b, enum mqtt_version version, struct slice topic,
                         struct slice payload, bool retain, const uint32_t *sub_ids,
                         size_t sub_id_count);

#endif
