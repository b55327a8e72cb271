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
    struct mqtt *mqtt;
    struct transport transport;
    enum client_state state;
    enum mqtt_version version;
    struct session *session; /* UP */
    struct client *prev, *next;

    /* What CONNECT said. */
    char *id; /* may hold anything but NUL */
    char *user; /* what principal.name points to; NULL: none was said */
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
    uint32_t receiving;         /* QoS 1 and 2 of its PUBLISHes not yet acknowledged whole */
    struct waiting *waiting;    /* SUBSCRIBEs behind the one at hand; NULL: none */

    struct buf in;  /* a packet that is not whole yet */
    struct buf out; /* control packets of this turn */
    struct client *busy_prev, *busy_next; /* those with something to do at the turn's end */
    bool busy;
    bool unread;   /* input was left: it is blocked */
    bool pump;     /* client_pump was called */
    bool ending;   /* client_end was called */
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

/* --- for transport.c ---------------------------------------------------------------- */

/* A connection is there: a client for it, with its time to CONNECT running.  t->conn's
 * data and ops are the transport's business. */
struct client *client_new(struct mqtt *m, const struct transport *t);
/* The bytes of packets that came, all that are unread; returns how many it is done
 * with.  The rest is shown again with more behind it (transport_pump).  The client may
 * be over after it: then it has called transport_finish or transport_close. */
size_t client_input(struct client *c, struct slice bytes);
void client_writable(struct client *c); /* as in conn_ops, all four */
void client_eof(struct client *c);
void client_drain(struct client *c);
void client_gone(struct client *c); /* the transport is freed by its own */
/* The bytes make no sense as WebSocket frames, or it was closed there. */
void client_leave(struct client *c);

/* --- for mqttd.c ------------------------------------------------------------------- */

extern const struct conn_ops client_tcp_ops; /* conn->data: struct mqtt, then the client */
/* The broker fences: another connection has the session. */
void client_fence(struct client *c);

#endif
