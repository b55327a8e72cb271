/*
 * client.h - one MQTT connection: packets in, packets out, its end.
 *
 *   NEW ──CONNECT──▶ ATTACHING ──answer──▶ UP ──▶ ENDED
 *
 * The client owns the connection and what the specification ties to it: version,
 * keep-alive, aliases, limits.  What outlives it is the session's.  A packet is
 * handed on whole; a violation ends the connection with its reason code: a
 * DISCONNECT (5.0), or just the close (3.1.1).
 *
 * Loop thread.
 */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include "mqttd.h"
#include "transport.h"

enum client_state { CLIENT_NEW, CLIENT_ATTACHING, CLIENT_UP, CLIENT_ENDED };

struct client {
    struct mqtt *mqtt;
    struct transport transport;
    enum client_state state;
    enum mqtt_version version;
    struct session *session; /* UP */
    struct client *prev, *next;

    /* What CONNECT said. */
    char *id; /* may hold anything but NUL */
    uint64_t keep_alive_ms; /* 1.5 times; 0: none */
    uint32_t max_packet;    /* of ours to it; UINT32_MAX: no limit */
    uint16_t receive_maximum;
    uint16_t alias_maximum; /* of ours to it */
    bool problem_info;      /* reason strings and user properties are wanted everywhere */
    bool clean;
    uint32_t expiry; /* of the session, as it is now */
    struct principal principal;

    struct aliases_in *aliases; /* NULL: none used */
    uint64_t heard;             /* tick of the wheel at the last packet */
    struct attach *attach;      /* ATTACHING */
    uint32_t receiving;         /* QoS 1 and 2 of its PUBLISHes not yet acknowledged */
};

/* --- for the session ------------------------------------------------------------ */

/* Control packets; bytes are copied.  Swallowed when the connection is ending. */
void client_write(struct client *c, struct slice packet);
/* Ends the connection from our side: DISCONNECT with the reason (5.0), then the close.
 * The session is detached, its will published unless the reason says otherwise. */
void client_end(struct client *c, enum mqtt_reason reason, const char *text);
/* It takes packets up to this size. */
static inline bool client_takes(const struct client *c, size_t packet)
{
    return packet <= c->max_packet;
}
/* SUBSCRIBE and UNSUBSCRIBE wait inside the session: show unread bytes again. */
void client_pump(struct client *c);

/* --- for mqttd.c ------------------------------------------------------------------- */

extern const struct conn_ops client_tcp_ops;
/* The broker fences: another connection has the session. */
void client_fence(struct client *c);

#endif
