/*
 * curve.h - the cryptography of CURVE, by libsodium, and the server's key.
 */
#ifndef ZMQ_CURVE_H
#define ZMQ_CURVE_H

#include "zmtp_curve.h"

bool curve_key_is(const uint8_t a[ZMTP_KEY], const uint8_t b[ZMTP_KEY]); /* the same time for all */
/* The secret key out of a file, and the public one that belongs to it; false: logged.  A
 * file that others may read is refused. */
bool curve_server_read(struct zmtp_curve_server *s, const char *file);

#endif
