/*
 * z85.h - keys as ZeroMQ writes them: Z85 (RFC 32), 40 characters for 32 bytes.
 */
#ifndef PROTO_Z85_H
#define PROTO_Z85_H

#include "bytes.h"

#define Z85_KEY 32
#define Z85_TEXT 40

/* False: not 40 characters of Z85 that stand for 32 bytes. */
bool z85_get(struct slice text, uint8_t key[Z85_KEY]) MUST_CHECK;
void z85_put(const uint8_t key[Z85_KEY], char text[Z85_TEXT + 1]);

#endif
