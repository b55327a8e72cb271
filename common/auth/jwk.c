/*
 * jwk.c - members into OpenSSL's keys and back.
 *
 * Happy path of jwk_read: kind ─▶ what it is for ─▶ numbers ─▶ EVP_PKEY ─▶ thumbprint.  The
 * thumbprint is made of what OpenSSL holds, so a key has one, however it was written.
 */
#include "jwk.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base64.h"
#include "json.h"
#include "mem.h"
#include "members.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_MAX 8u /* bytes */
#define ED25519_SIZE 32u
#define KID_MAX 256u

static bool refuse(const char **why, const char *reason)
{
    *why = reason;
    return false;
}

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        explicit_bzero(b->p, b->cap);
    buf_free(b);
}

void jwk_free(struct jwk *k)
{
    EVP_PKEY_free(k->key.pkey);
    wipe(&k->secret);
    free(k->kid);
    *k = (struct jwk){0};
}

bool jwk_may(const struct jwk *k, const struct jwa *a)
{
    return (k->alg == NULL || k->alg == a) && jwa_fits(a, &k->key);
}

/* --- written -------------------------------------------------------------------------------- */

static void put_bytes(struct buf *out, const char *name, struct slice bytes)
{
    buf_printf(out, "\"%s\":\"", name);
    base64_url_put(out, bytes);
    buf_u8(out, '"');
}

/* size 0: as few bytes as it needs. */
static void put_number(struct buf *out, const char *name, const EVP_PKEY *key, const char *param,
                       int size)
{
    struct buf bytes = {0};
    BIGNUM *n = NULL;

    if (EVP_PKEY_get_bn_param(key, param, &n) == 1) {
        size = size != 0 ? size : BN_num_bytes(n);
        if (BN_bn2binpad(n, buf_reserve(&bytes, (size_t)size), size) == size)
            bytes.len = (size_t)size;
    }
    put_bytes(out, name, buf_slice(&bytes));
    BN_clear_free(n);
    buf_free(&bytes);
}

static void put_raw(struct buf *out, const char *name, const EVP_PKEY *key,
                    int (*get)(const EVP_PKEY *key, unsigned char *to, size_t *len))
{
    uint8_t bytes[ED25519_SIZE] = {0};
    size_t len = sizeof bytes;

    (void)get(key, bytes, &len);
    put_bytes(out, name, (struct slice){(const char *)bytes, sizeof bytes});
    explicit_bzero(bytes, sizeof bytes);
}

/* RFC 7638, 3.2: those that make the key, sorted, in one way; no bracket at the end. */
static void put_required(const struct jwk *k, struct buf *out)
{
    const EVP_PKEY *key = k->key.pkey;
    int half = k->key.kind == JWA_P384 ? 48 : 32;

    switch (k->key.kind) {
    case JWA_RSA:
        buf_u8(out, '{');
        put_number(out, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
        buf_puts(out, ",\"kty\":\"RSA\",");
        put_number(out, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        break;
    case JWA_P256:
    case JWA_P384:
        buf_printf(out, "{\"crv\":\"%s\",\"kty\":\"EC\",", half == 48 ? "P-384" : "P-256");
        put_number(out, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, half);
        buf_u8(out, ',');
        put_number(out, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, half);
        break;
    case JWA_ED25519:
        buf_puts(out, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",");
        put_raw(out, "x", key, EVP_PKEY_get_raw_public_key);
        break;
    case JWA_SECRET:
        buf_u8(out, '{');
        put_bytes(out, "k", k->key.secret);
        buf_puts(out, ",\"kty\":\"oct\"");
        break;
    }
}

static void take_thumbprint(struct jwk *k)
{
    struct buf text = {0};

    put_required(k, &text);
    buf_u8(&text, '}');
    jwa_sha256(buf_slice(&text), k->thumbprint);
    wipe(&text);
}

void jwk_put(const struct jwk *k, enum jwk_part part, struct buf *out)
{
    put_required(k, out);
    if (part == JWK_PRIVATE && k->key.kind == JWA_ED25519) {
        buf_u8(out, ',');
        put_raw(out, "d", k->key.pkey, EVP_PKEY_get_raw_private_key);
    }
    buf_printf(out, ",\"alg\":\"%s\",\"use\":\"sig\",\"kid\":", jwa_name(jwa_default(k->key.kind)));
    if (k->kid != NULL) {
        json_put_string(out, slice_of(k->kid));
    } else {
        buf_u8(out, '"');
        base64_url_put(out, (struct slice){(const char *)k->thumbprint, JWK_THUMBPRINT});
        buf_u8(out, '"');
    }
    buf_u8(out, '}');
}

/* --- numbers into keys ------------------------------------------------------------------------ */

static EVP_PKEY *key_of_params(const char *type, OSSL_PARAM_BLD *build, enum jwk_part part)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, part == JWK_PRIVATE ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

#define NUMBERS_MAX 8

/* A member for each, which the builder needs until the key is made. */
struct numbers {
    OSSL_PARAM_BLD *build;
    BIGNUM *list[NUMBERS_MAX];
    size_t count;
};

static bool number_push(struct numbers *all, const struct members *m, const char *name,
                        const char *param)
{
    struct buf bytes = {0};
    BIGNUM *n = NULL;

    if (members_bytes(m, name, &bytes) && bytes.len > 0 && bytes.len <= RSA_BITS_MAX / 8 + 1)
        n = BN_bin2bn(bytes.p, (int)bytes.len, NULL);
    wipe(&bytes);
    if (n != NULL)
        all->list[all->count++] = n;
    return n != NULL && OSSL_PARAM_BLD_push_BN(all->build, param, n) == 1;
}

static void numbers_free(struct numbers *all)
{
    for (size_t i = 0; i < all->count; i++)
        BN_clear_free(all->list[i]);
    OSSL_PARAM_BLD_free(all->build);
}

static bool rsa_private(struct numbers *all, const struct members *m)
{
    return number_push(all, m, "d", OSSL_PKEY_PARAM_RSA_D) &&
           number_push(all, m, "p", OSSL_PKEY_PARAM_RSA_FACTOR1) &&
           number_push(all, m, "q", OSSL_PKEY_PARAM_RSA_FACTOR2) &&
           number_push(all, m, "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1) &&
           number_push(all, m, "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2) &&
           number_push(all, m, "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
}

static bool rsa_sound(const EVP_PKEY *key, const char **why)
{
    int bits = EVP_PKEY_get_bits(key);
    BIGNUM *e = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
              !BN_is_one(e) && BN_num_bytes(e) <= (int)RSA_EXPONENT_MAX;

    BN_free(e);
    if (bits < RSA_BITS_MIN)
        return refuse(why, "an RSA key of less than 2048 bits");
    return (ok && bits <= RSA_BITS_MAX) || refuse(why, "an RSA key of strange size");
}

static bool rsa_read(struct jwk *k, const struct members *m, enum jwk_part part, const char **why)
{
    struct numbers all = {.build = OSSL_PARAM_BLD_new()};

    k->key.kind = JWA_RSA;
    if (all.build != NULL && number_push(&all, m, "n", OSSL_PKEY_PARAM_RSA_N) &&
        number_push(&all, m, "e", OSSL_PKEY_PARAM_RSA_E) &&
        (part == JWK_PUBLIC || rsa_private(&all, m)))
        k->key.pkey = key_of_params("RSA", all.build, part);
    numbers_free(&all);
    if (k->key.pkey == NULL)
        return refuse(why, "an RSA key of which a number is missing or wrong");
    return rsa_sound(k->key.pkey, why);
}

/* The point, uncompressed: 4, x, y. */
static bool point_of(const struct members *m, size_t half, struct buf *point)
{
    buf_u8(point, 4);
    return members_bytes(m, "x", point) && point->len == 1 + half && members_bytes(m, "y", point) &&
           point->len == 1 + 2 * half;
}

static bool on_curve(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool ec_read(struct jwk *k, const struct members *m, enum jwk_part part, const char **why)
{
    bool longer = k->key.kind == JWA_P384;
    struct numbers all = {.build = OSSL_PARAM_BLD_new()};
    struct buf point = {0};

    if (all.build != NULL && point_of(m, longer ? 48 : 32, &point) &&
        OSSL_PARAM_BLD_push_utf8_string(all.build, OSSL_PKEY_PARAM_GROUP_NAME,
                                        longer ? "P-384" : "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(all.build, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.len) ==
            1 &&
        (part == JWK_PUBLIC || number_push(&all, m, "d", OSSL_PKEY_PARAM_PRIV_KEY)))
        k->key.pkey = key_of_params("EC", all.build, part);
    numbers_free(&all);
    buf_free(&point);
    return (k->key.pkey != NULL && on_curve(k->key.pkey)) ||
           refuse(why, "an EC key of which a number is missing or on no curve");
}

static bool okp_read(struct jwk *k, const struct members *m, enum jwk_part part, const char **why)
{
    struct buf bytes = {0};

    if (members_bytes(m, part == JWK_PRIVATE ? "d" : "x", &bytes) && bytes.len == ED25519_SIZE)
        k->key.pkey = part == JWK_PRIVATE
                          ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes.p, bytes.len)
                          : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes.p, bytes.len);
    wipe(&bytes);
    return k->key.pkey != NULL || refuse(why, "an Ed25519 key that is missing or of wrong length");
}

static bool oct_read(struct jwk *k, const struct members *m, const char **why)
{
    k->key.kind = JWA_SECRET;
    if (!members_bytes(m, "k", &k->secret))
        return refuse(why, "a secret without k");
    k->key.secret = buf_slice(&k->secret);
    return k->secret.len >= 32 || refuse(why, "a secret of less than 32 bytes");
}

/* --- what it is, and is for --------------------------------------------------------------------
 */

static bool text_is(const struct members *m, const char *name, const char *text)
{
    struct slice value = members_get(m, name);

    return value.p != NULL && json_kind_of(value) == JSON_STRING && json_string_is(value, text);
}

static bool kind_read(struct jwk *k, const struct members *m, enum jwk_part part, const char **why)
{
    if (text_is(m, "kty", "RSA"))
        return rsa_read(k, m, part, why);
    if (text_is(m, "kty", "EC") && (text_is(m, "crv", "P-256") || text_is(m, "crv", "P-384"))) {
        k->key.kind = text_is(m, "crv", "P-256") ? JWA_P256 : JWA_P384;
        return ec_read(k, m, part, why);
    }
    if (text_is(m, "kty", "OKP") && text_is(m, "crv", "Ed25519")) {
        k->key.kind = JWA_ED25519;
        return okp_read(k, m, part, why);
    }
    if (text_is(m, "kty", "oct"))
        return oct_read(k, m, why);
    return refuse(why, "a kind of key that is not known");
}

/* Of a private key the operation is "sign", and its public part verifies. */
static bool ops_allow(struct slice ops)
{
    struct json_iter it;
    struct slice one;

    if (ops.p == NULL)
        return true;
    if (json_kind_of(ops) != JSON_ARRAY)
        return false;
    for (it = json_iter_of(ops); json_element(&it, &one);)
        if (json_kind_of(one) == JSON_STRING &&
            (json_string_is(one, "verify") || json_string_is(one, "sign")))
            return true;
    return false;
}

static bool purpose_read(struct jwk *k, const struct members *m, const char **why)
{
    struct buf alg = {0};

    if ((members_get(m, "use").p != NULL && !text_is(m, "use", "sig")) ||
        !ops_allow(members_get(m, "key_ops")))
        return refuse(why, "a key that is not for signatures");
    if (members_get(m, "alg").p == NULL)
        return true;
    if (members_text(m, "alg", &alg))
        k->alg = jwa_find(buf_slice(&alg));
    buf_free(&alg);
    return k->alg != NULL || refuse(why, "a key for an algorithm that is not known");
}

static bool kid_read(struct jwk *k, const struct members *m, const char **why)
{
    if (members_get(m, "kid").p == NULL)
        return true;
    k->kid = members_string(m, "kid");
    return (k->kid != NULL && strlen(k->kid) <= KID_MAX) || refuse(why, "a kid that is no name");
}

static bool all_read(struct jwk *k, const struct members *m, enum jwk_part part, const char **why)
{
    if (!purpose_read(k, m, why) || !kid_read(k, m, why) || !kind_read(k, m, part, why))
        return false;
    if (k->alg != NULL && !jwa_fits(k->alg, &k->key))
        return refuse(why, "a key of another kind than its algorithm's");
    take_thumbprint(k);
    return true;
}

bool jwk_read(struct jwk *k, struct slice json, enum jwk_part part, const char **why)
{
    struct members m;
    bool ok;

    *k = (struct jwk){0};
    if (!members_read(&m, json))
        return refuse(why, "no JSON object, or a member twice");
    ok = all_read(k, &m, part, why);
    members_free(&m);
    if (!ok)
        jwk_free(k);
    return ok;
}

/* --- other ways to have one ----------------------------------------------------------------------
 */

static bool pkey_kind(EVP_PKEY *key, enum jwa_kind *kind)
{
    char group[32] = "";

    if (EVP_PKEY_is_a(key, "RSA"))
        *kind = JWA_RSA;
    else if (EVP_PKEY_is_a(key, "ED25519"))
        *kind = JWA_ED25519;
    else if (!EVP_PKEY_is_a(key, "EC") ||
             EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                            NULL) != 1)
        return false;
    else if (strcmp(group, "prime256v1") == 0)
        *kind = JWA_P256;
    else if (strcmp(group, "secp384r1") == 0)
        *kind = JWA_P384;
    else
        return false;
    return true;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *buf, int size, int writes, void *arg)
{
    (void)buf, (void)size, (void)writes, (void)arg;
    return -1;
}

static bool pem_sound(struct jwk *k, const char **why)
{
    if (k->key.pkey == NULL)
        return refuse(why, "no private key in PEM, or one with a passphrase");
    if (!pkey_kind(k->key.pkey, &k->key.kind))
        return refuse(why, "a kind of key that is not known: RSA, P-256, P-384, Ed25519 are");
    return k->key.kind != JWA_RSA || rsa_sound(k->key.pkey, why);
}

bool jwk_read_pem(struct jwk *k, struct slice pem, const char **why)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.len);

    *k = (struct jwk){0};
    if (in != NULL)
        k->key.pkey = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    BIO_free(in);
    if (!pem_sound(k, why)) {
        jwk_free(k);
        return false;
    }
    take_thumbprint(k);
    return true;
}

bool jwk_read_secret(struct jwk *k, struct slice secret, const char **why)
{
    *k = (struct jwk){.alg = jwa_default(JWA_SECRET), .key = {.kind = JWA_SECRET}};
    if (secret.len < 32)
        return refuse(why, "a secret of less than 32 bytes");
    buf_put_slice(&k->secret, secret);
    k->key.secret = buf_slice(&k->secret);
    take_thumbprint(k);
    return true;
}

bool jwk_generate(struct jwk *k, const char **why)
{
    *k = (struct jwk){
        .key = {.kind = JWA_ED25519, .pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")}};
    if (k->key.pkey == NULL)
        return refuse(why, "no key could be made");
    take_thumbprint(k);
    return true;
}
