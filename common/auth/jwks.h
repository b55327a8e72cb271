/*
 * jwks.h - the keys that tokens may be signed with (RFC 7517, 5).
 *
 * Keys of unknown kinds, for encryption, or too weak are left out, as the RFC wants.  Counted
 * references: a set does not change once it is read.  Loop thread.
 */
#ifndef AUTH_JWKS_H
#define AUTH_JWKS_H

#include "jwk.h"

#define JWKS_SIZE_MAX (256u * 1024) /* bytes of its text */
#define JWKS_KEYS_MAX 100u

struct jwks;

enum jwks_from {
    JWKS_OF_FILE, /* secrets and private keys may be in it: only their owner reads it */
    JWKS_OF_WEB,  /* a secret that was told to everybody is none: left out */
};
/* A reference.  NULL, and *why: not a JWKS, or no key in it is of use.  *left_out: the reason
 * for the last key that was, or NULL.  Both are constants. */
struct jwks *jwks_read(struct slice text, enum jwks_from from, const char **why,
                       const char **left_out) MUST_CHECK;
/* The one secret of hmac_key_file. */
struct jwks *jwks_of_secret(struct slice secret, const char **why) MUST_CHECK;
struct jwks *jwks_ref(struct jwks *s);
void jwks_unref(struct jwks *s); /* NULL is fine */

size_t jwks_count(const struct jwks *s);
/* Keys, in their order, that may have signed with `alg` by the name `kid` (p NULL: the token
 * says none): *at starts at 0; NULL at the end.  A key that has no kid has any. */
const struct jwk *jwks_next(const struct jwks *s, const struct jwa *alg, struct slice kid,
                            size_t *at);
bool jwks_has(const struct jwks *s, const uint8_t thumbprint[JWK_THUMBPRINT]);

#endif
