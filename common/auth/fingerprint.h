/*
 * fingerprint.h - what somebody has shown, as it is remembered.
 *
 * HMAC-SHA256 under a secret that the process draws at its start and never tells: nobody can
 * choose two that meet, what a comparison takes says nothing of what was shown, and a
 * fingerprint alone is no place to try passwords at.  Loop thread.
 */
#ifndef AUTH_FINGERPRINT_H
#define AUTH_FINGERPRINT_H

#include "bytes.h"

#define CREDENTIAL_HASH 32

/* kind: keeps what is of different kinds apart. */
void fingerprint_of(uint8_t out[CREDENTIAL_HASH], char kind, struct slice a, struct slice b);

#endif
