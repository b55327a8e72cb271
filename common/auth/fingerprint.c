/*
 * fingerprint.c - one keyed context, begun anew for each.
 *
 * Without random bytes or SHA-256 nobody could be recognised: the process ends.
 */
#include "fingerprint.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

static void must(bool ok)
{
    if (ok)
        return;
    (void)fputs("no HMAC-SHA256 or no random bytes are to be had\n", stderr);
    abort();
}

static EVP_MAC_CTX *keyed_context(void)
{
    char sha256[] = "SHA256";
    const OSSL_PARAM with[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *made = EVP_MAC_CTX_new(mac);
    uint8_t key[32];

    must(RAND_bytes(key, sizeof key) == 1);
    must(made != NULL && EVP_MAC_init(made, key, sizeof key, with) == 1);
    OPENSSL_cleanse(key, sizeof key);
    EVP_MAC_free(mac);
    return made;
}

void fingerprint_of(uint8_t out[CREDENTIAL_HASH], char kind, struct slice a, struct slice b)
{
    static EVP_MAC_CTX *context;
    uint64_t len = a.len;
    size_t size;

    if (context == NULL)
        context = keyed_context();
    must(EVP_MAC_init(context, NULL, 0, NULL) == 1 &&
         EVP_MAC_update(context, (const uint8_t *)&kind, 1) == 1 &&
         EVP_MAC_update(context, (const uint8_t *)&len, sizeof len) == 1 &&
         EVP_MAC_update(context, (const uint8_t *)a.p, a.len) == 1 &&
         EVP_MAC_update(context, (const uint8_t *)b.p, b.len) == 1 &&
         EVP_MAC_final(context, out, &size, CREDENTIAL_HASH) == 1);
}
