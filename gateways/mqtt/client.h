/*
 * client.h - one MQTT client while it is connected: what it is told, and marks for the end
 * of the turn.
 *
 * The client owns the connection and what the specification ties to it: version,
 * keep-alive, aliases, limits.  What outlives it is the session's.
 *
 * What it is told besides events gathers in `out` and is written at the end of the turn,
 * or before events that come behind it (client_flush).  What else is to be done about it is
 * marked here and done at the end of the turn, so that all may do so, from inside sessions
 * too: client.c calls nobody but the transport.  Who does it: clients.c, client_life.c.
 *
 * Loop thread.
 */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include "caller.h"
#include "mqttd.h"
#include "transport.h"

/* ASKING: who it is, is being found out. */
enum client_state { CLIENT_NEW, CLIENT_ASKING, CLIENT_ATTACHING, CLIENT_UP, CLIENT_ENDED };

struct client {
    struct reaped reaped; /* first */
    struct mqttd *mqtt;
    struct transport transport;
    enum client_state state;
    enum mqtt_version version;
    struct session *session; /* UP, and ATTACHING while losses are looked for */
    struct client *prev, *next;

    /* What CONNECT said. */
    char *id;               /* UTF-8, without control characters */
    uint64_t keep_alive_ms; /* 1.5 times; 0: none */
    uint32_t max_packet;    /* of ours to it; UINT32_MAX: no limit */
    uint16_t receive_maximum;
    uint16_t alias_maximum; /* of ours to it */
    bool problem_info;      /* reason strings and user properties are wanted everywhere */
    bool wants_ours;        /* 5.0: it has asked for user properties of ours */
    bool bridge;            /* Mosquitto's: no-local and retain-as-published, unsaid */
    bool clean;
    uint32_t expiry;  /* of the session, as it is now */
    bool by_auth;     /* it shows who it is by the method jwt, and may do so again */
    char *will_topic; /* NULL: it has none */
    bool will_withdrawn;
    bool over_quota;      /* its session has more filters than its principal may have now */
    struct caller caller; /* before CONNECT: who the head of its WebSocket has shown */

    struct aliases_in *aliases; /* NULL: none used */
    uint64_t heard;             /* tick of the wheel at the last packet */
    struct identity *identity;  /* who it is, is being found out; NULL: it is not */
    struct attach *attach;      /* the broker is asked for its session; NULL: it is not */
    struct connack *connack;    /* connect.c's: what will be said; NULL: it is said */
    struct inbound *inbound;    /* its PUBLISHes on their way to the broker, in order */
    size_t inbound_bytes;       /* what they cost */
    uint32_t inbound_count;
    uint64_t inbound_taken;  /* PUBLISHes, ever; those on their way are the last inbound_count */
    uint32_t receiving;      /* QoS 1 and 2 of its PUBLISHes not yet acknowledged whole */
    struct waiting *waiting; /* SUBSCRIBEs that cannot be taken yet; NULL: none */

    struct buf out;                       /* control packets of this turn */
    struct client *busy_prev, *busy_next; /* in mqttd.busy */
    bool busy;
    struct wheel_timer pause; /* its principal publishes too fast: it is not read until then */
    bool paused;
    bool unread;    /* input was left: it is blocked */
    bool pump;      /* client_pump was called */
    bool ending;    /* client_end was called */
    uint8_t reason; /* and with what */
    uint8_t packet; /* enum mqtt_type: the packet at hand; 0: none, the client has not asked */
    const char *text;
};

static inline bool client_is_5(const struct client *c)
{
    return c->version == MQTT_50;
}

/* User properties of ours may be said to it. */
static inline bool client_hears_ours(const struct client *c)
{
    return client_is_5(c) && c->wants_ours;
}

static inline struct slice client_id(const struct client *c)
{
    return slice_of(c->id);
}

/* Whose its session is; strangers share what they have. */
static inline struct slice client_owner(const struct client *c)
{
    return caller_is_anonymous(&c->caller) ? (struct slice){0} : caller_name(&c->caller);
}

/* It takes packets up to this size. */
static inline bool client_takes(const struct client *c, size_t packet)
{
    return packet <= c->max_packet;
}

/* --- what it is told --------------------------------------------------------------- */

/* Control packets; bytes are copied.  Swallowed when the connection is ending. */
void client_write(struct client *c, struct slice packet);
/* PUBREL and the like, without properties. */
void client_write_ack(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason);
/* What client_write has gathered goes out: before events that come behind it. */
void client_flush(struct client *c);

/* The audit log: it was refused.  verb NULL: to be who it said it was. */
void client_audit(const struct client *c, const char *verb, struct slice filter,
                  const char *reason);

/* --- marks ------------------------------------------------------------------------- */

/* Ends the connection from our side: DISCONNECT with the reason (5.0), then the close.
 * Takes effect at the end of the turn, so the caller may go on: session_end comes
 * then.  Idempotent, the first reason counts; text is static or NULL. */
void client_end(struct client *c, enum mqtt_reason reason, const char *text);
/* The broker fences: another connection has the session. */
void client_fence(struct client *c);
/* The session takes SUBSCRIBE and UNSUBSCRIBE again: those that wait are shown to it. */
void client_pump(struct client *c);
/* It may go on: what blocked it is over. */
void client_unblock(struct client *c);
/* Nothing is to be done about it any more; idempotent. */
void client_leave_turn(struct client *c);

#endif
