/*
 * zmtp_handshake.h - what comes between the greeting and the traffic, the server's side:
 * the mechanisms NULL (RFC 23), PLAIN (RFC 24) and CURVE (RFC 26), and who the peer is.
 *
 *   NULL    READY ──▶ ◀── READY
 *   PLAIN   HELLO ──▶ ◀── WELCOME   INITIATE ──▶ ◀── READY
 *   CURVE   the same four, in boxes
 *
 * One command in, what is to be said out; a refusal is said as ERROR.
 */
#ifndef PROTO_ZMTP_HANDSHAKE_H
#define PROTO_ZMTP_HANDSHAKE_H

#include "zmtp_curve.h"

enum zmtp_mechanism { ZMTP_NULL, ZMTP_PLAIN, ZMTP_CURVE };
const char *zmtp_mechanism_name(enum zmtp_mechanism m); /* "NULL" */

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

/* What all handshakes of a process share. */
struct zmtp_server {
    enum zmtp_mechanism mechanism;
    struct zmtp_curve_server curve; /* with ZMTP_CURVE */
    /* PLAIN's word, CURVE's key: may it come in?  NULL: nobody, and anybody. */
    bool (*password)(void *arg, struct slice user, struct slice password);
    bool (*client)(void *arg, const uint8_t key[ZMTP_KEY]);
    void *arg;
};

struct zmtp_handshake {
    const struct zmtp_server *server;
    struct zmtp_curve *curve; /* with ZMTP_CURVE, the owner's: zero-initialised */
    bool greeted;             /* HELLO has come */
    enum zmtp_type type;      /* once it is over */
};

enum zmtp_verdict { ZMTP_GO_ON, ZMTP_DONE, ZMTP_REFUSED };

/* body: of a command.  Appends to `out` what is to be said.  ZMTP_DONE: traffic may come.
 * ZMTP_REFUSED: ERROR was said, nothing else is; *why is the reason, static. */
enum zmtp_verdict zmtp_handshake_take(struct zmtp_handshake *h, struct slice body, struct buf *out,
                                      const char **why);

#endif
