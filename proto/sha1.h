/*
 * sha1.h - SHA-1 (RFC 3174), which WebSocket's handshake asks for (RFC 6455,
 * 4.2.2).  It proves that a server read the handshake and protects nothing: for
 * secrets it is broken.
 */
#ifndef PROTO_SHA1_H
#define PROTO_SHA1_H

#include "bytes.h"

#define SHA1_SIZE 20

void sha1(struct slice s, uint8_t out[SHA1_SIZE]);

#endif
