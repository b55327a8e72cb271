/*
 * curve.h - the cryptography of CURVE, by libsodium, and keys as ZeroMQ writes them: Z85
 * (RFC 32), 40 characters.
 */
#ifndef ZMQ_CURVE_H
#define ZMQ_CURVE_H

#include "zmtp_curve.h"

bool curve_key_get(struct slice z85, uint8_t key[ZMTP_KEY]);
void curve_key_put(const uint8_t key[ZMTP_KEY], char z85[41]);
/* The secret key out of a file, and the public one that belongs to it; false: logged.  A
 * file that others may read is refused. */
bool curve_server_read(struct zmtp_curve_server *s, const char *file);

#endif
