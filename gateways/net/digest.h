/*
 * digest.h - hashes of bytes that are all here (FIPS 180-4), by libcrypto.
 *
 * SHA-1 is what WebSocket's handshake asks for (RFC 6455, 4.2.2); for secrets it is broken.
 */
#ifndef NET_DIGEST_H
#define NET_DIGEST_H

#include "bytes.h"

#define DIGEST_SHA1_SIZE 20
#define DIGEST_SHA256_SIZE 32

void digest_sha1(struct slice s, uint8_t out[DIGEST_SHA1_SIZE]);
void digest_sha256(struct slice s, uint8_t out[DIGEST_SHA256_SIZE]);

#endif
