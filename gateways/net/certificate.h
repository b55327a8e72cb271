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

/* What a person wants to know of a certificate, and of the key that belongs to it. */
struct certificate_facts {
    bool readable;       /* a certificate is in the file */
    bool key_readable;   /* a private key without a passphrase in the other */
    bool match;          /* and it is the certificate's */
    int64_t from, until; /* seconds since 1970 */
};
/* key NULL: not asked for. */
void certificate_look(const char *certificate, const char *key, struct certificate_facts *out);

#endif
