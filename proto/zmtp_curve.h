/*
 * zmtp_curve.h - CurveZMQ, the server's side (RFC 25, RFC 26): its handshake's commands and
 * the boxes that frames travel in.  The cryptography itself comes as a table of functions.
 *
 *   C ─HELLO──▶     C', a proof that it knows S
 *   ◀─WELCOME─ S    S' and a cookie, boxed for C'
 *   C ─INITIATE─▶   the cookie back, and boxed C, the vouch for C', metadata
 *   ◀──READY── S    metadata, boxed
 *   MESSAGE ◀─▶     a frame each: its flags and body, boxed
 *
 * C, S are long-lived keys, C', S' of this connection alone.  A short nonce rises with
 * every box of a peer, so that none is replayed.
 */
#ifndef PROTO_ZMTP_CURVE_H
#define PROTO_ZMTP_CURVE_H

#include "bytes.h"

#define ZMTP_KEY 32
#define ZMTP_NONCE 24
#define ZMTP_SEAL 16 /* what sealing adds */

/* NaCl's box: Curve25519, XSalsa20, Poly1305.  A key here is the shared one of a public and
 * a secret key, computed once. */
struct zmtp_crypto {
    void (*random)(void *out, size_t len);
    void (*pair)(uint8_t public[ZMTP_KEY], uint8_t secret[ZMTP_KEY]);
    /* False: the public key is none to agree on a secret with. */
    bool (*agree)(uint8_t key[ZMTP_KEY], const uint8_t public[ZMTP_KEY],
                  const uint8_t secret[ZMTP_KEY]);
    void (*seal)(uint8_t *out, const uint8_t *plain, size_t len, const uint8_t nonce[ZMTP_NONCE],
                 const uint8_t key[ZMTP_KEY]); /* len + ZMTP_SEAL bytes */
    /* len - ZMTP_SEAL bytes; false: forged. */
    bool (*open)(uint8_t *out, const uint8_t *box, size_t len, const uint8_t nonce[ZMTP_NONCE],
                 const uint8_t key[ZMTP_KEY]);
    void (*wipe)(void *p, size_t len);
};

struct zmtp_curve_server {
    const struct zmtp_crypto *crypto;
    uint8_t public[ZMTP_KEY], secret[ZMTP_KEY]; /* S */
};

#define ZMTP_COOKIE 96

struct zmtp_curve {
    const struct zmtp_curve_server *server;
    uint8_t theirs[ZMTP_KEY];                   /* C' */
    uint8_t public[ZMTP_KEY], secret[ZMTP_KEY]; /* S' */
    uint8_t cookie[ZMTP_COOKIE];
    uint8_t key[ZMTP_KEY];   /* of C' and S' */
    uint64_t sent, received; /* short nonces, the last ones */
};

/* Each takes the data of a command and appends the answering command; false: refused. */
bool zmtp_curve_hello(struct zmtp_curve *c, struct slice data, struct buf *out);
/* *client is C, *metadata lies in `plain`, which is cleared first; nothing is answered. */
bool zmtp_curve_initiate(struct zmtp_curve *c, struct slice data, struct buf *plain,
                         uint8_t client[ZMTP_KEY], struct slice *metadata);
void zmtp_curve_ready(struct zmtp_curve *c, struct slice metadata, struct buf *out);

/* After the handshake.  What a frame with such flags becomes: a frame of its own. */
void zmtp_curve_seal(struct zmtp_curve *c, unsigned flags, struct slice body, struct buf *out);
/* The body of a frame: appends the frame that it holds, head and all. */
bool zmtp_curve_open(struct zmtp_curve *c, struct slice body, struct buf *out);
/* What sealing adds to a frame's body. */
#define ZMTP_CURVE_OVERHEAD 33

void zmtp_curve_wipe(struct zmtp_curve *c);

#endif
