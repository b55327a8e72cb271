/*
 * certificate.h - certificates in PEM files, apart from any connection: the one for a
 * first try, and what a client of ours holds a server to.
 */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include "bytes.h"

/* Makes a key and a certificate for this machine, signed by itself, good for a year:
 * two PEM files, the key readable by its owner alone.  Existing ones stay while they
 * are good for another week.  0, or -1, logged. */
int certificate_self_signed(const char *certificate, const char *key) MUST_CHECK;

/* Appends the pin of the first certificate in a file, "sha256//…": the hash of its public
 * key in base64 (RFC 7469, 2.4, in libcurl's spelling).  False: there is none. */
bool certificate_pin(const char *file, struct buf *pin) MUST_CHECK;

#endif
