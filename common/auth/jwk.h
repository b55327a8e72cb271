/*
 * jwk.h - one key that signs or verifies tokens, as JSON (RFC 7517; RFC 8037), as PEM, or as a
 * bare secret.
 *
 * Any thread, as long as one key stays with one.
 */
#ifndef AUTH_JWK_H
#define AUTH_JWK_H

#include "jwa.h"

#define JWK_THUMBPRINT 32

struct jwk {
    struct jwa_key key;
    struct buf secret;     /* what key.secret borrows */
    const struct jwa *alg; /* the only one that it is for; NULL: all that fit its kind */
    char *kid;             /* NULL: it has none */
    uint8_t thumbprint[JWK_THUMBPRINT]; /* RFC 7638, SHA-256 */
};

enum jwk_part { JWK_PUBLIC, JWK_PRIVATE };

/* Each of these: false, with *why, a constant; then *k needs no jwk_free.  Refused are RSA keys
 * of less than 2048 bits, points that are on no curve, and keys that are for something else
 * than signatures.  JWK_PRIVATE: it is to sign, so without its private part it is refused;
 * JWK_PUBLIC: the private part is not looked at.  A secret is both. */
bool jwk_read(struct jwk *k, struct slice json, enum jwk_part part, const char **why) MUST_CHECK;
bool jwk_read_pem(struct jwk *k, struct slice pem, const char **why) MUST_CHECK; /* to sign */
/* For HS256 alone. */
bool jwk_read_secret(struct jwk *k, struct slice secret, const char **why) MUST_CHECK;
/* A new one: Ed25519. */
bool jwk_generate(struct jwk *k, const char **why) MUST_CHECK;
void jwk_free(struct jwk *k);

bool jwk_may(const struct jwk *k, const struct jwa *a);
/* Appends the key as JSON, with its thumbprint as its kid when it has none.  JWK_PRIVATE: of
 * what jwk_generate has made. */
void jwk_put(const struct jwk *k, enum jwk_part part, struct buf *out);

#endif
