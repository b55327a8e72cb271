/*
 * certificate.c - the one for a first try is for this machine's names, signed with its own
 * key; clients are told to trust it as it is (curl --cacert).
 *
 * Both files are written under another name and then put in place, the key first, so
 * that no process ever reads half of one.
 */
#include "certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "json.h"
#include "log.h"

#define DAY_S (24L * 3600)
#define VALID_DAYS 365
#define RENEW_DAYS 7

/* The first in the file, or NULL. */
static X509 *read_first(const char *file)
{
    FILE *f = fopen(file, "re");
    X509 *x = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);

    if (f != NULL)
        (void)fclose(f);
    return x;
}

/* --- a pin ------------------------------------------------------------------------ */

bool certificate_pin(const char *file, struct buf *pin)
{
    X509 *x = read_first(file);
    uint8_t *key = NULL, hash[DIGEST_SHA256_SIZE];
    int size = x == NULL ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key);
    struct buf text = {0};

    if (size > 0) {
        digest_sha256((struct slice){(char *)key, (size_t)size}, hash);
        json_put_base64(&text, (struct slice){(char *)hash, sizeof hash});
        buf_puts(pin, "sha256//");
        buf_put(pin, text.p + 1, text.len - 2); /* without JSON's quotes */
    }
    buf_free(&text);
    OPENSSL_free(key);
    X509_free(x);
    return size > 0;
}

/* --- facts ------------------------------------------------------------------------- */

/* Asked for a passphrase, there is nobody to say one. */
static int certificate_no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

static EVP_PKEY *read_key(const char *file)
{
    FILE *f = fopen(file, "re");
    EVP_PKEY *key =
        f == NULL ? NULL : PEM_read_PrivateKey(f, NULL, certificate_no_passphrase, NULL);

    if (f != NULL)
        (void)fclose(f);
    return key;
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm = {0};

    (void)ASN1_TIME_to_tm(t, &tm);
    return (int64_t)timegm(&tm);
}

void certificate_look(const char *certificate, const char *key, struct certificate_facts *out)
{
    X509 *x = read_first(certificate);
    EVP_PKEY *private = key == NULL ? NULL : read_key(key);

    *out = (struct certificate_facts){.readable = x != NULL, .key_readable = private != NULL};
    if (x != NULL) {
        out->from = seconds_of(X509_get0_notBefore(x));
        out->until = seconds_of(X509_get0_notAfter(x));
    }
    out->match = x != NULL && private != NULL && X509_check_private_key(x, private) == 1;
    X509_free(x);
    EVP_PKEY_free(private);
    ERR_clear_error();
}

/* --- a first try ------------------------------------------------------------------- */

static bool still_good(const char *certificate, const char *key)
{
    X509 *x = access(key, R_OK) == 0 ? read_first(certificate) : NULL;
    time_t soon = time(NULL) + RENEW_DAYS * DAY_S;
    bool good = x != NULL && X509_cmp_time(X509_get0_notAfter(x), &soon) > 0;

    X509_free(x);
    return good;
}

static bool add_extension(X509 *x, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *e;
    bool added;

    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    added = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return added;
}

static bool put_names(X509 *x, const char *host)
{
    X509_NAME *name = X509_get_subject_name(x);
    struct buf all = {0};
    bool put;

    buf_printf(&all, "DNS:localhost,IP:127.0.0.1,IP:::1");
    if (*host != '\0' && slice_eq(slice_of(host), SLICE("localhost")) == false)
        buf_printf(&all, ",DNS:%s", host);
    buf_u8(&all, '\0');
    put = X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                     (const unsigned char *)"sluice, for a first try", -1, -1,
                                     0) == 1 &&
          X509_set_issuer_name(x, name) == 1 &&
          add_extension(x, NID_subject_alt_name, (char *)all.p);
    buf_free(&all);
    return put;
}

static bool put_serial(X509 *x)
{
    uint64_t serial = 0;

    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1;
}

static X509 *make_certificate(EVP_PKEY *key, const char *host)
{
    X509 *x = X509_new();

    if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && put_serial(x) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(x), VALID_DAYS * DAY_S) != NULL &&
        X509_set_pubkey(x, key) == 1 && put_names(x, host) &&
        add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, NID_ext_key_usage, "serverAuth") &&
        add_extension(x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256()) > 0)
        return x;
    X509_free(x);
    return NULL;
}

/* One of them; readable by others only if it is the certificate. */
static bool write_file(const char *path, X509 *x, EVP_PKEY *key)
{
    struct buf name = {0};
    bool written = false;
    FILE *f;
    mode_t mask = umask(x != NULL ? 022 : 077);

    buf_printf(&name, "%s.new%c", path, '\0');
    f = fopen((char *)name.p, "we");
    (void)umask(mask);
    if (f != NULL) {
        written = (x != NULL ? PEM_write_X509(f, x)
                             : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)) == 1;
        written = fclose(f) == 0 && written && rename((char *)name.p, path) == 0;
    }
    if (!written)
        log_error("cannot write", LOG_S("file", path), LOG_S("error", strerror(errno)));
    buf_free(&name);
    return written;
}

int certificate_self_signed(const char *certificate, const char *key)
{
    char host[256] = "";
    EVP_PKEY *pair;
    X509 *x;
    bool done;

    if (still_good(certificate, key))
        return 0;
    (void)gethostname(host, sizeof host - 1);
    pair = EVP_EC_gen("P-256");
    x = pair == NULL ? NULL : make_certificate(pair, host);
    if (x == NULL)
        log_error("cannot make a TLS certificate",
                  LOG_S("reason", ERR_reason_error_string(ERR_peek_last_error())));
    done = x != NULL && write_file(key, NULL, pair) && write_file(certificate, x, NULL);
    X509_free(x);
    EVP_PKEY_free(pair);
    return done ? 0 : -1;
}
