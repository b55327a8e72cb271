/*
 * Signatures: the RFCs' examples, every algorithm there and back, and what must never pass.
 */
#include "jwt.h"

#include "../fixture.h"
#include "base64.h"
#include "jwt_keys.h"
#include "mem.h"

#include <openssl/pem.h>

static struct jwks *keys;

static void end(void)
{
    jwks_unref(keys);
    keys = NULL;
}

/* Keys, with commas between. */
static void have_keys(const char *list)
{
    const char *why, *left_out;
    struct buf text = {0};

    buf_printf(&text, "{\"keys\":[%s]}", list);
    jwks_unref(keys);
    keys = jwks_read(buf_slice(&text), JWKS_OF_FILE, &why, &left_out);
    ck_assert_msg(keys != NULL, "%s; %s", why, left_out != NULL ? left_out : "-");
    buf_free(&text);
}

/* -1: it is no token. */
static int verdict(const char *token)
{
    const struct jwk *by;
    const char *why;
    struct jwt t;
    int v;

    if (!jwt_read(&t, slice_of(token), &why))
        return -1;
    v = (int)jwt_verify(&t, keys, &by);
    jwt_free(&t);
    return v;
}

/* --- the RFCs' examples ---------------------------------------------------------------- */

static const struct {
    const char *key, *token;
} examples[] = {
    {OCT_JWK, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD
              ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}, /* RFC 7515, A.1 */
    {RSA_JWK, RSA_TOKEN},                                      /* A.2 */
    {EC_JWK, EC_TOKEN},                                        /* A.3 */
    {OKP_JWK, OKP_TOKEN},                                      /* RFC 8037, A.4 */
};

START_TEST(the_rfcs_examples_are_good)
{
    have_keys(examples[_i].key);
    ck_assert_int_eq(verdict(examples[_i].token), JWT_GOOD);
}
END_TEST

START_TEST(with_one_character_changed_they_are_not)
{
    size_t len = strlen(examples[_i].token);
    char *token = mem_strdup(examples[_i].token);

    have_keys(examples[_i].key);
    for (size_t i = 0; i < len; i += 3) {
        char was = token[i];

        token[i] = was == 'A' ? 'B' : 'A';
        ck_assert_int_ne(verdict(token), JWT_GOOD);
        token[i] = was;
    }
    for (size_t i = 0; i < len; i++)
        ck_assert(verdict(token + (len - i)) != JWT_GOOD);
    for (size_t i = 1; i < len; i++) {
        token[len - i] = '\0';
        ck_assert_int_ne(verdict(token), JWT_GOOD);
    }
    free(token);
}
END_TEST

START_TEST(the_one_that_has_no_randomness_is_made_again)
{
    struct jwk k;
    struct buf token = {0};
    const char *why;

    ck_assert(jwk_read(&k, SLICE(OKP_JWK), JWK_PRIVATE, &why));
    ck_assert(jwa_sign(jwa_default(JWA_ED25519), &k.key,
                       SLICE("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"), &token));
    ck_assert(slice_starts(buf_slice(&token), SLICE("\x86\x0c\x98\xd2")));
    ck_assert_uint_eq(token.len, 64);
    buf_free(&token);
    jwk_free(&k);
}
END_TEST

/* --- thumbprints -------------------------------------------------------------------------- */

static const struct {
    const char *key, *thumbprint;
} prints[] = {
    /* RFC 7638, 3.1 */
    {"{\"kty\":\"RSA\",\"n\":"
     "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
     "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Qvz"
     "qY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu"
     "0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\","
     "\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
     "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
    {OKP_JWK, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}, /* RFC 8037, A.3 */
};

START_TEST(a_thumbprint_is_the_rfcs)
{
    struct jwk k;
    struct buf text = {0};
    const char *why;

    ck_assert(jwk_read(&k, slice_of(prints[_i].key), JWK_PUBLIC, &why));
    base64_url_put(&text, (struct slice){(const char *)k.thumbprint, JWK_THUMBPRINT});
    ck_assert(slice_eq(buf_slice(&text), slice_of(prints[_i].thumbprint)));
    buf_free(&text);
    jwk_free(&k);
}
END_TEST

/* --- there and back -------------------------------------------------------------------------- */

static EVP_PKEY *make(enum jwa_kind kind)
{
    switch (kind) {
    case JWA_RSA:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    case JWA_P256:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case JWA_P384:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    case JWA_ED25519:
    case JWA_SECRET:
        break;
    }
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static const struct {
    const char *alg;
    enum jwa_kind kind;
} algorithms[] = {
    {"RS256", JWA_RSA},    {"RS384", JWA_RSA},    {"RS512", JWA_RSA},    {"PS256", JWA_RSA},
    {"PS384", JWA_RSA},    {"PS512", JWA_RSA},    {"ES256", JWA_P256},   {"ES384", JWA_P384},
    {"HS256", JWA_SECRET}, {"HS384", JWA_SECRET}, {"HS512", JWA_SECRET}, {"EdDSA", JWA_ED25519},
};
#define SECRET64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void key_of(struct jwk *k, size_t i)
{
    *k = (struct jwk){.key = {.kind = algorithms[i].kind}, .kid = mem_strdup("k1")};
    k->alg = jwa_find(slice_of(algorithms[i].alg));
    if (k->key.kind == JWA_SECRET) {
        buf_puts(&k->secret, SECRET64);
        k->key.secret = buf_slice(&k->secret);
    } else {
        k->key.pkey = make(k->key.kind);
        ck_assert_ptr_nonnull(k->key.pkey);
    }
}

START_TEST(every_algorithm_signs_and_verifies)
{
    struct buf json = {0}, token = {0};
    struct jwk k;

    key_of(&k, (size_t)_i);
    jwk_put(&k, JWK_PUBLIC, &json);
    /* jwk_put says what sluice signs with; here it is another one of the kind. */
    memcpy(strstr((char *)json.p, "\"alg\":\"") + 7, algorithms[_i].alg, 5);
    buf_u8(&json, '\0');
    have_keys((const char *)json.p);
    ck_assert(jwt_sign(&k, SLICE("{\"sub\":\"alice\"}"), &token));
    buf_u8(&token, '\0');
    ck_assert_int_eq(verdict((const char *)token.p), JWT_GOOD);
    for (size_t other = 0; other < ARRAY_LEN(algorithms); other++) {
        struct jwk o;
        struct buf bad = {0};

        if (algorithms[other].kind != k.key.kind || (int)other == _i)
            continue;
        /* The same key, for another algorithm of its kind: it is pinned. */
        o = k;
        o.alg = jwa_find(slice_of(algorithms[other].alg));
        ck_assert(jwt_sign(&o, SLICE("{\"sub\":\"alice\"}"), &bad));
        buf_u8(&bad, '\0');
        ck_assert_int_eq(verdict((const char *)bad.p), JWT_NO_KEY);
        buf_free(&bad);
    }
    buf_free(&json);
    buf_free(&token);
    jwk_free(&k);
}
END_TEST

START_TEST(pem_signs_what_its_jwk_verifies)
{
    EVP_PKEY *key = make(algorithms[_i].kind);
    BIO *out = BIO_new(BIO_s_mem());
    struct buf json = {0}, token = {0};
    struct jwk k;
    const char *why;
    char *pem;
    long len;

    ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(out, &pem);
    ck_assert(jwk_read_pem(&k, (struct slice){pem, (size_t)len}, &why));
    jwk_put(&k, JWK_PUBLIC, &json);
    buf_u8(&json, '\0');
    have_keys((const char *)json.p);
    ck_assert(jwt_sign(&k, SLICE("{}"), &token));
    buf_u8(&token, '\0');
    ck_assert_int_eq(verdict((const char *)token.p), JWT_GOOD);
    EVP_PKEY_free(key);
    (void)BIO_free(out);
    buf_free(&json);
    buf_free(&token);
    jwk_free(&k);
}
END_TEST

/* --- what must never pass -----------------------------------------------------------------------
 */

static char *token_of(const char *header, const char *payload, const char *signature)
{
    struct buf b = {0};
    char *made;

    base64_url_put(&b, slice_of(header));
    buf_u8(&b, '.');
    base64_url_put(&b, slice_of(payload));
    buf_u8(&b, '.');
    base64_url_put(&b, slice_of(signature));
    made = mem_strndup((const char *)b.p, b.len);
    buf_free(&b);
    return made;
}

static int verdict_of(const char *header, const char *signature)
{
    char *token = token_of(header, "{\"sub\":\"eve\"}", signature);
    int v = verdict(token);

    free(token);
    return v;
}

START_TEST(none_is_no_algorithm)
{
    have_keys(OCT_JWK "," EC_JWK);
    ck_assert_int_eq(verdict_of("{\"alg\":\"none\"}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"None\"}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"none\"}", ""), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"\"}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":null}", "x"), -1);
    ck_assert_int_eq(verdict_of("{}", "x"), -1);
    ck_assert_int_eq(verdict("eyJhbGciOiJub25lIn0.e30."), -1);
}
END_TEST

/* Who knows the public key signs with it, as if it were a secret: its PEM, its DER, its n. */
START_TEST(a_public_key_is_no_secret)
{
    const char *secrets[] = {RSA_N, RSA_JWK, "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0B\n"};

    have_keys(RSA_JWK);
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        struct jwk k;
        struct buf token = {0};
        const char *why;

        ck_assert(jwk_read_secret(&k, slice_of(secrets[i]), &why));
        ck_assert(jwt_sign(&k, SLICE("{\"sub\":\"eve\"}"), &token));
        buf_u8(&token, '\0');
        ck_assert_int_eq(verdict((const char *)token.p), JWT_NO_KEY);
        buf_free(&token);
        jwk_free(&k);
    }
}
END_TEST

START_TEST(a_key_that_the_token_brings_is_not_looked_at)
{
    struct buf header = {0};

    have_keys(RSA_JWK);
    buf_puts(&header, "{\"alg\":\"ES256\",\"jwk\":" EC_JWK "}");
    buf_u8(&header, '\0');
    ck_assert_int_eq(verdict_of((const char *)header.p, "x"), JWT_NO_KEY);
    buf_free(&header);
}
END_TEST

START_TEST(what_a_token_says_it_needs_is_refused)
{
    have_keys(OCT_JWK);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"crit\":[]}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", "x"), -1);
}
END_TEST

START_TEST(a_header_has_each_member_once)
{
    have_keys(OCT_JWK);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"kid\":7}", "x"), -1);
    ck_assert_int_eq(verdict_of("[\"HS256\"]", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\"} ", "x"), JWT_FORGED);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\"}}", "x"), -1);
}
END_TEST

START_TEST(a_type_is_a_tokens_or_none)
{
    have_keys(OCT_JWK);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"typ\":\"jwt\"}", "x"), JWT_FORGED);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"typ\":\"at+JWT\"}", "x"), JWT_FORGED);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"typ\":\"secevent+jwt\"}", "x"), -1);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"typ\":1}", "x"), -1);
}
END_TEST

START_TEST(a_kid_chooses_the_key)
{
    have_keys(
        "{\"kid\":\"a\",\"kty\":\"oct\",\"k\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE\"},"
        "{\"kid\":\"b\",\"kty\":\"oct\",\"k\":\"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI\"}");
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"kid\":\"a\"}", "x"), JWT_FORGED);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"kid\":\"c\"}", "x"), JWT_NO_KEY);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\",\"kid\":\"\"}", "x"), JWT_NO_KEY);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS256\"}", "x"), JWT_FORGED);
    ck_assert_int_eq(verdict_of("{\"alg\":\"HS512\",\"kid\":\"a\"}", "x"),
                     JWT_NO_KEY); /* too short */
}
END_TEST

START_TEST(an_ecdsa_signature_in_der_is_none)
{
    struct jwk k;
    struct buf pair = {0};
    const char *why;

    have_keys(EC_JWK);
    ck_assert(jwk_read(&k, SLICE(EC_JWK), JWK_PRIVATE, &why));
    ck_assert(jwa_sign(k.alg != NULL ? k.alg : jwa_default(JWA_P256), &k.key, SLICE("a"), &pair));
    ck_assert_uint_eq(pair.len, 64);
    for (size_t len = 0; len <= 80; len++) {
        struct buf bad = {0};

        buf_put_slice(&bad, buf_slice(&pair));
        while (bad.len < len)
            buf_u8(&bad, 0);
        bad.len = len;
        ck_assert(jwa_verify(jwa_default(JWA_P256), &k.key, SLICE("a"), buf_slice(&bad)) ==
                  (len == 64));
        buf_free(&bad);
    }
    memset(pair.p, 0, 64); /* r = s = 0 */
    ck_assert(!jwa_verify(jwa_default(JWA_P256), &k.key, SLICE("a"), buf_slice(&pair)));
    buf_free(&pair);
    jwk_free(&k);
}
END_TEST

START_TEST(what_is_no_token_does_not_look_like_one)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "a.b",
        "a.b.",
        ".b.c",
        "a..c",
        "a.b.c.d",
        "a.b.c=",
        "a b.c.d",
        "a.b.c\n",
        "hunter2",
        "correct horse battery staple",
        "correct.horse.battery",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!jwt_looks(slice_of(bad[i])), "%s", bad[i]);
    ck_assert(jwt_looks(SLICE(RSA_TOKEN)));
}
END_TEST

START_TEST(a_token_that_is_too_long_is_none)
{
    struct buf b = {0};

    buf_puts(&b, "e30.");
    while (b.len < JWT_SIZE_MAX - 4)
        buf_u8(&b, 'A');
    buf_puts(&b, ".AAA");
    ck_assert_uint_eq(b.len, JWT_SIZE_MAX);
    ck_assert(jwt_looks(buf_slice(&b)));
    buf_u8(&b, 'A');
    ck_assert(!jwt_looks(buf_slice(&b)));
    buf_free(&b);
}
END_TEST

START_TEST(base64_is_strict)
{
    static const char *const bad[] = {
        "A", "QQ==", "QR", "QUJ", "Q+==", "Q/", "Q Q", "QUJDR", "QU\nI"};
    struct buf out = {0};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(!base64_url_get(slice_of(bad[i]), &out), "%s", bad[i]);
        ck_assert_uint_eq(out.len, 0);
    }
    ck_assert(base64_url_get(SLICE("QQ"), &out));
    ck_assert(base64_url_get(SLICE("QUI"), &out));
    ck_assert(base64_url_get(SLICE("-_8"), &out));
    ck_assert(slice_eq(buf_slice(&out), SLICE("AAB\xfb\xff")));
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jwt");
    TCase *t = tcase_create("signatures"), *r = tcase_create("refused");

    tcase_add_checked_fixture(t, NULL, end);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_rfcs_examples_are_good, 0, (int)ARRAY_LEN(examples));
    tcase_add_loop_test(t, with_one_character_changed_they_are_not, 0, (int)ARRAY_LEN(examples));
    tcase_add_test(t, the_one_that_has_no_randomness_is_made_again);
    tcase_add_loop_test(t, a_thumbprint_is_the_rfcs, 0, (int)ARRAY_LEN(prints));
    tcase_add_loop_test(t, every_algorithm_signs_and_verifies, 0, (int)ARRAY_LEN(algorithms));
    tcase_add_loop_test(t, pem_signs_what_its_jwk_verifies, 5, 8);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(r, NULL, end);
    tcase_add_test(r, none_is_no_algorithm);
    tcase_add_test(r, a_public_key_is_no_secret);
    tcase_add_test(r, a_key_that_the_token_brings_is_not_looked_at);
    tcase_add_test(r, what_a_token_says_it_needs_is_refused);
    tcase_add_test(r, a_header_has_each_member_once);
    tcase_add_test(r, a_type_is_a_tokens_or_none);
    tcase_add_test(r, a_kid_chooses_the_key);
    tcase_add_test(r, an_ecdsa_signature_in_der_is_none);
    tcase_add_test(r, what_is_no_token_does_not_look_like_one);
    tcase_add_test(r, a_token_that_is_too_long_is_none);
    tcase_add_test(r, base64_is_strict);
    suite_add_tcase(s, r);
    return run_suite(s);
}
