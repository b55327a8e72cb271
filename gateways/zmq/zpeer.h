/*
 * zpeer.h - one ZeroMQ socket at the other end of a connection: greeting, handshake, then
 * messages both ways, whatever they say.
 *
 *   GREETING ──▶ HANDSHAKE ──READY──▶ OPEN ──drain──▶ ENDING ──all acknowledged──▶ OVER
 *      └──────── refused, broken, too slow ───────────────────────────────────────▶
 *
 * Who it is may take time to find out (zauth.h): until then nothing more of its handshake is
 * taken.  When it may not go on as who it is, it leaves by ENDING too.
 *
 * What the peer is decides its role, which takes its messages.  What it is sent besides
 * events gathers in `out`, and leaves in one write at the turn's end, or before events that
 * come behind it; never while something is unwritten, so it is this file that counts what a
 * peer leaves unread.
 *
 * A peer is not read while it has too much unacknowledged, leaves its answers unread, or
 * waits for a history: its own socket is where its messages queue up.
 *
 * The memory is the connection's and stays until the loop's turn is over.  Loop thread.
 */
#ifndef ZMQ_ZPEER_H
#define ZMQ_ZPEER_H

#include "caller.h"
#include "zmqd.h"

enum zpeer_state { ZPEER_GREETING, ZPEER_HANDSHAKE, ZPEER_OPEN, ZPEER_ENDING, ZPEER_OVER };

/* Slots that may be NULL say so. */
struct zpeer_role {
    void (*opened)(struct zpeer *p); /* its first message may come; may be NULL */
    void (*message)(struct zpeer *p, const struct slice *parts, size_t count);
    /* SUBSCRIBE or CANCEL; NULL: this type sends none. */
    void (*subscribe)(struct zpeer *p, bool add, struct slice prefix);
    /* What it sends breaks a limit: say so, the connection ends behind it.  May be NULL. */
    void (*refuse)(struct zpeer *p, int error);
    void (*writable)(struct zpeer *p); /* events may be handed to it again; may be NULL */
    void (*stop)(struct zpeer *p);     /* no more events; idempotent; may be NULL */
    /* It may do less or more from now on: what is under way is looked at; may be NULL. */
    void (*review)(struct zpeer *p);
    /* Its principal has ended: before its events stop, and as the last word; may be NULL. */
    void (*dismissed)(struct zpeer *p);
    void (*farewell)(struct zpeer *p, const char *why);
    void (*leave)(struct zpeer *p); /* it is gone: nobody waits for what it published */
    bool unanswered; /* it is not told of a refusal, so it is not read over its rate */
};

/* With CURVE: what every frame goes through. */
struct zpeer_secure {
    struct zmtp_curve curve;
    struct zmtp_decoder inner; /* of the frames that came out of boxes */
};

struct zpeer {
    struct conn conn; /* first */
    struct zmqd *d;
    const struct zpeer_role *role; /* from OPEN on */
    struct quota quota;
    struct caller caller;
    struct auth_ask *ask; /* who it is; NULL: not under way */
    uint8_t state;
    uint8_t type;    /* enum zmtp_type */
    uint8_t minor;   /* of its version */
    uint8_t greeted; /* bytes of our greeting that were said */
    bool speaking, dirty, patient;
    bool waiting;          /* input was left unread */
    bool taking;           /* inside input(): what was decoded must stay */
    bool pinged;           /* and nothing has come since */
    const char *dismissal; /* why it ends; NULL: it does not, for this reason */
    struct zmtp_decoder decoder;
    struct zmtp_handshake handshake;
    struct zpeer_secure *secure;
    size_t held;            /* by the decoders */
    uint64_t heard;         /* the wheel's tick at which something came last */
    uint64_t pinged_at;     /* and at which it was pinged */
    uint64_t message_since; /* and at which what is held began */
    uint64_t ttl_ms;        /* what its PING promised; 0: nothing */
    uint64_t rested_at;     /* tick at which it may publish again; 0: now */
    struct buf out;
    struct zpeer *speaking_prev, *speaking_next, *dirty_prev, *dirty_next;
    struct zpeer *patient_prev, *patient_next;
    struct zpublish *publishes; /* zpublish.c's */
    size_t unacknowledged;      /* what they cost, see publish_window */
    struct zcursor *cursors;    /* zcursor.c's */
    size_t cursor_count;
    struct zhistory *history;   /* zhistory.c's: what is under way */
    size_t document;            /* bytes of a history that lie unwritten, of d->documents */
    struct zprefixes *prefixes; /* zprefix.c's */
};

extern const struct conn_ops zpeer_conn_ops; /* data: the struct zmqd */

/* Appends a frame of a message to what it is sent. */
void zpeer_part(struct zpeer *p, bool more, struct slice body);
/* Writes what was gathered, unless something is unwritten yet. */
void zpeer_flush(struct zpeer *p);
/* What made it wait may be over: its next bytes are looked at. */
void zpeer_continue(struct zpeer *p);
/* One publish less is under way. */
void zpeer_acknowledged(struct zpeer *p);
/* Writes what was gathered and ends it. */
void zpeer_finish(struct zpeer *p);

void zpeers_turn(struct zmqd *d); /* the end of a turn: what was gathered is written */

#endif
