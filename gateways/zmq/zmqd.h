/*
 * zmqd.h - what the parts of the ZeroMQ gateway share: its settings, its limits, its peers.
 */
#ifndef ZMQ_ZMQD_H
#define ZMQ_ZMQD_H

#include "gateway.h"
#include "loglimit.h"
#include "subscribe.h"
#include "zmtp.h"
#include "zmtp_handshake.h"

struct zpeer;
struct zpeer_role;

/* [zmq] of the configuration and what of [limits] counts here, read once. */
struct zmqd_settings {
    uint64_t handshake_ms;       /* from accept to READY */
    uint64_t ping_ms;            /* silence before a PING; 0: never */
    uint64_t ping_timeout_ms;    /* and how long it may go on then */
    uint64_t message_timeout_ms; /* from the first byte of a message to its last */
    size_t max_payload;          /* of an event */
    size_t max_message;          /* of a message that is looked at at all */
    size_t publish_window;       /* bytes of one peer that are not acknowledged */
    size_t max_subscriptions;    /* of one DEALER */
    size_t max_prefixes;         /* of one SUB */
    size_t max_filters;          /* of one subscription */
    uint64_t max_last;
    size_t held_max;   /* messages of all peers that are not whole */
    bool sub_frames_4; /* SUB gets topic, payload, ID, properties */
};

/* Everything of the process.  Loop thread. */
struct zmqd {
    struct gateway *gateway;
    struct zmqd_settings settings;
    bool served[ZMTP_MECHANISMS], only_null;
    struct zmtp_curve_server curve;             /* ours, if CURVE is served */
    const struct zpeer_role *roles[ZMTP_TYPES]; /* by what the peer is */
    struct zpeer *speaking;                     /* have something to write at the turn's end */
    struct zpeer *dirty;                        /* SUB: their prefixes have changed */
    struct zpeer *patient;                      /* CURVE: their handshakes go on next turn */
    unsigned agreed;                            /* steps of such, in this turn */
    size_t held;                                /* of held_max */
    size_t publishing;                          /* peers with publishes under way */
    size_t documents;                           /* bytes of histories, made or being made */
    struct zmtp_unit unit, boxed;               /* what was decoded last */
    struct buf plain;                           /* out of a box */
    struct conn_piece pieces[CONN_PIECES_MAX];
    struct buf refusal; /* said to a client over a limit */
    struct log_limit refused, dropped;
    uint8_t (*keys)[ZMTP_KEY]; /* [zmq] curve_clients; NULL: all */
    size_t key_count;
};

void zmqd_read(struct zmqd *d, const struct config *c);
void zmqd_free(struct zmqd *d);

#endif
