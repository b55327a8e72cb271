/*
 * digest.c - what cannot fail but for memory ends the process, as memory does (mem.h).
 */
#include "digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

static void digest(const EVP_MD *kind, struct slice s, uint8_t *out)
{
    if (EVP_Digest(s.p, s.len, out, NULL, kind, NULL) != 1)
        abort();
}

void digest_sha1(struct slice s, uint8_t out[DIGEST_SHA1_SIZE])
{
    digest(EVP_sha1(), s, out);
}

void digest_sha256(struct slice s, uint8_t out[DIGEST_SHA256_SIZE])
{
    digest(EVP_sha256(), s, out);
}
