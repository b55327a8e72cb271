/*
 * no_crypto.h - cryptography for zmtp_curve that boxes nothing, so that a fuzzer can write
 * boxes: a seal is 16 bytes that are looked at only for being 0xff.
 */
#ifndef TESTS_NO_CRYPTO_H
#define TESTS_NO_CRYPTO_H

#include "zmtp_curve.h"

static void no_random(void *out, size_t len)
{
    memset(out, 7, len);
}

static void no_pair(uint8_t public[ZMTP_KEY], uint8_t secret[ZMTP_KEY])
{
    memset(public, 1, ZMTP_KEY);
    memset(secret, 2, ZMTP_KEY);
}

static bool no_agree(uint8_t key[ZMTP_KEY], const uint8_t public[ZMTP_KEY],
                     const uint8_t secret[ZMTP_KEY])
{
    memcpy(key, public, ZMTP_KEY);
    return secret[0] < 128;
}

static void no_seal(uint8_t *out, const uint8_t *plain, size_t len, const uint8_t nonce[ZMTP_NONCE],
                    const uint8_t key[ZMTP_KEY])
{
    memcpy(out, nonce, ZMTP_SEAL);
    if (len > 0)
        memcpy(out + ZMTP_SEAL, plain, len);
    (void)key;
}

static bool no_open(uint8_t *out, const uint8_t *box, size_t len, const uint8_t nonce[ZMTP_NONCE],
                    const uint8_t key[ZMTP_KEY])
{
    (void)nonce;
    (void)key;
    memcpy(out, box + ZMTP_SEAL, len - ZMTP_SEAL);
    return box[0] != 0xff;
}

static void no_wipe(void *p, size_t len)
{
    memset(p, 0, len);
}

static const struct zmtp_crypto no_crypto = {.random = no_random,
                                             .pair = no_pair,
                                             .agree = no_agree,
                                             .seal = no_seal,
                                             .open = no_open,
                                             .wipe = no_wipe};

#endif
