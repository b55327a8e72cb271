/*
 * jwa.h - the signatures of JSON Web Algorithms that sluice knows (RFC 7518, 3; RFC 8037), by
 * OpenSSL.
 *
 *   kind of key      algorithms
 *   RSA              RS256 RS384 RS512 PS256 PS384 PS512
 *   P-256, P-384     ES256; ES384
 *   Ed25519          EdDSA, which RFC 9864 calls Ed25519
 *   a secret         HS256 HS384 HS512
 *
 * The kind of a key decides what it may verify (RFC 8725, 3.1): nothing of one kind is ever
 * taken for another, and "none" is not in the list.  Any thread.
 */
#ifndef AUTH_JWA_H
#define AUTH_JWA_H

#include <openssl/evp.h>

#include "bytes.h"

enum jwa_kind { JWA_RSA, JWA_P256, JWA_P384, JWA_ED25519, JWA_SECRET };

struct jwa; /* one algorithm, of a constant table: the same name is the same pointer */

/* What signs and verifies; borrowed. */
struct jwa_key {
    enum jwa_kind kind;
    EVP_PKEY *pkey;      /* NULL: */
    struct slice secret; /* it is a secret */
};

const struct jwa *jwa_find(struct slice name); /* NULL: none that we know */
const char *jwa_name(const struct jwa *a);
/* Of the kind, and the secret is long enough (RFC 7518, 3.2). */
bool jwa_fits(const struct jwa *a, const struct jwa_key *k);
const struct jwa *jwa_default(enum jwa_kind kind); /* what sluice signs with */

/* jwa_fits(a, k).  signature: as it stands in a token. */
bool jwa_verify(const struct jwa *a, const struct jwa_key *k, struct slice text,
                struct slice signature) MUST_CHECK;
bool jwa_sign(const struct jwa *a, const struct jwa_key *k, struct slice text,
              struct buf *signature) MUST_CHECK;

void jwa_sha256(struct slice text, uint8_t out[32]);

#endif
