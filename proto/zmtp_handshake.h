/*
 * zmtp_handshake.h - what comes between the greeting and the traffic, the server's side:
 * the mechanisms NULL (RFC 23), PLAIN (RFC 24) and CURVE (RFC 26), and who the peer is.
 *
 *   NULL    READY ──▶ [ask] ◀── READY
 *   PLAIN   HELLO ──▶ [ask] ◀── WELCOME   INITIATE ──▶ ◀── READY
 *   CURVE   HELLO ──▶ ◀── WELCOME   INITIATE ──▶ [ask] ◀── READY, in boxes
 *
 * One command in, what is to be said out; a refusal is said as ERROR.  Whether the peer may
 * come is asked by the owner, who may take its time: nothing is taken before it has said so.
 */
#ifndef PROTO_ZMTP_HANDSHAKE_H
#define PROTO_ZMTP_HANDSHAKE_H

#include "zmtp_curve.h"

enum zmtp_mechanism { ZMTP_NULL, ZMTP_PLAIN, ZMTP_CURVE };
#define ZMTP_MECHANISMS 3
const char *zmtp_mechanism_name(enum zmtp_mechanism m); /* "NULL" */
bool zmtp_mechanism_find(struct slice name, enum zmtp_mechanism *m);

/* The sockets that are served; a peer of another type is refused. */
enum zmtp_type {
    ZMTP_DEALER,
    ZMTP_REQ,
    ZMTP_SUB,
    ZMTP_XSUB,
    ZMTP_PUSH,
    ZMTP_PUB,
    ZMTP_TYPES,
};
const char *zmtp_type_name(enum zmtp_type t); /* "DEALER" */

enum zmtp_step { ZMTP_STEP_FIRST, ZMTP_STEP_INITIATE, ZMTP_STEP_ASK, ZMTP_STEP_OVER };

/* Zero-initialised but for what the owner sets. */
struct zmtp_handshake {
    enum zmtp_mechanism mechanism; /* the owner's */
    struct zmtp_curve *curve;      /* with ZMTP_CURVE, the owner's, with its server */
    enum zmtp_step step;
    enum zmtp_type type; /* once it is over */
    /* ZMTP_ASK: what the peer shows.  PLAIN's lie in the command that was taken. */
    struct slice user, password;
    uint8_t key[ZMTP_KEY]; /* CURVE's, proven to be its own */
};

enum zmtp_verdict { ZMTP_GO_ON, ZMTP_ASK, ZMTP_DONE, ZMTP_REFUSED };

/* body: of a command.  Appends to `out` what is to be said.  ZMTP_DONE: traffic may come.
 * ZMTP_REFUSED: ERROR was said, nothing else is; *why is the reason, static.  ZMTP_ASK: the
 * owner goes on with zmtp_handshake_admit, or says ERROR itself. */
enum zmtp_verdict zmtp_handshake_take(struct zmtp_handshake *h, struct slice body, struct buf *out,
                                      const char **why);
/* It may come: ZMTP_GO_ON or ZMTP_DONE. */
enum zmtp_verdict zmtp_handshake_admit(struct zmtp_handshake *h, struct buf *out);

#endif
