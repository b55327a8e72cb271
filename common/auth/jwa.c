/*
 * jwa.c - the table, and OpenSSL behind it.
 *
 * In a token an ECDSA signature is two numbers of fixed length, one behind the other
 * (RFC 7518, 3.4); OpenSSL's is DER.
 */
#include "jwa.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "mem.h"

struct jwa {
    const char *name;
    enum jwa_kind kind;
    const EVP_MD *(*md)(void); /* NULL: the algorithm has its own */
    bool pss;
    size_t half;       /* ECDSA: bytes of each number */
    size_t secret_min; /* HMAC: bytes */
};

static const struct jwa algorithms[] = {
    {"RS256", JWA_RSA, EVP_sha256, false, 0, 0},
    {"RS384", JWA_RSA, EVP_sha384, false, 0, 0},
    {"RS512", JWA_RSA, EVP_sha512, false, 0, 0},
    {"PS256", JWA_RSA, EVP_sha256, true, 0, 0},
    {"PS384", JWA_RSA, EVP_sha384, true, 0, 0},
    {"PS512", JWA_RSA, EVP_sha512, true, 0, 0},
    {"ES256", JWA_P256, EVP_sha256, false, 32, 0},
    {"ES384", JWA_P384, EVP_sha384, false, 48, 0},
    {"EdDSA", JWA_ED25519, NULL, false, 0, 0},
    {"HS256", JWA_SECRET, EVP_sha256, false, 0, 32},
    {"HS384", JWA_SECRET, EVP_sha384, false, 0, 48},
    {"HS512", JWA_SECRET, EVP_sha512, false, 0, 64},
};

const struct jwa *jwa_find(struct slice name)
{
    if (slice_eq(name, SLICE("Ed25519")))
        name = SLICE("EdDSA");
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (slice_eq(slice_of(algorithms[i].name), name))
            return &algorithms[i];
    return NULL;
}

const char *jwa_name(const struct jwa *a)
{
    return a->name;
}

bool jwa_fits(const struct jwa *a, const struct jwa_key *k)
{
    return a->kind == k->kind && k->secret.len >= a->secret_min;
}

const struct jwa *jwa_default(enum jwa_kind kind)
{
    const struct jwa *a = algorithms;

    while (a->kind != kind)
        a++;
    return a;
}

/* --- ECDSA: two forms of one signature ------------------------------------------------- */

static bool der_of_pair(struct slice pair, size_t half, struct buf *der)
{
    const uint8_t *p = (const uint8_t *)pair.p;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r, *s;
    uint8_t *at;
    int len = 0;

    if (pair.len != 2 * half || sig == NULL) {
        ECDSA_SIG_free(sig);
        return false;
    }
    r = BN_bin2bn(p, (int)half, NULL);
    s = BN_bin2bn(p + half, (int)half, NULL);
    if (ECDSA_SIG_set0(sig, r, s) == 1) { /* fails only for what is NULL */
        at = buf_reserve(der, pair.len + 16);
        len = i2d_ECDSA_SIG(sig, &at);
        der->len += len > 0 ? (size_t)len : 0;
    }
    ECDSA_SIG_free(sig);
    return len > 0;
}

static bool pair_of_der(struct slice der, size_t half, struct buf *pair)
{
    const unsigned char *p = (const unsigned char *)der.p;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
    uint8_t *to = buf_reserve(pair, 2 * half);
    bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, (int)half) == (int)half &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + half, (int)half) == (int)half;

    if (ok)
        pair->len += 2 * half;
    ECDSA_SIG_free(sig);
    return ok;
}

/* --- HMAC -------------------------------------------------------------------------------- */

static bool hmac(const struct jwa *a, struct slice secret, struct slice text, uint8_t *mac,
                 unsigned *len)
{
    return HMAC(a->md(), secret.p, (int)secret.len, (const uint8_t *)text.p, text.len, mac, len) !=
           NULL;
}

static bool hmac_verify(const struct jwa *a, struct slice secret, struct slice text,
                        struct slice signature)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    return hmac(a, secret, text, mac, &len) && signature.len == len &&
           CRYPTO_memcmp(mac, signature.p, len) == 0;
}

static bool hmac_sign(const struct jwa *a, struct slice secret, struct slice text, struct buf *out)
{
    unsigned len = 0;
    bool ok = hmac(a, secret, text, buf_reserve(out, EVP_MAX_MD_SIZE), &len);

    out->len += len;
    return ok;
}

/* --- public keys --------------------------------------------------------------------------- */

/* RFC 7518, 3.5: the salt is as long as the hash, MGF1 uses the same one. */
static bool set_padding(const struct jwa *a, EVP_PKEY_CTX *ctx)
{
    return !a->pss || (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static const EVP_MD *digest_of(const struct jwa *a)
{
    return a->md != NULL ? a->md() : NULL;
}

static bool verify(const struct jwa *a, EVP_PKEY *key, struct slice text, struct slice signature)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    bool ok = md != NULL && EVP_DigestVerifyInit(md, &ctx, digest_of(a), NULL, key) == 1 &&
              set_padding(a, ctx) &&
              EVP_DigestVerify(md, (const uint8_t *)signature.p, signature.len,
                               (const uint8_t *)text.p, text.len) == 1;

    EVP_MD_CTX_free(md);
    return ok;
}

bool jwa_verify(const struct jwa *a, const struct jwa_key *k, struct slice text,
                struct slice signature)
{
    struct buf der = {0};
    bool ok;

    assert(jwa_fits(a, k));
    if (k->kind == JWA_SECRET)
        return hmac_verify(a, k->secret, text, signature);
    if (a->half == 0)
        return verify(a, k->pkey, text, signature);
    ok = der_of_pair(signature, a->half, &der) && verify(a, k->pkey, text, buf_slice(&der));
    buf_free(&der);
    return ok;
}

static bool sign(const struct jwa *a, EVP_PKEY *key, struct slice text, struct buf *out)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL;
    size_t len = 0;
    bool ok =
        md != NULL && EVP_DigestSignInit(md, &ctx, digest_of(a), NULL, key) == 1 &&
        set_padding(a, ctx) &&
        EVP_DigestSign(md, NULL, &len, (const uint8_t *)text.p, text.len) == 1 &&
        EVP_DigestSign(md, buf_reserve(out, len), &len, (const uint8_t *)text.p, text.len) == 1;

    out->len += ok ? len : 0;
    EVP_MD_CTX_free(md);
    return ok;
}

bool jwa_sign(const struct jwa *a, const struct jwa_key *k, struct slice text,
              struct buf *signature)
{
    struct buf der = {0};
    bool ok;

    assert(jwa_fits(a, k));
    if (k->kind == JWA_SECRET)
        return hmac_sign(a, k->secret, text, signature);
    if (a->half == 0)
        return sign(a, k->pkey, text, signature);
    ok = sign(a, k->pkey, text, &der) && pair_of_der(buf_slice(&der), a->half, signature);
    buf_free(&der);
    return ok;
}

void jwa_sha256(struct slice text, uint8_t out[32])
{
    bool ok =
        EVP_Digest(text.p != NULL ? text.p : "", text.len, out, NULL, EVP_sha256(), NULL) == 1;

    assert(ok);
    (void)ok;
}
