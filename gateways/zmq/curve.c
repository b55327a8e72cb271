/*
 * curve.c - see curve.h.
 */
#include "curve.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <sodium.h>

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

/* --- the server's keys -------------------------------------------------------------- */

/* A key and nothing else, or the file that czmq's zcert and pyzmq write: the line
 * secret-key = "…". */
static bool secret_find(struct slice text, uint8_t secret[ZMTP_KEY])
{
    static const char name[] = "secret-key";
    const char *at = memmem(text.p, text.len, name, sizeof name - 1);
    const char *end = text.p + text.len;

    if (at == NULL) {
        while (text.len > 0 && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r'))
            text.len--;
        return z85_get(text, secret);
    }
    at = memchr(at, '"', (size_t)(end - at));
    return at != NULL && end - at > Z85_TEXT + 1 && at[Z85_TEXT + 1] == '"' &&
           z85_get((struct slice){at + 1, Z85_TEXT}, secret);
}

/* The bytes of the file; 0: *why. */
static size_t file_read(const char *name, char *bytes, size_t room, const char **why)
{
    FILE *f = fopen(name, "re");
    struct stat st;
    size_t len = 0;

    *why = "";
    if (f == NULL)
        *why = strerror(errno);
    else if (fstat(fileno(f), &st) == 0 && (st.st_mode & 077) != 0)
        *why = "others than its owner may read it: chmod 600";
    else
        len = fread(bytes, 1, room, f);
    if (f != NULL)
        (void)fclose(f);
    return len;
}

bool curve_server_read(struct zmtp_curve_server *s, const char *file)
{
    const char *why;
    char text[4096], shown[Z85_TEXT + 1];
    size_t len = file_read(file, text, sizeof text, &why);
    bool found = len > 0 && secret_find((struct slice){text, len}, s->secret);

    sodium_memzero(text, sizeof text);
    if (!found || sodium_init() < 0) {
        log_error("no secret key of CURVE is to be had: a file with 40 characters of Z85",
                  LOG_S("file", file), LOG_S("why", why));
        return false;
    }
    s->crypto = &crypto;
    (void)crypto_scalarmult_base(s->public, s->secret);
    z85_put(s->public, shown);
    log_info("CURVE is spoken", LOG_S("public_key", shown));
    return true;
}
