/*
 * jwt.h - a signed token in three parts (RFC 7519, RFC 7515 compact), taken apart and verified.
 *
 *   jwt_read ──▶ jwt_verify ──▶ claims_read (claims.h)
 *
 * Of its header alg, kid, typ and crit count; keys that a token brings or points to (jwk, jku,
 * x5c, x5u) are never looked at.  Pure; any thread.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "jwks.h"

#define JWT_SIZE_MAX (16u * 1024)

struct jwt {
    const struct jwa *alg;
    char *kid;                /* NULL: it names no key */
    struct slice signed_text; /* of the token, which stays */
    struct buf header, payload, signature;
};

/* Has the form: three parts of base64url, none empty, not too long, the first of them in curly
 * brackets; "correct.horse.battery" has not.  Says nothing of its worth. */
bool jwt_looks(struct slice token);
/* False: not such a token, of an algorithm that is not known, or with crit; *why is constant,
 * and *t needs no jwt_free. */
bool jwt_read(struct jwt *t, struct slice token, const char **why) MUST_CHECK;
void jwt_free(struct jwt *t);

enum jwt_verdict {
    JWT_GOOD,
    JWT_NO_KEY, /* none by that name and for that algorithm */
    JWT_FORGED, /* the signature is not that of any key that it could be */
};
/* s NULL: no keys.  JWT_GOOD: *by is the key. */
enum jwt_verdict jwt_verify(const struct jwt *t, const struct jwks *s,
                            const struct jwk **by) MUST_CHECK;
/* Appends a token.  claims: JSON, signed as it stands.  The key has its private part. */
bool jwt_sign(const struct jwk *k, struct slice claims, struct buf *token) MUST_CHECK;

#endif
