/*
 * ws_handshake.h - the opening handshake of a WebSocket (RFC 6455, 4.2), with
 * subprotocol and permessage-deflate (RFC 7692, 7.1), as pure functions.
 *
 * Whether the Origin may enter is for the caller to say: it is only handed out.
 */
#ifndef PROTO_WS_HANDSHAKE_H
#define PROTO_WS_HANDSHAKE_H

#include "http_request.h"

#define WS_WINDOW_BITS_MAX 15

/* What was agreed.  Neither side keeps a context from message to message, so one
 * compressed form serves all clients. */
struct ws_deflate {
    bool on;
    uint8_t server_bits; /* distances in what we compress stay below 1 << server_bits; */
    bool bits_asked;     /* because the client said so */
};

struct ws_handshake {
    struct slice key;        /* p == NULL: an extended CONNECT */
    struct slice origin;     /* p == NULL: it is not a browser */
    const char *subprotocol; /* the first of the client's list that we know, or NULL */
    bool subprotocol_asked;  /* there was a list */
    struct ws_deflate deflate;
};

/* An extended CONNECT (RFC 8441) is one, too, less what asks HTTP/1.1 for an upgrade.
 *
 * subprotocols: those that we speak, NULL-terminated.  Returns 0 and *h, or the
 * HTTP status to refuse with and *why (a static text, no full stop):
 *
 *   426   it asks for no WebSocket, or for another version of it; the answer has
 *         `Upgrade: websocket` and `Sec-WebSocket-Version: 13`
 *   400   malformed
 *
 * Slices point into the request. */
int ws_handshake_read(struct ws_handshake *h, const struct http_request *r,
                      const char *const *subprotocols, const char **why) MUST_CHECK;

/* What the answer says in fields of these names, apart from the upgrade itself. */
struct ws_acceptance {
    char accept[32];         /* Sec-WebSocket-Accept; empty: to an extended CONNECT */
    const char *subprotocol; /* Sec-WebSocket-Protocol, or NULL */
    char extensions[128];    /* Sec-WebSocket-Extensions, or empty */
};
/* The answer proves that the key was read (4.2.2): it shows the SHA-1 of this text, which
 * the caller takes.  NULL to an extended CONNECT, which has no key. */
#define WS_CHALLENGE_SIZE 60
#define WS_PROOF_SIZE 20
void ws_handshake_challenge(const struct ws_handshake *h, char text[WS_CHALLENGE_SIZE]);
void ws_handshake_accept(struct ws_acceptance *a, const struct ws_handshake *h,
                         const uint8_t proof[WS_PROOF_SIZE]);

#endif
