/*
 * curve.c - see curve.h.
 */
#include "curve.h"

#include <sodium.h>

#include "key_file.h"
#include "log.h"
#include "z85.h"

/* --- the functions ------------------------------------------------------------------ */

static void curve_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

static void curve_pair(uint8_t public[ZMTP_KEY], uint8_t secret[ZMTP_KEY])
{
    (void)crypto_box_keypair(public, secret);
}

static bool curve_agree(uint8_t key[ZMTP_KEY], const uint8_t public[ZMTP_KEY],
                        const uint8_t secret[ZMTP_KEY])
{
    return crypto_box_beforenm(key, public, secret) == 0;
}

static void curve_seal(uint8_t *out, const uint8_t *plain, size_t len,
                       const uint8_t nonce[ZMTP_NONCE], const uint8_t key[ZMTP_KEY])
{
    (void)crypto_box_easy_afternm(out, plain, len, nonce, key);
}

static bool curve_open(uint8_t *out, const uint8_t *box, size_t len,
                       const uint8_t nonce[ZMTP_NONCE], const uint8_t key[ZMTP_KEY])
{
    return crypto_box_open_easy_afternm(out, box, len, nonce, key) == 0;
}

static void curve_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

static const struct zmtp_crypto crypto = {.random = curve_random,
                                          .pair = curve_pair,
                                          .agree = curve_agree,
                                          .seal = curve_seal,
                                          .open = curve_open,
                                          .wipe = curve_wipe};

bool curve_key_is(const uint8_t a[ZMTP_KEY], const uint8_t b[ZMTP_KEY])
{
    return sodium_memcmp(a, b, ZMTP_KEY) == 0;
}

bool curve_server_read(struct zmtp_curve_server *s, const char *file)
{
    char shown[Z85_TEXT + 1];

    if (sodium_init() < 0 || !key_file_secret(file, s->secret))
        return false;
    s->crypto = &crypto;
    (void)crypto_scalarmult_base(s->public, s->secret);
    z85_put(s->public, shown);
    log_info("CURVE is spoken", LOG_S("public_key", shown));
    return true;
}
