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
 * What it says besides events gathers in `out` and is written at the end of the
 * turn, or before events that come behind it (client_flush).
 *
 * Loop thread.
 */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include "mqttd.h"
#include "transport.h"

enum client_state { CLIENT_NEW, CLIENT_ATTACHING, CLIENT_UP, CLIENT_ENDED };

struct client {
    struct reaped reaped; /* first */
    struct mqttd *mqtt;
    struct transport transport;
    enum client_state state;
    enum mqtt_version version;
    struct session *session; /* UP */
    struct client *prev, *next;

    /* What CONNECT said. */
    char *id;               /* UTF-8, without control characters */
    char *user;             /* what principal.name points to; NULL: nobody in particular */
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
    struct inbound *inbound;    /* its PUBLISHes on their way to the broker, in order */
    size_t inbound_bytes;       /* what they cost */
    uint32_t inbound_count;
    uint32_t receiving;      /* QoS 1 and 2 of its PUBLISHes not yet acknowledged whole */
    struct waiting *waiting; /* SUBSCRIBEs behind the one at hand; NULL: none */

    struct buf out;                       /* control packets of this turn */
    struct client *busy_prev, *busy_next; /* in mqtt.busy */
    bool busy;
    bool unread;    /* input was left: it is blocked */
    bool pump;      /* client_pump was called */
    bool ending;    /* client_end was called */
    uint8_t reason; /* and with what */
    const char *text;
};

/* --- for the session ------------------------------------------------------------ */

/* Control packets; bytes are copied.  Swallowed when the connection is ending. */
void client_write(struct client *c, struct slice packet);
/* What client_write has gathered goes out: before events that come behind it. */
void client_flush(struct client *c);
/* Ends the connection from our side: DISCONNECT with the reason (5.0), then the close.
 * Takes effect at the end of the turn, so the caller may go on: session_end comes
 * then.  Idempotent, the first reason counts; text is static or NULL. */
void client_end(struct client *c, enum mqtt_reason reason, const char *text);
/* It takes packets up to this size. */
static inline bool client_takes(const struct client *c, size_t packet)
{
    return packet <= c->max_packet;
}
/* SUBSCRIBE and UNSUBSCRIBE wait inside the session: they are shown again, at the end
 * of the turn. */
void client_pump(struct client *c);
/* session_incoming_release is committed: PUBCOMP goes out. */
void client_released(struct client *c, uint16_t packet_id);

/* --- for mqttd.c ------------------------------------------------------------------- */

extern const struct conn_ops client_tcp_ops; /* conn->data: the struct mqttd, then the client */
/* A WebSocket that speaks MQTT. */
void client_open_websocket(struct mqttd *m, struct conn *conn);
/* The broker fences: another connection has the session. */
void client_fence(struct client *c);
/* The end of the turn: what is said goes out, what was ended ends, what waited goes on. */
void clients_turn(struct mqttd *m);

/* --- for connect.c and inbound.c ------------------------------------------------------- */

/* The session is there and CONNACK is said: packets are taken. */
void client_up(struct client *c);
/* It ends now: what is said goes out, nothing more is said.  Not from inside a session. */
void client_over(struct client *c);
/* It may go on: what blocked it is over. */
void client_unblock(struct client *c);
struct slice client_id(const struct client *c);

#endif
