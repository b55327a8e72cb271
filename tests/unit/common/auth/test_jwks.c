/*
 * Sets of keys: what is taken, what is left out, what is no set.
 */
#include "jwks.h"

#include "../fixture.h"
#include "jwt_keys.h"
#include "mem.h"

static struct jwks *keys;
static const char *why, *left_out;

static void end(void)
{
    jwks_unref(keys);
    keys = NULL;
}

static bool take(const char *text, enum jwks_from from)
{
    end();
    keys = jwks_read(slice_of(text), from, &why, &left_out);
    return keys != NULL;
}

#define SET(key) "{\"keys\":[" OKP_JWK "," key "]}"

static const struct {
    const char *text;
    size_t count;
    const char *left_out;
} cases[] = {
    {SET(RSA_JWK), 2, NULL},
    {SET(EC_JWK), 2, NULL},
    {SET(OCT_JWK), 2, NULL},
    {SET("{\"kty\":\"XYZ\"}"), 1, "a kind of key that is not known"},
    {SET("{}"), 1, "a kind of key that is not known"},
    {SET("7"), 1, "no JSON object, or a member twice"},
    {SET("{\"kty\":\"oct\",\"kty\":\"oct\"}"), 1, "no JSON object, or a member twice"},
    {SET("{\"kty\":\"oct\",\"k\":\"QUFBQQ\"}"), 1, "a secret of less than 32 bytes"},
    {SET("{\"kty\":\"oct\",\"k\":\"A\"}"), 1, "a secret without k"},
    {SET("{\"use\":\"enc\",\"kty\":\"EC\"}"), 1, "a key that is not for signatures"},
    {SET("{\"key_ops\":[\"encrypt\"],\"kty\":\"EC\"}"), 1, "a key that is not for signatures"},
    {SET("{\"key_ops\":\"verify\",\"kty\":\"EC\"}"), 1, "a key that is not for signatures"},
    {SET("{\"alg\":\"RSA-OAEP\",\"kty\":\"RSA\"}"), 1, "a key for an algorithm that is not known"},
    {SET("{\"alg\":\"none\",\"kty\":\"RSA\"}"), 1, "a key for an algorithm that is not known"},
    {SET("{\"alg\":\"ES256\",\"kty\":\"oct\",\"k\":\"" K32 "\"}"), 1,
     "a key of another kind than its algorithm's"},
    {SET("{\"alg\":\"HS512\",\"kty\":\"oct\",\"k\":\"" K32 "\"}"), 1,
     "a key of another kind than its algorithm's"},
    {SET("{\"kid\":7,\"kty\":\"oct\",\"k\":\"" K32 "\"}"), 1, "a kid that is no name"},
    {SET("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}"), 1,
     "an RSA key of which a number is missing or wrong"},
    {SET("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}"), 1, "an RSA key of strange size"},
    {SET("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAA\"}"), 1, "an RSA key of strange size"},
    {SET("{\"kty\":\"RSA\",\"n\":\"" K32 "\",\"e\":\"AQAB\"}"), 1,
     "an RSA key of less than 2048 bits"},
    {SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" K32 "\",\"y\":\"" K32 "\"}"), 1,
     "an EC key of which a number is missing or on no curve"},
    {SET("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" K32 "\",\"y\":\"" K32 "\"}"), 1,
     "a kind of key that is not known"},
    {SET("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" K32 "\"}"), 1,
     "a kind of key that is not known"},
    {SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"QUFB\"}"), 1,
     "an Ed25519 key that is missing or of wrong length"},
};

START_TEST(keys_are_taken_or_left_out)
{
    ck_assert(take(cases[_i].text, JWKS_OF_FILE));
    ck_assert_uint_eq(jwks_count(keys), cases[_i].count);
    if (cases[_i].left_out != NULL)
        ck_assert_str_eq(left_out, cases[_i].left_out);
    else
        ck_assert_ptr_null(left_out);
}
END_TEST

START_TEST(a_secret_out_of_the_web_is_none)
{
    ck_assert(take(SET(OCT_JWK), JWKS_OF_WEB));
    ck_assert_uint_eq(jwks_count(keys), 1);
    ck_assert_str_eq(left_out, "a secret that anybody can fetch");
    ck_assert(!take("{\"keys\":[" OCT_JWK "]}", JWKS_OF_WEB));
}
END_TEST

static const char *const bad[] = {
    "",
    "null",
    "[]",
    "{}",
    "{\"keys\":{}}",
    "{\"keys\":null}",
    "{\"keys\":[]}",
    OKP_JWK,
    "{\"keys\":[],\"keys\":[" OKP_JWK "]}",
    "{\"keys\":[" OKP_JWK "]",
    "{\"keys\":[" OKP_JWK "]}x",
    "{\"keys\":[{\"kty\":\"\\ud800\"}," OKP_JWK "]}",
};

START_TEST(what_is_no_set_is_refused)
{
    ck_assert(!take(bad[_i], JWKS_OF_FILE));
    ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(too_many_keys_are_no_set)
{
    struct buf b = {0};

    buf_puts(&b, "{\"keys\":[" OKP_JWK);
    for (unsigned i = 1; i < JWKS_KEYS_MAX; i++)
        buf_puts(&b, "," OKP_JWK);
    buf_puts(&b, "]}");
    buf_u8(&b, '\0');
    ck_assert(take((char *)b.p, JWKS_OF_FILE));
    ck_assert_uint_eq(jwks_count(keys), JWKS_KEYS_MAX);
    b.len -= 3;
    buf_puts(&b, ",{}]}");
    buf_u8(&b, '\0');
    ck_assert(!take((char *)b.p, JWKS_OF_FILE));
    buf_free(&b);
}
END_TEST

START_TEST(a_key_to_sign_needs_its_private_part)
{
    struct jwk k;

    ck_assert(jwk_read(&k, SLICE(EC_JWK), JWK_PRIVATE, &why));
    jwk_free(&k);
    ck_assert(!jwk_read(&k, SLICE(RSA_JWK), JWK_PRIVATE, &why));
    ck_assert(!jwk_read_pem(&k, SLICE("-----BEGIN PRIVATE KEY-----\n"), &why));
    ck_assert(!jwk_read_pem(&k, SLICE(""), &why));
}
END_TEST

START_TEST(a_key_that_was_made_is_read_again)
{
    struct buf json = {0};
    struct jwk made, again;

    ck_assert(jwk_generate(&made, &why));
    jwk_put(&made, JWK_PRIVATE, &json);
    ck_assert(jwk_read(&again, buf_slice(&json), JWK_PRIVATE, &why));
    ck_assert_mem_eq(made.thumbprint, again.thumbprint, JWK_THUMBPRINT);
    ck_assert_ptr_nonnull(again.kid);
    buf_clear(&json);
    jwk_put(&made, JWK_PUBLIC, &json);
    buf_u8(&json, '\0');
    ck_assert_ptr_null(strstr((char *)json.p, "\"d\""));
    buf_free(&json);
    jwk_free(&made);
    jwk_free(&again);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jwks");
    TCase *t = tcase_create("sets");

    tcase_add_checked_fixture(t, NULL, end);
    tcase_add_loop_test(t, keys_are_taken_or_left_out, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(t, a_secret_out_of_the_web_is_none);
    tcase_add_loop_test(t, what_is_no_set_is_refused, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(t, too_many_keys_are_no_set);
    tcase_add_test(t, a_key_to_sign_needs_its_private_part);
    tcase_add_test(t, a_key_that_was_made_is_read_again);
    suite_add_tcase(s, t);
    return run_suite(s);
}
