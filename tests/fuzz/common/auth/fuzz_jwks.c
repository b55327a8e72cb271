/*
 * fuzz_jwks.c - any bytes as a set of keys, and as a key to sign with: refused or read, and
 * what is read can be written and read again, as the same key.
 */
#include <stdlib.h>
#include <string.h>

#include "jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const algorithms[] = {"RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256"};

static void again(const struct jwk *k)
{
    struct buf json = {0};
    struct jwk other;
    const char *why;

    jwk_put(k, JWK_PUBLIC, &json);
    if (!jwk_read(&other, buf_slice(&json), JWK_PUBLIC, &why) ||
        memcmp(k->thumbprint, other.thumbprint, JWK_THUMBPRINT) != 0)
        abort();
    jwk_free(&other);
    buf_free(&json);
}

static void use(const struct jwks *s)
{
    const struct jwk *k;

    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        const struct jwa *a = jwa_find((struct slice){algorithms[i], 5});
        size_t at = 0;

        while ((k = jwks_next(s, a, (struct slice){0}, &at)) != NULL) {
            if (!jwks_has(s, k->thumbprint))
                abort();
            again(k);
            (void)!jwa_verify(a, &k->key, SLICE("a"), SLICE("b"));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    const char *why, *left_out;
    struct jwk k;

    for (int from = JWKS_OF_FILE; from <= JWKS_OF_WEB; from++) {
        struct jwks *s = jwks_read(text, (enum jwks_from)from, &why, &left_out);

        if (s != NULL)
            use(s);
        jwks_unref(s);
    }
    if (jwk_read(&k, text, JWK_PRIVATE, &why)) {
        again(&k);
        jwk_free(&k);
    }
    return 0;
}
